// Which column of a table is what, and how one record becomes canonical rows.
import { type DataCategory, EngineError } from '../types.ts';
import { type ReadRow, reject } from './batches.ts';
import { readNumber, readTime, type TimeFormat } from './values.ts';

/** Column names of the source for each part of a row. */
export type Mapping =
  | {
      readonly rows: 'events';
      readonly person: string;
      readonly item: string;
      readonly at: string;
      readonly timeFormat: TimeFormat;
      readonly value?: string;
      /** What the events are: 'rating', 'purchase'… The same for all rows of the source. */
      readonly kind: string;
      readonly category: DataCategory;
    }
  | {
      readonly rows: 'items';
      readonly key: string;
      readonly title: string;
      /** Attribute name → column, and what separates several values in it. */
      readonly attributes?: Readonly<
        Record<string, { readonly column: string; readonly separator?: string }>
      >;
    }
  | {
      readonly rows: 'attributes';
      readonly person: string;
      /** Attribute name → column. An empty field gives no attribute. */
      readonly attributes: Readonly<Record<string, string>>;
      readonly category: DataCategory;
    };

/** Gives the text of a column; undefined when the record does not have it. */
export type FieldReader = (column: string) => string | undefined;

const MAX_KEY_LENGTH = 256;
const MAX_VALUE_LENGTH = 4096;

/** Every column a mapping reads. */
export function columnsOf(mapping: Mapping): string[] {
  if (mapping.rows === 'items') {
    return [
      mapping.key,
      mapping.title,
      ...Object.values(mapping.attributes ?? {}).map(({ column }) => column),
    ];
  }
  if (mapping.rows === 'attributes') return [mapping.person, ...Object.values(mapping.attributes)];
  return [mapping.person, mapping.item, mapping.at, ...(mapping.value === undefined ? [] : [mapping.value])];
}

/** @throws EngineError `import_format` naming the columns that are missing and those that were found */
export function requireColumns(mapping: Mapping, found: readonly string[]): void {
  const missing = columnsOf(mapping).filter((column) => !found.includes(column));
  if (missing.length === 0) return;
  const foundText = found.slice(0, 50).map((column) => column.slice(0, 100));
  throw new EngineError(
    'import_format',
    `Missing columns: ${missing.join(', ')}. Found: ${foundText.join(', ')}`,
    {
      missing,
      found: foundText,
    },
  );
}

/** One record to one row, or to a rejected row that says why. */
export function mapRecord(
  mapping: Mapping,
  field: FieldReader,
  source: string,
  line: number,
  raw: string,
): ReadRow {
  const named = mapping.rows === 'items' ? undefined : field(mapping.person)?.trim();
  const fail = (code: Parameters<typeof reject>[2]) => reject(source, line, code, raw, named);
  // No field is longer than the row it is in, so most rows need no look at each.
  const isLong = (column: string) => (field(column)?.length ?? 0) > MAX_VALUE_LENGTH;
  if (raw.length > MAX_VALUE_LENGTH && columnsOf(mapping).some(isLong)) return fail('value_too_long');
  const keys = keyColumns(mapping).map((column) => field(column)?.trim() ?? '');
  if (keys.some((key) => key === '')) return fail('missing_value');
  if (keys.some((key) => key.length > MAX_KEY_LENGTH)) return fail('value_too_long');
  if (mapping.rows === 'items') {
    return {
      kind: 'item',
      row: { key: keys[0]!, title: field(mapping.title)!, attributes: itemAttributes(mapping, field) },
    };
  }
  if (mapping.rows === 'attributes') {
    const rows = Object.entries(mapping.attributes)
      .map(([name, column]) => ({
        person: keys[0]!,
        name,
        value: field(column) ?? '',
        category: mapping.category,
      }))
      .filter(({ value }) => value !== '');
    return { kind: 'attributes', rows };
  }
  const atMs = readTime(field(mapping.at)?.trim() ?? '', mapping.timeFormat);
  if (atMs === undefined) return fail('invalid_time');
  const valueText = mapping.value === undefined ? undefined : field(mapping.value)?.trim();
  const value = valueText === undefined ? null : readNumber(valueText);
  if (value === undefined) return fail('invalid_number');
  const [person, item] = keys as [string, string];
  return {
    kind: 'event',
    row: { person, item, kind: mapping.kind, value, atMs, category: mapping.category },
  };
}

function keyColumns(mapping: Mapping): string[] {
  if (mapping.rows === 'events') return [mapping.person, mapping.item];
  return mapping.rows === 'items' ? [mapping.key, mapping.title] : [mapping.person];
}

function itemAttributes(mapping: Mapping & { rows: 'items' }, field: FieldReader) {
  const attributes: Record<string, string | string[]> = {};
  for (const [name, { column, separator }] of Object.entries(mapping.attributes ?? {})) {
    const text = field(column) ?? '';
    if (text !== '') attributes[name] = separator === undefined ? text : text.split(separator);
  }
  return attributes;
}
