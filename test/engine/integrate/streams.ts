// Byte streams cut into chunks, and batches put together again.
import type { RowBatch } from '../../../engine/integrate/batches.ts';

export async function* streamOf(
  content: string | Uint8Array,
  chunkBytes = 65_536,
): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(content);
  for (let from = 0; from < bytes.length; from += chunkBytes) yield bytes.subarray(from, from + chunkBytes);
}

export async function collect(batches: AsyncIterable<RowBatch>): Promise<RowBatch> {
  const all = { items: [], events: [], attributes: [], rejected: [] } as {
    [Kind in keyof RowBatch]: RowBatch[Kind][number][];
  };
  for await (const batch of batches) {
    all.items.push(...batch.items);
    all.events.push(...batch.events);
    all.attributes.push(...batch.attributes);
    all.rejected.push(...batch.rejected);
  }
  return all;
}
