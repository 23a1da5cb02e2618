// The map of the log in a file of the data folder, so that a long log starts quickly. FORMAT.md section 7.
// Never needed and never believed: what is not exactly the map under a map head of this log is built from the leaves.
import { createHmac, timingSafeEqual, type Hmac } from 'node:crypto';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncPath } from '../store/new-file.ts';
import type { Store } from '../store/store.ts';
import { concat, equalBytes, exactly, FormatError, readU64, toUtf8, u64 } from './bytes.ts';
import { decodeMapHead, isMapHead, type MapHead } from './entry.ts';
import { subtreesOf } from './index-list.ts';
import { sha256, type Log } from './log.ts';
import { findEntry } from './payload.ts';
import { PersonIndex, type FrozenLists } from './person-index.ts';
import { hashSizeBytes } from './tree.ts';

export const snapshotFile = 'map.snapshot';

/** What the snapshots of a log do while it runs. No failure of theirs reaches a caller. */
export interface MapSnapshots {
  /** The map of at most the first `size` leaves; undefined when there is no file or none that can be used. */
  load(size: number): Promise<PersonIndex | undefined>;
  /** Says that the log ends in this checkpoint: begins to write when the map has grown enough since the last file. */
  offer(head: { readonly size: number }, log: Pick<Log, 'map'>): void;
  /** Writes what is worth it before a stop. */
  close(log: Pick<Log, 'map'>): Promise<void>;
}

export interface SnapshotPlace {
  readonly path: string;
  /** Name of the log. */
  readonly origin: string;
  /** 32 bytes that whoever could put a file in this place does not have; `snapshotKey`. */
  readonly key: Uint8Array;
}

export interface SnapshotParts extends SnapshotPlace {
  readonly store: Pick<Store, 'read'>;
  /** `reads`: beside a gateway, whose file it is. */
  readonly role: 'owns' | 'reads';
  /** One line for people. */
  readonly warn: (line: string) => void;
  readonly limits?: Partial<SnapshotLimits>;
}

export interface SnapshotLimits {
  /** A map of fewer leaves is built faster than anybody would notice. */
  readonly leastLeaves: number;
  /** While running, a file is written after this growth, in leaves and as a share of what the last file has. */
  readonly grownLeaves: number;
  readonly grownShare: number;
  /** At a stop, after this one. */
  readonly grownAtStopLeaves: number;
}

/** A leaf takes about 13 µs to map, a key about as long to write and to read again. */
export const snapshotLimits: SnapshotLimits = {
  leastLeaves: 20_000,
  grownLeaves: 100_000,
  grownShare: 0.05,
  grownAtStopLeaves: 10_000,
};

export function createMapSnapshots(parts: SnapshotParts): MapSnapshots {
  const { path, store, role, warn } = parts;
  const limits = { ...snapshotLimits, ...parts.limits };
  /** Leaves mapped in the file, as far as this process knows; where writing failed, those it was tried with. */
  let saved = 0;
  let newest = 0;
  let writing: Promise<void> | undefined;

  const headAt = async (number: number): Promise<MapHead | undefined> => {
    const row = await store.read((reader) => findEntry(reader, number));
    return row !== undefined && isMapHead(row.leaf) ? decodeMapHead(row.leaf) : undefined;
  };

  async function save(size: number, log: Pick<Log, 'map'>): Promise<void> {
    const mapped = size - 1;
    try {
      const index = await log.map(size);
      const head = await headAt(mapped);
      // Nothing is awaited from here to the freezing. Where the next checkpoint has begun, its end is the next chance.
      if (index.mapped !== size || head?.mapped !== mapped || !equalBytes(index.root(), head.root)) return;
      const frozen = index.freeze();
      saved = mapped;
      await writeMapSnapshot(parts, mapped, frozen);
    } catch (error) {
      warn(`${snapshotFile} was not written: ${messageOf(error)}`);
    }
  }

  function begin(size: number, log: Pick<Log, 'map'>): Promise<void> {
    writing = save(size, log).finally(() => (writing = undefined));
    return writing;
  }

  const isWorth = (size: number, grownLeaves: number): boolean =>
    role === 'owns' && size > limits.leastLeaves && size - 1 - saved > grownLeaves;

  return {
    async load(size) {
      try {
        if (role === 'owns' && writing === undefined) await rm(temporaryOf(path), { force: true });
        const index = await readMapSnapshot(parts, size, headAt);
        if (index !== undefined) saved = index.mapped;
        return index;
      } catch (error) {
        if (role === 'reads') return undefined;
        warn(`${snapshotFile} is not used, the map is built from the entries: ${messageOf(error)}`);
        // The store or the disk may answer better next time; a file that is wrong stays wrong.
        if (error instanceof FormatError) await rm(path, { force: true }).catch(() => undefined);
        return undefined;
      }
    },

    offer({ size }, log) {
      newest = size;
      const grownLeaves = Math.max(limits.grownLeaves, saved * limits.grownShare);
      if (writing === undefined && isWorth(size, grownLeaves)) void begin(size, log);
    },

    async close(log) {
      await writing;
      if (isWorth(newest, limits.grownAtStopLeaves)) await begin(newest, log);
    },
  };
}

