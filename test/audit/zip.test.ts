import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { FormatError, toUtf8 } from '../../gateway/audit/bytes.ts';
import { isZip, packZip, readZip } from '../../gateway/audit/zip.ts';

const atMs = Date.UTC(2026, 10, 22, 9, 30);
const files = new Map([
  ['evidence.json', toUtf8('{"format":"assent-evidence/v1"}'.repeat(40))],
  ['notices/browsing-1-zh.txt', toUtf8('告知文本')],
  ['empty.txt', new Uint8Array()],
]);
const archive = packZip(files, atMs);
const refusal = (bytes: Uint8Array, limits?: { members: number; unpackedBytes: number }): string => {
  try {
    readZip(bytes, limits);
    return 'read';
  } catch (error) {
    expect(error).toBeInstanceOf(FormatError);
    return (error as FormatError).message;
  }
};
const find = (bytes: Uint8Array, mark: number, from = 0): number => {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let at = from; at + 4 <= bytes.length; at++) if (view.getUint32(at, true) === mark) return at;
  throw new Error('not there');
};
const patched = (change: (view: DataView, bytes: Uint8Array) => void, of = archive): Uint8Array => {
  const bytes = Uint8Array.from(of);
  change(new DataView(bytes.buffer), bytes);
  return bytes;
};
const central = find(archive, 0x02014b50);

describe('an archive', () => {
  it('gives back what was put into it, in its order', () => {
    expect(isZip(archive)).toBe(true);
    expect([...readZip(archive)]).toEqual([...files]);
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^[a-z]{1,8}\.txt$/), fc.uint8Array({ maxLength: 500 })),
        (given) => {
          const some = new Map(Object.entries(given));
          expect(new Map(readZip(packZip(some, atMs)))).toEqual(some);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('is the same bytes all day, in whatever order the clock of the machine runs', () => {
    expect(packZip(files, Date.UTC(2026, 10, 22, 23, 59))).toEqual(archive);
    expect(packZip(files, Date.UTC(2026, 10, 23))).not.toEqual(archive);
  });

  it('is read by another program too', () => {
    const folder = mkdtempSync(join(tmpdir(), 'assent-zip-'));
    try {
      writeFileSync(join(folder, 'a.zip'), archive);
      const script =
        'import sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print("\\n".join(z.namelist()))';
      const said = execFileSync('python3', ['-c', script, join(folder, 'a.zip')], { encoding: 'utf8' });
      expect(said.trim().split('\n')).toEqual([...files.keys()]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('an archive that two programs could read differently, or that would fill the memory, is refused', () => {
  const stored = zipSync(
    { 'a.txt': toUtf8('one'), 'b.txt': toUtf8('two') },
    { level: 0, mtime: new Date(2026, 1, 1, 12) },
  );
  const second = find(stored, 0x02014b50, find(stored, 0x02014b50) + 1);

  it.each<[string, RegExp, Uint8Array]>([
    ['bytes behind it', /does not end as one/, Uint8Array.from([...archive, 0])],
    [
      'bytes before it',
      /directory is not at its end|something stands before/,
      Uint8Array.from([0, ...archive]),
    ],
    ['a part of it', /does not end as one/, archive.subarray(0, -1)],
    ['another name where the member stands', /another name/, patched((_, bytes) => void (bytes[30] = 0x45))],
    [
      'a name twice',
      /twice/,
      patched((_, bytes) => {
        bytes[second + 46] = 0x41;
        bytes[find(stored, 0x04034b50, 4) + 30] = 0x41;
      }, stored),
    ],
    ['an encrypted member', /encrypted/, patched((view) => view.setUint16(central + 8, 1, true))],
    ['a size that is too small', /damaged|broken/, patched((view) => view.setUint32(central + 24, 10, true))],
    ['a size that is too large', /damaged/, patched((view) => view.setUint32(central + 24, 100_000, true))],
    ['another checksum', /damaged/, patched((view) => view.setUint32(central + 16, 1, true))],
    [
      'members that share their bytes',
      /overlaps/,
      patched((view) => view.setUint32(second + 42, 0, true), stored),
    ],
    [
      'a packing that is not known',
      /another name or form/,
      patched((view) => view.setUint16(central + 10, 12, true)),
    ],
  ])('%s', (_what, said, bytes) => {
    expect(refusal(bytes)).toMatch(said);
  });

  it.each(['../up.txt', '/root.txt', 'a/../../b', 'a\\b', 'C:x', 'a\u0000b', 'a\u202eb', './a'])(
    'the name %j',
    (name) => {
      expect(refusal(zipSync({ [name]: toUtf8('x') }))).toMatch(/leads elsewhere/);
    },
  );

  it('more members, or more bytes once unpacked, than its limits; the bytes are never unpacked', () => {
    expect(refusal(archive, { members: 2, unpackedBytes: 1 << 20 })).toMatch(/more than 2 members/);
    expect(refusal(archive, { members: 9, unpackedBytes: 1000 })).toMatch(/unpacks to more than 1000/);
    const bomb = zipSync({ 'a.txt': new Uint8Array(50 << 20), 'b.txt': new Uint8Array(50 << 20) });
    expect(bomb.length).toBeLessThan(1 << 20);
    expect(refusal(bomb, { members: 9, unpackedBytes: 99 << 20 })).toMatch(/unpacks to more/);
    // What its directory says is less than what is in it.
    const at = find(bomb, 0x02014b50);
    const lying = patched((view) => view.setUint32(at + 24, 5, true), bomb);
    expect(refusal(lying, { members: 9, unpackedBytes: 60 << 20 })).toMatch(/damaged/);
  });

  it('whatever byte is changed, no other contents come out, and nothing else is thrown', () => {
    fc.assert(
      fc.property(fc.nat(archive.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const bytes = patched((_, all) => void (all[at] = (all[at] ?? 0) ^ by));
        if (refusal(bytes) === 'read') expect([...readZip(bytes).values()]).toEqual([...files.values()]);
      }),
      { numRuns: 1000 },
    );
  });
});
