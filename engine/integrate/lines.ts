// Bytes to lines, with limits: a file of any size is read in the memory of one chunk and one line.
import { EngineError } from '../types.ts';

export type TextEncoding = 'utf-8' | 'latin-1';

export interface Line {
  /** 1-based. */
  readonly number: number;
  /** Without its line end. */
  readonly text: string;
  /** True when the line was longer than the limit; `text` is then only its beginning. */
  readonly isTooLong: boolean;
}

export const MAX_LINE_BYTES = 65_536;
const KEPT_OF_LONG_LINE_BYTES = 4096;
const NEW_LINE = 10;
const RETURN = 13;

/**
 * Lines of a byte stream, those of one chunk together. LF and CRLF end a line; a byte order mark at the start is dropped; after the last line end
 * nothing follows.
 *
 * @throws EngineError `import_encoding` with the line where bytes are not in the stated encoding
 */
export async function* readLines(
  bytes: AsyncIterable<Uint8Array>,
  encoding: TextEncoding,
): AsyncGenerator<readonly Line[]> {
  const decode = decoder(encoding);
  const pending = new PendingLine();
  let number = 0;
  const finish = () => {
    number += 1;
    const { line, isTooLong } = pending.take();
    return { number, text: decode(line, number, isTooLong), isTooLong };
  };
  for await (const chunk of bytes) {
    const lines: Line[] = [];
    let from = 0;
    for (let end = chunk.indexOf(NEW_LINE); end !== -1; end = chunk.indexOf(NEW_LINE, from)) {
      pending.add(chunk.subarray(from, end));
      lines.push(finish());
      from = end + 1;
    }
    if (from < chunk.length) pending.add(chunk.subarray(from));
    if (lines.length > 0) yield lines;
  }
  if (pending.length > 0) yield [finish()];
}

/** The lines one by one. Slower by a microsecond a line, so only for small files. */
export async function* eachLine(blocks: AsyncIterable<readonly Line[]>): AsyncGenerator<Line> {
  for await (const lines of blocks) yield* lines;
}

class PendingLine {
  private parts: Uint8Array[] = [];
  private kept = 0;
  length = 0;

  add(part: Uint8Array): void {
    this.length += part.length;
    // One byte above the limit, for the return of a CRLF.
    const room = MAX_LINE_BYTES + 1 - this.kept;
    if (room <= 0 || part.length === 0) return;
    // A copy: the caller may reuse its buffer for the next chunk.
    const copy = part.slice(0, room);
    this.parts.push(copy);
    this.kept += copy.length;
  }

  take(): { line: Uint8Array; isTooLong: boolean } {
    let line = this.parts.length === 1 ? this.parts[0]! : Buffer.concat(this.parts);
    let { length } = this;
    if (line.at(-1) === RETURN && line.length === length) {
      line = line.subarray(0, -1);
      length -= 1;
    }
    this.parts = [];
    this.kept = 0;
    this.length = 0;
    const isTooLong = length > MAX_LINE_BYTES;
    return { line: isTooLong ? line.subarray(0, KEPT_OF_LONG_LINE_BYTES) : line, isTooLong };
  }
}

function decoder(encoding: TextEncoding): (line: Uint8Array, number: number, isTooLong: boolean) => string {
  if (encoding === 'latin-1') {
    // Not TextDecoder('latin1'): that is windows-1252, which gives other characters for 0x80–0x9f.
    return (line) => Buffer.from(line.buffer, line.byteOffset, line.length).toString('latin1');
  }
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const lenient = new TextDecoder('utf-8', { ignoreBOM: true });
  return (line, number, isTooLong) => {
    const text = isTooLong ? lenient.decode(line) : decodeStrictly(strict, line, number);
    return number === 1 && text.startsWith('\uFEFF') ? text.slice(1) : text;
  };
}

function decodeStrictly(strict: TextDecoder, line: Uint8Array, number: number): string {
  try {
    return strict.decode(line);
  } catch {
    throw new EngineError('import_encoding', `Line ${number} is not UTF-8`, {
      line: number,
      encoding: 'utf-8',
    });
  }
}
