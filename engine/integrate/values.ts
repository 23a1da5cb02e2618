// Text of a field to a value. A value that cannot be read gives undefined, never a guess.

const MAX_NUMBER_TEXT = 40;

/** A finite decimal, with sign, fraction and exponent; no thousands separators, no hexadecimal. */
export function readNumber(text: string): number | undefined {
  if (text.length > MAX_NUMBER_TEXT || !/^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** How a column writes time. `iso`: date, or date and time; without a zone it is UTC. */
export type TimeFormat = 'iso' | 'unix-seconds' | 'unix-ms';

/** Milliseconds since 1970 UTC, between the years 1900 and 9999. */
export function readTime(text: string, format: TimeFormat): number | undefined {
  const atMs = format === 'iso' ? readIsoTime(text) : readUnixTime(text, format);
  return atMs !== undefined && atMs >= EARLIEST_MS && atMs <= LATEST_MS ? atMs : undefined;
}

const EARLIEST_MS = Date.UTC(1900, 0, 1);
const LATEST_MS = Date.UTC(9999, 11, 31);

function readUnixTime(text: string, format: TimeFormat): number | undefined {
  if (!/^-?\d{1,15}$/.test(text)) return undefined;
  return Number(text) * (format === 'unix-seconds' ? 1000 : 1);
}

const isoTime =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?(?:Z|([+-])(\d{2}):(\d{2}))?)?$/;

// By parts, because Date.parse takes most of the time of a whole import, and may turn 30 February into 2 March.
function readIsoTime(text: string): number | undefined {
  const match = isoTime.exec(text);
  if (match === null) return undefined;
  const part = (index: number) => Number(match[index] ?? 0);
  const [year, month, day] = [part(1), part(2), part(3)];
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined;
  if (part(4) > 23 || part(5) > 59 || part(6) > 59 || part(9) > 23 || part(10) > 59) return undefined;
  const milliseconds = Number((match[7] ?? '').padEnd(3, '0'));
  const zoneMs = (match[8] === '-' ? -1 : 1) * (part(9) * 60 + part(10)) * 60_000;
  // Date.UTC reads the years 0 to 99 as 1900 to 1999.
  return year < 100
    ? undefined
    : Date.UTC(year, month - 1, day, part(4), part(5), part(6), milliseconds) - zoneMs;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}
