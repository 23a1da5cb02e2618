// After a restore from a backup that is older than an erasure, the erased would be back. At each start the list beside the
// database is compared with it, and what one of them lacks is made good.
import { and, eq, gt, ne } from 'drizzle-orm';
import { staffRequest } from '../operations/accounts.ts';
import type { OperationParts } from '../operations/parts.ts';
import { person as personTable, suppression } from '../store/tables.ts';
import { erasePerson } from './erase.ts';
import type { ErasedMark } from './erased-list.ts';
import { markOfPerson } from './suppression.ts';

const page = 1000;

/**
 * Erases again whom the list names and the database has not erased, and keeps from import whom it lacks. Files are cleaned
 * and completions recorded by `resumeErasures`.
 * @returns how many were erased again
 */
export async function eraseAgain(parts: OperationParts): Promise<number> {
  const { erased } = parts;
  let again = 0;
  // Most starts have nobody on the list, and look at nobody.
  if (erased.all().some(({ kind }) => kind === 'person'))
    for await (const ids of people(parts, 'others'))
      for (const person of ids) {
        if (!erased.has(markOfPerson(parts, person))) continue;
        await erasePerson(parts, { kind: 'again', person });
        again += 1;
      }
  await suppressAgain(parts);
  // What the list lacks: a crash came between the erasure and its line, or an earlier version made none.
  for await (const ids of people(parts, 'erased')) erased.add(ids.map((id) => markOfPerson(parts, id)));
  const rows = await parts.read((reader) => reader.db.select({ hash: suppression.hash }).from(suppression));
  erased.add(rows.map(({ hash }): ErasedMark => ({ kind: 'reference', hash })));
  return again;
}

async function suppressAgain(parts: OperationParts): Promise<void> {
  const rows = await parts.read((reader) => reader.db.select({ hash: suppression.hash }).from(suppression));
  const known = new Set(rows.map(({ hash }) => hash));
  const sinceMs = parts.system.clock.nowMs();
  const lacking = parts.erased
    .all()
    .filter(({ kind, hash }) => kind === 'reference' && !known.has(hash))
    .map(({ hash }) => ({ hash, sinceMs }));
  if (lacking.length === 0) return;
  const request = staffRequest({ kind: 'system', id: 'start-up' }, 'administer', { suppressed: 'again' });
  await parts.gate.run(request, async (_permit, tx) => {
    for (let at = 0; at < lacking.length; at += page)
      await tx.db
        .insert(suppression)
        .values(lacking.slice(at, at + page))
        .onConflictDoNothing();
    return { value: undefined, kind: 'configured', keyClass: 'evidence', counts: { people: lacking.length } };
  });
}

async function* people(parts: OperationParts, who: 'erased' | 'others'): AsyncGenerator<string[]> {
  const status = who === 'erased' ? eq(personTable.status, 'erased') : ne(personTable.status, 'erased');
  for (let after = ''; ;) {
    const rows = await parts.read((reader) =>
      reader.db
        .select({ id: personTable.id })
        .from(personTable)
        .where(and(status, gt(personTable.id, after)))
        .orderBy(personTable.id)
        .limit(page),
    );
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows.map(({ id }) => id);
    after = last.id;
  }
}
