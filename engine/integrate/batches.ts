// Gathers rows into batches that fit one transaction, and counts what came in against what went out.
import {
  type AttributeRow,
  EngineError,
  type EventRow,
  type ItemRow,
  type RejectedRow,
  type RejectionCode,
} from '../types.ts';

/** At most 1,000 rows of all four kinds together. Rejected rows are rows too: none is lost. */
export interface RowBatch {
  readonly items: readonly ItemRow[];
  readonly events: readonly EventRow[];
  readonly attributes: readonly AttributeRow[];
  readonly rejected: readonly RejectedRow[];
}

/** What became of one row of the file. A row can give several attributes. */
export type ReadRow =
  | { readonly kind: 'item'; readonly row: ItemRow }
  | { readonly kind: 'event'; readonly row: EventRow }
  | { readonly kind: 'attributes'; readonly rows: readonly AttributeRow[] }
  | { readonly kind: 'rejected'; readonly row: RejectedRow };

const BATCH_ROWS = 1000;
export const MAX_ROWS = 10_000_000;
const MAX_RAW_LENGTH = 1024;

/** @throws EngineError `limit_exceeded` after 10 M rows of one source */
export async function* inBatches(blocks: AsyncIterable<readonly ReadRow[]>): AsyncGenerator<RowBatch> {
  let batch = emptyBatch();
  let inBatch = 0;
  let total = 0;
  for await (const rows of blocks) {
    for (const read of rows) {
      total += 1;
      if (total > MAX_ROWS)
        throw new EngineError('limit_exceeded', `More than ${MAX_ROWS} rows in one source`);
      const size = read.kind === 'attributes' ? read.rows.length : 1;
      if (inBatch + size > BATCH_ROWS) {
        yield batch;
        batch = emptyBatch();
        inBatch = 0;
      }
      inBatch += size;
      if (read.kind === 'item') batch.items.push(read.row);
      else if (read.kind === 'event') batch.events.push(read.row);
      else if (read.kind === 'attributes') batch.attributes.push(...read.rows);
      else batch.rejected.push(read.row);
    }
  }
  if (inBatch > 0) yield batch;
}

/** A row for the quarantine, with as much of it as may be kept. */
export function reject(
  source: string,
  line: number,
  code: RejectionCode,
  raw: string,
  person?: string,
): ReadRow {
  const named = person === undefined || person === '' || person.length > 256 ? {} : { person };
  return { kind: 'rejected', row: { source, line, code, raw: raw.slice(0, MAX_RAW_LENGTH), ...named } };
}

function emptyBatch() {
  return {
    items: [] as ItemRow[],
    events: [] as EventRow[],
    attributes: [] as AttributeRow[],
    rejected: [] as RejectedRow[],
  };
}
