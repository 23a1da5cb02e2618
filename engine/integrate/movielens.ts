// The four files of MovieLens-100K, as its README describes them. ids, ages and ratings in plain numbers; u.item is
// Latin-1 with 19 genre flags whose names, in order, are in u.genre.
import { EngineError } from '../types.ts';
import { type ReadRow, reject } from './batches.ts';
import type { Line } from './lines.ts';
import { readNumber, readTime } from './values.ts';

const ITEM_FIELDS_BEFORE_FLAGS = 5;
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** u.genre: `name|number` a line, numbers 0, 1, 2… */
export async function readGenres(lines: AsyncIterable<Line>): Promise<string[]> {
  const genres: string[] = [];
  for await (const { number, text } of lines) {
    if (text === '') continue;
    const [name, index, ...rest] = text.split('|');
    if (rest.length > 0 || !name || index !== String(genres.length) || genres.length === 100) {
      throw new EngineError('import_format', `u.genre line ${number} is not "name|number"`, { line: number });
    }
    genres.push(name);
  }
  if (genres.length === 0) throw new EngineError('import_format', 'u.genre holds no genre');
  return genres;
}

/** u.item: id | title | release date | video date | address | one flag per genre. */
export async function* readMovies(
  lines: AsyncIterable<Line>,
  genres: readonly string[],
): AsyncGenerator<ReadRow> {
  const width = ITEM_FIELDS_BEFORE_FLAGS + genres.length;
  for await (const { line, fields, fail } of recordsOf(lines, '|', 'u.item', width)) {
    const [key, title, date] = fields as [string, string, string];
    const released = readDate(date);
    const flags = fields.slice(ITEM_FIELDS_BEFORE_FLAGS);
    if (key === '' || title === '') yield fail('missing_value');
    else if (released === undefined) yield fail('invalid_time');
    else if (flags.some((flag) => flag !== '0' && flag !== '1')) yield fail('invalid_number');
    else if (line.text.length > 4096) yield fail('value_too_long');
    else {
      const attributes = {
        genres: genres.filter((_, index) => flags[index] === '1'),
        ...(released === '' ? {} : { released }),
      };
      yield { kind: 'item', row: { key, title, attributes } };
    }
  }
}

/** u.user: id | age | sex | occupation | ZIP. Four attributes of category profile. */
export async function* readPeople(lines: AsyncIterable<Line>): AsyncGenerator<ReadRow> {
  for await (const { fields, fail } of recordsOf(lines, '|', 'u.user', 5)) {
    const [person, age, sex, occupation, postcode] = fields as [string, string, string, string, string];
    if (fields.some((field) => field === '')) yield fail('missing_value');
    else if (fields.some((field) => field.length > 256)) yield fail('value_too_long');
    else if (!/^\d{1,3}$/.test(age)) yield fail('invalid_number');
    else {
      const rows = Object.entries({ age, sex, occupation, postcode });
      yield {
        kind: 'attributes',
        rows: rows.map(([name, value]) => ({ person, name, value, category: 'profile' as const })),
      };
    }
  }
}

/** u.data: person, item, rating 1–5, Unix seconds, separated by tabs. Events of category browsing. */
export async function* readRatings(lines: AsyncIterable<Line>): AsyncGenerator<ReadRow> {
  for await (const { fields, fail } of recordsOf(lines, '\t', 'u.data', 4)) {
    const [person, item, rating, time] = fields as [string, string, string, string];
    const value = readNumber(rating);
    const atMs = readTime(time, 'unix-seconds');
    if (person === '' || item === '') yield fail('missing_value');
    else if (person.length > 256 || item.length > 256) yield fail('value_too_long');
    else if (value === undefined || value < 1 || value > 5) yield fail('invalid_number');
    else if (atMs === undefined) yield fail('invalid_time');
    else yield { kind: 'event', row: { person, item, kind: 'rating', value, atMs, category: 'browsing' } };
  }
}

type Failed = Extract<ReadRow, { kind: 'rejected' }>;
type FailedAs = Failed['row']['code'];

// A record of the wrong width never reaches the reader: it is given on as rejected through `fail` there.
async function* recordsOf(lines: AsyncIterable<Line>, separator: string, source: string, width: number) {
  for await (const line of lines) {
    if (line.text === '' && !line.isTooLong) continue;
    const split = line.isTooLong ? [] : line.text.split(separator);
    const isWide = split.length === width;
    const always: FailedAs | undefined = line.isTooLong
      ? 'line_too_long'
      : isWide
        ? undefined
        : 'wrong_field_count';
    const named = source === 'u.item' ? undefined : split[0];
    const fail = (code: FailedAs): ReadRow => reject(source, line.number, always ?? code, line.text, named);
    // Empty fields make every reader call `fail`, whose code is then the one found here.
    yield { line, fields: isWide ? split : Array.from({ length: width }, () => ''), fail };
  }
}

/** "01-Jan-1995" or "4-Feb-1971" (the file has both) → "1995-01-01"; "" stays; anything else undefined. */
function readDate(text: string): string | undefined {
  if (text === '') return '';
  const [day, month, year] = text.split('-');
  const at = months.indexOf(month ?? '') + 1;
  const iso = `${year}-${String(at).padStart(2, '0')}-${day?.padStart(2, '0')}`;
  return at > 0 && readTime(iso, 'iso') !== undefined ? iso : undefined;
}
