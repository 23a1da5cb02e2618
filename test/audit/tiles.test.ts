import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError, toHex, toUtf8 } from '../../gateway/audit/bytes.ts';
import { parseCheckpoint, parseNote } from '../../gateway/audit/note.ts';
import {
  bundlesOf,
  createTileClient,
  formatEntryBundle,
  formatTilePath,
  hasTile,
  parseEntryBundle,
  parseTilePath,
  rangeOf,
  tileBytes,
  tilesOf,
  type Tile,
} from '../../gateway/audit/tiles.ts';
import { leafHash, MerkleTree, verifyConsistency, verifyInclusion } from '../../gateway/audit/tree.ts';
import { sha256 } from '../../gateway/audit/log.ts';
import { describeWithShared } from '../support/shared.ts';

const anyTile: fc.Arbitrary<Tile> = fc.record({
  level: fc.oneof(fc.nat(63), fc.constant('entries' as const)),
  index: fc.oneof(fc.nat(2000), fc.nat({ max: Number.MAX_SAFE_INTEGER })),
  width: fc.integer({ min: 1, max: 256 }),
});

describe('paths of tiles', () => {
  it.each([
    ['tile/0/000', { level: 0, index: 0, width: 256 }],
    ['tile/1/000.p/1', { level: 1, index: 0, width: 1 }],
    ['tile/63/999.p/255', { level: 63, index: 999, width: 255 }],
    ['tile/0/x001/000', { level: 0, index: 1000, width: 256 }],
    // The example of the specification.
    ['tile/0/x001/x234/067', { level: 0, index: 1_234_067, width: 256 }],
    ['tile/0/x001/x234/067.p/8', { level: 0, index: 1_234_067, width: 8 }],
    ['tile/entries/x273/456.p/112', { level: 'entries', index: 273_456, width: 112 }],
    ['tile/0/x009/x007/x199/x254/x740/991', { level: 0, index: Number.MAX_SAFE_INTEGER, width: 256 }],
  ] as const)('%s is read and written', (path, tile) => {
    expect(parseTilePath(path)).toEqual(tile);
    expect(formatTilePath(tile)).toBe(path);
  });

  it('round-trip for every tile', () => {
    fc.assert(
      fc.property(anyTile, (tile) => {
        expect(parseTilePath(formatTilePath(tile))).toEqual(tile);
      }),
    );
  });

  it.each([
    ['no level', 'tile/000'],
    ['a level with a zero in front', 'tile/00/000'],
    ['a level over 63', 'tile/64/000'],
    ['a negative level', 'tile/-1/000'],
    ['a level that is a word', 'tile/data/000'],
    ['a short number', 'tile/0/00'],
    ['a long number', 'tile/0/0000'],
    ['groups without their x', 'tile/0/001/000'],
    ['an x on the last group', 'tile/0/x001/x000'],
    ['a capital x', 'tile/0/X001/000'],
    ['a group of zeros in front', 'tile/0/x000/001'],
    ['a number of 2^53', 'tile/0/x009/x007/x199/x254/x740/992'],
    ['more groups than a number has', 'tile/0/x001/x009/x007/x199/x254/x740/991'],
    ['a width of 0', 'tile/0/000.p/0'],
    ['a full width written out', 'tile/0/000.p/256'],
    ['a width over 256', 'tile/0/000.p/999'],
    ['a width with a zero in front', 'tile/0/000.p/01'],
    ['no width', 'tile/0/000.p/'],
    ['no width and no slash', 'tile/0/000.p'],
    ['a slash behind', 'tile/0/000/'],
    ['a slash in front', '/tile/0/000'],
    ['other digits', 'tile/0/\u0660\u0660\u0660'],
    ['an encoded digit', 'tile/0/%3000'],
    ['a newline', 'tile/0/000\n'],
    ['a way up', 'tile/0/../0/000'],
    ['nothing', ''],
    ['very much', `tile/0/${'x001/'.repeat(100_000)}000`],
  ])('are refused with %s', (_, path) => {
    expect(parseTilePath(path)).toBeUndefined();
  });

  it('are not written for what is no tile', () => {
    for (const wrong of [
      { level: 64 },
      { level: -1 },
      { index: -1 },
      { index: 0.5 },
      { width: 0 },
      { width: 257 },
    ])
      expect(() => formatTilePath({ level: 0, index: 0, width: 256, ...wrong })).toThrow(FormatError);
  });
});

