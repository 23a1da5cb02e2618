// The Merkle tree of RFC 6962: roots, proofs and their verification. Pure; runs in the browser too.
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import { equalBytes } from './bytes.ts';

/** SHA-256 of the bytes; the server passes a faster one than the default. Must not keep its argument. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

export const hashSizeBytes = 32;

/** Root of the tree without leaves: SHA-256 of nothing. RFC 6962 section 2.1. */
export const emptyRoot: Uint8Array = nobleSha256(new Uint8Array(0));

/** SHA-256(0x00 ‖ leaf). RFC 6962 section 2.1. */
export function leafHash(leaf: Uint8Array, sha256: Sha256 = nobleSha256): Uint8Array {
  const input = new Uint8Array(leaf.length + 1);
  input.set(leaf, 1);
  return sha256(input);
}

/** SHA-256(0x01 ‖ left ‖ right). RFC 6962 section 2.1. */
export function nodeHash(left: Uint8Array, right: Uint8Array, sha256: Sha256 = nobleSha256): Uint8Array {
  const input = new Uint8Array(1 + left.length + right.length);
  input[0] = 1;
  input.set(left, 1);
  input.set(right, 1 + left.length);
  return sha256(input);
}

export interface InclusionClaim {
  /** 0-based place of the leaf. */
  readonly index: number;
  /** Number of leaves under `root`. */
  readonly size: number;
  readonly leafHash: Uint8Array;
  /** The leaf's sibling first, the root's child last. */
  readonly path: readonly Uint8Array[];
  readonly root: Uint8Array;
}

