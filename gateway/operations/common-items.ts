// The list that is the same for everyone: shown where nothing personal may be used (PIPL Art. 24).
import { asc } from 'drizzle-orm';
import { item } from '../store/tables.ts';
import type { OperationParts } from './parts.ts';

const commonCount = 10;

/** Titles of the catalogue in its own order; nobody's behaviour is in it. */
export async function listCommonItems(parts: Pick<OperationParts, 'read'>): Promise<string[]> {
  const rows = await parts.read((reader) =>
    reader.db.select({ title: item.title }).from(item).orderBy(asc(item.key)).limit(commonCount),
  );
  return rows.map(({ title }) => title);
}
