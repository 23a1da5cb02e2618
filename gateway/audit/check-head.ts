// The checks of the signed head, of what lies under it, and of the seal around the file.
import { keysOf, type Bundle, type Trust } from './bundle.ts';
import { fromBase64 } from './bytes.ts';
import { fail, type Checking } from './checks.ts';
import { sealMessage } from './file-shape.ts';
import type { LogFile } from './log-file.ts';
import { verifyMultiProof } from './multi-proof.ts';
import { parseCheckpoint, parseNote, verifyNote, verifySignature, type Checkpoint } from './note.ts';
import { decodeAny } from './open-entries.ts';
import { checkCosignatures, parsePolicy, type WitnessVoice } from './policy.ts';
import type { RelatedHead } from './state.ts';
import { leafHash, verifyInclusion } from './tree.ts';
import type { Subject, VerifyOptions } from './verification.ts';

/** One verification under way: its checks so far, and what they are made against. */
export interface Context extends Checking {
  readonly trust: Trust | undefined;
  readonly options: VerifyOptions;
}

/** What the checks of one file found; the levels and the verdict follow. */
export interface Found {
  readonly subject?: Subject | undefined;
  readonly head?: Checkpoint | undefined;
  readonly cosigned?: Cosigned | undefined;
  readonly related?: readonly RelatedHead[];
}

export interface Cosigned {
  readonly isAsked: boolean;
  readonly voices: readonly WitnessVoice[];
  readonly isQuorum: boolean;
}

export function checkHead(
  { check, trust }: Context,
  file: { readonly origin: string; readonly checkpoint: string },
): { head: Checkpoint | undefined; cosigned: Cosigned | undefined } {
  if (trust !== undefined) {
    check('checkpoint signature', 'signed by the log key of the trust file', () => {
      verifyNote(parseNote(file.checkpoint), [keysOf(trust).logKey]);
    });
  }
  const head = check('checkpoint', 'a head of this log', () => headOf(file));
  return { head, cosigned: trust === undefined ? undefined : checkWitnesses(check, trust, file.checkpoint) };
}

function checkWitnesses(check: Checking['check'], trust: Trust, note: string): Cosigned | undefined {
  const policy = parsePolicy(trust.policy);
  if (policy.witnesses.length === 0) return { isAsked: false, voices: [], isQuorum: false };
  return check('witnesses', 'no wrong cosignature by a witness of the policy', () => {
    const { valid, quorum } = checkCosignatures(parseNote(note), policy);
    return { isAsked: policy.quorum !== 'none', voices: valid, isQuorum: quorum };
  });
}

function headOf(file: { readonly origin: string; readonly checkpoint: string }): Checkpoint {
  const head = parseCheckpoint(parseNote(file.checkpoint).text);
  if (head.origin !== file.origin) throw fail('checkpoint', `the checkpoint is one of ${head.origin}`);
  if (head.extensions.length > 0) throw fail('checkpoint', 'the checkpoint has extension lines');
  return head;
}

export function checkInclusion(bundle: Bundle, head: Checkpoint): void {
  const { index, leaf } = bundle.entry;
  const path = bundle.inclusion.map((hash) => fromBase64(hash, 'inclusion'));
  const claim = {
    index,
    size: head.size,
    leafHash: leafHash(fromBase64(leaf, 'leaf')),
    path,
    root: head.root,
  };
  if (!verifyInclusion(claim)) throw fail('inclusion', 'the path does not lead from this leaf to this head');
}

export function checkMultiProof(
  { check }: Context,
  shown: readonly { readonly index: number; readonly leaf: string }[],
  paths: readonly string[],
  head: Checkpoint,
): void {
  check('inclusion', `the ${shown.length} leaves lie under the head of size ${head.size}`, () => {
    const leaves = shown
      .map(({ index, leaf }) => ({ index, bytes: fromBase64(leaf, 'inclusion') }))
      .map(({ index, bytes }) => ({ index, bytes, leafHash: leafHash(bytes) }))
      .sort((a, b) => a.index - b.index);
    const path = paths.map((step) => fromBase64(step, 'inclusion'));
    if (!verifyMultiProof({ size: head.size, leaves, path, root: head.root }))
      throw fail('inclusion', 'the paths do not lead from these leaves, each once, to this head');
    // The log never runs backwards: an entry put in later and dated back stands behind younger ones.
    const times = leaves.map(({ bytes }) => decodeAny(bytes).atSeconds);
    const backwards = leaves.find((_, place) => (times[place] ?? 0) < (times[place - 1] ?? 0));
    if (backwards !== undefined)
      throw fail('inclusion', `entry ${backwards.index} says that it is older than one before it`);
  });
}

export function checkSeal(file: LogFile, trust: Trust): void {
  const { publicKey } = keysOf(trust).sealKey;
  if (!verifySignature(fromBase64(file.seal, 'seal'), sealMessage(file.format, file), publicKey)) {
    throw fail('seal', 'the seal does not fit: something in the file was changed, or another key sealed it');
  }
}
