// The log as static files: names and bytes of tiles and entry bundles (c2sp.org/tlog-tiles v0.1), and a client that
// computes roots and proofs from tiles alone. Pure; runs in the browser too.
import { concat, FormatError } from './bytes.ts';
import {
  consistencyRanges,
  emptyRoot,
  hashSizeBytes,
  inclusionRanges,
  nodeHash,
  splitOf,
  type LeafRange,
  type MerkleTree,
  type Sha256,
} from './tree.ts';

/** Hashes in a full tile, entries in a full bundle. */
export const tileWidth = 256;

/** One file of the log. */
export interface Tile {
  /** 0 for hashes of leaves, L for roots of subtrees of 256^L leaves; "entries" for the leaves themselves. */
  readonly level: number | 'entries';
  /** 0-based place within its level. */
  readonly index: number;
  /** How many hashes or entries it holds: 256 when full. */
  readonly width: number;
}

// "x" groups for 2^53 tiles and no more.
const longestPath = 64;

/** Reads `tile/L/N[.p/W]` or `tile/entries/N[.p/W]`; undefined for anything but the one spelling of a tile. */
export function parseTilePath(path: string): Tile | undefined {
  if (path.length > longestPath) return undefined;
  const [, level, groups, width] =
    /^tile\/(entries|0|[1-9]\d?)\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/.exec(path) ?? [];
  if (level === undefined || groups === undefined) return undefined;
  const tile: Tile = {
    level: level === 'entries' ? level : Number(level),
    index: Number(groups.replace(/[x/]/g, '')),
    width: width === undefined ? tileWidth : Number(width),
  };
  // What formats to something else had zeros too many, a full width written out, or a number out of range.
  return isTile(tile) && formatTilePath(tile) === path ? tile : undefined;
}

/** The inverse of `parseTilePath`. @throws FormatError `range` */
export function formatTilePath(tile: Tile): string {
  if (!isTile(tile)) throw new FormatError('range', 'tile', 'there is no such tile');
  const digits = String(tile.index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g) ?? [];
  const name = groups.map((group, place) => (place < groups.length - 1 ? `x${group}` : group)).join('/');
  return `tile/${tile.level}/${name}${tile.width === tileWidth ? '' : `.p/${tile.width}`}`;
}

/** Whether a log of this size has the tile: a partial one is the beginning of what is there, never empty. */
export function hasTile(size: number, tile: Tile): boolean {
  return isTile(tile) && tile.index * tileWidth + tile.width <= hashesAt(tile.level, size);
}

/** The tiles that hold everything of a log of this size, from level 0 up, each as wide as it is. */
export function* tilesOf(size: number): Generator<Tile> {
  for (let level = 0; hashesAt(level, size) > 0; level++) yield* tilesAt(level, size);
}

/** The bundles that hold every entry of a log of this size. */
export function bundlesOf(size: number): Generator<Tile> {
  return tilesAt('entries', size);
}

function* tilesAt(level: Tile['level'], size: number): Generator<Tile> {
  const count = hashesAt(level, size);
  for (let index = 0; index * tileWidth < count; index++) yield tileAt(level, index, count);
}

/** The entries that a bundle holds, as indices. */
export function rangeOf({ index, width }: Tile): LeafRange {
  return [index * tileWidth, index * tileWidth + width];
}

/** Bytes of a tile of hashes: 32 each. @throws RangeError where the tree does not have it */
export function tileBytes(tree: MerkleTree, { level, index, width }: Tile): Uint8Array {
  if (level === 'entries') throw new RangeError('entries are not in the tree');
  return tree.hashes(8 * level, index * tileWidth, index * tileWidth + width);
}

const longestEntryBytes = 0xffff;

/** Bytes of an entry bundle: u16 length ‖ entry, for each. @throws FormatError `length` */
export function formatEntryBundle(entries: readonly Uint8Array[]): Uint8Array {
  if (entries.length === 0 || entries.length > tileWidth)
    throw new FormatError('length', 'entry bundle', `not 1 to ${tileWidth} entries`);
  return concat(
    ...entries.flatMap((entry) => {
      if (entry.length > longestEntryBytes)
        throw new FormatError('length', 'entry bundle', `an entry of over ${longestEntryBytes} bytes`);
      return [Uint8Array.of(entry.length >> 8, entry.length & 0xff), entry];
    }),
  );
}

/** The inverse of `formatEntryBundle`. @throws FormatError `length` unless there are exactly `width` entries */
export function parseEntryBundle(bytes: Uint8Array, width: number): Uint8Array[] {
  const entries: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length && entries.length <= width) {
    const from = at + 2;
    at = from + (((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));
    if (from > bytes.length || at > bytes.length)
      throw new FormatError('length', 'entry bundle', 'the last entry is cut off');
    entries.push(bytes.slice(from, at));
  }
  if (entries.length !== width)
    throw new FormatError('length', 'entry bundle', `not ${width} entries in the bundle`);
  return entries;
}

/** Gets the file at a path below the log's address. */
export type FetchFile = (path: string) => Promise<Uint8Array>;

