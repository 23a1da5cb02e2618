// The map from keys to values as a Merkle trie: root, proofs of presence and absence, and their verification.
// The encodings are those of rsc.io/tmp/mpt; FORMAT.md section 7. Pure; runs in the browser too.
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import { equalBytes } from './bytes.ts';
import { PackedNumbers, PackedRecords } from './packed.ts';
import { emptyRoot, hashSizeBytes, type Sha256 } from './tree.ts';

const keyBits = 256;

/** Root of the map without keys: SHA-256 of nothing. */
export const emptyMapRoot: Uint8Array = emptyRoot.slice();

/** One inner node on the way from a leaf to the root. */
export interface TrieStep {
  /** 0 to 255: the first bit at which the keys below this node differ. */
  readonly bit: number;
  /** Hash of the child that is not on the way, 32 bytes. */
  readonly hash: Uint8Array;
}

export interface PresenceClaim {
  /** 32 bytes, as all keys, values and hashes here. */
  readonly root: Uint8Array;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** From the leaf to the root: bits strictly decrease. */
  readonly steps: readonly TrieStep[];
}

export interface AbsenceClaim {
  readonly root: Uint8Array;
  readonly key: Uint8Array;
  /** The leaf at which the search for the key ends; null in an empty map. */
  readonly other: { readonly key: Uint8Array; readonly value: Uint8Array } | null;
  /** From `other` to the root: bits strictly decrease. */
  readonly steps: readonly TrieStep[];
}

/** Whether the map under this root has exactly this value for the key. Never throws. */
export function verifyPresence(claim: PresenceClaim, sha256: Sha256 = nobleSha256): boolean {
  const { root, key, value, steps } = claim;
  if (![root, key, value].every(isHash) || !areSteps(steps)) return false;
  return equalBytes(rootAbove(key, value, steps, sha256), root);
}

/** Whether the map under this root has no value for the key. Never throws. */
export function verifyAbsence(claim: AbsenceClaim, sha256: Sha256 = nobleSha256): boolean {
  const { root, key, other, steps } = claim;
  if (![root, key].every(isHash) || !areSteps(steps)) return false;
  if (other === null) return steps.length === 0 && equalBytes(root, emptyMapRoot);
  if (typeof other !== 'object' || !isHash(other.key) || !isHash(other.value)) return false;
  if (equalBytes(other.key, key)) return false;
  // Where they differ at a step, the search for the key would have left the way to the other one.
  if (steps.some(({ bit }) => bitOf(other.key, bit) !== bitOf(key, bit))) return false;
  return equalBytes(rootAbove(other.key, other.value, steps, sha256), root);
}

function rootAbove(
  key: Uint8Array,
  value: Uint8Array,
  steps: readonly TrieStep[],
  sha256: Sha256,
): Uint8Array {
  const leaf = new Uint8Array(2 * hashSizeBytes);
  leaf.set(key);
  leaf.set(value, hashSizeBytes);
  let hash = sha256(leaf);
  for (const { bit, hash: sibling } of steps) {
    const isLeft = bitOf(key, bit) === 0;
    const node = new Uint8Array(2 * hashSizeBytes + 1);
    node.set(isLeft ? hash : sibling);
    node.set(isLeft ? sibling : hash, hashSizeBytes);
    node[2 * hashSizeBytes] = bit;
    hash = sha256(node);
  }
  return hash;
}

export type TrieProof =
  | { readonly kind: 'presence'; readonly value: Uint8Array; readonly steps: TrieStep[] }
  | { readonly kind: 'absence'; readonly other: AbsenceClaim['other']; readonly steps: TrieStep[] };

// A child is the index of an inner node, or the complement of the index of a leaf: negative.
type Node = number;
const leafNode = (slot: number): Node => ~slot;
const slotOfLeaf = (node: Node): number => ~node;
const isLeaf = (node: Node): boolean => node < 0;

// An inner node in the numbers: left, right, bit with a flag while its hash is out of date.
const innerNumbers = 3;
const staleFlag = 0x100;

/**
 * A growing map in memory. Its shape and root do not depend on the order of insertion. A key takes about 140 bytes;
 * a root hashes again only what changed since the last one.
 */
