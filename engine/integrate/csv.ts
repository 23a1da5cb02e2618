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
  lines: AsyncIterable<Line>,
  mapping: Mapping,
  separator: string,
  source: string,
): AsyncGenerator<ReadRow> {
  let header: ReadonlyMap<string, number> | undefined;
  for await (const record of records(lines, separator)) {
    const fields = record.isTooLong ? undefined : parseRecord(record.text, separator);
    if (header === undefined) {
      const names = fields?.map((name) => name.trim()) ?? [];
      requireColumns(mapping, names);
      header = new Map(names.map((name, index) => [name, index]));
    } else if (record.isTooLong) yield reject(source, record.number, 'line_too_long', record.text);
    else if (fields === undefined) yield reject(source, record.number, 'invalid_quoting', record.text);
    else if (fields.length !== header.size) {
      yield reject(source, record.number, 'wrong_field_count', record.text);
    } else {
      const positions = header;
      const field = (column: string) => fields[positions.get(column) ?? -1];
      yield mapRecord(mapping, field, source, record.number, record.text);
    }
  }
  if (header === undefined)
    throw new EngineError('import_format', 'The file is empty: it has no header line');
}

// Joins lines while a quote is open. A quote that is never closed would swallow the rest of the file: when the record
// grows beyond the limit of a line, or the file ends, its first line is given alone and the others are read anew.
async function* records(lines: AsyncIterable<Line>, separator: string): AsyncGenerator<Line> {
  let open: Line[] = [];
  let openBytes = 0;
  for await (const line of lines) {
    open.push(line);
    openBytes += line.text.length;
    for (let isComplete = true; isComplete && open.length > 0;) {
      const isOpen = hasOpenQuote(open, separator);
      const mustGive = isOpen && (openBytes > MAX_LINE_BYTES || open.length > MAX_RECORD_LINES);
      const given: Line[] = isOpen ? (mustGive ? open.splice(0, 1) : []) : open.splice(0);
      openBytes = open.reduce((sum, { text }) => sum + text.length, 0);
      isComplete = mustGive;
      if (given.length > 0 && !isBlank(given)) yield join(given);
    }
  }
  while (open.length > 0) {
    let count = open.length;
    while (count > 1 && hasOpenQuote(open.slice(0, count), separator)) count -= 1;
    const given = open.splice(0, count);
    if (!isBlank(given)) yield join(given);
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

function isBlank(lines: readonly Line[]): boolean {
  return lines.length === 1 && lines[0]!.text === '' && !lines[0]!.isTooLong;
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
