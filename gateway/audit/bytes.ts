// Bytes and their texts, strict in both directions: one value has exactly one spelling.
// Runs in the browser too; imports nothing.

/** What can be wrong with a file or a byte string that somebody hands us. */
export type FormatCode =
  | 'base64'
  | 'canonical'
  | 'checkpoint'
  | 'hex'
  | 'json'
  | 'key'
  | 'leaf'
  | 'length'
  | 'mismatch'
  | 'note'
  | 'payload'
  | 'policy'
  | 'proof'
  | 'range'
  | 'signature'
  | 'size'
  | 'utf8';

/**
 * A file or byte string is not what its format says.
 * `check` names the check that found it, in the words of FORMAT.md ("leaf", "inclusion", …).
 */
export class FormatError extends Error {
  readonly code: FormatCode;
  readonly check: string;

  constructor(code: FormatCode, check: string, message: string) {
    super(message);
    this.name = 'FormatError';
    this.code = code;
    this.check = check;
  }
}

const hexDigits = '0123456789abcdef';

/** Lower-case hex, without prefix. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += hexDigits.charAt(byte >> 4) + hexDigits.charAt(byte & 15);
  return text;
}

/** @throws FormatError `hex` unless the text is lower-case hex of whole bytes */
export function fromHex(text: string, check: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) {
    throw new FormatError('hex', check, 'not lower-case hex');
  }
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

const base64Digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const base64Values = new Int8Array(128).fill(-1);
for (let i = 0; i < 64; i++) base64Values[base64Digits.charCodeAt(i)] = i;

/** RFC 4648 section 4, with padding. */
export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const word = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    text += base64Digits.charAt(word >> 18) + base64Digits.charAt((word >> 12) & 63);
    text += left > 1 ? base64Digits.charAt((word >> 6) & 63) : '=';
    text += left > 2 ? base64Digits.charAt(word & 63) : '=';
  }
  return text;
}

/**
 * RFC 4648 section 4, with padding. Non-zero bits behind the last byte are refused: otherwise
 * a changed character could leave the bytes, and so every signature, as they were.
 * @throws FormatError `base64`
 */
export function fromBase64(text: string, check: string): Uint8Array {
  const refuse = () => new FormatError('base64', check, 'not canonical base64');
  if (text.length % 4 !== 0) throw refuse();
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  const digits = text.length - padding;
  let held = 0;
  let heldBits = 0;
  let at = 0;
  for (let i = 0; i < digits; i++) {
    const value = base64Values[text.charCodeAt(i)] ?? -1;
    if (value < 0) throw refuse();
    held = ((held << 6) | value) & 0xffff;
    heldBits += 6;
    if (heldBits >= 8) {
      heldBits -= 8;
      bytes[at++] = (held >> heldBits) & 0xff;
    }
  }
  if ((held & ((1 << heldBits) - 1)) !== 0) throw refuse();
  return bytes;
}

const encoder = new TextEncoder();
// A byte order mark is a character like any other here: dropping it would give two files one meaning.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function toUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** @throws FormatError `utf8` */
export function fromUtf8(bytes: Uint8Array, check: string): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new FormatError('utf8', check, 'not valid UTF-8');
  }
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sizeBytes, part) => sizeBytes + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Order of byte strings: the first differing byte decides, then the length. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Eight bytes, big-endian. @throws FormatError `range` unless 0 ≤ value < 2^53 */
export function u64(value: number, check = 'number'): Uint8Array {
  const bytes = new Uint8Array(8);
  writeU64(bytes, 0, value, check);
  return bytes;
}

/** @throws FormatError `range` unless 0 ≤ value < 2^53 */
export function writeU64(bytes: Uint8Array, offset: number, value: number, check: string): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new FormatError('range', check, 'not a whole number from 0 to 2^53 - 1');
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint32(offset, Math.floor(value / 0x1_0000_0000));
  view.setUint32(offset + 4, value % 0x1_0000_0000);
}

/** @throws FormatError `range` for numbers of 2^53 and more */
export function readU64(bytes: Uint8Array, offset: number, check: string): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const value = view.getUint32(offset) * 0x1_0000_0000 + view.getUint32(offset + 4);
  // Rounding cannot bring a larger number below 2^53, so this is exact where it passes.
  if (!Number.isSafeInteger(value)) throw new FormatError('range', check, 'a number of 2^53 or more');
  return value;
}

/** @throws FormatError `length` unless there are exactly `sizeBytes` bytes */
export function exactly(bytes: Uint8Array, sizeBytes: number, check: string): Uint8Array {
  if (!(bytes instanceof Uint8Array) || bytes.length !== sizeBytes) {
    throw new FormatError('length', check, `not ${sizeBytes} bytes`);
  }
  return bytes;
}
