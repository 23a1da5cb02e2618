// Opens what lies encrypted beside the log.
import { eq } from 'drizzle-orm';
import { bound, query, type Reader } from '../store/store.ts';
import { entry, person } from '../store/tables.ts';
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

const statusOf = query((db) =>
  db
    .select({ status: person.status })
    .from(person)
    .where(eq(person.id, bound('id'))),
);

/**
 * Opening and payload of an entry; undefined once its key or the payload is destroyed. What a legal hold keeps of the uses
 * of an erased person's data reads as destroyed too.
 * @param isHeld that the operation names the hold that keeps it, and may open it for that alone
 */
export async function openPayload(
  keyring: Keyring,
  reader: Reader,
  row: EntryRow,
  isHeld = false,
): Promise<Disclosure | undefined> {
  if (row.holder === null || row.nonce === null || row.payload === null) return undefined;
  const classKey = (await keyring.open(reader, row.holder))[row.keyClass as KeyClass];
  if (classKey === undefined) return undefined;
  if (!isHeld && row.keyClass === 'data' && (await isErased(reader, row.holder))) return undefined;
  const plain = classKey.open(row.nonce, row.payload);
  return { opening: classKey.opening(row.sequence), plain, payload: parsePayload(plain) };
}

async function isErased(reader: Reader, holder: string): Promise<boolean> {
  if (!holder.startsWith('person:')) return false;
  const [row] = await reader.run(statusOf, { id: holder.slice('person:'.length) });
  return row?.status === 'erased';
}

const kindNames = new Map<number, EntryKind>(
  Object.entries(entryKinds).map(([name, number]) => [number, name as EntryKind]),
);

export function kindName(number: number): EntryKind {
  return kindNames.get(number) ?? 'incident';
}
