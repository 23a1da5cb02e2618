// A start from the map in a file is a start from the leaves, only faster; every other file is as good as none.
import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FormatError, toHex, toUtf8, writeU64 } from '../../gateway/audit/bytes.ts';
import { decodeMapHead, encodeEntry, type MapHead } from '../../gateway/audit/entry.ts';
import { subtreesOf } from '../../gateway/audit/index-list.ts';
import { createKeyring } from '../../gateway/audit/keys.ts';
import { openLog, populationsHolder, sha256 } from '../../gateway/audit/log.ts';
import {
  createMapSnapshots,
  readMapSnapshot,
  snapshotFile,
  snapshotKey,
  type SnapshotLimits,
  type SnapshotParts,
  type SnapshotPlace,
  writeMapSnapshot,
} from '../../gateway/audit/map-snapshot.ts';
import { findEntry } from '../../gateway/audit/payload.ts';
import { PersonIndex } from '../../gateway/audit/person-index.ts';
import { createPublisher, createSigner } from '../../gateway/audit/publish.ts';
import { leafHash } from '../../gateway/audit/tree.ts';
import type { Query, Store } from '../../gateway/store/store.ts';
import { closeCore, closeCores, openTestCore } from '../support/core.ts';
import { openDataStore } from '../support/data-store.ts';
import { describeOnStores } from '../support/on-stores.ts';
import { dropDatabases } from '../support/postgres.ts';
import { clock, entryOf, origin } from './ledger.ts';

let folder: string;
let place: SnapshotPlace;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'assent-snapshot-'));
  place = { path: join(folder, snapshotFile), origin, key: snapshotKey(new Uint8Array(32).fill(1)) };
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const keyOf = (name: number): Uint8Array => sha256(toUtf8(`key ${name}`));
/** Keys 0 and 1 are no keys: a leaf about nobody. */
const leafOf = (name: number): Uint8Array =>
  encodeEntry({
    kind: 'used',
    atSeconds: 60,
    commitment: new Uint8Array(32),
    startedIndex: null,
    about:
      name < 2
        ? { concern: 'system' }
        : { concern: 'person', role: 'subject', tag: keyOf(name), sequence: 0 },
  });
function indexOf(names: readonly number[]): PersonIndex {
  const index = new PersonIndex(sha256);
  for (const name of names) index.add(leafOf(name));
  return index;
}
/** The map head a log with these leaves has after them. */
const headOf =
  (index: PersonIndex) =>
  async (number: number): Promise<MapHead | undefined> =>
    number === index.mapped ? { atSeconds: 60, mapped: number, root: index.root() } : undefined;

const names = fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 150 });
const everybody = Array.from({ length: 33 }, (_, name) => keyOf(name));

/** Everything that can be asked of a map, in one value. */
const answers = (index: PersonIndex) => ({
  mapped: index.mapped,
  keys: index.keys,
  root: toHex(index.root()),
  proofs: everybody.map((key) => index.prove(key)),
  counts: everybody.map((key) => index.countOf(key)),
});

