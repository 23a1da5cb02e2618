import { hash as nodeHashOf } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, equalBytes, FormatError, toHex, toUtf8, u64 } from '../../gateway/audit/bytes.ts';
import { encodeEntry, type Concern } from '../../gateway/audit/entry.ts';
import {
  extendFrontier,
  frontierOf,
  isAscending,
  listRoot,
  rootOfFrontier,
  subtreesOf,
} from '../../gateway/audit/index-list.ts';
import { mapKeyOf, PersonIndex } from '../../gateway/audit/person-index.ts';
import { emptyRoot, leafHash, MerkleTree, nodeHash } from '../../gateway/audit/tree.ts';
import { emptyMapRoot, Trie, verifyAbsence, verifyPresence } from '../../gateway/audit/trie.ts';

const sha256 = (bytes: Uint8Array) => new Uint8Array(nodeHashOf('sha256', bytes, 'buffer'));
const keyOf = (name: string | number) => sha256(toUtf8(`key ${name}`));

// RFC 6962 section 2.1 over the indices, word for word.
function naiveListRoot(indices: readonly number[]): Uint8Array {
  const [first] = indices;
  if (first === undefined) return emptyRoot;
  if (indices.length === 1) return leafHash(u64(first));
  let k = 1;
  while (k * 2 < indices.length) k *= 2;
  return nodeHash(naiveListRoot(indices.slice(0, k)), naiveListRoot(indices.slice(k)));
}

function leafAbout(about: Concern, atSeconds = 60): Uint8Array {
  return encodeEntry({ kind: 'used', atSeconds, commitment: new Uint8Array(32), startedIndex: null, about });
}
const personLeaf = (key: Uint8Array) =>
  leafAbout({ concern: 'person', role: 'subject', tag: key, sequence: 0 });
const populationLeaf = (key: Uint8Array) =>
  leafAbout({ concern: 'population', population: key, cohort: new Uint8Array(32) });
const systemLeaf = leafAbout({ concern: 'system' });
const mapHeadLeaf = concat(Uint8Array.of(2, 32), new Uint8Array(90));

const indices = fc
  .uniqueArray(fc.oneof(fc.nat(200), fc.nat(Number.MAX_SAFE_INTEGER)), { maxLength: 80 })
  .map((some) => some.toSorted((a, b) => a - b));

describe('which key a leaf maps to', () => {
  it('a person leaf maps to its tag, a population leaf to its key', () => {
    expect(mapKeyOf(personLeaf(keyOf(1)))).toEqual(keyOf(1));
    expect(mapKeyOf(populationLeaf(keyOf(2)))).toEqual(keyOf(2));
  });

  it('a system leaf, a map head and what is no leaf at all map to nothing', () => {
    expect(mapKeyOf(systemLeaf)).toBeUndefined();
    expect(mapKeyOf(mapHeadLeaf)).toBeUndefined();
    // A map head keeps a number and a root where other leaves have their key.
    const posing = mapHeadLeaf.slice();
    posing[2] = 1;
    expect(mapKeyOf(posing)).toBeUndefined();
    expect(mapKeyOf(new Uint8Array(0))).toBeUndefined();
    expect(mapKeyOf(personLeaf(keyOf(1)).subarray(0, 83))).toBeUndefined();
  });
});

