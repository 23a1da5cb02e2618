// Builds evidence: a selection of entries with one proof for all of them. FORMAT.md section 12.
import { and, asc, gte, inArray, lt } from 'drizzle-orm';
import { GatewayError } from '../errors.ts';
import type { Store } from '../store/store.ts';
import { entry as entryTable } from '../store/tables.ts';
import type { Clock } from '../system.ts';
import type { BundleAnchor, ShownEntry } from './bundle.ts';
import { toBase64 } from './bytes.ts';
import { evidenceFormat, sealEvidence, type Evidence } from './evidence.ts';
import type { Keyring } from './keys.ts';
import type { Log } from './log.ts';
import { multiProof } from './multi-proof.ts';
import { openPayload } from './payload.ts';
import type { Publisher, SignedHead, Signer } from './publish.ts';
import type { MerkleTree } from './tree.ts';

export interface EvidenceProverParts {
  readonly store: Store;
  readonly log: Log;
  readonly keyring: Keyring;
  readonly publisher: Publisher;
  readonly sealSigner: Signer;
  readonly clock: Clock;
  readonly origin: string;
  readonly noteOf: (head: SignedHead) => Promise<string>;
  readonly anchorNow?: () => Promise<void>;
  readonly anchorFor: (head: SignedHead, tree: MerkleTree) => Promise<BundleAnchor | null>;
}

/** What is to be shown; the entries' payloads are opened where their keys are. */
export type EvidenceOrder = Pick<Evidence, 'selection' | 'range' | 'notices' | 'receipts'> & {
  /** Ascending. */
  readonly numbers: readonly number[];
  /** Those of them whose leaves alone are shown. */
  readonly closed?: ReadonlySet<number>;
  /** Whether this operation names the hold that keeps what was used of an erased person's data. */
  readonly isHeld?: boolean;
};

const page = 500;

/** @throws GatewayError `conflict` before the newest of the entries is signed */
export async function proveEvidence(parts: EvidenceProverParts, order: EvidenceOrder): Promise<string> {
  const { store, keyring } = parts;
  const { numbers, closed, isHeld, ...given } = order;
  const head = await parts.publisher.publish();
  if (head === undefined || (numbers.at(-1) ?? 0) >= head.size)
    throw new GatewayError(
      'conflict',
      'the newest of these entries is not signed yet; ask again in a second',
    );
  await parts.anchorNow?.();
  const entries: ShownEntry[] = [];
  for (let at = 0; at < numbers.length; at += page) {
    const asked = numbers.slice(at, at + page);
    entries.push(
      ...(await store.read(async (reader) => {
        const rows = await reader.db
          .select()
          .from(entryTable)
          .where(
            and(
              inArray(entryTable.number, asked),
              gte(entryTable.number, asked[0] ?? 0),
              lt(entryTable.number, (asked.at(-1) ?? 0) + 1),
            ),
          )
          .orderBy(asc(entryTable.number));
        const shown: ShownEntry[] = [];
        for (const row of rows) {
          const opened =
            closed?.has(row.number) === true ? undefined : await openPayload(keyring, reader, row, isHeld);
          const disclosure =
            opened === undefined
              ? null
              : { opening: toBase64(opened.opening), payload: toBase64(opened.plain) };
          shown.push({ index: row.number, leaf: toBase64(row.leaf), disclosure });
        }
        return shown;
      })),
    );
  }
  const tree = await parts.log.tree();
  const unsealed: Omit<Evidence, 'seal'> = {
    format: evidenceFormat,
    origin: parts.origin,
    ...given,
    checkpoint: await parts.noteOf(head),
    entries,
    paths: multiProof(tree, numbers, head.size).map(toBase64),
    anchor: await parts.anchorFor(head, tree),
    madeAt: new Date(parts.clock.nowMs()).toISOString(),
  };
  return sealEvidence(unsealed, (message) => parts.sealSigner.sign(message));
}
