// Opens what lies encrypted beside the log.
import { eq } from 'drizzle-orm';
import { bound, query, type Reader } from '../store/store.ts';
import { entry } from '../store/tables.ts';
import { entryKinds, parsePayload, type EntryKind, type PlainObject } from './entry.ts';
import type { KeyClass, Keyring } from './keys.ts';

export type EntryRow = typeof entry.$inferSelect;

const byNumber = query((db) =>
  db
    .select()
    .from(entry)
    .where(eq(entry.number, bound('number'))),
);

export async function findEntry(reader: Reader, number: number): Promise<EntryRow | undefined> {
  return (await reader.run(byNumber, { number }))[0];
}

export interface Disclosure {
  readonly opening: Uint8Array;
  readonly plain: Uint8Array;
  readonly payload: PlainObject;
}

/** Opening and payload of an entry; undefined once its key or the payload is destroyed. */
export async function openPayload(
  keyring: Keyring,
  reader: Reader,
  row: EntryRow,
): Promise<Disclosure | undefined> {
  if (row.holder === null || row.nonce === null || row.payload === null) return undefined;
  const classKey = (await keyring.open(reader, row.holder))[row.keyClass as KeyClass];
  if (classKey === undefined) return undefined;
  const plain = classKey.open(row.nonce, row.payload);
  return { opening: classKey.opening(row.sequence), plain, payload: parsePayload(plain) };
}

const kindNames = new Map<number, EntryKind>(
  Object.entries(entryKinds).map(([name, number]) => [number, name as EntryKind]),
);

export function kindName(number: number): EntryKind {
  return kindNames.get(number) ?? 'incident';
}
