// The entries a file shows, decoded and opened: the checks "leaf" and "payload".
import type { Disclosure, ShownEntry } from './bundle.ts';
import { fromBase64 } from './bytes.ts';
import { fail, type Checking } from './checks.ts';
import { decodeEntry, decodeMapHead, isMapHead, opens, parsePayload, type PlainObject } from './entry.ts';
import type { VerifiedEntry } from './verification.ts';

/** The checks "leaf" and "payload" of many entries; undefined when one of them failed. */
export function openEntries(
  { check }: Pick<Checking, 'check'>,
  entries: readonly ShownEntry[],
  decode: (leaf: Uint8Array) => VerifiedEntry['entry'],
): VerifiedEntry[] | undefined {
  const decoded = check('leaf', 'each leaf is an entry', () =>
    entries.map(({ leaf }) => decode(fromBase64(leaf, 'leaf'))),
  );
  if (decoded === undefined) return undefined;
  const open = () =>
    entries.map(({ index, disclosure }, place): VerifiedEntry => {
      const entry = decoded[place] as VerifiedEntry['entry'];
      const payload = disclosure === null ? null : openPayload(disclosure, entry, index);
      return { index, entry, payload, erased: disclosure === null && entry.kind !== 'map-head' };
    });
  const isAnyOpen = entries.some(({ disclosure }) => disclosure !== null);
  return isAnyOpen ? check('payload', 'each payload is the one committed to', open) : open();
}

export function openPayload(
  disclosure: Disclosure,
  entry: VerifiedEntry['entry'],
  index: number,
): PlainObject {
  if (entry.kind === 'map-head') throw fail('payload', `entry ${index} is a map head and has no payload`);
  const payload = fromBase64(disclosure.payload, 'payload');
  if (!opens(entry.commitment, fromBase64(disclosure.opening, 'payload'), payload)) {
    throw fail('payload', `opening and payload are not what the leaf of entry ${index} commits to`);
  }
  return parsePayload(payload);
}

export const decodeOne = (leaf: Uint8Array): VerifiedEntry['entry'] => decodeEntry(leaf);
export const decodeAny = (leaf: Uint8Array): VerifiedEntry['entry'] =>
  isMapHead(leaf) ? { kind: 'map-head', ...decodeMapHead(leaf) } : decodeEntry(leaf);
