// From the checks made to the verdict, and to what each level of evidence means for this file.
import { bundleFormat, type Trust } from './bundle.ts';
import type { CheckName } from './checks.ts';
import type { Context, Cosigned, Found } from './check-head.ts';
import type { Entry } from './entry.ts';
import { evidenceFormat } from './evidence.ts';
import { anchorOf, type LogFile } from './log-file.ts';
import type { Checkpoint } from './note.ts';
import { personFormat } from './person-bundle.ts';
import { receiptFormat } from './receipt.ts';
import type { RelatedHead } from './state.ts';
import type { ChainCheck, Level, Verification } from './verification.ts';

/** Each level rests on the ones before it: an anchor of a head that nobody signed proves nothing about the entry. */
export function conclude(context: Context, file: LogFile | undefined, found: Found): Verification {
  const { checks, trust, options } = context;
  const failing = checks.filter(({ ok }) => !ok);
  const firstFailing = failing[0]?.name;
  const settle = (needed: readonly CheckName[], otherwise: Level): Level => {
    const first = failing.find(({ name }) => needed.includes(name));
    return first === undefined ? otherwise : { state: 'fails', check: first.name, words: 'failed' };
  };
  const { subject, head, cosigned } = found;
  const cover = coverOf(file, head, options.chainHead);
  const isShown = failing.every(({ name }) => name === 'kept head');
  const ofEntry = subject?.kind === 'entry' ? subject : undefined;
  return {
    verdict: firstFailing === undefined ? 'holds' : 'does-not-hold',
    levels: {
      recorded: settle(recordedBy, { state: 'holds', check: 'seal', words: 'recorded' }),
      checkpointed: settle(checkpointedBy, checkpointedLevel(file)),
      witnessed: settle(witnessedBy, witnessedLevel(file, cosigned)),
      anchored: settle(anchoredBy, anchoredLevel(cover, trust, options.chainCheck)),
      anchoredFinal: settle(anchoredBy, finalLevel(cover, trust, options.chainCheck)),
    },
    checks,
    ...(firstFailing === undefined ? {} : { firstFailing }),
    ...(subject !== undefined && isShown ? { subject } : {}),
    ...(head === undefined ? {} : { head: { origin: head.origin, size: head.size, root: head.root } }),
    witnesses: cosigned?.voices ?? [],
    hasAnchor: cover === 'whole',
    ...(ofEntry === undefined ? {} : { entry: ofEntry.entry as Entry }),
    ...(ofEntry?.payload == null ? {} : { payload: ofEntry.payload }),
    erased: file?.format === bundleFormat && file.disclosure === null,
  };
}

const recordedBy: readonly CheckName[] = [
  'format',
  'trust',
  'leaf',
  'payload',
  'notices',
  'receipts',
  'seal',
];
const checkpointedBy: readonly CheckName[] = [
  ...recordedBy,
  'checkpoint signature',
  'checkpoint',
  'map head',
  'inclusion',
  'completeness',
  'populations',
  'earlier bundle',
  'range',
  'selection',
];
const witnessedBy: readonly CheckName[] = [...checkpointedBy, 'witnesses', 'kept head'];
const anchoredBy: readonly CheckName[] = [
  ...checkpointedBy,
  'kept head',
  'anchor identity',
  'anchor consistency',
  'anchor on chain',
];

function checkpointedLevel(file: LogFile | undefined): Level {
  return file?.format === receiptFormat
    ? { state: 'absent', check: 'checkpoint', words: 'no-checkpoint' }
    : { state: 'holds', check: 'inclusion', words: 'checkpointed' };
}

function witnessedLevel(file: LogFile | undefined, cosigned: Cosigned | undefined): Level {
  if (file?.format === receiptFormat) return checkpointedLevel(file);
  if (cosigned?.isAsked !== true) {
    return { state: 'absent', check: 'checkpoint signature', words: 'no-witnesses' };
  }
  return cosigned.isQuorum
    ? { state: 'holds', check: 'witnesses', words: 'witnessed' }
    : { state: 'absent', check: 'witnesses', words: 'quorum-not-met' };
}

type Cover = 'none' | 'part' | 'whole';

/** How much of what the file shows lies under the anchored head: an older anchor says nothing about newer entries. */
function coverOf(file: LogFile | undefined, head: Checkpoint | undefined, chainHead?: RelatedHead): Cover {
  const anchored = chainHead ?? (file === undefined ? null : anchorOf(file));
  if (file === undefined || anchored === null) return 'none';
  return anchored.size >= sizeShown(file, head) ? 'whole' : 'part';
}

/** The smallest log that holds all the file shows; a person's bundle rests on the map head, which comes last. */
function sizeShown(file: LogFile, head: Checkpoint | undefined): number {
  switch (file.format) {
    case bundleFormat:
      return file.entry.index + 1;
    case evidenceFormat:
      return (file.entries.at(-1)?.index ?? -1) + 1;
    case personFormat:
      return head?.size ?? Infinity;
    case receiptFormat:
      return Infinity;
  }
}

const uncovered = (cover: Cover): Level | undefined =>
  cover === 'whole'
    ? undefined
    : {
        state: 'absent',
        check: 'anchor identity',
        words: cover === 'none' ? 'no-anchor' : 'anchor-behind',
      };

function anchoredLevel(cover: Cover, trust: Trust | undefined, chainCheck: ChainCheck | undefined): Level {
  const missing = uncovered(cover);
  if (missing !== undefined) return missing;
  const check = 'anchor on chain';
  if (chainCheck === undefined) return { state: 'not-checked', check, words: 'chain-not-asked' };
  const isLocal = trust?.chain?.finality === 'local';
  return { state: 'holds', check, words: isLocal ? 'anchored-local-chain' : 'anchored' };
}

function finalLevel(cover: Cover, trust: Trust | undefined, chainCheck: ChainCheck | undefined): Level {
  const missing = uncovered(cover);
  if (missing !== undefined) return missing;
  const check = 'anchor on chain';
  // Whoever runs a local chain can rebuild it, so what it holds is never final.
  if (trust?.chain?.finality === 'local') return { state: 'absent', check, words: 'local-chain-never-final' };
  if (chainCheck?.final === undefined) return { state: 'not-checked', check, words: 'finality-not-asked' };
  return chainCheck.final
    ? { state: 'holds', check, words: 'anchored-final' }
    : { state: 'absent', check, words: 'not-final-yet' };
}
