// Deleting rows is not enough: their bytes must go from the files too. Whoever deletes notes that a cleaning is due in
// the same transaction, so that a crash between the two cannot lose it.
import { and, eq } from 'drizzle-orm';
import type { Store, Tx } from '../store/store.ts';
import { setting } from '../store/tables.ts';
import { newId, type Clock, type Random } from '../system.ts';

const due = 'clean-due';

/** Notes, in the caller's transaction, that bytes of deleted rows may lie in the files. */
export async function noteCleaningDue(tx: Tx, random: Random): Promise<void> {
  const value = newId(random);
  await tx.db
    .insert(setting)
    .values({ name: due, value })
    .onConflictDoUpdate({ target: setting.name, set: { value } });
}

/**
 * @param mayNow asked when a cleaning is due
 * @returns whether no bytes of rows deleted before this call are left in the files
 * @throws GatewayError `store_unavailable` when the files could not be cleaned now; the note stays
 */
export async function cleanIfDue(store: Store, mayNow: () => boolean = () => true): Promise<boolean> {
  const [noted] = await store.read((reader) => reader.db.select().from(setting).where(eq(setting.name, due)));
  if (noted === undefined) return true;
  if (!mayNow()) return false;
  await store.clean();
  // Somebody may have deleted more while this ran: then the note has another value, and stays.
  await store.write((tx) =>
    tx.db.delete(setting).where(and(eq(setting.name, due), eq(setting.value, noted.value))),
  );
  return true;
}

/** Up to this size a rewrite takes well under a second. */
const smallBytes = 64 * 2 ** 20;
const smallEveryMs = 60_000;
const largeEveryMs = 3_600_000;

/**
 * How often a gateway that serves may rewrite its files, for everybody waits meanwhile: once a minute when they are small,
 * else once an hour, whoever asks to be erased however often. A failed attempt counts: it may have cost as much.
 */
export function paceCleanings(clock: Clock, sizeBytes: () => number): () => boolean {
  let lastMs: number | undefined;
  return () => {
    const nowMs = clock.nowMs();
    const everyMs = sizeBytes() <= smallBytes ? smallEveryMs : largeEveryMs;
    if (lastMs !== undefined && nowMs - lastMs < everyMs) return false;
    lastMs = nowMs;
    return true;
  };
}
