// How the files of FORMAT.md are read and sealed: canonical JSON and one newline, exactly the members named, limits on
// everything. A reader checks a value's shape; what the value claims is for `verify.ts`.
import canonicalize from 'canonicalize';
import { sha256 } from '@noble/hashes/sha2.js';
import { concat, FormatError, fromBase64, fromUtf8, toBase64, toUtf8 } from './bytes.ts';
import { canonicalPayload, parseJson, type PlainObject } from './entry.ts';
import { isAscending } from './index-list.ts';

export type Sign = (message: Uint8Array) => Uint8Array | Promise<Uint8Array>;

/** JSON text and what it says, not yet known to be canonical. */
export interface Json {
  readonly text: string;
  readonly value: unknown;
}

/** @throws FormatError `size` | `utf8` | `json` under the given check */
export function readJson(file: string | Uint8Array, check: string, limitBytes: number): Json {
  if (file.length > limitBytes) throw new FormatError('size', check, `over ${limitBytes} bytes`);
  const text = typeof file === 'string' ? file : fromUtf8(file, check);
  return { text, value: parseJson(text, check) };
}

/**
 * The value, once it has the shape and its text is the one canonical spelling of it.
 * @throws FormatError under the given check
 */
export function shapedFile<T>(json: Json, check: string, limitBytes: number, read: Read<T>): T {
  const { text: whole, value } = json;
  if (whole.length > limitBytes) throw new FormatError('size', check, `over ${limitBytes} bytes`);
  const shaped = inCheck(check, () => read(value, 'file'));
  // One spelling only: else a byte could change without any signature noticing.
  if (!whole.isWellFormed() || inCheck(check, () => fileText(value)) !== whole) {
    throw new FormatError('canonical', check, 'not canonical JSON followed by one newline');
  }
  return shaped;
}

/** `readJson` and `shapedFile` in one. @throws FormatError under the given check */
export function parseFile<T>(file: string | Uint8Array, check: string, limitBytes: number, read: Read<T>): T {
  return shapedFile(readJson(file, check, limitBytes), check, limitBytes, read);
}

/** Canonical JSON (RFC 8785) and a newline. @throws FormatError `canonical` for half a character */
export function fileText(value: unknown): string {
  return `${canonical(value)}\n`;
}

function canonical(value: unknown): string {
  try {
    return canonicalize(value) as string;
  } catch {
    throw new FormatError('canonical', 'format', 'has no canonical form');
  }
}

/** format ‖ 0x0A ‖ SHA-256(canonical JSON without the member "seal", without newline). */
export function sealMessage(format: string, file: object): Uint8Array {
  const unsealed: Record<string, unknown> = { ...file };
  delete unsealed['seal'];
  return concat(toUtf8(`${format}\n`), sha256(toUtf8(canonical(unsealed))));
}

/** The file's text with its seal in place; nothing about its shape is checked. */
export async function sealedText(unsealed: { readonly format: string }, sign: Sign): Promise<string> {
  const seal = toBase64(await sign(sealMessage(unsealed.format, unsealed)));
  return fileText({ ...unsealed, seal });
}

/** A reader returns the value as it is when it has the shape, and throws when it has not. */
export type Read<T> = (value: unknown, at: string) => T;

// A tree of 2^53 leaves has paths of at most 53 hashes, and consistency paths of at most 54.
export const pathLimit = 64;

export function inCheck<T>(check: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof FormatError ? new FormatError(error.code, check, error.message) : error;
  }
}

export const misfit = (at: string, what: string): FormatError =>
  new FormatError('json', 'format', `${at} is not ${what}`);

export const text =
  (limit: number, pattern = /^\P{Cc}+$/u, what = 'a line of text'): Read<string> =>
  (value, at) => {
    if (typeof value !== 'string' || value.length > limit || !pattern.test(value)) throw misfit(at, what);
    return value;
  };

/** Any text, of several lines or none. */
export const prose =
  (limit: number): Read<string> =>
  (value, at) => {
    if (typeof value !== 'string' || value.length > limit) throw misfit(at, 'text');
    return value;
  };

/** 0x and lower-case hex, as EVM tools write it. */
export const hex = (sizeBytes: number): Read<string> =>
  text(
    2 + 2 * sizeBytes,
    new RegExp(`^0x[0-9a-f]{${2 * sizeBytes}}$`),
    `0x and ${sizeBytes} bytes in lower-case hex`,
  );

export const base64 =
  (leastBytes: number, mostBytes: number): Read<string> =>
  (value, at) => {
    if (typeof value !== 'string' || value.length > 4 * Math.ceil(mostBytes / 3)) throw misfit(at, 'base64');
    const { length } = fromBase64(value, 'format');
    if (length < leastBytes || length > mostBytes) throw misfit(at, `${leastBytes} to ${mostBytes} bytes`);
    return value;
  };

export const whole: Read<number> = (value, at) => {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw misfit(at, 'a whole number');
  return value as number;
};

export const wholeUpTo =
  (most: number): Read<number> =>
  (value, at) => {
    if (whole(value, at) > most) throw misfit(at, `a number up to ${most}`);
    return value as number;
  };

export const exact =
  <T extends string>(wanted: T): Read<T> =>
  (value, at) => {
    if (value !== wanted) throw misfit(at, `"${wanted}"`);
    return wanted;
  };

export const oneOf =
  <T extends string>(...wanted: readonly T[]): Read<T> =>
  (value, at) => {
    if (!(wanted as readonly unknown[]).includes(value)) throw misfit(at, `one of ${wanted.join(', ')}`);
    return value as T;
  };

export const list =
  <T>(most: number, read: Read<T>): Read<readonly T[]> =>
  (value, at) => {
    if (!Array.isArray(value) || value.length > most) throw misfit(at, `a list of at most ${most}`);
    return value.map((item, i) => read(item, `${at}[${i}]`));
  };

/** Whole numbers, each larger than the one before. */
export const ascending =
  (most: number): Read<readonly number[]> =>
  (value, at) => {
    const numbers = list(most, whole)(value, at);
    if (!isAscending(numbers)) throw misfit(at, 'ascending');
    return numbers;
  };

export const orNull =
  <T>(read: Read<T>): Read<T | null> =>
  (value, at) =>
    value === null ? null : read(value, at);

export const record =
  <T extends object>(fields: { readonly [Name in keyof T]: Read<T[Name]> }): Read<T> =>
  (value, at) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw misfit(at, 'an object');
    const names = Object.keys(fields) as (keyof T & string)[];
    if (Object.keys(value).length !== names.length || !names.every((name) => Object.hasOwn(value, name))) {
      throw misfit(at, `an object of exactly ${names.join(', ')}`);
    }
    const shaped = names.map((name) => [name, fields[name]((value as T)[name], `${at}.${name}`)]);
    return Object.fromEntries(shaped) as T;
  };

/** Any JSON object within the limits of a payload (FORMAT.md section 2). */
export const plainObject: Read<PlainObject> = (value, at) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw misfit(at, 'an object');
  canonicalPayload(value);
  return value as PlainObject;
};

export const origin = text(255, /^[^\p{White_Space}\p{Cc}+]+$/u, 'an origin');
export const hash = base64(32, 32);
export const signature = base64(64, 64);
export const note = text(1 << 20, /\n$/, 'a signed note');
export const leaf = base64(1, 116);
/** YYYY-MM-DDTHH:MM:SS.sssZ; the calendar is not checked. */
export const utcTime = text(24, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'a time in UTC');