describe('a snapshot', () => {
  it('is the same map again, and grows like it', async () => {
    await fc.assert(
      fc.asyncProperty(names, names, fc.boolean(), async (before, after, isAsked) => {
        const index = indexOf(before);
        if (isAsked) index.root();
        const sizeBytes = await writeMapSnapshot(place, index.mapped, index.freeze());
        expect(statSync(place.path).size).toBe(sizeBytes);
        const again = await readMapSnapshot(place, index.mapped, headOf(index));
        if (again === undefined) throw new Error('no snapshot');
        expect(answers(again)).toEqual(answers(index));
        for (const [at, name] of after.entries()) {
          index.add(leafOf(name));
          again.add(leafOf(name));
          if (at % 20 === 0) expect(toHex(again.root())).toBe(toHex(index.root()));
        }
        expect(answers(again)).toEqual(answers(index));
        expect(answers(again)).toEqual(answers(indexOf([...before, ...after])));
      }),
      { numRuns: 60 },
    );
  });

  it('is a function of the leaves, and its owner’s alone', async () => {
    const all = [3, 4, 5, 3, 9, 3, 1, 7, 3];
    await writeMapSnapshot(place, all.length, indexOf(all).freeze());
    const first = readFileSync(place.path);
    const index = indexOf(all.slice(0, 4));
    index.root();
    for (const name of all.slice(4)) index.add(leafOf(name));
    await writeMapSnapshot(place, all.length, index.freeze());
    expect(readFileSync(place.path).equals(first)).toBe(true);
    expect(statSync(place.path).mode & 0o777).toBe(0o600);
  });

  it('is of the moment it was begun, whatever is mapped while it is written', async () => {
    await fc.assert(
      fc.asyncProperty(names, names, async (before, after) => {
        const index = indexOf(before);
        const writing = writeMapSnapshot(place, before.length, index.freeze());
        for (const name of after) index.add(leafOf(name));
        index.root();
        await writing;
        const expected = indexOf(before);
        const again = await readMapSnapshot(place, before.length, headOf(expected));
        expect(again && answers(again)).toEqual(answers(expected));
      }),
      { numRuns: 40 },
    );
  });

  it('of more keys than one read holds is the same map again', async () => {
    const index = new PersonIndex(sha256);
    for (let at = 0; at < 20_000; at++) index.add(leafOf(2 + (at % 16_000)));
    const sizeBytes = await writeMapSnapshot(place, index.mapped, index.freeze());
    expect(sizeBytes).toBeGreaterThan(1 << 20);
    const again = await readMapSnapshot(place, index.mapped, headOf(index));
    expect(again && answers(again)).toEqual(answers(index));
  });

  it('that does not exist is none, and no error', async () => {
    expect(await readMapSnapshot(place, 100, headOf(indexOf([])))).toBeUndefined();
  });
});

