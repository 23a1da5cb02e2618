// An auditor reads the log's leaves. They hold tags, which are personal data for whoever has the keys: so each bundle
// that leaves is an operation with an entry of its own.
import { and, asc, gte, lt } from 'drizzle-orm';
import { formatEntryBundle, rangeOf, type Tile } from '../audit/tiles.ts';
import { GatewayError } from '../errors.ts';
import type { Released } from '../gate.ts';
import { entry } from '../store/tables.ts';
import { refuseRole, staffRequest, type StaffRole } from './accounts.ts';
import type { OperationParts } from './parts.ts';

/**
 * Bytes of an entry bundle, for officers.
 * @throws Refusal for staff of another role; GatewayError `log_fork` where entries are missing
 */
export async function readEntryBundle(
  parts: Pick<OperationParts, 'gate'>,
  staff: { readonly id: string; readonly role: StaffRole },
  tile: Tile,
): Promise<Released<Uint8Array>> {
  if (staff.role !== 'officer') return refuseRole(parts, staff.role, staff.id, 'read-log');
  const [from, end] = rangeOf(tile);
  const request = staffRequest({ kind: staff.role, id: staff.id }, 'read-log', { from, end });
  return parts.gate.run(request, async (_permit, tx) => {
    const rows = await tx.db
      .select({ number: entry.number, leaf: entry.leaf })
      .from(entry)
      .where(and(gte(entry.number, from), lt(entry.number, end)))
      .orderBy(asc(entry.number));
    // Numbers are unique and in order, so the right count within the range is every one of them.
    if (rows.length !== tile.width)
      throw new GatewayError('log_fork', `entries ${from} to ${end - 1} are not all in the log`);
    return {
      value: formatEntryBundle(rows.map(({ leaf }) => leaf)),
      counts: { entries: rows.length },
      keyClass: 'evidence',
    };
  });
}