export class Trie {
  readonly #sha256: Sha256;
  // Key, value and the hash of both.
  #leaves = new PackedRecords(3 * hashSizeBytes);
  #inner = new PackedNumbers();
  readonly #innerHashes = new PackedRecords(hashSizeBytes);
  readonly #scratch = new Uint8Array(2 * hashSizeBytes + 1);
  #top: Node = leafNode(0);

  constructor(sha256: Sha256 = nobleSha256) {
    this.#sha256 = sha256;
  }

  /** Number of keys. */
  get size(): number {
    return this.#leaves.count;
  }

  /** Memory held. */
  get bytes(): number {
    return this.#leaves.bytes + this.#inner.bytes + this.#innerHashes.bytes;
  }

  /** Sets the value of a key; both are copied. Returns the key's slot: 0, 1, 2, … in the order of first insertion. */
  set(key: Uint8Array, value: Uint8Array): number {
    mustBeHash(key);
    mustBeHash(value);
    const known = this.slotOf(key);
    if (known !== undefined) {
      this.setAt(known, value);
      return known;
    }
    return this.#insert(key, value);
  }

  /** Sets the value of the key in this slot. */
  setAt(slot: number, value: Uint8Array): void {
    mustBeHash(value);
    const key = this.#leaves.at(slot, 0, hashSizeBytes);
    this.#writeLeaf(slot, key, value);
    let node = this.#top;
    while (!isLeaf(node)) {
      const bit = this.#bitOf(node);
      this.#inner.set(node * innerNumbers + 2, bit | staleFlag);
      node = this.#child(node, bitOf(key, bit));
    }
  }

