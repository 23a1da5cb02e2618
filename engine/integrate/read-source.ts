// One door for files: a description of the source and the bytes of it, to batches of canonical rows.
// Paths and opening are the caller's, so that nothing here can reach a file it was not given.
import { EngineError } from '../types.ts';
import { inBatches, type ReadRow, type RowBatch } from './batches.ts';
import { readCsv } from './csv.ts';
import { eachLine, type Line, readLines, type TextEncoding } from './lines.ts';
import type { Mapping } from './mapping.ts';
import { readGenres, readMovies, readPeople, readRatings } from './movielens.ts';
import { readNdjson } from './ndjson.ts';

export type ByteStream = AsyncIterable<Uint8Array>;

export type SourceSpec =
  | {
      readonly format: 'csv';
      /** Shown in rejected rows. */
      readonly name: string;
      readonly mapping: Mapping;
      readonly encoding?: TextEncoding;
      /** One character, a comma when absent. */
      readonly separator?: string;
    }
  | {
      readonly format: 'ndjson';
      readonly name: string;
      readonly mapping: Mapping;
      readonly encoding?: TextEncoding;
    };

/**
 * Reads a CSV or NDJSON source. A row that cannot be used is in a batch's `rejected`; rows read = rows given + rejected.
 *
 * @throws EngineError `import_format` (columns, missing and found), `import_encoding` (line), `limit_exceeded`
 */
export function readSource(spec: SourceSpec, bytes: ByteStream): AsyncGenerator<RowBatch> {
  const lines = readLines(bytes, spec.encoding ?? 'utf-8');
  if (spec.format === 'ndjson') return inBatches(readNdjson(lines, spec.mapping, spec.name));
  const separator = spec.separator ?? ',';
  if (separator.length !== 1 || /["\r\n]/.test(separator)) {
    throw new EngineError('invalid_argument', 'A separator is one character, and no quote or line end');
  }
  return inBatches(readCsv(lines, spec.mapping, separator, spec.name));
}

/** The files of MovieLens-100K that are read, by their own names. */
export interface MovieLensFiles {
  readonly 'u.genre': ByteStream;
  readonly 'u.item': ByteStream;
  readonly 'u.user': ByteStream;
  readonly 'u.data': ByteStream;
}

/**
 * Reads MovieLens-100K: first items, then people's attributes (age, sex, occupation, postcode), then ratings.
 *
 * @throws EngineError `import_format` when u.genre cannot be read or a file has not one usable row, `import_encoding`,
 *   `limit_exceeded`
 */
export async function* readMovieLens(files: MovieLensFiles): AsyncGenerator<RowBatch> {
  const lines = (name: keyof MovieLensFiles): AsyncGenerator<Line> =>
    eachLine(readLines(files[name], name === 'u.item' ? 'latin-1' : 'utf-8'));
  const genres = await readGenres(lines('u.genre'));
  yield* inBatches(firstMustFit('u.item', readMovies(lines('u.item'), genres)));
  yield* inBatches(firstMustFit('u.user', readPeople(lines('u.user'))));
  yield* inBatches(firstMustFit('u.data', readRatings(lines('u.data'))));
}

// A file that is something else altogether is told as that, not as a million rejected rows.
async function* firstMustFit(name: string, rows: AsyncIterable<ReadRow>): AsyncGenerator<readonly ReadRow[]> {
  let isFirst = true;
  for await (const row of rows) {
    if (isFirst && row.kind === 'rejected' && row.row.code === 'wrong_field_count') {
      throw new EngineError('import_format', `${name} does not have the fields of MovieLens-100K`, {
        file: name,
      });
    }
    isFirst = false;
    yield [row];
  }
  if (isFirst) throw new EngineError('import_format', `${name} is empty`, { file: name });
}
