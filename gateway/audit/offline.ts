// What the page opened from disk needs beside the verifier: which file is which, their hashes, and the heads to keep.
// Pure; this is the module that `link.ts` collects for the page.
import { sha256 } from '@noble/hashes/sha2.js';
import { bundleFormat, parseTrust, trustFormat, type Trust } from './bundle.ts';
import { FormatError, toHex } from './bytes.ts';
import { evidenceFormat } from './evidence.ts';
import { personFormat } from './person-bundle.ts';
import { receiptFormat } from './receipt.ts';
import { emptyState, parseState, stateFormat, stateText, withHead, type State } from './state.ts';
import type { Verification } from './verify.ts';

export { verifyFile } from './verify.ts';

/** The part a chosen file plays. `proof` is also what nothing else is: the verifier then says what is wrong with it. */
export interface Recognised {
  readonly part: 'proof' | 'trust' | 'state';
  readonly kind: 'entry' | 'person' | 'evidence' | 'receipt' | 'trust' | 'state' | 'unknown';
  /** Of a person's bundle: whom it is about, and the size of its head; to tell the earlier of two from the later. */
  readonly person?: { readonly tag: string; readonly size: number };
}

const kinds: ReadonlyMap<string, Recognised> = new Map([
  [bundleFormat, { part: 'proof', kind: 'entry' }],
  [personFormat, { part: 'proof', kind: 'person' }],
  [evidenceFormat, { part: 'proof', kind: 'evidence' }],
  [receiptFormat, { part: 'proof', kind: 'receipt' }],
  [trustFormat, { part: 'trust', kind: 'trust' }],
  ['assent-trust/v1', { part: 'trust', kind: 'trust' }],
  [stateFormat, { part: 'state', kind: 'state' }],
]);

/**
 * What a file says it is, by its member `format`. Reads no more than it must, because a file may have 64 MiB, and believes
 * nothing: the verifier reads the file itself.
 */
export function recognise(bytes: Uint8Array): Recognised {
  const text = new TextDecoder('latin1').decode(bytes);
  // Inside of a string the quotes are escaped, and members of that name in nested objects come later.
  const format = /"format"\s*:\s*"([a-z0-9/-]{1,40})"/.exec(text)?.[1];
  const found = kinds.get(format ?? '') ?? { part: 'proof', kind: 'unknown' };
  if (found.kind !== 'person') return found;
  const size = /"checkpoint"\s*:\s*"[^"\\]{1,255}\\n(\d{1,15})\\n/.exec(text)?.[1];
  const tag = /"tag"\s*:\s*"([A-Za-z0-9+/=]{44})"/.exec(text)?.[1];
  return size === undefined || tag === undefined ? found : { ...found, person: { tag, size: Number(size) } };
}

/** SHA-256 in lower-case hex. Browsers keep their own from pages opened from disk. */
export const fileHash = (bytes: Uint8Array): string => toHex(sha256(bytes));

/** How a verification ends for its reader; the exit codes 0, 4, 3 and 1 of the command line. */
export type Ending = 'holds' | 'not-anchored' | 'contradicts' | 'does-not-hold';

export function endingOf(found: Verification, trustFile: Uint8Array): Ending {
  const failing = found.checks.filter(({ ok }) => !ok);
  if (failing.length > 0)
    return failing.every(({ name }) => name === 'kept head') ? 'contradicts' : 'does-not-hold';
  const isWaiting = parseTrust(trustFile).chain !== null && !found.hasAnchor;
  return isWaiting && found.subject?.kind !== 'receipt' ? 'not-anchored' : 'holds';
}

/**
 * The heads that were kept, read.
 * @throws FormatError (check "state") when the file is none, or keeps heads of another log than the trust file's
 */
export function readKept(stateFile: Uint8Array, trustFile: Uint8Array): State {
  const state = parseState(stateFile);
  const trust = trustOf(trustFile);
  if (trust !== undefined && trust.origin !== state.origin)
    throw new FormatError('mismatch', 'state', `it keeps heads of another log, ${state.origin}`);
  return state;
}

/** The text of the state file that keeps this head too. @param state as it was; undefined to begin one */
export function keepHead(state: State | undefined, head: NonNullable<Verification['head']>): string {
  return stateText(withHead(state ?? emptyState(head.origin), head));
}

/** What is wrong with a trust file is said by the check "trust". */
function trustOf(trustFile: Uint8Array): Trust | undefined {
  try {
    return parseTrust(trustFile);
  } catch {
    return undefined;
  }
}