  /** Slot of a key, undefined when the map does not have it. */
  slotOf(key: Uint8Array): number | undefined {
    mustBeHash(key);
    if (this.size === 0) return undefined;
    const slot = this.#search(key);
    return equalBytes(this.#leaves.at(slot, 0, hashSizeBytes), key) ? slot : undefined;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const slot = this.slotOf(key);
    return slot === undefined ? undefined : this.#valueAt(slot);
  }

  /** The keys as they are now, whatever this map gets later. */
  freezeKeys(): Pick<Trie, 'size' | 'keyAt' | 'slots'> {
    const frozen = new Trie(this.#sha256);
    // Where a leaf lies its key never changes, so these need no copy.
    frozen.#leaves = this.#leaves.share();
    frozen.#inner = this.#inner.copy();
    frozen.#top = this.#top;
    return frozen;
  }

  /** The key in this slot, as a view: valid until the next key is added. */
  keyAt(slot: number): Uint8Array {
    return this.#leaves.at(slot, 0, hashSizeBytes);
  }

  /** Every slot once, by ascending key. The map must not get further keys meanwhile. */
  *slots(): Generator<number, void, undefined> {
    if (this.size === 0) return;
    const waiting: Node[] = [this.#top];
    for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
      if (isLeaf(node)) yield slotOfLeaf(node);
      else waiting.push(this.#child(node, 1), this.#child(node, 0));
    }
  }

  root(): Uint8Array {
    return this.size === 0 ? emptyMapRoot.slice() : this.#freshHash(this.#top).slice();
  }

  /** For `verifyPresence` or `verifyAbsence`, under `root()`. */
  prove(key: Uint8Array): TrieProof {
    mustBeHash(key);
    if (this.size === 0) return { kind: 'absence', other: null, steps: [] };
    const steps: TrieStep[] = [];
    let node = this.#top;
    while (!isLeaf(node)) {
      const bit = this.#bitOf(node);
      const side = bitOf(key, bit);
      steps.push({ bit, hash: this.#freshHash(this.#child(node, 1 - side)).slice() });
      node = this.#child(node, side);
    }
    steps.reverse();
    const slot = slotOfLeaf(node);
    const found = this.#leaves.at(slot, 0, hashSizeBytes);
    const value = this.#valueAt(slot);
    return equalBytes(found, key)
      ? { kind: 'presence', value, steps }
      : { kind: 'absence', other: { key: found.slice(), value }, steps };
  }

  #insert(key: Uint8Array, value: Uint8Array): number {
    const known = this.size === 0 ? undefined : this.#leaves.at(this.#search(key), 0, hashSizeBytes);
    const difference = known === undefined ? keyBits : firstDifference(known, key);
    const slot = this.#leaves.push();
    this.#writeLeaf(slot, key, value);
    if (known === undefined) return slot;

    let parent: Node | undefined;
    let node = this.#top;
    while (!isLeaf(node) && this.#bitOf(node) < difference) {
      const bit = this.#bitOf(node);
      this.#inner.set(node * innerNumbers + 2, bit | staleFlag);
      parent = node;
      node = this.#child(node, bitOf(key, bit));
    }
    const added = this.#innerHashes.push();
    const isRight = bitOf(key, difference) === 1;
    this.#inner.push(isRight ? node : leafNode(slot));
    this.#inner.push(isRight ? leafNode(slot) : node);
    this.#inner.push(difference | staleFlag);
    if (parent === undefined) this.#top = added;
    else this.#inner.set(parent * innerNumbers + bitOf(key, this.#bitOf(parent)), added);
    return slot;
  }

  /** The slot at which the search for a key ends; the map must not be empty. */
  #search(key: Uint8Array): number {
    let node = this.#top;
    while (!isLeaf(node)) node = this.#child(node, bitOf(key, this.#bitOf(node)));
    return slotOfLeaf(node);
  }

  #writeLeaf(slot: number, key: Uint8Array, value: Uint8Array): void {
    const leaf = this.#leaves.at(slot);
    leaf.set(key);
    leaf.set(value, hashSizeBytes);
    leaf.set(this.#sha256(leaf.subarray(0, 2 * hashSizeBytes)), 2 * hashSizeBytes);
  }

  // Goes at most 256 levels deep: bits grow on the way down.
  #freshHash(node: Node): Uint8Array {
    if (isLeaf(node)) return this.#leaves.at(slotOfLeaf(node), 2 * hashSizeBytes);
    const hash = this.#innerHashes.at(node);
    const place = node * innerNumbers + 2;
    if ((this.#inner.at(place) & staleFlag) === 0) return hash;
    const left = this.#freshHash(this.#child(node, 0));
    const right = this.#freshHash(this.#child(node, 1));
    this.#scratch.set(left);
    this.#scratch.set(right, hashSizeBytes);
    this.#scratch[2 * hashSizeBytes] = this.#bitOf(node);
    hash.set(this.#sha256(this.#scratch));
    this.#inner.set(place, this.#bitOf(node));
    return hash;
  }

  #valueAt(slot: number): Uint8Array {
    return this.#leaves.at(slot, hashSizeBytes, 2 * hashSizeBytes).slice();
  }

  #bitOf(node: Node): number {
    return this.#inner.at(node * innerNumbers + 2) & 0xff;
  }

  #child(node: Node, side: number): Node {
    return this.#inner.at(node * innerNumbers + side);
  }
}

/** Bit 0 is the highest bit of byte 0. */
function bitOf(key: Uint8Array, bit: number): number {
  return ((key[bit >>> 3] as number) >>> (7 - (bit & 7))) & 1;
}

function firstDifference(a: Uint8Array, b: Uint8Array): number {
  for (let at = 0; at < hashSizeBytes; at++) {
    const difference = (a[at] as number) ^ (b[at] as number);
    if (difference !== 0) return at * 8 + Math.clz32(difference) - 24;
  }
  return keyBits;
}

function areSteps(steps: readonly TrieStep[]): boolean {
  if (!Array.isArray(steps)) return false;
  let last = keyBits;
  for (const step of steps as readonly (TrieStep | null | undefined)[]) {
    if (step === null || step === undefined || !isHash(step.hash)) return false;
    if (!Number.isInteger(step.bit) || step.bit < 0 || step.bit >= last) return false;
    last = step.bit;
  }
  return true;
}

function isHash(bytes: unknown): boolean {
  return bytes instanceof Uint8Array && bytes.length === hashSizeBytes;
}

function mustBeHash(bytes: Uint8Array): void {
  if (!isHash(bytes)) throw new RangeError('keys and values have 32 bytes');
}