describe('the list of a key', () => {
  it('its root is that of RFC 6962, from all indices and from its frontier', () => {
    fc.assert(
      fc.property(indices, (some) => {
        const root = toHex(naiveListRoot(some));
        expect(toHex(listRoot(some))).toBe(root);
        expect(toHex(listRoot(some, sha256))).toBe(root);
        const frontier = frontierOf(some);
        expect(frontier.length).toBe(subtreesOf(some.length));
        expect(toHex(rootOfFrontier(frontier))).toBe(root);
        const tree = new MerkleTree();
        for (const index of some) tree.append(leafHash(u64(index)));
        expect(toHex(tree.root())).toBe(root);
      }),
    );
  });

  it('a frontier and the new indices give the old root and the new one', () => {
    fc.assert(
      fc.property(indices, fc.nat(80), (some, cut) => {
        const count = Math.min(cut, some.length);
        const frontier = frontierOf(some.slice(0, count));
        const extended = extendFrontier(count, frontier, some.slice(count));
        expect(extended).toEqual({
          oldRoot: naiveListRoot(some.slice(0, count)),
          newRoot: naiveListRoot(some),
          count: some.length,
          frontier: frontierOf(some),
        });
        expect(frontier).toEqual(frontierOf(some.slice(0, count)));
      }),
    );
  });

  it('another frontier, order or index gives another root', () => {
    fc.assert(
      fc.property(
        indices.filter((some) => some.length >= 2),
        fc.nat(),
        fc.nat(255),
        (some, pick, bit) => {
          const count = pick % some.length;
          const frontier = frontierOf(some.slice(0, count));
          const added = some.slice(count);
          const roots = extendFrontier(count, frontier, added);
          const at = pick % Math.max(1, frontier.length);
          const changed = frontier.map((hash, place) => {
            if (place !== at) return hash;
            const flipped = new Uint8Array(hash);
            flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
            return flipped;
          });
          if (frontier.length > 0) {
            const wrong = extendFrontier(count, changed, added);
            expect(toHex(wrong?.oldRoot ?? emptyRoot)).not.toBe(toHex(roots?.oldRoot ?? emptyRoot));
            expect(toHex(wrong?.newRoot ?? emptyRoot)).not.toBe(toHex(roots?.newRoot ?? emptyRoot));
          }
          const fewer = extendFrontier(count, frontier, added.slice(0, -1));
          expect(toHex(fewer?.newRoot ?? emptyRoot)).not.toBe(toHex(roots?.newRoot ?? emptyRoot));
          if (frontier.length > 1) {
            const swapped = extendFrontier(count, frontier.toReversed(), added);
            expect(toHex(swapped?.oldRoot ?? emptyRoot)).not.toBe(toHex(roots?.oldRoot ?? emptyRoot));
          }
        },
      ),
    );
  });

  it('what is not the frontier of so many indices is refused, not thrown at', () => {
    const frontier = frontierOf([3, 5, 8]);
    expect(extendFrontier(3, frontier, [9])).toBeDefined();
    expect(extendFrontier(2, frontier, [9])).toBeUndefined();
    expect(extendFrontier(4, frontier, [9])).toBeUndefined();
    expect(extendFrontier(7, frontier, [9])).toBeUndefined();
    for (const count of [-1, 1.5, NaN, 2 ** 53]) expect(extendFrontier(count, [], [])).toBeUndefined();
    expect(extendFrontier(1, [new Uint8Array(31)], [])).toBeUndefined();
    for (const junk of [null, undefined, {}, 'x', 3]) {
      expect(extendFrontier(1, [junk as unknown as Uint8Array], [])).toBeUndefined();
      expect(extendFrontier(1, junk as unknown as Uint8Array[], [])).toBeUndefined();
      expect(extendFrontier(3, frontier, junk as unknown as number[])).toBeUndefined();
    }
  });

  it('indices that do not ascend, or are none, are refused', () => {
    for (const wrong of [[2, 1], [1, 1], [-1], [0.5], [2 ** 53], [NaN]]) {
      expect(isAscending(wrong)).toBe(false);
      expect(extendFrontier(0, [], wrong)).toBeUndefined();
    }
    expect(isAscending([])).toBe(true);
    expect(isAscending([0, 1, Number.MAX_SAFE_INTEGER])).toBe(true);
    expect(() => listRoot([2 ** 53])).toThrow(FormatError);
    expect(() => frontierOf([-1])).toThrow(FormatError);
  });
});