/** What the file is authenticated with: HMAC-SHA256 of a label under the gateway's wrapping key. */
export function snapshotKey(wrappingKey: Uint8Array): Uint8Array {
  return createHmac('sha256', wrappingKey).update('assent/v1/map-snapshot').digest();
}

const magic = toUtf8('assent-map-snapshot/v1\n');
const mappedAt = magic.length + hashSizeBytes;
const headerSizeBytes = mappedAt + 16;
const macSizeBytes = 32;
const listHeadBytes = hashSizeBytes + 4;
const leastListBytes = listHeadBytes + hashSizeBytes;
const mostListBytes = listHeadBytes + 31 * hashSizeBytes;
/** What is read or written before other work has its turn: some ten milliseconds. */
const chunkSizeBytes = 1 << 18;

const temporaryOf = (path: string): string => `${path}.part`;
const begunMac = ({ key }: SnapshotPlace): Hmac => createHmac('sha256', exactly(key, 32, 'map snapshot'));

/**
 * Puts the file in its place whole, on the disk and readable by its owner alone, or leaves the one that is there. One
 * writer at a time; other work goes on meanwhile.
 *
 * @param mapped how many leaves the index is the map of
 * @returns size of the file, in bytes
 */
export async function writeMapSnapshot(
  place: SnapshotPlace,
  mapped: number,
  index: FrozenLists,
): Promise<number> {
  const temporary = temporaryOf(place.path);
  await rm(temporary, { force: true });
  const file = await open(temporary, 'wx', 0o600);
  let sizeBytes = 0;
  try {
    try {
      const mac = begunMac(place);
      const put = async (bytes: Uint8Array): Promise<void> => {
        mac.update(bytes);
        await file.writeFile(bytes);
        sizeBytes += bytes.length;
      };
      await put(concat(magic, sha256(toUtf8(place.origin)), u64(mapped), u64(index.keys)));
      const chunk = Buffer.alloc(chunkSizeBytes);
      let used = 0;
      for (const { key, count, subtrees } of index.lists()) {
        if (used + mostListBytes > chunk.length) {
          await put(chunk.subarray(0, used));
          used = 0;
        }
        chunk.set(key, used);
        chunk.writeUInt32BE(count, used + hashSizeBytes);
        chunk.set(subtrees, used + listHeadBytes);
        used += listHeadBytes + subtrees.length;
      }
      await put(chunk.subarray(0, used));
      await file.writeFile(mac.digest());
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, place.path);
    syncPath(dirname(place.path));
    return sizeBytes + macSizeBytes;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/**
 * The map in the file, compared with the map head that this log has for it. Work and memory are bounded by the size of
 * the file, which is compared with the length of the log first.
 *
 * @param size leaves the map may have at most
 * @param headAt the map head that is the leaf of this number
 * @returns undefined without a file
 * @throws FormatError unless the file is whole, from this gateway, and the map of so many leaves of this log
 */
export async function readMapSnapshot(
  place: SnapshotPlace,
  size: number,
  headAt: (number: number) => Promise<MapHead | undefined>,
): Promise<PersonIndex | undefined> {
  const file = await openExisting(place.path);
  if (file === undefined) return undefined;
  try {
    const source = sourceOf(file, (await file.stat()).size, begunMac(place));
    const { mapped, keys } = headerIn(await source.atLeast(headerSizeBytes), place, source.sizeBytes, size);
    source.taken(headerSizeBytes);
    const head = await headAt(mapped);
    if (head?.mapped !== mapped) throw refuse('mismatch', `entry ${mapped} is not its map head`);
    const index = new PersonIndex(sha256, mapped);
    await addLists(index, keys, source);
    await source.end();
    if (!equalBytes(index.root(), head.root))
      throw refuse('mismatch', `it is not the map of the first ${mapped} entries`);
    return index;
  } finally {
    await file.close();
  }
}

function headerIn(
  bytes: Buffer,
  { origin }: SnapshotPlace,
  sizeBytes: number,
  size: number,
): { mapped: number; keys: number } {
  if (!equalBytes(bytes.subarray(0, magic.length), magic))
    throw refuse('mismatch', 'it has another format or version');
  if (!equalBytes(bytes.subarray(magic.length, mappedAt), sha256(toUtf8(origin))))
    throw refuse('mismatch', 'it is of another log');
  const mapped = readU64(bytes, mappedAt, check);
  const keys = readU64(bytes, mappedAt + 8, check);
  if (mapped > size) throw refuse('range', `it has ${mapped} entries, the log ${size}`);
  const listsBytes = sizeBytes - headerSizeBytes - macSizeBytes;
  if (keys > mapped || listsBytes < keys * leastListBytes || listsBytes > keys * mostListBytes)
    throw refuse('length', 'it has not the length it should have');
  return { mapped, keys };
}

async function addLists(index: PersonIndex, keys: number, source: Source): Promise<void> {
  let last: Uint8Array | undefined;
  let leaves = 0;
  while (index.keys < keys) {
    const bytes = await source.atLeast(leastListBytes);
    let at = 0;
    // As many as lie whole in what was read.
    while (index.keys < keys && bytes.length - at >= listHeadBytes) {
      const count = bytes.readUInt32BE(at + hashSizeBytes);
      const end = at + listHeadBytes + subtreesOf(count) * hashSizeBytes;
      if (end > bytes.length) break;
      const key = bytes.subarray(at, at + hashSizeBytes);
      leaves += count;
      if ((last !== undefined && Buffer.compare(last, key) >= 0) || leaves > index.mapped)
        throw refuse('canonical', 'its keys are not those of a map');
      addList(index, { key, count, subtrees: bytes.subarray(at + listHeadBytes, end) });
      last = key;
      at = end;
    }
    if (at === 0) throw refuse('length', 'it ends within a key');
    last = Uint8Array.from(last ?? []);
    source.taken(at);
    // Hashes what is new so far: all at the end would keep everything else waiting for seconds.
    index.root();
  }
}

function addList(index: PersonIndex, list: Parameters<PersonIndex['addList']>[0]): void {
  try {
    index.addList(list);
  } catch {
    throw refuse('canonical', 'a list in it is none');
  }
}

/** What lies before the code at the end of a file, read a chunk at a time. */
interface Source {
  /** Of the whole file. */
  readonly sizeBytes: number;
  /** The next bytes, a chunk of them or all that are left; a view until the next call. */
  atLeast(leastBytes: number): Promise<Buffer>;
  taken(bytes: number): void;
  /** Compares the code, which covers everything before it. */
  end(): Promise<void>;
}

function sourceOf(file: FileHandle, sizeBytes: number, mac: Hmac): Source {
  const chunk = Buffer.alloc(Math.min(chunkSizeBytes, sizeBytes));
  const coveredBytes = sizeBytes - macSizeBytes;
  let readBytes = 0;
  let start = 0;
  let end = 0;
  const fill = async (target: Buffer): Promise<void> => {
    for (let done = 0; done < target.length;) {
      const { bytesRead } = await file.read(target, done, target.length - done, readBytes);
      if (bytesRead === 0) throw refuse('length', 'it was cut while it was read');
      done += bytesRead;
      readBytes += bytesRead;
    }
  };
  return {
    sizeBytes,
    async atLeast(leastBytes) {
      if (end - start < mostListBytes && readBytes < coveredBytes) {
        chunk.copyWithin(0, start, end);
        end -= start;
        start = 0;
        const added = chunk.subarray(end, end + Math.min(chunk.length - end, coveredBytes - readBytes));
        await fill(added);
        mac.update(added);
        end += added.length;
      }
      if (end - start < leastBytes) throw refuse('length', 'it is cut off');
      return chunk.subarray(start, end);
    },
    taken(bytes) {
      start += bytes;
    },
    async end() {
      if (start !== end || readBytes !== coveredBytes) throw refuse('length', 'it goes on after its end');
      const code = Buffer.alloc(macSizeBytes);
      await fill(code);
      if (!timingSafeEqual(code, mac.digest())) throw refuse('mismatch', 'it is damaged, or not from here');
    },
  };
}

async function openExisting(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

const check = 'map snapshot';
const refuse = (code: FormatError['code'], message: string): FormatError =>
  new FormatError(code, check, message);
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : 'unknown');
