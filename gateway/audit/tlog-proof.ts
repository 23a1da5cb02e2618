// The proof of one entry as text that other logs' tools read: c2sp.org/tlog-proof@v1. Pure; runs in the browser too.
// Nothing in it is to be believed before `verifyTlogProof` accepted it.
import type { Bundle } from './bundle.ts';
import { FormatError, fromBase64, fromUtf8, toBase64 } from './bytes.ts';
import {
  parseCheckpoint,
  parseNote,
  verifyNote,
  type Checkpoint,
  type Note,
  type VerifierKey,
} from './note.ts';
import { hashSizeBytes, leafHash, verifyInclusion } from './tree.ts';

export interface TlogProof {
  /** What the application wants to carry along: here the leaf. Not authenticated by itself. */
  readonly extra: Uint8Array | null;
  readonly index: number;
  /** The leaf's sibling first. */
  readonly path: readonly Uint8Array[];
  /** A signed note. */
  readonly checkpoint: string;
}

const header = 'c2sp.org/tlog-proof@v1';
const check = 'tlog-proof';
const longestPath = 64;
const longestExtraBytes = 1 << 16;
// The note may have 1 MiB; the rest has these limits.
const longestProof = (1 << 20) + 2 * longestExtraBytes + 64 * longestPath;

/** Reads a proof. Accepts no text that `formatTlogProof` does not write. @throws FormatError (check "tlog-proof", or "note") */
export function parseTlogProof(file: string | Uint8Array): TlogProof {
  if (file.length > longestProof) throw new FormatError('size', check, 'the proof is over 1 MiB');
  const text = typeof file === 'string' ? file : fromUtf8(file, check);
  const blank = text.indexOf('\n\n');
  if (blank < 0) throw refuse('a proof is a few lines, an empty line and a checkpoint');
  const lines = text.slice(0, blank).split('\n');
  if (lines.shift() !== header) throw refuse(`the first line is not ${header}`);
  const extra = lines[0]?.startsWith('extra ') === true ? readExtra(lines.shift() as string) : null;
  const [, digits] = /^index (0|[1-9]\d{0,15})$/.exec(lines.shift() ?? '') ?? [];
  const index = Number(digits);
  if (digits === undefined || !Number.isSafeInteger(index))
    throw refuse('there is no index, a plain number below 2^53');
  if (lines.length > longestPath) throw refuse(`a path has at most ${longestPath} hashes`);
  const path = lines.map(readHash);
  const checkpoint = text.slice(blank + 2);
  parseNote(checkpoint);
  return { extra, index, path, checkpoint };
}

/** The inverse of `parseTlogProof`. @throws FormatError for what no reader would take */
export function formatTlogProof({ extra, index, path, checkpoint }: TlogProof): string {
  const lines = [
    header,
    ...(extra === null ? [] : [`extra ${toBase64(extra)}`]),
    `index ${index}`,
    ...path.map(toBase64),
  ];
  const text = `${lines.join('\n')}\n\n${checkpoint}`;
  parseTlogProof(text);
  return text;
}

/** The proof of a bundle's entry; its leaf goes along as extra data, so that the file stands for itself. */
export function tlogProofOf({ entry, inclusion, checkpoint }: Bundle): string {
  return formatTlogProof({
    extra: fromBase64(entry.leaf, check),
    index: entry.index,
    path: inclusion.map((hash) => fromBase64(hash, check)),
    checkpoint,
  });
}

export interface TlogProofClaim {
  /** The log; its name is the origin. */
  readonly logKey: VerifierKey;
  /** Hash of the leaf that is to be proven; that of the leaf in `extra` where nothing is said. */
  readonly leafHash?: Uint8Array;
  /** Throws FormatError unless the cosignatures of the note satisfy it: a policy. */
  readonly cosigned?: (note: Note) => void;
}

/**
 * Checks origin, signature, cosignatures and path.
 * @returns the head under which the leaf lies. @throws FormatError naming the first check that fails
 */
export function verifyTlogProof(proof: TlogProof, claim: TlogProofClaim): Checkpoint {
  const note = parseNote(proof.checkpoint);
  verifyNote(note, [claim.logKey]);
  const head = parseCheckpoint(note.text);
  if (head.origin !== claim.logKey.name)
    throw new FormatError('mismatch', 'checkpoint', `the checkpoint is one of ${head.origin}`);
  if (head.extensions.length > 0)
    throw new FormatError('mismatch', 'checkpoint', 'the checkpoint has extension lines');
  claim.cosigned?.(note);
  const hash = claim.leafHash ?? (proof.extra === null ? undefined : leafHash(proof.extra));
  if (hash === undefined) throw refuse('the proof does not carry its leaf, so it must be given');
  const { index, path } = proof;
  if (!verifyInclusion({ index, size: head.size, leafHash: hash, path, root: head.root }))
    throw new FormatError('mismatch', 'inclusion', 'the path does not lead from this leaf to this head');
  return { origin: head.origin, size: head.size, root: head.root };
}

function readExtra(line: string): Uint8Array {
  const encoded = line.slice('extra '.length);
  if (encoded.length > 2 * longestExtraBytes) throw refuse('over 64 KiB of extra data');
  const extra = fromBase64(encoded, check);
  if (extra.length > longestExtraBytes) throw refuse('over 64 KiB of extra data');
  return extra;
}

function readHash(line: string): Uint8Array {
  const hash = line.length > 2 * hashSizeBytes ? undefined : fromBase64(line, check);
  if (hash?.length !== hashSizeBytes) throw refuse('a hash of the path does not have 32 bytes');
  return hash;
}

const refuse = (message: string) => new FormatError('proof', check, message);
