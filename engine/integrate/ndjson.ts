// NDJSON: one JSON object a line. Only the mapped fields are read; they may be texts, numbers or booleans.
import { type ReadRow, reject } from './batches.ts';
import type { Line } from './lines.ts';
import { columnsOf, type Mapping, mapRecord, requireColumns } from './mapping.ts';

/**
 * Rows of an NDJSON source. A line that is no object, or lacks a field, is rejected alone.
 *
 * @throws EngineError `import_format` when the first object has none of the mapped fields: then the mapping is wrong
 */
export async function* readNdjson(
  blocks: AsyncIterable<readonly Line[]>,
  mapping: Mapping,
  source: string,
): AsyncGenerator<readonly ReadRow[]> {
  let isChecked = false;
  const read = ({ number, text, isTooLong }: Line): ReadRow[] => {
    if (isTooLong) return [reject(source, number, 'line_too_long', text)];
    if (text.trim() === '') return [];
    const record = parseObject(text);
    if (record === undefined) return [reject(source, number, 'invalid_json', text)];
    if (!isChecked && !columnsOf(mapping).some((column) => Object.hasOwn(record, column))) {
      requireColumns(mapping, Object.keys(record));
    }
    isChecked = true;
    return [mapRecord(mapping, (column) => fieldText(record, column), source, number, text)];
  };
  for await (const lines of blocks) yield lines.flatMap(read);
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function fieldText(record: Record<string, unknown>, column: string): string | undefined {
  const value = Object.hasOwn(record, column) ? record[column] : undefined;
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}
