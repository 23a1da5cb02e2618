// A whole log again from its leaves: tree, map and what both were signed to be. Pure; whoever holds the entry bundles can
// run it, and needs to believe nobody.
import { equalBytes, toHex } from './bytes.ts';
import { decodeEntry, decodeMapHead, isMapHead } from './entry.ts';
import { leafHash, MerkleTree, type Sha256 } from './tree.ts';

/** The map of the leaves taken so far: `PersonIndex`, or one's own after FORMAT.md section 7. */
export interface ReplayMap {
  /** How many leaves were taken. */
  readonly mapped: number;
  /** How many tags and population keys there are. */
  readonly keys: number;
  add(leaf: Uint8Array): void;
  countOf(key: Uint8Array): number;
  root(): Uint8Array;
}

export interface ReplayOrder {
  readonly leaves: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** Signed heads to compare with, ascending by size; the last one says where the log ends. */
  readonly heads: readonly { readonly size: number; readonly root: Uint8Array }[];
  /** An empty one. */
  readonly map: ReplayMap;
  /** Keys of the populations the trust file lists; null where it lists none, and nothing is said of them. */
  readonly populations: readonly Uint8Array[] | null;
  readonly sha256?: Sha256;
}

/** What does not hold, at the first leaf where it does not. */
export interface Mismatch {
  readonly check: 'leaf' | 'time' | 'sequence' | 'started' | 'map head' | 'population' | 'root' | 'length';
  /** Index of the leaf. */
  readonly index: number;
  readonly detail: string;
}

export interface Replay {
  /** Leaves replayed, up to the first mismatch. */
  readonly size: number;
  readonly tree: MerkleTree;
  /** Tags and population keys. */
  readonly keys: number;
  /** Map heads that are the map of the leaves before them. */
  readonly mapHeads: number;
  /** Index of the first map head, and so how many leaves lie before it; null when there is none. */
  readonly firstMapHead: number | null;
  /** Leaves about a population that the trust file does not list; they can only be older than the first map head. */
  readonly unlisted: { readonly count: number; readonly first: number | null };
  /** Heads that are the root of the leaves. */
  readonly heads: number;
  readonly mismatch?: Mismatch;
}

class Contradiction extends Error {
  readonly mismatch: Mismatch;
  constructor(mismatch: Mismatch) {
    super(mismatch.detail);
    this.mismatch = mismatch;
  }
}

/** Replays a log and stops at the first leaf that does not fit. Throws only what `leaves` throws. */
export async function replayLog(order: ReplayOrder): Promise<Replay> {
  const { heads, map, sha256 } = order;
  const end = heads.at(-1)?.size ?? 0;
  const listed = order.populations === null ? null : new Set(order.populations.map(toHex));
  const tree = new MerkleTree(sha256);
  let mapHeads = 0;
  let firstMapHead: number | null = null;
  let unlisted = 0;
  let firstUnlisted: number | null = null;
  let compared = 0;
  let newestSeconds = 0;

  const found = (mismatch?: Mismatch): Replay => ({
    size: tree.size,
    tree,
    keys: map.keys,
    mapHeads,
    firstMapHead,
    unlisted: { count: unlisted, first: firstUnlisted },
    heads: compared,
    ...(mismatch === undefined ? {} : { mismatch }),
  });

  function takeTime(atSeconds: number, index: number): void {
    if (atSeconds < newestSeconds) throw wrong('time', index, 'it says that it is older than one before it');
    newestSeconds = atSeconds;
  }

  function takeMapHead(leaf: Uint8Array, index: number): void {
    const head = inLeaf(index, () => decodeMapHead(leaf));
    takeTime(head.atSeconds, index);
    if (head.mapped !== index)
      throw wrong('map head', index, `it says that it maps ${head.mapped} leaves, but stands at ${index}`);
    if (!equalBytes(head.root, map.root()))
      throw wrong('map head', index, 'its root is not the map of the leaves before it');
    firstMapHead ??= index;
    mapHeads++;
  }

  function takeEntry(leaf: Uint8Array, index: number): void {
    const { about, startedIndex, atSeconds } = inLeaf(index, () => decodeEntry(leaf));
    takeTime(atSeconds, index);
    if (startedIndex !== null && startedIndex >= index)
      throw wrong('started', index, `it ends entry ${startedIndex}, which is not before it`);
    if (about.concern === 'person') {
      const earlier = map.countOf(about.tag);
      if (about.sequence !== earlier)
        throw wrong('sequence', index, `it is number ${about.sequence} of its tag, after ${earlier} others`);
    }
    if (about.concern === 'population' && listed !== null && !listed.has(toHex(about.population))) {
      if (firstMapHead !== null)
        throw wrong('population', index, 'it is about a population that the trust file does not list');
      firstUnlisted ??= index;
      unlisted++;
    }
  }

  function compareHead(leaf: Uint8Array): void {
    const head = heads[compared];
    if (head?.size !== tree.size) return;
    const index = tree.size - 1;
    if (!equalBytes(head.root, tree.root()))
      throw wrong('root', index, `the leaves up to here do not have the root signed for size ${head.size}`);
    if (firstMapHead !== null && !isMapHead(leaf))
      throw wrong('map head', index, `the head of size ${head.size} does not end in a map head`);
    compared++;
  }

  try {
    for await (const leaf of order.leaves) {
      const index = tree.size;
      if (index === end)
        throw wrong('length', index, `there is a leaf behind the newest head of size ${end}`);
      if (isMapHead(leaf)) takeMapHead(leaf, index);
      else takeEntry(leaf, index);
      map.add(leaf);
      tree.append(leafHash(leaf, sha256));
      compareHead(leaf);
    }
    if (tree.size < end)
      throw wrong('length', tree.size, `the leaves end here, but a head of size ${end} was signed`);
    return found();
  } catch (error) {
    if (error instanceof Contradiction) return found(error.mismatch);
    throw error;
  }
}

function inLeaf<T>(index: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw wrong('leaf', index, error instanceof Error ? error.message : 'it cannot be read');
  }
}

const wrong = (check: Mismatch['check'], index: number, detail: string): Contradiction =>
  new Contradiction({ check, index, detail });
