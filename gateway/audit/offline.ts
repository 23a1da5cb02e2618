// What the page opened from disk needs beside the verifier: which file is which, their hashes, and the heads to keep.
// Pure; this is the module that `link.ts` collects for the page.
import { sha256 } from '@noble/hashes/sha2.js';
import { evidenceName, personName, verifyPack, type PackVerification } from './archive.ts';
import { bundleFormat, parseTrust, trustFormat, type Trust } from './bundle.ts';
import { FormatError, toHex } from './bytes.ts';
import { evidenceFormat } from './evidence.ts';
import { personFormat, personLimitBytes } from './person-bundle.ts';
import { receiptFormat } from './receipt.ts';
import { emptyState, parseState, stateFormat, stateText, withHead, type State } from './state.ts';
import { verifyFile, type Verification, type VerifyOptions } from './verify.ts';
import { isZip, packZip, readZip, zipLimits } from './zip.ts';

export { sayDetail } from './check-words.ts';
export { verifyFile } from './verify.ts';

/** Of a chosen file, by its first bytes: what is larger is no file of the log. */
export const limitOf = (start: Uint8Array): number =>
  isZip(start) ? zipLimits.unpackedBytes : personLimitBytes;

/** The part a chosen file plays. `proof` is also what nothing else is: the verifier then says what is wrong with it. */
export interface Recognised {
  readonly part: 'proof' | 'trust' | 'state';
  readonly kind: 'entry' | 'person' | 'evidence' | 'receipt' | 'pack' | 'trust' | 'state' | 'unknown';
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
  if (isZip(bytes)) return { part: 'proof', kind: 'pack' };
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

/** A pack and the sealed files in it, each as if it came alone. */
export interface PackFound {
  readonly ending: Ending;
  /** Undefined when the archive cannot be read: then `broken` says why. */
  readonly pack?: PackVerification;
  /** The sealed files that are there. */
  readonly sealed: readonly {
    readonly name: string;
    readonly result: Verification;
    readonly ending: Ending;
  }[];
  /** In English. */
  readonly broken?: string;
  /** With the heads of all these files, when the pack may be relied upon. */
  readonly keep?: string;
}

/** What the command line says of a pack. Never throws for what the archive holds. */
export function verifyArchive(
  archive: Uint8Array,
  trustFile: Uint8Array,
  state: State | undefined,
): PackFound {
  try {
    const files = readZip(archive);
    const pack = verifyPack(files, trustFile);
    let kept = state;
    let keep: string | undefined;
    const sealed = [];
    for (const name of [evidenceName, personName]) {
      const file = files.get(name);
      if (file === undefined) continue;
      const known = name === evidenceName ? pack.evidence : pack.person;
      const options: VerifyOptions = { state: kept };
      const result = kept === undefined && known !== undefined ? known : verifyFile(file, trustFile, options);
      const ending = endingOf(result, trustFile);
      sealed.push({ name, result, ending });
      if (result.head === undefined || ending === 'does-not-hold' || ending === 'contradicts') continue;
      keep = keepHead(keep === undefined ? state : parseState(keep), result.head);
      // The second head is compared with the first too, as soon as any is kept.
      if (state !== undefined) kept = parseState(keep);
    }
    const endings: Ending[] = [
      ...(pack.verdict === 'holds' ? [] : ['does-not-hold' as const]),
      ...sealed.map((one) => one.ending),
    ];
    const ending = worstFirst.find((one) => endings.includes(one)) ?? 'does-not-hold';
    const isGood = ending === 'holds' || ending === 'not-anchored';
    return { ending, pack, sealed, ...(isGood && keep !== undefined ? { keep } : {}) };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { ending: 'does-not-hold', sealed: [], broken: error.message };
  }
}

/** A pack is as good as the worst in it. */
const worstFirst: readonly Ending[] = ['does-not-hold', 'contradicts', 'not-anchored', 'holds'];

/**
 * The archive with its evidence changed and packed anew: for a reader who wants to see that it is noticed. Undefined when
 * there is no evidence in it to change.
 */
export function changeInPack(
  archive: Uint8Array,
  change: (file: Uint8Array) => Uint8Array,
  atMs: number,
): { readonly archive: Uint8Array; readonly name: string } | undefined {
  try {
    const files = readZip(archive);
    const evidence = files.get(evidenceName);
    if (evidence === undefined) return undefined;
    return {
      archive: packZip(new Map([...files, [evidenceName, change(evidence)]]), atMs),
      name: evidenceName,
    };
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
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
