// The map of the log, kept up to date leaf by leaf: which leaves concern whom. FORMAT.md section 7.
import { u64 } from './bytes.ts';
import { subtreesOf } from './index-list.ts';
import { PackedNumbers, PackedRecords } from './packed.ts';
import { hashSizeBytes, leafHash, nodeHash, type Sha256 } from './tree.ts';
import { Trie, type AbsenceClaim, type TrieStep } from './trie.ts';

const keyStart = 52;
const keyEnd = keyStart + 32;
const none = -1;
const mostEntries = 2 ** 31 - 1;

/** The tag or population key in a leaf, as a view of its bytes; undefined for a leaf that maps to nothing. */
export function mapKeyOf(leaf: Uint8Array): Uint8Array | undefined {
  const isMapped = leaf[0] === 1 && (leaf[2] === 1 || leaf[2] === 2) && leaf.length >= keyEnd;
  return isMapped ? leaf.subarray(keyStart, keyEnd) : undefined;
}

/** What the index says about one key, with the proof of it under `root()`. */
export interface KeyProof {
  /** Number of leaves that map to the key. */
  readonly count: number;
  /** Root over their indices, 32 bytes; null when there are none. */
  readonly value: Uint8Array | null;
  readonly kind: 'presence' | 'absence';
  readonly other: AbsenceClaim['other'];
  readonly steps: TrieStep[];
}

/** A key and the state of its list: all that the index holds of it. */
export interface KeyList {
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** Number of leaves that map to the key. */
  readonly count: number;
  /** Roots of the full subtrees over their indices, smallest first, concatenated: 32 bytes for each one bit of `count`. */
  readonly subtrees: Uint8Array;
}

export interface FrozenLists {
  /** Number of different keys. */
  readonly keys: number;
  /** Each key once, ascending; what is yielded is valid until the next. */
  lists(): Iterable<KeyList>;
}

/**
 * Takes the leaves of a log in their order and answers with root and proofs for the state after the last one taken.
 * For each key it holds the roots of the full subtrees over its indices, not the indices themselves.
 */
export class PersonIndex {
  readonly #sha256: Sha256;
  readonly #trie: Trie;
  // By slot of the trie: number of leaves, smallest subtree of the list, whether the trie has an old value.
  readonly #counts = new PackedNumbers();
  readonly #smallest = new PackedNumbers();
  readonly #isStale = new PackedNumbers();
  readonly #stale = new PackedNumbers();
  // Subtrees of all lists, each linked to the next larger one of its list; those out of use to each other.
  readonly #subtrees = new PackedRecords(hashSizeBytes);
  readonly #larger = new PackedNumbers();
  #free = none;
  #mapped: number;

  /** @param mapped other than 0 where `addList` gives the keys of so many leaves back */
  constructor(sha256: Sha256, mapped = 0) {
    this.#sha256 = sha256;
    this.#trie = new Trie(sha256);
    this.#mapped = mapped;
  }

  /** Number of leaves taken, whether they map to something or not. */
  get mapped(): number {
    return this.#mapped;
  }

  /** Number of different keys. */
  get keys(): number {
    return this.#trie.size;
  }