/**
 * Roots and paths computed from tiles. What a server sends is taken as it is: a path is worth something once
 * `verifyInclusion` or `verifyConsistency` accepted it under a signed root.
 */
export interface TileClient {
  /** @throws FormatError where a tile has another length than its name says; so do all of these */
  root(size?: number): Promise<Uint8Array>;
  inclusionPath(index: number, size?: number): Promise<Uint8Array[]>;
  consistencyPath(oldSize: number, newSize?: number): Promise<Uint8Array[]>;
  leafHash(index: number): Promise<Uint8Array>;
}

// A path needs two tiles of each level; this many make neighbouring proofs cheap and stay below 2 MiB.
const keptTiles = 256;

/**
 * @param size of the published checkpoint whose tiles are read
 * @param fetchFile gets `tile/…`; what it throws passes through
 */
export function createTileClient(size: number, fetchFile: FetchFile, sha256?: Sha256): TileClient {
  const kept = new Map<string, Promise<Uint8Array>>();

  function read(tile: Tile): Promise<Uint8Array> {
    const path = formatTilePath(tile);
    const known = kept.get(path);
    if (known !== undefined) return known;
    const reading = fetchFile(path).then((bytes) => {
      if (bytes.length !== tile.width * hashSizeBytes)
        throw new FormatError('length', 'tile', `${path} does not have ${tile.width} hashes`);
      return bytes;
    });
    const [oldest] = kept.keys();
    if (kept.size >= keptTiles && oldest !== undefined) kept.delete(oldest);
    kept.set(path, reading);
    // One failure does not stand for the next attempt.
    reading.catch(() => kept.delete(path));
    return reading;
  }

  /** Root of the `index`-th complete subtree of 2^height leaves: some neighbours of one tile, hashed together. */
  async function subtree(height: number, index: number): Promise<Uint8Array> {
    const level = Math.floor(height / 8);
    const width = 2 ** (height % 8);
    const first = index * width;
    const tile = tileAt(level, Math.floor(first / tileWidth), hashesAt(level, size));
    const bytes = await read(tile);
    const from = (first % tileWidth) * hashSizeBytes;
    let hashes: Uint8Array[] = Array.from({ length: width }, (_, place) =>
      bytes.slice(from + place * hashSizeBytes, from + (place + 1) * hashSizeBytes),
    );
    while (hashes.length > 1) {
      const pairs = hashes;
      hashes = Array.from({ length: pairs.length / 2 }, (_, place) =>
        nodeHash(pairs[2 * place] as Uint8Array, pairs[2 * place + 1] as Uint8Array, sha256),
      );
    }
    return hashes[0] as Uint8Array;
  }

  async function range([start, end]: LeafRange): Promise<Uint8Array> {
    const width = end - start;
    const split = splitOf(width);
    if (width === 1 || split * 2 === width) return subtree(Math.round(Math.log2(width)), start / width);
    const middle = start + split;
    return nodeHash(await range([start, middle]), await range([middle, end]), sha256);
  }

  async function rangesInOrder(ranges: readonly LeafRange[]): Promise<Uint8Array[]> {
    const hashes: Uint8Array[] = [];
    for (const one of ranges) hashes.push(await range(one));
    return hashes;
  }

  function mustHold(wanted: number): void {
    if (!Number.isSafeInteger(wanted) || wanted < 0 || wanted > size)
      throw new RangeError('the log does not have this size');
  }

  return {
    async root(at = size) {
      mustHold(at);
      return at === 0 ? emptyRoot.slice() : range([0, at]);
    },
    async inclusionPath(index, at = size) {
      mustHold(at);
      if (!Number.isSafeInteger(index) || index < 0 || index >= at)
        throw new RangeError('no leaf has this index');
      return rangesInOrder(inclusionRanges(index, at));
    },
    async consistencyPath(oldSize, newSize = size) {
      mustHold(newSize);
      if (!Number.isSafeInteger(oldSize) || oldSize < 0 || oldSize > newSize)
        throw new RangeError('the old tree is larger than the new one');
      return rangesInOrder(consistencyRanges(oldSize, newSize));
    },
    async leafHash(index) {
      mustHold(index + 1);
      return range([index, index + 1]);
    },
  };
}

/** The tile at this place of a level with so many hashes: full, or as wide as what is left. */
function tileAt(level: Tile['level'], index: number, count: number): Tile {
  return { level, index, width: Math.min(tileWidth, count - index * tileWidth) };
}

/** How many hashes (or entries) a level has. */
function hashesAt(level: Tile['level'], size: number): number {
  return level === 'entries' ? size : Math.floor(size / tileWidth ** level);
}

function isTile({ level, index, width }: Tile): boolean {
  return (
    (level === 'entries' || (Number.isInteger(level) && level >= 0 && level <= 63)) &&
    Number.isSafeInteger(index) &&
    index >= 0 &&
    Number.isInteger(width) &&
    width >= 1 &&
    width <= tileWidth
  );
}
