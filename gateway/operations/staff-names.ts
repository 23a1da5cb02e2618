// Sign-in names of staff, for pages that say who of them did something.
import { staff } from '../store/tables.ts';
import type { OperationParts } from './parts.ts';

/** Staff id → sign-in name. */
export async function staffNames(parts: Pick<OperationParts, 'read'>): Promise<ReadonlyMap<string, string>> {
  const rows = await parts.read((reader) =>
    reader.db.select({ id: staff.id, name: staff.userName }).from(staff),
  );
  return new Map(rows.map(({ id, name }) => [id, name]));
}