  /** Memory held. */
  get bytes(): number {
    const numbers = [this.#counts, this.#smallest, this.#isStale, this.#stale, this.#larger];
    return this.#trie.bytes + this.#subtrees.bytes + numbers.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Takes the next leaf of the log. */
  add(leaf: Uint8Array): void {
    const index = this.#mapped;
    const key = mapKeyOf(leaf);
    if (key !== undefined) this.#append(key, leafHash(u64(index), this.#sha256));
    this.#mapped = index + 1;
  }

  /** The lists as they are now, whatever the index takes later; as fast as memory is copied. */
  freeze(): FrozenLists {
    const trie = this.#trie.freezeKeys();
    const counts = this.#counts.copy();
    const smallest = this.#smallest.copy();
    const subtrees = this.#subtrees.copy();
    const larger = this.#larger.copy();
    return {
      keys: trie.size,
      *lists() {
        const room = new Uint8Array(31 * hashSizeBytes);
        for (const slot of trie.slots()) {
          let sizeBytes = 0;
          for (let place = smallest.at(slot); place !== none; place = larger.at(place)) {
            room.set(subtrees.at(place), sizeBytes);
            sizeBytes += hashSizeBytes;
          }
          yield { key: trie.keyAt(slot), count: counts.at(slot), subtrees: room.subarray(0, sizeBytes) };
        }
      },
    };
  }

  /**
   * Takes a key that is not there yet with its list, as `freeze` gave it. The value of the key is computed from the list.
   * @throws RangeError when the key is there, or the list is not one of `count` indices
   */
  addList({ key, count, subtrees }: KeyList): void {
    const isCount = Number.isInteger(count) && count > 0 && count <= mostEntries;
    if (!isCount || subtrees.length !== subtreesOf(count) * hashSizeBytes)
      throw new RangeError('not a list of so many indices');
    const slot = this.#trie.size;
    let smallest = none;
    for (let end = subtrees.length; end > 0; end -= hashSizeBytes)
      smallest = this.#hold(subtrees.subarray(end - hashSizeBytes, end), smallest);
    if (this.#trie.set(key, this.#listRootFrom(smallest)) !== slot) throw new RangeError('the key is there');
    this.#counts.push(count);
    this.#smallest.push(smallest);
    this.#isStale.push(0);
  }

  /** Number of leaves that map to a key. */
  countOf(key: Uint8Array): number {
    const slot = this.#trie.slotOf(key);
    return slot === undefined ? 0 : this.#counts.at(slot);
  }

  /** Root of the map of all leaves taken. */
  root(): Uint8Array {
    this.#settle();
    return this.#trie.root();
  }

  prove(key: Uint8Array): KeyProof {
    this.#settle();
    const proof = this.#trie.prove(key);
    return proof.kind === 'presence'
      ? { ...proof, count: this.countOf(key), other: null }
      : { ...proof, count: 0, value: null };
  }

  #append(key: Uint8Array, hash: Uint8Array): void {
    const slot = this.#trie.slotOf(key);
    if (slot === undefined) {
      // The root over one index is its leaf hash: a new key is never stale.
      this.#trie.set(key, hash);
      this.#counts.push(1);
      this.#smallest.push(this.#hold(hash, none));
      this.#isStale.push(0);
      return;
    }
    const count = this.#counts.at(slot);
    if (count === mostEntries) throw new RangeError('too many leaves with one key');
    let smallest = this.#smallest.at(slot);
    let grown = hash;
    for (let rest = count; rest % 2 === 1; rest >>>= 1) {
      grown = nodeHash(this.#subtrees.at(smallest), grown, this.#sha256);
      const larger = this.#larger.at(smallest);
      this.#release(smallest);
      smallest = larger;
    }
    this.#smallest.set(slot, this.#hold(grown, smallest));
    this.#counts.set(slot, count + 1);
    if (this.#isStale.at(slot) === 0) {
      this.#isStale.set(slot, 1);
      this.#stale.push(slot);
    }
  }

  #settle(): void {
    for (let at = 0; at < this.#stale.count; at++) {
      const slot = this.#stale.at(at);
      this.#trie.setAt(slot, this.#listRootFrom(this.#smallest.at(slot)));
      this.#isStale.set(slot, 0);
    }
    this.#stale.clear();
  }

  #listRootFrom(smallest: number): Uint8Array {
    let root = this.#subtrees.at(smallest);
    for (let place = this.#larger.at(smallest); place !== none; place = this.#larger.at(place)) {
      root = nodeHash(this.#subtrees.at(place), root, this.#sha256);
    }
    return root;
  }

  #hold(hash: Uint8Array, larger: number): number {
    let place = this.#free;
    if (place === none) {
      place = this.#subtrees.push();
      this.#larger.push(larger);
    } else {
      this.#free = this.#larger.at(place);
      this.#larger.set(place, larger);
    }
    this.#subtrees.at(place).set(hash);
    return place;
  }

  #release(place: number): void {
    this.#larger.set(place, this.#free);
    this.#free = place;
  }
}
