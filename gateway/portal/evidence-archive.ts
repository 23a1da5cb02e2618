// Makes the officer's evidence pack: what was handed out, verified once more, with pages for reading around it.
import { packEvidence } from '../audit/archive.ts';
import { FormatError } from '../audit/bytes.ts';
import { evidenceLimitBytes } from '../audit/evidence.ts';
import { verifyFile } from '../audit/verify.ts';
import type { Core } from '../compose.ts';
import { GatewayError } from '../errors.ts';
import { exportEvidence, type EvidenceOrder, type Progress } from '../operations/export-evidence.ts';
import { partnerNames } from '../operations/partner-names.ts';
import { summaryPage, type SummaryFacts } from './evidence-summary.ts';
import { evidenceWords } from './messages/evidence-words.ts';
import { langs } from './messages/pick.ts';

export interface EvidencePack {
  /** Without personal data: the archive's name is seen by more people than its contents. */
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly entries: number;
}

export type PackCore = Pick<Core, 'operations' | 'prover' | 'sealSigner' | 'system' | 'config'>;

/** @throws GatewayError as `exportEvidence`, and `too_many_entries` for more than one file holds */
export async function makeEvidencePack(
  core: PackCore,
  officer: string,
  order: EvidenceOrder,
  progress?: Progress,
): Promise<EvidencePack> {
  const { value } = await exportEvidence(core, officer, order, progress).catch((error: unknown) => {
    if (error instanceof FormatError && error.code === 'size')
      throw new GatewayError(
        'too_many_entries',
        `more than ${evidenceLimitBytes} bytes: choose a shorter period`,
      );
    throw error;
  });
  const trust = await core.prover.trust();
  const { subject, head } = verifyFile(value.evidence, trust);
  const own = value.person === null ? undefined : verifyFile(value.person, trust);
  // A pack that does not hold never leaves.
  if (
    subject?.kind !== 'evidence' ||
    head === undefined ||
    (own !== undefined && own.subject?.kind !== 'person')
  )
    throw new GatewayError('internal', 'the evidence does not verify');
  const date = subject.madeAt.slice(0, 10);
  const name = `assent-evidence-${subject.selection.kind}-${date}.zip`;
  const command = `assent verify ${name} --trust TRUST.json`;
  const facts: SummaryFacts = {
    subject,
    head,
    own:
      own?.subject?.kind === 'person' && own.head !== undefined
        ? { count: own.subject.count, size: own.head.size }
        : null,
    reached: await core.prover.reached(),
    partners: await partnerNames(core.operations),
    command,
  };
  const pages = new Map([
    [
      'README.txt',
      langs.map((lang) => evidenceWords[lang].readme(command, head.origin)).join(`\n${'-'.repeat(72)}\n\n`),
    ],
    ...langs.map((lang) => [`summary.${lang}.html`, summaryPage(facts, lang)] as const),
  ]);
  const bytes = packEvidence(
    { evidence: value.evidence, person: value.person, pages },
    Date.parse(subject.madeAt),
  );
  return { name, bytes, entries: subject.entries.length };
}