describe('the tiles of a size', () => {
  it('are those of the example in the specification', () => {
    // c2sp.org/tlog-tiles: a log of 70,000 has 273 full tiles and one of 112, 1 full and one of 17, one of 1.
    const paths = [...tilesOf(70_000)].map(formatTilePath);
    expect(paths).toHaveLength(274 + 2 + 1);
    expect(paths.slice(272)).toEqual([
      'tile/0/272',
      'tile/0/273.p/112',
      'tile/1/000',
      'tile/1/001.p/17',
      'tile/2/000.p/1',
    ]);
    expect([...bundlesOf(70_000)].map(formatTilePath).at(-1)).toBe('tile/entries/273.p/112');
  });

  it.each([
    [0, []],
    [1, ['tile/0/000.p/1']],
    [255, ['tile/0/000.p/255']],
    [256, ['tile/0/000', 'tile/1/000.p/1']],
    [257, ['tile/0/000', 'tile/0/001.p/1', 'tile/1/000.p/1']],
  ])('%i are listed without an empty one', (size, paths) => {
    expect([...tilesOf(size)].map(formatTilePath)).toEqual(paths);
  });

  it('include every narrower beginning of themselves, and nothing beyond', () => {
    const has = (size: number, path: string): boolean => hasTile(size, parseTilePath(path) as Tile);
    expect(has(300, 'tile/0/001.p/44')).toBe(true);
    expect(has(300, 'tile/0/001.p/1')).toBe(true);
    expect(has(300, 'tile/0/000.p/7')).toBe(true);
    expect(has(300, 'tile/0/001.p/45')).toBe(false);
    expect(has(300, 'tile/0/001')).toBe(false);
    expect(has(300, 'tile/0/002.p/1')).toBe(false);
    expect(has(300, 'tile/1/000.p/1')).toBe(true);
    expect(has(300, 'tile/1/000.p/2')).toBe(false);
    expect(has(255, 'tile/1/000.p/1')).toBe(false);
    expect(has(300, 'tile/63/000.p/1')).toBe(false);
    expect(has(300, 'tile/entries/001.p/44')).toBe(true);
    expect(has(300, 'tile/entries/001.p/45')).toBe(false);
    expect(has(0, 'tile/0/000.p/1')).toBe(false);
    for (const size of [1, 255, 256, 70_000]) {
      for (const tile of [...tilesOf(size), ...bundlesOf(size)]) {
        expect(hasTile(size, tile)).toBe(true);
        if (tile.width < 256) expect(hasTile(size, { ...tile, width: tile.width + 1 })).toBe(false);
      }
    }
  });
});

describe('entry bundles', () => {
  const entries = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 12 });

  it('round-trip, whatever the entries hold', () => {
    fc.assert(
      fc.property(entries, (given) => {
        expect(parseEntryBundle(formatEntryBundle(given), given.length)).toEqual(given);
      }),
    );
    const longest = [new Uint8Array(0xffff).fill(7), new Uint8Array(0)];
    expect(parseEntryBundle(formatEntryBundle(longest), 2)).toEqual(longest);
  });

  it('cut off anywhere, or with a byte more, or of another count, are refused', () => {
    const bytes = formatEntryBundle([toUtf8('one'), toUtf8('two!')]);
    for (let cut = 0; cut < bytes.length; cut++)
      expect(() => parseEntryBundle(bytes.slice(0, cut), 2), `${cut}`).toThrow(FormatError);
    expect(() => parseEntryBundle(Uint8Array.of(...bytes, 0), 2)).toThrow(FormatError);
    expect(() => parseEntryBundle(bytes, 1)).toThrow(FormatError);
    expect(() => parseEntryBundle(bytes, 3)).toThrow(FormatError);
  });

  it('are not written empty, over-full or with an entry too long', () => {
    expect(() => formatEntryBundle([])).toThrow(FormatError);
    expect(() => formatEntryBundle(Array.from({ length: 257 }, () => toUtf8('x')))).toThrow(FormatError);
    expect(() => formatEntryBundle([new Uint8Array(0x10000)])).toThrow(FormatError);
  });
});