describe('a file that is no snapshot of this log', () => {
  const few = [2, 3, 4, 2, 2, 1, 5, 6, 2];
  const index = indexOf(few);
  const read = (size = few.length, from = place) => readMapSnapshot(from, size, headOf(index));
  const isRefused = async (file: Uint8Array, size?: number): Promise<boolean> => {
    writeFileSync(place.path, file);
    const error: unknown = await read(size).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (error !== undefined && !(error instanceof FormatError)) throw error;
    return error !== undefined;
  };
  /** As one would write it who has the key of the gateway. */
  const signed = (file: Uint8Array): Buffer => {
    const covered = file.subarray(0, -32);
    return Buffer.concat([covered, createHmac('sha256', place.key).update(covered).digest()]);
  };
  let good: Buffer;
  beforeEach(async () => {
    await writeMapSnapshot(place, few.length, index.freeze());
    good = readFileSync(place.path);
  });

  it('is refused with any bit changed', async () => {
    for (let at = 0; at < good.length; at++) {
      const changed = Buffer.from(good);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      expect(await isRefused(changed), `byte ${at}`).toBe(true);
    }
    expect(await isRefused(good)).toBe(false);
  });

  it('is refused with any byte changed and a code that fits, unless the root is that of the log', async () => {
    const countsAt = new Set<number>();
    for (let at = 71, list = 0; list < index.keys; list++) {
      for (let byte = 32; byte < 36; byte++) countsAt.add(at + byte);
      const count = good.readUInt32BE(at + 32);
      at += 36 + 32 * subtreesOf(count);
    }
    for (let at = 0; at < good.length - 32; at++) {
      const changed = Buffer.from(good);
      changed[at] = (changed[at] ?? 0) ^ 0x81;
      writeFileSync(place.path, signed(changed));
      // A count alone is not in the root: that is what the code is for.
      const found = await read().catch((error: unknown) => {
        if (!(error instanceof FormatError)) throw error;
        return undefined;
      });
      if (found === undefined) continue;
      expect(countsAt.has(at), `byte ${at}`).toBe(true);
      expect(toHex(found.root())).toBe(toHex(index.root()));
    }
  });

  it('is refused at every shorter length, with and without a code that fits, and with more behind it', async () => {
    for (let length = 0; length < good.length; length++) {
      expect(await isRefused(good.subarray(0, length)), `${length} bytes`).toBe(true);
      if (length > 32 && length % 7 === 0)
        expect(await isRefused(signed(good.subarray(0, length))), `${length} bytes`).toBe(true);
    }
    expect(await isRefused(Buffer.concat([good, Buffer.alloc(1)]))).toBe(true);
    expect(await isRefused(signed(Buffer.concat([good, Buffer.alloc(68)])))).toBe(true);
  });

  it('is refused from another log, another gateway or another version', async () => {
    await expect(read(undefined, { ...place, origin: 'other.example/log/1' })).rejects.toThrow('another log');
    const otherKey = snapshotKey(new Uint8Array(32).fill(2));
    await expect(read(undefined, { ...place, key: otherKey })).rejects.toThrow('not from here');
    const newer = Buffer.from(good.toString('latin1').replace('/v1', '/v2'), 'latin1');
    writeFileSync(place.path, signed(newer));
    await expect(read()).rejects.toThrow('version');
  });

  it('is refused when the log is shorter, has no map head there, or another one', async () => {
    await expect(read(few.length - 1)).rejects.toThrow('the log');
    await expect(readMapSnapshot(place, 99, async () => undefined)).rejects.toThrow('not its map head');
    const other = indexOf([...few.slice(0, -1), 7]);
    await expect(readMapSnapshot(place, 99, headOf(other))).rejects.toThrow('not the map');
    const late = async () => ({ atSeconds: 60, mapped: few.length + 1, root: index.root() });
    await expect(readMapSnapshot(place, 99, late)).rejects.toThrow('not its map head');
  });

  it('is refused without work when it claims more than it can hold', async () => {
    for (const claim of [6, 2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
      const changed = Buffer.from(good);
      writeU64(changed, 63, claim, 'test');
      expect(await isRefused(signed(changed))).toBe(true);
      writeU64(changed, 55, claim, 'test');
      expect(await isRefused(signed(changed), Number.MAX_SAFE_INTEGER)).toBe(true);
    }
    const changed = Buffer.from(good);
    changed.fill(0xff, 55, 71);
    expect(await isRefused(signed(changed), Number.MAX_SAFE_INTEGER)).toBe(true);
  });

  it('is refused when a key is there twice or out of order', async () => {
    const two = indexOf([2, 3]);
    await writeMapSnapshot(place, 2, two.freeze());
    const file = readFileSync(place.path);
    const lists = [file.subarray(71, 139), file.subarray(139, 207)] as const;
    for (const [first, second] of [
      [lists[1], lists[0]],
      [lists[0], lists[0]],
    ] as const) {
      writeFileSync(
        place.path,
        signed(Buffer.concat([file.subarray(0, 71), first, second, file.subarray(-32)])),
      );
      await expect(readMapSnapshot(place, 2, headOf(two))).rejects.toThrow('not those of a map');
    }
  });
});

describe('writing', () => {
  it('that fails leaves the file that was there, and nothing else', async () => {
    const index = indexOf([2, 3, 4]);
    await writeMapSnapshot(place, 3, index.freeze());
    const failing = {
      keys: 2,
      *lists() {
        yield* indexOf([2]).freeze().lists();
        throw new Error('the disk is full');
      },
    };
    await expect(writeMapSnapshot(place, 5, failing)).rejects.toThrow('the disk is full');
    expect(existsSync(`${place.path}.part`)).toBe(false);
    const again = await readMapSnapshot(place, 3, headOf(index));
    expect(again && answers(again)).toEqual(answers(index));
  });

  it('that is killed before the new name leaves the file that was there', async () => {
    const index = indexOf([2, 3, 4]);
    await writeMapSnapshot(place, 3, index.freeze());
    const before = readFileSync(place.path);
    const moduleAt = (name: string) =>
      JSON.stringify(new URL(`../../gateway/audit/${name}`, import.meta.url).href);
    const program = `
      import files from 'node:fs/promises';
      import { syncBuiltinESMExports } from 'node:module';
      files.rename = () => new Promise(() => process.kill(process.pid, 'SIGKILL'));
      syncBuiltinESMExports();
      const { writeMapSnapshot, snapshotKey } = await import(${moduleAt('map-snapshot.ts')});
      const { PersonIndex } = await import(${moduleAt('person-index.ts')});
      const { sha256 } = await import(${moduleAt('log.ts')});
      const key = snapshotKey(new Uint8Array(32).fill(1));
      await writeMapSnapshot({ path: process.argv[1], origin: 'x', key }, 0, new PersonIndex(sha256).freeze());
    `;
    let signal: unknown;
    try {
      execFileSync(process.execPath, ['--input-type=module', '-e', program, place.path], {
        cwd: fileURLToPath(new URL('../..', import.meta.url)),
        stdio: 'pipe',
        timeout: 30_000,
      });
    } catch (error) {
      ({ signal } = error as { signal: unknown });
    }
    expect(signal).toBe('SIGKILL');
    expect(existsSync(`${place.path}.part`)).toBe(true);
    expect(readFileSync(place.path).equals(before)).toBe(true);
    // The next one is not kept from writing by what was left.
    await writeMapSnapshot(place, 3, index.freeze());
    expect(existsSync(`${place.path}.part`)).toBe(false);
  });
});

interface Range {
  readonly from: number;
  readonly to: number;
}

interface LeafRow {
  readonly number: number;
  readonly leaf: Buffer;
  readonly leafHash: Buffer;
}

/** A store that notes which leaves were read, and may show other ones than were written. */
function watched(store: Store, shown: (row: LeafRow) => LeafRow): { store: Store; ranges: Range[] } {
  const ranges: Range[] = [];
  const spying: Store['read'] = (work) =>
    store.read((reader) =>
      work({
        ...reader,
        db: reader.db,
        run: async <Result>(asked: Query<Result>, parameters?: Record<string, unknown>) => {
          const found = await reader.run(asked, parameters);
          const { from, to } = parameters ?? {};
          if (typeof from !== 'number' || typeof to !== 'number') return found;
          ranges.push({ from, to });
          return (found as LeafRow[]).map(shown) as Result;
        },
      }),
    );
  return { store: { ...store, read: spying, write: (work) => store.write(work) }, ranges };
}

describeOnStores('a start', () => {
  const smallLimits: SnapshotLimits = {
    leastLeaves: 20,
    grownLeaves: 30,
    grownShare: 0.05,
    grownAtStopLeaves: 5,
  };
  let warnings: string[];
  let opened: { close(): Promise<void> }[];
  beforeEach(() => {
    warnings = [];
    opened = [];
  });
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.close();
  });
  afterAll(dropDatabases);

  async function openGateway(
    parts: Partial<SnapshotParts> = {},
    shown: (row: LeafRow) => LeafRow = (row) => row,
  ) {
    const { store, ranges } = watched(await openDataStore(join(folder, 'log.db')), shown);
    let drawn = 0;
    const random = { bytes: (length: number) => sha256(toUtf8(`${drawn++}`)).slice(0, length) };
    const keyring = createKeyring(new Uint8Array(32).fill(1), random);
    const snapshots = createMapSnapshots({
      ...place,
      store,
      role: 'owns',
      warn: (line) => void warnings.push(line),
      limits: smallLimits,
      ...parts,
    });
    const log = await openLog(store, keyring, (size) => snapshots.load(size));
    await store.write((tx) => keyring.openOrCreate(tx, populationsHolder));
    const signer = createSigner(origin, new Uint8Array(32).fill(101));
    const publisher = createPublisher({
      store,
      log,
      signer,
      clock,
      onHead: (head) => snapshots.offer(head, log),
    });
    const gateway = {
      store,
      log,
      publisher,
      snapshots,
      ranges,
      async add(count: number) {
        for (let added = 0; added < count; added++)
          await store.write((tx) => log.append(tx, entryOf(log.durableSize())));
      },
      /** A kill: nothing is written at the end. */
      close: () => store.close(),
      async stop() {
        await snapshots.close(log);
        await gateway.kill();
      },
      async kill() {
        opened.splice(opened.indexOf(gateway), 1);
        await store.close();
      },
    };
    opened.push(gateway);
    return gateway;
  }
  const mappedInFile = (): number => Number(readFileSync(place.path).readBigUInt64BE(55));

  /** A log of 41 leaves with a snapshot of the first 40. */
  async function stoppedLog(): Promise<void> {
    const gateway = await openGateway();
    await gateway.add(15);
    await gateway.publisher.publish();
    await gateway.add(24);
    await gateway.publisher.publish();
    await gateway.stop();
    expect(mappedInFile()).toBe(40);
  }

  it('reads for the map only leaves behind the snapshot, and signs the same maps as without', async () => {
    await stoppedLog();
    const gateway = await openGateway();
    await gateway.add(6);
    const map = await gateway.log.map(47);
    expect(map.mapped).toBe(47);
    expect(gateway.ranges).toEqual([{ from: 40, to: 47 }]);
    const head = await gateway.publisher.publish();
    expect(head?.size).toBe(48);
    expect(warnings).toEqual([]);

    await gateway.kill();
    rmSync(place.path);
    const rebuilt = await openGateway();
    await rebuilt.publisher.check();
    expect(rebuilt.ranges).toContainEqual({ from: 0, to: 47 });
    expect(toHex((await rebuilt.log.map(48)).root())).toBe(toHex(map.root()));
  });

  it.each([
    ['', (row: LeafRow) => row.leafHash],
    [', and its hash with it', (row: LeafRow) => Buffer.from(leafHash(row.leaf, sha256))],
  ])('still finds an old leaf that was changed%s', async (_, hashOf) => {
    await stoppedLog();
    const shown = (row: LeafRow): LeafRow => {
      if (row.number !== 7) return row;
      const leaf = Buffer.from(row.leaf);
      leaf[60] = (leaf[60] ?? 0) ^ 1;
      return { ...row, leaf, leafHash: hashOf({ ...row, leaf }) };
    };
    const gateway = await openGateway({}, shown);
    await expect(gateway.publisher.check()).rejects.toMatchObject({ code: 'log_fork' });
    await gateway.kill();
    await (await openGateway()).publisher.check();
  });

  it('with a file that is damaged builds the map, says so once and deletes the file', async () => {
    await stoppedLog();
    const file = readFileSync(place.path);
    file[100] = (file[100] ?? 0) ^ 1;
    writeFileSync(place.path, file);
    const gateway = await openGateway();
    await gateway.publisher.check();
    expect((await gateway.log.map(41)).mapped).toBe(41);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('the map is built from the entries');
    // Written again at once, in place of the bad one.
    await gateway.snapshots.close(gateway.log);
    expect(readFileSync(place.path).equals(file)).toBe(false);
    expect(mappedInFile()).toBe(40);
  });

  it('on a log that was put back to fewer leaves does not use the file', async () => {
    await stoppedLog();
    const newer = readFileSync(place.path);
    rmSync(folder, { recursive: true });
    folder = mkdtempSync(join(tmpdir(), 'assent-snapshot-'));
    place = { ...place, path: join(folder, snapshotFile) };
    const older = await openGateway();
    await older.add(15);
    await older.publisher.publish();
    await older.kill();
    writeFileSync(place.path, newer);
    const gateway = await openGateway();
    await gateway.publisher.check();
    expect(gateway.ranges).toContainEqual({ from: 0, to: 15 });
    expect(warnings).toHaveLength(1);
    expect(existsSync(place.path)).toBe(false);
  });

  it('of a command beside a gateway uses the file, and neither writes nor deletes it', async () => {
    await stoppedLog();
    const command = await openGateway({ role: 'reads' });
    expect((await command.log.map(41)).mapped).toBe(41);
    expect(command.ranges).toEqual([{ from: 40, to: 41 }]);
    await command.add(40);
    await command.publisher.publish();
    await command.stop();
    expect(mappedInFile()).toBe(40);
    writeFileSync(place.path, 'damaged');
    const other = await openGateway({ role: 'reads' });
    await other.publisher.check();
    expect(readFileSync(place.path, 'utf8')).toBe('damaged');
    expect(warnings).toEqual([]);
  });

  it('whose store fails while the file is read keeps the file', async () => {
    await stoppedLog();
    const failing = {
      read: async () => {
        throw new Error('the connection is lost');
      },
    };
    const gateway = await openGateway({ store: failing });
    await gateway.log.map(41);
    expect(warnings).toEqual([expect.stringContaining('the connection is lost')]);
    expect(mappedInFile()).toBe(40);
  });

  it('has a file to begin with when the log grew enough before a kill, and none of a small log', async () => {
    const gateway = await openGateway();
    await gateway.add(10);
    await gateway.publisher.publish();
    await gateway.snapshots.close(gateway.log);
    expect(existsSync(place.path)).toBe(false);
    await gateway.add(25);
    const head = await gateway.publisher.publish();
    await expect.poll(() => existsSync(place.path), { timeout: 5_000 }).toBe(true);
    expect(mappedInFile()).toBe((head?.size ?? 0) - 1);
    const written = statSync(place.path).mtimeMs;
    await gateway.add(4);
    await gateway.publisher.publish();
    await gateway.snapshots.close(gateway.log);
    expect(statSync(place.path).mtimeMs).toBe(written);
    const leaf = await gateway.store.read((reader) => findEntry(reader, mappedInFile()));
    expect(decodeMapHead(leaf?.leaf ?? Buffer.alloc(0)).mapped).toBe(mappedInFile());
  });

  it('and a stop are not disturbed by a place where nothing can be written', async () => {
    const path = join(folder, 'nowhere', snapshotFile);
    const gateway = await openGateway({ path });
    await gateway.add(35);
    const head = await gateway.publisher.publish();
    expect(head?.size).toBe(36);
    await gateway.snapshots.close(gateway.log);
    expect(warnings.length).toBeGreaterThan(0);
    expect(warnings.every((line) => line.includes('was not written'))).toBe(true);
  });

  it('after a publishing transaction that failed goes on from the file, not from nothing', async () => {
    await stoppedLog();
    const gateway = await openGateway();
    await gateway.publisher.check();
    gateway.log.forgetMap();
    gateway.ranges.splice(0);
    await gateway.add(1);
    await gateway.publisher.publish();
    expect(gateway.ranges.every(({ from }) => from >= 40)).toBe(true);
  });
});

describe('a gateway', () => {
  afterEach(closeCores);

  it('writes no file for a small log', async () => {
    const core = await openTestCore({ role: 'gateway' });
    await core.publisher.publish();
    await closeCore(core);
    expect(existsSync(join(core.folder, snapshotFile))).toBe(false);
  });

  it('deletes a file in its data folder that is none, and starts', async () => {
    const first = await openTestCore({ role: 'gateway' });
    await first.store.write((tx) => first.log.append(tx, entryOf(1)));
    await first.publisher.publish();
    await closeCore(first);
    writeFileSync(join(first.folder, snapshotFile), Buffer.alloc(5_000, 7));
    const again = await openTestCore({ role: 'gateway', folder: first.folder });
    expect((await again.publisher.latest())?.size).toBe(2);
    expect(existsSync(join(first.folder, snapshotFile))).toBe(false);
  });
});