describe('the index', () => {
  // A leaf is a small number: 0 system, 1 map head, the others people and populations.
  const log = fc.array(fc.nat(12), { maxLength: 120 });
  const leafOf = (what: number) => {
    if (what === 0) return systemLeaf;
    if (what === 1) return mapHeadLeaf;
    return what % 4 === 0 ? populationLeaf(keyOf(what)) : personLeaf(keyOf(what));
  };
  const placesOf = (leaves: readonly number[], what: number) =>
    leaves.flatMap((leaf, index) => (leaf === what ? [index] : []));
  const everything = Array.from({ length: 11 }, (_, i) => i + 2);

  function rebuiltRoot(leaves: readonly number[]): Uint8Array {
    const trie = new Trie(sha256);
    for (const what of everything.toReversed()) {
      const places = placesOf(leaves, what);
      if (places.length > 0) trie.set(keyOf(what), naiveListRoot(places));
    }
    return trie.root();
  }

  it('is the map rebuilt from scratch, whenever it is asked', () => {
    fc.assert(
      fc.property(log, fc.array(fc.nat(120), { maxLength: 5 }), (leaves, asked) => {
        const index = new PersonIndex(sha256);
        leaves.forEach((what, at) => {
          expect(index.mapped).toBe(at);
          if (asked.includes(at)) expect(toHex(index.root())).toBe(toHex(rebuiltRoot(leaves.slice(0, at))));
          index.add(leafOf(what));
        });
        expect(index.mapped).toBe(leaves.length);
        expect(index.keys).toBe(new Set(leaves.filter((what) => what > 1)).size);
        expect(toHex(index.root())).toBe(toHex(rebuiltRoot(leaves)));
      }),
    );
  });

  it('proves for every key exactly its leaves, and for every other key that there are none', () => {
    fc.assert(
      fc.property(log, (leaves) => {
        const index = new PersonIndex(sha256);
        for (const what of leaves) index.add(leafOf(what));
        for (const what of everything) {
          const key = keyOf(what);
          const places = placesOf(leaves, what);
          const { count, value, kind, other, steps } = index.prove(key);
          const root = index.root();
          expect(count).toBe(places.length);
          expect(index.countOf(key)).toBe(places.length);
          if (kind === 'presence') {
            expect(value).toEqual(listRoot(places));
            expect(other).toBeNull();
            expect(verifyPresence({ root, key, value: listRoot(places), steps })).toBe(true);
            expect(verifyPresence({ root, key, value: listRoot(places.slice(1)), steps })).toBe(false);
            expect(verifyAbsence({ root, key, other, steps })).toBe(false);
          } else {
            expect(places).toEqual([]);
            expect(value).toBeNull();
            expect(verifyAbsence({ root, key, other, steps })).toBe(true);
          }
        }
      }),
    );
  });

  it('an index of no leaves, or of system leaves alone, is the empty map', () => {
    const index = new PersonIndex(sha256);
    expect(index.root()).toEqual(emptyMapRoot);
    index.add(systemLeaf);
    index.add(mapHeadLeaf);
    expect(index.root()).toEqual(emptyMapRoot);
    expect(index.mapped).toBe(2);
    expect(index.prove(keyOf(2))).toEqual({ kind: 'absence', count: 0, value: null, other: null, steps: [] });
  });

  it('proofs made earlier stay proofs of the earlier root, and not of the new one', () => {
    const index = new PersonIndex(sha256);
    for (let at = 0; at < 40; at++) index.add(personLeaf(keyOf(at % 7)));
    const key = keyOf(3);
    const root = index.root();
    const { value, steps } = index.prove(key);
    const claim = { root, key, value: value ?? emptyRoot, steps };
    for (let at = 0; at < 40; at++) index.add(personLeaf(keyOf(at % 9)));
    expect(equalBytes(index.root(), root)).toBe(false);
    expect(verifyPresence(claim, sha256)).toBe(true);
    expect(verifyPresence({ ...claim, root: index.root() }, sha256)).toBe(false);
  });

  it('thousands of lists of thousands share one store: every value is its list’s root', () => {
    const index = new PersonIndex(sha256);
    const lists = new Map<number, number[]>();
    let state = 1;
    for (let at = 0; at < 20_000; at++) {
      state = (state * 48_271) % 2_147_483_647;
      // Lists of very different lengths: key 0 gets half of all leaves.
      const what = state % 2 === 0 ? 0 : state % 1_500;
      const places = lists.get(what) ?? [];
      places.push(at);
      lists.set(what, places);
      index.add(personLeaf(keyOf(what)));
      if (at % 5_000 === 0) index.root();
    }
    for (const [what, places] of lists)
      expect(index.prove(keyOf(what)).value).toEqual(listRoot(places, sha256));
    expect(index.keys).toBe(lists.size);
    expect(index.bytes).toBeLessThan(lists.size * 600 + 200_000);
  });
});