/** Whether the path leads from this leaf to this root. RFC 9162 section 2.1.3.2. Never throws. */
export function verifyInclusion(claim: InclusionClaim): boolean {
  const { index, size, path } = claim;
  if (!isSize(index) || !isSize(size) || index >= size) return false;
  if (![claim.leafHash, claim.root, ...path].every(isHash)) return false;
  let place = index;
  let last = size - 1;
  let hash = claim.leafHash;
  for (const sibling of path) {
    if (last === 0) return false;
    if (isOdd(place) || place === last) {
      hash = nodeHash(sibling, hash);
      while (!isOdd(place) && place !== 0) {
        place /= 2;
        last = half(last);
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    place = half(place);
    last = half(last);
  }
  return last === 0 && equalBytes(hash, claim.root);
}

export interface ConsistencyClaim {
  readonly oldSize: number;
  readonly newSize: number;
  readonly oldRoot: Uint8Array;
  readonly newRoot: Uint8Array;
  readonly path: readonly Uint8Array[];
}

/**
 * Whether the newer tree begins with the whole older one. RFC 9162 section 2.1.4.2. Never throws.
 * From size 0 the path is empty and only the empty root is accepted as the old one.
 */
export function verifyConsistency(claim: ConsistencyClaim): boolean {
  const { oldSize, newSize, oldRoot, newRoot } = claim;
  if (!isSize(oldSize) || !isSize(newSize) || oldSize > newSize) return false;
  // Between equal sizes nothing is hashed: equality alone decides, as in the vectors of transparency-dev/merkle.
  if (oldSize === newSize && oldSize > 0) return claim.path.length === 0 && equalBytes(oldRoot, newRoot);
  if (![oldRoot, newRoot, ...claim.path].every(isHash)) return false;
  if (newSize === 0 && !equalBytes(newRoot, emptyRoot)) return false;
  if (oldSize === 0) return claim.path.length === 0 && equalBytes(oldRoot, emptyRoot);
  if (claim.path.length === 0) return false;

  const path = isPowerOfTwo(oldSize) ? [oldRoot, ...claim.path] : claim.path;
  let place = oldSize - 1;
  let last = newSize - 1;
  while (isOdd(place)) {
    place = half(place);
    last = half(last);
  }
  let oldHash = path[0] as Uint8Array;
  let newHash = oldHash;
  for (const hash of path.slice(1)) {
    if (last === 0) return false;
    if (isOdd(place) || place === last) {
      oldHash = nodeHash(hash, oldHash);
      newHash = nodeHash(hash, newHash);
      while (!isOdd(place) && place !== 0) {
        place /= 2;
        last = half(last);
      }
    } else {
      newHash = nodeHash(newHash, hash);
    }
    place = half(place);
    last = half(last);
  }
  return last === 0 && equalBytes(oldHash, oldRoot) && equalBytes(newHash, newRoot);
}

/** Leaves from the first number up to but not including the second. */
export type LeafRange = readonly [start: number, end: number];

/** The ranges of leaves whose roots are the inclusion path, in its order. RFC 6962 section 2.1.1. */
export function inclusionRanges(index: number, size: number): LeafRange[] {
  const ranges: LeafRange[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const middle = start + splitOf(end - start);
    ranges.push(index < middle ? [middle, end] : [start, middle]);
    if (index < middle) end = middle;
    else start = middle;
  }
  return ranges.reverse();
}

/** The ranges of leaves whose roots are the consistency path, in its order. RFC 6962 section 2.1.2. */
export function consistencyRanges(oldSize: number, newSize: number): LeafRange[] {
  const ranges: LeafRange[] = [];
  if (oldSize === 0) return ranges;
  let start = 0;
  let end = newSize;
  while (oldSize !== end) {
    const middle = start + splitOf(end - start);
    ranges.push(oldSize <= middle ? [middle, end] : [start, middle]);
    if (oldSize <= middle) end = middle;
    else start = middle;
  }
  // A subtree that begins at 0 is the whole old tree: the verifier knows its root.
  if (start !== 0) ranges.push([start, end]);
  return ranges.reverse();
}

// 4,096 hashes: a chunk is 128 KiB, so a big tree never copies itself to grow.
const chunkHashes = 4096;
const firstChunkHashes = 16;

/**
 * A growing tree in memory that answers for itself at every size it ever had. Only complete subtrees are
 * stored: 64 bytes a leaf. Appending costs two hashes on average, a proof at most 53 + 53.
 */
export class MerkleTree {
  readonly #sha256: Sha256;
  readonly #levels: PackedHashes[] = [new PackedHashes()];
  readonly #scratch = new Uint8Array(1 + 2 * hashSizeBytes).fill(1, 0, 1);
  // Roots of the incomplete subtrees that end at one size, by their start: every proof under one head shares them.
  #edge = { end: 0, roots: new Map<number, Uint8Array>() };

  constructor(sha256: Sha256 = nobleSha256) {
    this.#sha256 = sha256;
  }

  /** Number of leaves. */
  get size(): number {
    return this.#level(0).count;
  }

  /** Adds one leaf hash; its bytes are copied. Returns the leaf's index. */
  append(leaf: Uint8Array): number {
    if (!isHash(leaf)) throw new RangeError('a leaf hash has 32 bytes');
    const index = this.size;
    let hash = leaf;
    for (let level = 0, place = index; ; level++, place = half(place)) {
      this.#level(level).push(hash);
      if (!isOdd(place)) return index;
      hash = this.#node(this.#level(level).at(place - 1), hash);
    }
  }

  /** Root of the first `size` leaves. */
  root(size: number = this.size): Uint8Array {
    this.#mustHold(size);
    return size === 0 ? emptyRoot.slice() : this.#range(0, size);
  }

  /** Path for `verifyInclusion`. RFC 6962 section 2.1.1. */
  inclusionPath(index: number, size: number = this.size): Uint8Array[] {
    this.#mustHold(size);
    if (!isSize(index) || index >= size) throw new RangeError('no leaf has this index');
    return inclusionRanges(index, size).map(([start, end]) => this.#range(start, end));
  }

  /** Path for `verifyConsistency`; empty from size 0 and between equal sizes. RFC 6962 section 2.1.2. */
  consistencyPath(oldSize: number, newSize: number = this.size): Uint8Array[] {
    this.#mustHold(newSize);
    if (!isSize(oldSize) || oldSize > newSize)
      throw new RangeError('the old tree is larger than the new one');
    return consistencyRanges(oldSize, newSize).map(([start, end]) => this.#range(start, end));
  }

  /**
   * Stored roots of complete subtrees of 2^level leaves, concatenated: what C2SP tiles are cut from
   * (tile level L, tile n, width w = level 8·L, from 256·n to 256·n + w).
   */
  hashes(level: number, from: number, to: number): Uint8Array {
    const count = this.#levels[level]?.count ?? 0;
    if (!isSize(from) || !isSize(to) || from > to || to > count) {
      throw new RangeError('these subtrees are not complete');
    }
    const packed = new Uint8Array((to - from) * hashSizeBytes);
    for (let i = from; i < to; i++) packed.set(this.#level(level).at(i), (i - from) * hashSizeBytes);
    return packed;
  }

  /** Forgets all leaves from `size` on: what a rolled back batch needs. */
  truncate(size: number): void {
    this.#mustHold(size);
    this.#edge = { end: 0, roots: new Map() };
    let count = size;
    for (const level of this.#levels) {
      level.truncate(count);
      count = half(count);
    }
  }

  #level(level: number): PackedHashes {
    return (this.#levels[level] ??= new PackedHashes());
  }

  // `start` is a multiple of the largest power of two below the width, as every RFC 6962 split is.
  #range(start: number, end: number): Uint8Array {
    const width = end - start;
    if (isPowerOfTwo(width))
      return this.#level(Math.log2(width))
        .at(start / width)
        .slice();
    if (this.#edge.end !== end) this.#edge = { end, roots: new Map() };
    const { roots } = this.#edge;
    const known = roots.get(start);
    // Copies: `slice` of Node's Buffer would share the bytes.
    if (known !== undefined) return new Uint8Array(known);
    const middle = start + splitOf(width);
    const root = this.#node(this.#range(start, middle), this.#range(middle, end));
    roots.set(start, root);
    return new Uint8Array(root);
  }

  #node(left: Uint8Array, right: Uint8Array): Uint8Array {
    this.#scratch.set(left, 1);
    this.#scratch.set(right, 1 + hashSizeBytes);
    return this.#sha256(this.#scratch);
  }

  #mustHold(size: number): void {
    if (!isSize(size) || size > this.size) throw new RangeError('the tree never had this size');
  }
}

class PackedHashes {
  count = 0;
  readonly #chunks: Uint8Array[] = [];

  push(hash: Uint8Array): void {
    const slot = this.count % chunkHashes;
    const chunk = this.#chunkFor((this.count - slot) / chunkHashes, slot);
    chunk.set(hash, slot * hashSizeBytes);
    this.count++;
  }

  /** A view: valid until `truncate`. */
  at(index: number): Uint8Array {
    const slot = index % chunkHashes;
    const chunk = this.#chunks[(index - slot) / chunkHashes];
    if (chunk === undefined || index >= this.count) throw new RangeError('no such hash');
    return chunk.subarray(slot * hashSizeBytes, (slot + 1) * hashSizeBytes);
  }

  truncate(count: number): void {
    this.count = Math.min(this.count, count);
    this.#chunks.length = Math.min(this.#chunks.length, Math.ceil(this.count / chunkHashes));
  }

  // The first chunk doubles, so that the many levels of a small tree stay small.
  #chunkFor(place: number, slot: number): Uint8Array {
    const chunk = this.#chunks[place];
    if (chunk !== undefined && (slot + 1) * hashSizeBytes <= chunk.length) return chunk;
    const hashes = place > 0 ? chunkHashes : Math.max(firstChunkHashes, slot * 2);
    const grown = new Uint8Array(hashes * hashSizeBytes);
    if (chunk !== undefined) grown.set(chunk);
    this.#chunks[place] = grown;
    return grown;
  }
}

// Sizes go up to 2^53, so no bit operators: those cut numbers to 32 bits.
const half = (value: number): number => Math.floor(value / 2);
const isOdd = (value: number): boolean => value % 2 === 1;
const isSize = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
const isHash = (hash: Uint8Array): boolean => hash instanceof Uint8Array && hash.length === hashSizeBytes;

function isPowerOfTwo(value: number): boolean {
  return value > 0 && largestPowerOfTwoUpTo(value) === value;
}

/** The largest power of two below `width`; RFC 6962 calls it k. */
export function splitOf(width: number): number {
  return largestPowerOfTwoUpTo(width - 1);
}

function largestPowerOfTwoUpTo(value: number): number {
  if (value < 0x8000_0000) return value < 1 ? 0 : 1 << (31 - Math.clz32(value));
  let power = 0x8000_0000;
  while (power * 2 <= value) power *= 2;
  return power;
}
