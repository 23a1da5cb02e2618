// Who was erased, beside the database: whom a backup from before brings back is erased again at the next start. The file
// holds keyed hashes alone, and lies in the data folder, where a restore, which exchanges the database, leaves it.
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { syncPath } from '../store/new-file.ts';

export const erasedFile = 'erased.jsonl';

/** A person's id, or their reference as the suppression list has it. */
export interface ErasedMark {
  readonly kind: 'person' | 'reference';
  /** HMAC-SHA256 in hex. */
  readonly hash: string;
}

export interface ErasedList {
  has(mark: ErasedMark): boolean;
  /** On the disk when this returns; what is there already is not written again. Throws when the disk does not take it. */
  add(marks: readonly ErasedMark[]): void;
  all(): readonly ErasedMark[];
}

/** Makes no file before there is something to write. */
export function openErasedList(path: string): ErasedList {
  const known = new Map<string, ErasedMark>();
  const keyOf = ({ kind, hash }: ErasedMark): string => `${kind}:${hash}`;
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  for (const line of text.split('\n')) {
    const mark = markIn(line);
    if (mark !== undefined) known.set(keyOf(mark), mark);
  }
  let isCut = text !== '' && !text.endsWith('\n');
  return {
    has: (mark) => known.has(keyOf(mark)),
    add(marks) {
      const added = marks.filter((mark) => !known.has(keyOf(mark)));
      if (added.length === 0) return;
      const isNew = !existsSync(path);
      const file = openSync(path, 'a', 0o600);
      try {
        const lines = added.map(({ kind, hash }) => `${JSON.stringify({ kind, hash })}\n`).join('');
        writeSync(file, isCut ? `\n${lines}` : lines);
        fsyncSync(file);
      } catch (error) {
        isCut = true;
        throw error;
      } finally {
        closeSync(file);
      }
      isCut = false;
      if (isNew) syncPath(dirname(path));
      for (const mark of added) known.set(keyOf(mark), mark);
    },
    all: () => [...known.values()],
  };
}

/** Undefined for what a crash or a full disk cut off: the database knows of it, and the next start writes it again. */
function markIn(line: string): ErasedMark | undefined {
  try {
    const { kind, hash } = JSON.parse(line) as Record<string, unknown>;
    const isKind = kind === 'person' || kind === 'reference';
    return isKind && typeof hash === 'string' && /^[0-9a-f]{64}$/.test(hash) ? { kind, hash } : undefined;
  } catch {
    return undefined;
  }
}
