// Deleting rows is not enough: their bytes must go from the files too. Whoever deletes notes that a cleaning is due in
// the same transaction, so that a crash between the two cannot lose it.
import { and, eq } from 'drizzle-orm';
import type { Store, Tx } from '../store/store.ts';
import { setting } from '../store/tables.ts';
import { newId, type Random } from '../system.ts';

const due = 'clean-due';

/** Notes, in the caller's transaction, that bytes of deleted rows may lie in the files. */
export async function noteCleaningDue(tx: Tx, random: Random): Promise<void> {
  const value = newId(random);
  await tx.db
    .insert(setting)
    .values({ name: due, value })
    .onConflictDoUpdate({ target: setting.name, set: { value } });
}

/** @throws GatewayError `store_unavailable` when the files could not be cleaned now; the note stays */
export async function cleanIfDue(store: Store): Promise<void> {
  const [noted] = await store.read((reader) => reader.db.select().from(setting).where(eq(setting.name, due)));
  if (noted === undefined) return;
  await store.clean();
  // Somebody may have deleted more while this ran: then the note has another value, and stays.
  await store.write((tx) =>
    tx.db.delete(setting).where(and(eq(setting.name, due), eq(setting.value, noted.value))),
  );
}
