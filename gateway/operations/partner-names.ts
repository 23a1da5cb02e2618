// Names of registered partners. Not personal: every person sees who could ask.
import { partner } from '../store/tables.ts';
import type { OperationParts } from './parts.ts';

/** Partner id → name. */
export async function partnerNames(parts: Pick<OperationParts, 'read'>): Promise<Map<string, string>> {
  const rows = await parts.read((reader) =>
    reader.db.select({ id: partner.id, name: partner.name }).from(partner),
  );
  return new Map(rows.map(({ id, name }) => [id, name]));
}
