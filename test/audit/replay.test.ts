import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { equalBytes, FormatError, toHex, toUtf8 } from '../../gateway/audit/bytes.ts';
import {
  decodeEntry,
  decodeMapHead,
  encodeEntry,
  encodeMapHead,
  type Entry,
} from '../../gateway/audit/entry.ts';
import { sha256 } from '../../gateway/audit/log.ts';
import { formatVerifierKey } from '../../gateway/audit/note.ts';
import { PersonIndex } from '../../gateway/audit/person-index.ts';
import { replayLog, type Replay } from '../../gateway/audit/replay.ts';
import { mirrored, openLogSource, Unreadable } from '../../gateway/commands/log-source.ts';
import { Usage } from '../../gateway/commands/order.ts';
import { replayCommand, type ReplayResult } from '../../gateway/commands/replay.ts';
import { trustText } from '../../gateway/audit/bundle.ts';
import { signerOf } from './example-log.ts';
import {
  filesOf,
  goldenLeaves,
  goldenOrigin,
  goldenSizes,
  goldenTrust,
  mapRootOf,
  populationKey,
  treeOf,
} from './golden-log.ts';

const golden = join(import.meta.dirname, '..', 'golden', 'log');
const folder = mkdtempSync(join(tmpdir(), 'assent-replay-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const leaves = goldenLeaves();
const populations = goldenTrust.populations?.names.map(populationKey) ?? [];
const headsOf = (given: readonly Uint8Array[], sizes: readonly number[] = goldenSizes) => {
  const tree = treeOf(given);
  return sizes.map((size) => ({ size, root: tree.root(size) }));
};

/** A replay under heads that were signed over these very leaves: only what they say can be wrong. */
function replayed(given: readonly Uint8Array[], heads = headsOf(given)): Promise<Replay> {
  return replayLog({ leaves: given, heads, map: new PersonIndex(sha256), populations, sha256 });
}

const withLeaf = (index: number, leaf: Uint8Array): Uint8Array[] => leaves.toSpliced(index, 1, leaf);
const changed = (index: number, change: (entry: Entry) => Entry): Uint8Array[] =>
  withLeaf(index, encodeEntry(change(decodeEntry(leaves[index] as Uint8Array))));
const firstOf = (concern: Entry['about']['concern'], from: number): number =>
  leaves.findIndex(
    (leaf, index) => index >= from && leaf[0] === 1 && decodeEntry(leaf).about.concern === concern,
  );

describe('the golden log', () => {
  it('is made again byte for byte', async () => {
    const files = await filesOf(leaves, goldenSizes);
    const kept = readdirSync(golden, { recursive: true, encoding: 'utf8' })
      .filter((name) => statSync(join(golden, name)).isFile() && name !== 'README.md')
      .sort();
    expect(kept).toEqual([...files.keys()].sort());
    for (const [path, bytes] of files)
      expect(toHex(new Uint8Array(readFileSync(join(golden, path)))), path).toBe(toHex(bytes));
  });

  it('has the map that its description gives, at every map head', () => {
    const map = new PersonIndex(sha256);
    for (const [index, leaf] of leaves.entries()) {
      if (goldenSizes.includes(index + 1))
        expect(toHex(map.root())).toBe(toHex(mapRootOf(leaves.slice(0, index))));
      map.add(leaf);
    }
  });
});

describe('replaying a log', () => {
  it('holds when heads, maps and sequences are those of the leaves', async () => {
    const replay = await replayed(leaves);
    expect(replay).toMatchObject({ size: 300, mapHeads: 4, firstMapHead: 4, heads: 4 });
    expect(replay.unlisted).toEqual({ count: 0, first: null });
    expect(replay.mismatch).toBeUndefined();
    expect(equalBytes(replay.tree.root(), treeOf(leaves).root())).toBe(true);
  });

  it('holds for an empty log, and for one without map heads', async () => {
    expect(await replayed([], [])).toMatchObject({ size: 0, firstMapHead: null });
    const old = leaves.slice(0, 4);
    const replay = await replayed(old, headsOf(old, [2, 4]));
    expect(replay).toMatchObject({ size: 4, heads: 2, mapHeads: 0, firstMapHead: null });
    expect(replay.mismatch).toBeUndefined();
  });

  it('names a map head with another root, number or fields, though it was signed so', async () => {
    const { atSeconds } = decodeMapHead(leaves[255] as Uint8Array);
    const root = mapRootOf(leaves.slice(0, 255));
    const wrongRoot = encodeMapHead({ atSeconds, mapped: 255, root: mapRootOf(leaves.slice(0, 254)) });
    const wrongNumber = encodeMapHead({ atSeconds, mapped: 254, root });
    const wrongFields = encodeMapHead({ atSeconds, mapped: 255, root });
    wrongFields[20] = 1;
    for (const [leaf, check] of [
      [wrongRoot, 'map head'],
      [wrongNumber, 'map head'],
      [wrongFields, 'leaf'],
    ] as const)
      expect((await replayed(withLeaf(255, leaf))).mismatch).toMatchObject({ check, index: 255 });
  });

  it('names an entry that was hidden from its person by the gap it leaves', async () => {
    const index = firstOf('person', 100);
    const { about } = decodeEntry(leaves[index] as Uint8Array);
    for (const step of [-1, 1]) {
      const moved = changed(index, (entry) => ({
        ...entry,
        about: about.concern === 'person' ? { ...about, sequence: Math.abs(about.sequence + step) } : about,
      }));
      expect((await replayed(moved)).mismatch).toMatchObject({ check: 'sequence', index });
    }
  });

  it('names an entry that says it is older than one before it', async () => {
    const index = firstOf('person', 100);
    const older = changed(index, (entry) => ({ ...entry, atSeconds: entry.atSeconds - 86_400 }));
    expect((await replayed(older)).mismatch).toMatchObject({ check: 'time', index });
  });

  it('names an entry that moved to another person after the map head was signed', async () => {
    const index = firstOf('person', 60);
    const moved = changed(index, (entry) => ({
      ...entry,
      about: { concern: 'person', role: 'subject', tag: sha256(toUtf8('another')), sequence: 0 },
    }));
    // The next of the person it was taken from, or the map, whichever comes first.
    expect((await replayed(moved)).mismatch?.check).toMatch(/^(sequence|map head)$/);
  });

  it('counts unlisted populations before the first map head, and refuses them after it', async () => {
    const unlisted = (entry: Entry): Entry => ({
      ...entry,
      about: { concern: 'population', population: populationKey('secret'), cohort: sha256(toUtf8('c')) },
    });
    const sizes = goldenSizes.filter((size) => size > 5);
    const early = changed(2, unlisted).slice(0, 5);
    const legacy = await replayed(early.slice(0, 4), headsOf(early, [4]));
    expect(legacy).toMatchObject({ unlisted: { count: 1, first: 2 }, firstMapHead: null });
    expect(legacy.mismatch).toBeUndefined();
    const index = firstOf('population', 50);
    const late = changed(index, unlisted);
    expect((await replayed(late, headsOf(late, sizes))).mismatch).toMatchObject({
      check: 'population',
      index,
    });
    const map = new PersonIndex(sha256);
    const order = { leaves: early.slice(0, 4), heads: headsOf(early, [4]), map, populations: null };
    expect((await replayLog(order)).unlisted.count).toBe(0);
  });

  it('names the head whose root is not that of the leaves, or which ends in no map head', async () => {
    const heads = headsOf(leaves).map((head) =>
      head.size === 40 ? { ...head, root: sha256(head.root) } : head,
    );
    expect((await replayed(leaves, heads)).mismatch).toMatchObject({ check: 'root', index: 39 });
    const short = await replayed(leaves.slice(0, 200), headsOf(leaves, [5, 200]));
    expect(short.mismatch).toMatchObject({ check: 'map head', index: 199 });
  });

  it('names the end where leaves are missing, or too many', async () => {
    expect((await replayed(leaves.slice(0, -1), headsOf(leaves))).mismatch).toMatchObject({
      check: 'length',
      index: 299,
    });
    const more = [...leaves, leaves[0] as Uint8Array];
    expect((await replayed(more, headsOf(leaves))).mismatch).toMatchObject({ check: 'length', index: 300 });
  });

  it('names an entry that ends one that does not lie before it', async () => {
    const index = firstOf('system', 10);
    const moved = changed(index, (entry) => ({ ...entry, kind: 'released', startedIndex: index }));
    expect((await replayed(moved)).mismatch).toMatchObject({ check: 'started', index });
  });

  it('finds a leaf that was deleted, added, changed or swapped, wherever it was', async () => {
    const heads = headsOf(leaves);
    const place = fc.nat(298);
    const change = fc.constantFrom('delete', 'repeat', 'flip', 'swap');
    await fc.assert(
      fc.asyncProperty(place, change, fc.nat(91), async (index, kind, byte) => {
        const leaf = leaves[index] as Uint8Array;
        const next = leaves[index + 1] as Uint8Array;
        const flipped = leaf.slice();
        flipped[byte % leaf.length]! ^= 1;
        const tampered = {
          delete: leaves.toSpliced(index, 1),
          repeat: leaves.toSpliced(index, 0, leaf),
          flip: withLeaf(index, flipped),
          swap: leaves.toSpliced(index, 2, next, leaf),
        }[kind];
        const { mismatch } = await replayed(tampered, heads);
        // Not later than the first head over it.
        const end = (goldenSizes.find((size) => size > index) ?? 300) - 1;
        expect(mismatch?.index).toBeGreaterThanOrEqual(index);
        expect(mismatch?.index).toBeLessThanOrEqual(kind === 'swap' && index === end ? 299 : end + 1);
      }),
      { numRuns: 40 },
    );
  });
});

describe('assent replay', () => {
  const trust = trustText(goldenTrust);
  const replayOf = (files: ReadonlyMap<string, Uint8Array>, trustFile = trust): Promise<ReplayResult> =>
    replayCommand({
      trustText: trustFile,
      source: async (path) => {
        const bytes = files.get(path);
        if (bytes === undefined) throw new Unreadable(`there is no ${path}`);
        return bytes;
      },
    });

  it('says that a mirror holds, and what it counted', async () => {
    const seen: string[] = [];
    const result = await replayCommand({
      source: openLogSource(golden),
      trustText: trust,
      progress: (done, total, what) => void seen.push(`${done}/${total} ${what}`),
    });
    expect(result.exitCode).toBe(0);
    expect(result.json).toMatchObject({ verdict: 'holds', size: 300, tiles: 3, mapHeads: 4, keys: 9 });
    expect(seen).toEqual(['256/300 entries', '300/300 entries', '1/3 tiles', '2/3 tiles', '3/3 tiles']);
  });

  it('names the changed file or leaf, with exit code 1', async () => {
    const files = await filesOf(leaves, goldenSizes);
    const flip = (path: string, byte: number): Promise<ReplayResult> => {
      const bytes = (files.get(path) ?? new Uint8Array(0)).slice();
      bytes[byte]! ^= 1;
      return replayOf(new Map(files).set(path, bytes));
    };
    for (const path of ['tile/0/000', 'tile/0/001.p/44', 'tile/1/000.p/1']) {
      const result = await flip(path, 31);
      expect(result).toMatchObject({ exitCode: 1, json: { firstFailing: 'tile' } });
      expect(result.lines.join('\n')).toContain(path);
    }
    expect((await flip('checkpoint', 30)).json).toMatchObject({ firstFailing: 'note' });
    expect((await flip('tile/entries/000', 0)).json).toMatchObject({ firstFailing: 'entry bundle' });
    expect(await flip('tile/entries/001.p/44', 60)).toMatchObject({ exitCode: 1 });
    expect((await replayOf(files)).exitCode).toBe(0);
  });

  it('believes the trust file and no other key, origin or list', async () => {
    const files = await filesOf(leaves, goldenSizes);
    const listless = trustText({ ...goldenTrust, populations: null });
    expect((await replayOf(files, listless)).json).toMatchObject({ unlistedPopulations: null });
    const fewer = trustText({
      ...goldenTrust,
      populations: { key: goldenTrust.populations?.key ?? '', names: ['import'] },
    });
    expect((await replayOf(files, fewer)).json).toMatchObject({ firstFailing: 'population' });
    const other = signerOf(goldenOrigin, 9);
    const otherKey = formatVerifierKey(other.name, other.publicKey);
    const stranger = trustText({
      ...goldenTrust,
      logKey: otherKey,
      policy: `log ${otherKey}\nquorum none\n`,
    });
    expect((await replayOf(files, stranger)).json).toMatchObject({ firstFailing: 'note' });
    await expect(replayOf(files, '{}\n')).rejects.toThrow(FormatError);
  });

  it('says nothing where a file is missing', async () => {
    const files = await filesOf(leaves, goldenSizes);
    for (const path of ['checkpoint', 'tile/entries/000', 'tile/1/000.p/1']) {
      const fewer = new Map(files);
      fewer.delete(path);
      await expect(replayOf(fewer)).rejects.toThrow(Unreadable);
    }
  });

  it('keeps a mirror that replays the same, readable by its owner only', async () => {
    const kept = join(folder, 'kept');
    const first = await replayCommand({
      source: mirrored(openLogSource(golden), kept),
      trustText: trust,
    });
    expect(first.exitCode).toBe(0);
    const again = await replayCommand({ source: openLogSource(kept), trustText: trust });
    expect(again.json).toEqual(first.json);
    const files = readdirSync(kept, { recursive: true, encoding: 'utf8' })
      .map((name) => join(kept, name))
      .filter((name) => statSync(name).isFile());
    expect(files.map((name) => relative(kept, name)).sort()).toEqual([
      'checkpoint',
      'tile/0/000',
      'tile/0/001.p/44',
      'tile/1/000.p/1',
      'tile/entries/000',
      'tile/entries/001.p/44',
    ]);
    for (const name of files) expect(statSync(name).mode & 0o077).toBe(0);
    expect(() => mirrored(openLogSource(golden), kept)).toThrow(Usage);
  });

  it('refuses what is neither an address nor a folder', () => {
    for (const from of [
      'nowhere',
      join(golden, 'checkpoint'),
      'http://',
      'https://a:b@c.example/',
      'ftp://x',
    ])
      expect(() => openLogSource(from), from).toThrow(Usage);
  });
});
