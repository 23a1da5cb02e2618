// Reads a file of consent records, CSV with a header or NDJSON, row by row with its line.
import { parse } from 'csv-parse';
import { Readable } from 'node:stream';
import { GatewayError } from '../errors.ts';

export interface ConsentFileRow {
  readonly line: number;
  readonly fields: Readonly<Record<string, unknown>>;
  /** Why the line could not be read; absent where it could. */
  readonly code?: string;
}

const longestLine = 16_384;

/** @throws GatewayError `import_format` naming missing columns, `import_encoding` */
export async function* readConsentFile(
  format: 'csv' | 'ndjson',
  columns: readonly string[],
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<ConsentFileRow> {
  try {
    yield* format === 'csv' ? readCsv(columns, bytes) : readNdjson(bytes);
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    if (error instanceof TypeError) throw new GatewayError('import_encoding', 'the file is not UTF-8');
    throw new GatewayError('import_format', 'the file is not CSV', { cause: error });
  }
}

async function* text(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  for await (const chunk of bytes) yield decoder.decode(chunk, { stream: true });
  yield decoder.decode();
}

async function* readCsv(
  columns: readonly string[],
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<ConsentFileRow> {
  const parser = parse({
    bom: true,
    info: true,
    columns: true,
    skip_empty_lines: true,
    relax_column_count: true,
    max_record_size: longestLine,
  });
  // `pipe` does not hand errors on: unheard, one in the file would end the process.
  Readable.from(text(bytes))
    .on('error', (error) => parser.destroy(error))
    .pipe(parser);
  let isFirst = true;
  for await (const { info, record } of parser as AsyncIterable<{
    info: { lines: number; columns: { name: string }[] };
    record: Record<string, unknown>;
  }>) {
    if (isFirst) {
      const found = info.columns.map(({ name }) => name);
      const missing = columns.filter((name) => !found.includes(name));
      if (missing.length > 0) {
        throw new GatewayError(
          'import_format',
          `missing columns: ${missing.join(', ')}; found: ${found.slice(0, 30).join(', ')}`,
          {
            details: { missing },
          },
        );
      }
    }
    isFirst = false;
    yield { line: info.lines, fields: record };
  }
}

async function* readNdjson(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<ConsentFileRow> {
  let line = 0;
  let rest = '';
  const read = (one: string): ConsentFileRow | undefined => {
    line += 1;
    if (one.trim() === '') return undefined;
    if (one.length > longestLine) return { line, fields: {}, code: 'line_too_long' };
    try {
      const fields: unknown = JSON.parse(one);
      return typeof fields === 'object' && fields !== null && !Array.isArray(fields)
        ? { line, fields: fields as Record<string, unknown> }
        : { line, fields: {}, code: 'invalid_json' };
    } catch {
      return { line, fields: {}, code: 'invalid_json' };
    }
  };
  for await (const chunk of text(bytes)) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const one of lines) {
      const row = read(one);
      if (row !== undefined) yield row;
    }
  }
  const last = read(rest);
  if (last !== undefined) yield last;
}
