// CSV (RFC 4180) with a header line. Quoted fields may hold separators, quotes and line ends.
import { parse } from 'csv-parse/sync';
import { EngineError } from '../types.ts';
import { type ReadRow, reject } from './batches.ts';
import { type Line, MAX_LINE_BYTES } from './lines.ts';
import { type Mapping, mapRecord, requireColumns } from './mapping.ts';

/**
 * Rows of a CSV source. A record that does not have the header's number of fields, or whose quotes do not match, is
 * rejected alone: the next line is read as if nothing had happened.
 *
 * @throws EngineError `import_format` when the header lacks a column, or there is none
 */
export async function* readCsv(
  blocks: AsyncIterable<readonly Line[]>,
  mapping: Mapping,
  separator: string,
  source: string,
): AsyncGenerator<readonly ReadRow[]> {
  const joiner = new RecordJoiner(separator);
  let header: ReadonlyMap<string, number> | undefined;
  const read = (record: Line): ReadRow[] => {
    const { number, text } = record;
    const fields = record.isTooLong ? undefined : parseRecord(text, separator);
    if (header === undefined) {
      const names = fields?.map((name) => name.trim()) ?? [];
      requireColumns(mapping, names);
      header = new Map(names.map((name, index) => [name, index]));
      return [];
    }
    if (record.isTooLong) return [reject(source, number, 'line_too_long', text)];
    if (fields === undefined) return [reject(source, number, 'invalid_quoting', text)];
    if (fields.length !== header.size) return [reject(source, number, 'wrong_field_count', text)];
    const positions = header;
    return [mapRecord(mapping, (column) => fields[positions.get(column) ?? -1], source, number, text)];
  };
  for await (const lines of blocks) yield joiner.add(lines).flatMap(read);
  yield joiner.end().flatMap(read);
  if (header === undefined)
    throw new EngineError('import_format', 'The file is empty: it has no header line');
}

// Joins lines while a quote is open. A quote that is never closed would swallow the rest of the file: when the record
// grows beyond the limit of a line, or the file ends, its first line is given alone and the others are read anew.
class RecordJoiner {
  private readonly separator: string;
  private open: Line[] = [];

  constructor(separator: string) {
    this.separator = separator;
  }

  add(lines: readonly Line[]): Line[] {
    const records: Line[] = [];
    for (const line of lines) {
      if (this.open.length === 0 && !line.text.includes('"')) {
        if (!isBlank(line)) records.push(line);
        continue;
      }
      this.open.push(line);
      while (this.open.length > 0) {
        const isOpen = hasOpenQuote(this.open, this.separator);
        if (isOpen && !this.isFull()) break;
        records.push(join(isOpen ? this.open.splice(0, 1) : this.open.splice(0)));
      }
    }
    return records;
  }

  end(): Line[] {
    const records: Line[] = [];
    while (this.open.length > 0) {
      let count = this.open.length;
      while (count > 1 && hasOpenQuote(this.open.slice(0, count), this.separator)) count -= 1;
      records.push(join(this.open.splice(0, count)));
    }
    return records.filter((record) => !isBlank(record));
  }

  private isFull(): boolean {
    const size = this.open.reduce((sum, { text }) => sum + text.length, 0);
    return size > MAX_LINE_BYTES || this.open.length > MAX_RECORD_LINES;
  }
}

const MAX_RECORD_LINES = 100;

// A quote opens only at the start of a field; anywhere else a stray one is an error of that record alone.
function hasOpenQuote(lines: readonly Line[], separator: string): boolean {
  if (!lines.some(({ text }) => text.includes('"'))) return false;
  if (lines.some(({ isTooLong }) => isTooLong)) return false;
  const text = lines.map((line) => line.text).join('\n');
  let isInside = false;
  let isFieldStart = true;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at]!;
    if (isInside) {
      if (character !== '"') continue;
      if (text[at + 1] === '"') at += 1;
      else isInside = false;
    } else if (character === '"' && isFieldStart) isInside = true;
    isFieldStart = !isInside && character === separator;
  }
  return isInside;
}

function isBlank(line: Line): boolean {
  return line.text === '' && !line.isTooLong;
}

function join(lines: readonly Line[]): Line {
  const text = lines.map((line) => line.text).join('\n');
  return { number: lines[0]!.number, text, isTooLong: lines.some(({ isTooLong }) => isTooLong) };
}

function parseRecord(text: string, separator: string): string[] | undefined {
  if (!text.includes('"')) return text.split(separator);
  try {
    const found = parse(text, { delimiter: separator, relax_column_count: true }) as string[][];
    return found.length === 1 ? found[0] : undefined;
  } catch {
    return undefined;
  }
}
