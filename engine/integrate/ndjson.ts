// NDJSON: one JSON object a line. Only the mapped fields are read; they may be texts, numbers or booleans.
import type { ReadRow } from './batches.ts';
import { reject } from './batches.ts';
import type { Line } from './lines.ts';
import { columnsOf, type Mapping, mapRecord, requireColumns } from './mapping.ts';

/**
 * Rows of an NDJSON source. A line that is no object, or lacks a field, is rejected alone.
 *
 * @throws EngineError `import_format` when the first object has none of the mapped fields: then the mapping is wrong
 */
export async function* readNdjson(
  lines: AsyncIterable<Line>,
  mapping: Mapping,
  source: string,
): AsyncGenerator<ReadRow> {
  let isChecked = false;
  for await (const { number, text, isTooLong } of lines) {
    if (isTooLong) {
      yield reject(source, number, 'line_too_long', text);
      continue;
    }
    if (text.trim() === '') continue;
    const record = parseObject(text);
    if (record === undefined) {
      yield reject(source, number, 'invalid_json', text);
      continue;
    }
    if (!isChecked && !columnsOf(mapping).some((column) => Object.hasOwn(record, column))) {
      requireColumns(mapping, Object.keys(record));
    }
    isChecked = true;
    yield mapRecord(mapping, (column) => fieldText(record, column), source, number, text);
  }
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
