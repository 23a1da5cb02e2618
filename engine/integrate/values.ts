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

function readIsoTime(text: string): number | undefined {
  const match = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:\d{2}(?:\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})?)?$/.exec(
    text,
  );
  if (match === null) return undefined;
  const [, day, minutes = '00:00', seconds = ':00', zone = 'Z'] = match;
  const dayMs = Date.parse(`${day}T00:00:00Z`);
  // Date.parse may turn 30 February into 2 March.
  if (Number.isNaN(dayMs) || new Date(dayMs).toISOString().slice(0, 10) !== day) return undefined;
  const atMs = Date.parse(`${day}T${minutes}${seconds}${zone}`);
  return Number.isNaN(atMs) ? undefined : atMs;
}