describe('a client of tiles', () => {
  const tree = new MerkleTree(sha256);
  const size = 66_000;
  for (let index = 0; index < size; index++) tree.append(leafHash(toUtf8(`leaf ${index}`), sha256));
  let fetched: string[] = [];
  const serve = async (path: string): Promise<Uint8Array> => {
    fetched.push(path);
    const tile = parseTilePath(path);
    if (tile === undefined || !hasTile(size, tile)) throw new Error(`there is no ${path}`);
    return tileBytes(tree, tile);
  };

  it('computes the root the tree has, now and at every earlier size', async () => {
    const client = createTileClient(size, serve, sha256);
    expect(toHex(await client.root())).toBe(toHex(tree.root()));
    for (const earlier of [0, 1, 2, 3, 255, 256, 257, 300, 65_535, 65_536, 65_537, 65_999])
      expect(toHex(await client.root(earlier)), `${earlier}`).toBe(toHex(tree.root(earlier)));
  });

  it('gives paths that verify, the ones the tree gives', async () => {
    const client = createTileClient(size, serve, sha256);
    const place = fc.tuple(fc.nat(size - 1), fc.nat(size - 1));
    await fc.assert(
      fc.asyncProperty(place, async ([one, other]) => {
        const [index, last] = [Math.min(one, other), Math.max(one, other)];
        const at = last + 1;
        const path = await client.inclusionPath(index, at);
        expect(path.map(toHex)).toEqual(tree.inclusionPath(index, at).map(toHex));
        const hash = await client.leafHash(index);
        expect(verifyInclusion({ index, size: at, leafHash: hash, path, root: tree.root(at) })).toBe(true);
        const consistency = await client.consistencyPath(index, at);
        const claim = { oldSize: index, newSize: at, oldRoot: tree.root(index), newRoot: tree.root(at) };
        expect(verifyConsistency({ ...claim, path: consistency })).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('reads two tiles of a level for a path, each once', async () => {
    fetched = [];
    const client = createTileClient(size, serve, sha256);
    await client.inclusionPath(1000);
    await client.inclusionPath(1000);
    await client.inclusionPath(1001);
    expect(new Set(fetched).size).toBe(fetched.length);
    expect(fetched.length).toBeLessThanOrEqual(6);
  });

  it('finds a changed tile by the proof that it spoils', async () => {
    const forged = createTileClient(
      size,
      async (path) => {
        const bytes = await serve(path);
        if (path === 'tile/0/003') bytes[40] = (bytes[40] ?? 0) ^ 1;
        return bytes;
      },
      sha256,
    );
    const path = await forged.inclusionPath(768);
    const claim = { index: 768, size, leafHash: tree.hashes(0, 768, 769), root: tree.root() };
    expect(verifyInclusion({ ...claim, path })).toBe(false);
  });

  it('refuses tiles of another length, and asks again after a failure', async () => {
    const short = createTileClient(size, async (path) => (await serve(path)).slice(1), sha256);
    await expect(short.root()).rejects.toThrow(FormatError);
    let attempts = 0;
    const flaky = createTileClient(
      5,
      async (path) => {
        if (attempts++ === 0) throw new Error('gone for a moment');
        const tile = parseTilePath(path) as Tile;
        return tileBytes(tree, tile);
      },
      sha256,
    );
    await expect(flaky.root()).rejects.toThrow('gone');
    expect(toHex(await flaky.root())).toBe(toHex(tree.root(5)));
  });

  it('refuses sizes and places the log does not have', async () => {
    const client = createTileClient(10, serve, sha256);
    await expect(client.root(11)).rejects.toThrow(RangeError);
    await expect(client.inclusionPath(10)).rejects.toThrow(RangeError);
    await expect(client.inclusionPath(0, 0)).rejects.toThrow(RangeError);
    await expect(client.consistencyPath(4, 3)).rejects.toThrow(RangeError);
    await expect(client.leafHash(10)).rejects.toThrow(RangeError);
  });
});

describeWithShared('vectors', 'the tiles of transparency-dev/tessera', (path) => {
  const read = async (name: string): Promise<Uint8Array> =>
    new Uint8Array(readFileSync(join(path, 'tlog', name)));

  it('give the root of every signed checkpoint, and their entries the hashes in the tiles', async () => {
    for (let size = 1; size <= 15; size++) {
      const signed = parseCheckpoint(parseNote(await read(`checkpoint.${size}`)).text);
      const client = createTileClient(size, read);
      expect(toHex(await client.root())).toBe(toHex(signed.root));
      for (const tile of bundlesOf(size)) {
        const [first] = rangeOf(tile);
        const bundle = parseEntryBundle(await read(formatTilePath(tile)), tile.width);
        for (const [place, entry] of bundle.entries())
          expect(toHex(await client.leafHash(first + place))).toBe(toHex(leafHash(entry)));
      }
    }
  });
});
