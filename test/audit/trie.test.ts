import { hash as nodeHashOf } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareBytes, concat, fromHex, toHex, toUtf8 } from '../../gateway/audit/bytes.ts';
import {
  emptyMapRoot,
  Trie,
  verifyAbsence,
  verifyPresence,
  type AbsenceClaim,
  type PresenceClaim,
  type TrieStep,
} from '../../gateway/audit/trie.ts';

// Not a Buffer: its slice would be a view, and a flipped copy would flip the original.
const sha256 = (bytes: Uint8Array) => new Uint8Array(nodeHashOf('sha256', bytes, 'buffer'));
const sha = (...parts: readonly Uint8Array[]) => sha256(concat(...parts));
const hex = (text: string) => fromHex(text, 'test');
const byte = (value: number) => Uint8Array.of(value);

interface Pair {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

function trieOf(pairs: readonly Pair[]): Trie {
  const trie = new Trie(sha256);
  for (const { key, value } of pairs) trie.set(key, value);
  return trie;
}

// The definition of FORMAT.md over a sorted list, word for word: slow and obviously right.
const bitsOf = (key: Uint8Array) => [...key].map((part) => part.toString(2).padStart(8, '0')).join('');

const places = Array.from({ length: 256 }, (_, at) => at);

function naiveRoot(sorted: readonly Pair[]): Uint8Array {
  if (sorted.length === 0) return sha();
  const [{ key, value }] = sorted as [Pair];
  if (sorted.length === 1) return sha(key, value);
  const { bit, left, right } = naiveSplit(sorted);
  return sha(naiveRoot(left), naiveRoot(right), byte(bit));
}

function naiveSplit(sorted: readonly Pair[]): { bit: number; left: Pair[]; right: Pair[] } {
  const texts = sorted.map(({ key }) => bitsOf(key));
  const bit = places.findIndex((at) => texts.some((text) => text[at] !== texts[0]?.[at]));
  const below = (digit: string) => sorted.filter((_, place) => texts[place]?.[bit] === digit);
  return { bit, left: below('0'), right: below('1') };
}

function naiveSteps(sorted: readonly Pair[], key: Uint8Array): { leaf: Pair; steps: TrieStep[] } {
  if (sorted.length === 1) return { leaf: sorted[0] as Pair, steps: [] };
  const { bit, left, right } = naiveSplit(sorted);
  const isRight = bitsOf(key)[bit] === '1';
  const { leaf, steps } = naiveSteps(isRight ? right : left, key);
  return { leaf, steps: [...steps, { bit, hash: naiveRoot(isRight ? left : right) }] };
}

const sortedOf = (pairs: readonly Pair[]) => pairs.toSorted((a, b) => compareBytes(a.key, b.key));

// Random keys rarely meet below the first bits: some share all but their last bits, some all but one bit anywhere.
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const key = fc.oneof(
  bytes32,
  fc.nat(255).map((last) => concat(new Uint8Array(31), byte(last))),
  fc.nat(255).map((bit) => flip(new Uint8Array(32), bit)),
);
const pairs = fc.uniqueArray(fc.record({ key, value: bytes32 }), {
  maxLength: 40,
  selector: (pair) => toHex(pair.key),
});

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = new Uint8Array(bytes);
  flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7));
  return flipped;
}

describe('the encodings', () => {
  it('the map without keys is SHA-256 of nothing', () => {
    expect(toHex(new Trie(sha256).root())).toBe(
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    );
    expect(toHex(emptyMapRoot)).toBe(toHex(sha()));
  });

  // goldenTrees of rsc.io/tmp/mpt, tree_test.go at commit 056dbde: keys, and the hash as a formula.
  const keyOf = (head: string) => hex(head.padEnd(64, '0'));
  const valueOf = (place: number) => hex(`42${place.toString(16).padStart(62, '0')}`);
  const leaf = (head: string, place: number) => sha(keyOf(head), valueOf(place));
  const goldenTrees: readonly (readonly [readonly string[], Uint8Array])[] = [
    [[], sha()],
    [['00'], leaf('00', 0)],
    [['80'], leaf('80', 0)],
    [['00', '80'], sha(leaf('00', 0), leaf('80', 1), byte(0))],
    [['00', '0010'], sha(leaf('00', 0), leaf('0010', 1), byte(0x0b))],
    [['00', '0010', '80'], sha(sha(leaf('00', 0), leaf('0010', 1), byte(0x0b)), leaf('80', 2), byte(0))],
  ];
  it.each(goldenTrees)('the golden tree of rsc.io/tmp/mpt with keys %j has its hash', (heads, root) => {
    const trie = trieOf(heads.map((head, place) => ({ key: keyOf(head), value: valueOf(place) })));
    expect(toHex(trie.root())).toBe(toHex(root));
    for (const digit of ['02', '22', '42', '62', '82', 'a2', 'c2', 'e2', 'f2']) {
      const absent = hex(digit.padEnd(64, '2'));
      const proof = trie.prove(absent);
      expect(proof.kind).toBe('absence');
      if (proof.kind === 'absence') expect(verifyAbsence({ root, key: absent, ...proof }, sha256)).toBe(true);
    }
  });

  it('a small map computed by hand comes out', () => {
    // Keys 00…, 40… and 41…: bit 1 parts the first from the others, bit 7 parts those.
    const trie = trieOf([
      { key: keyOf('41'), value: valueOf(3) },
      { key: keyOf('00'), value: valueOf(1) },
      { key: keyOf('40'), value: valueOf(2) },
    ]);
    const pair = sha(leaf('40', 2), leaf('41', 3), byte(7));
    expect(toHex(trie.root())).toBe(toHex(sha(leaf('00', 1), pair, byte(1))));
    expect(toHex(trie.root())).toBe('636c900ed76db3c638891f5dbb05a7dfc5b5381f7629c5fa0e4bc62dd39e22e7');
    expect(trie.prove(keyOf('40'))).toEqual({
      kind: 'presence',
      value: valueOf(2),
      steps: [
        { bit: 7, hash: leaf('41', 3) },
        { bit: 1, hash: leaf('00', 1) },
      ],
    });
  });

  it('the default hash gives the same roots as the faster one', () => {
    const some = Array.from({ length: 50 }, (_, i) => ({ key: sha(byte(i)), value: sha(byte(0), byte(i)) }));
    const trie = new Trie();
    for (const pair of some) trie.set(pair.key, pair.value);
    expect(toHex(trie.root())).toBe(toHex(trieOf(some).root()));
  });
});

// filippo.io/torchwood/mpt is the successor of rsc.io/tmp/mpt with the same trie and the same proofs, but with prefixes
// and lengths in what is hashed: leaf = H(0 ‖ len ‖ key ‖ len ‖ value), inner = H(1 ‖ varint bit ‖ left ‖ right).
// With a hash that rewrites its input that way, its published vectors show our shape and our checks.
function torchwoodSha256(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 64) return sha(byte(0), byte(32), bytes.subarray(0, 32), byte(32), bytes.subarray(32));
  if (bytes.length !== 65) throw new RangeError('neither a leaf nor a node');
  const bit = bytes[64] ?? 0;
  const varint = bit < 128 ? byte(bit) : Uint8Array.of(bit, bit >> 7);
  return sha(byte(1), varint, bytes.subarray(0, 64));
}

describe('the shape, against testdata/treehash.txt of filippo.io/torchwood/mpt at commit f5aef32', () => {
  const keyAt = (place: number) => sha(toUtf8(`key:${place}`));
  const valueAt = (place: number) => sha(toUtf8(`val:${place}`));
  const padded = (head: string, fill = '0') => hex(head.padEnd(64, fill));
  const numbered = (count: number) =>
    Array.from({ length: count }, (_, i) => [keyAt(i), valueAt(i)] as const);
  const from = (first: number, ...keys: readonly Uint8Array[]) =>
    keys.map((at, i) => [at, valueAt(first + i)] as const);
  const ff = 'f'.repeat(32);

  it.each([
    ['one key', numbered(1), '2a698354db3d6d1e4205dc2ca99f9b5925612fd3641ce5bc3400ab521052c1e9'],
    [
      'two keys that differ at bit 0',
      from(10, padded('00'), padded('80')),
      '6b6f242a8dcfacd8bc1213d4453852a2127b398c65a7684a2e1af666f6356061',
    ],
    [
      'two keys that differ at bit 7',
      from(12, padded('00'), padded('01')),
      '9abb026bca1c67d3d40a45d97d6f0467b6d4a3c38606358014ff990b44b3b0c1',
    ],
    [
      'two keys that differ at bit 8',
      from(14, padded('00'), padded('0080')),
      'fb38b0365217d5add42b9ed01a334c9b5e7e29798926f5eb3c9f14029de7c87a',
    ],
    [
      'two keys that differ late',
      from(16, hex(`${'aa'.repeat(30)}0000`), hex(`${'aa'.repeat(30)}0100`)),
      '6267acde2a12f4da5666e44cb63779798523d5b07fb09ed1a7ea38aaaf3bcd75',
    ],
    [
      'three keys',
      from(20, padded('00'), padded('40'), padded('80')),
      '3b5ae657915d8cd94abdf4362daf5397d0b74cea7edfcb88b2ad3a21bd0c6efd',
    ],
    [
      'four keys',
      from(23, padded('00'), padded('40'), padded('80'), padded('c0')),
      '752cace32992bd2e650f86a60f7f4cb073e77bd0da0bbae17c9927ca0cac41d9',
    ],
    [
      'two keys that differ at bit 128',
      from(27, padded(ff), padded(`${ff}80`)),
      '55664663e0148e90b47b18ec9660b0a9c5d83b03fc0235fcb8938763d7d3ed7f',
    ],
    ['ten keys', numbered(10), 'bc9a8f5c4b48ffd5fb48ba5996168a4ba45712b5f73bd4642df8971cd342d91e'],
    ['a hundred keys', numbered(100), '70cf82c7c755c852589be0023e85948a329c1e8a9b21587dba9e50c103f1bceb'],
  ])('%s', (_, entries, root) => {
    const trie = new Trie(torchwoodSha256);
    for (const [at, value] of entries) trie.set(at, value);
    expect(toHex(trie.root())).toBe(root);
  });
});

describe('the checks, against testdata/verify.txt of filippo.io/torchwood/mpt at commit 5afdd06', () => {
  const one = hex('5586c5702eb4abc508d685b0833e8f83050c864796d18ae25dc3d22073038fb8');
  const two = hex('ce1e03bce2008026dd8f68f43b815f3f75bc14f3a2213e334c64230c6ebe8666');
  const three = hex('4a79f8c72c1e6aef51da667b958a4a60d9d54eeb4e71e169c97f6f0ef2462223');
  const unrelated = hex('8810ad581e59f2bc3928b261707a71308f7e139eb04820366dc4d5c18d980225');
  const a = {
    key: hex('682c42c526e3f5e87eecea25694c435c16a00bf316bd1a8dc6079bcd1d8f9e46'),
    value: hex('6370040cdc5ae2cc980582fd877723e32bea9ed2844ff4ae7218711f161265b3'),
  };
  const b = {
    key: hex('e3ee6cc705f06140f832d62316f3cb1c7a324f04d4cba9dc8d0f8125e5f5393c'),
    value: hex('016a4fde9eff72a846636f8e5981cabc9e7d34041a6e9080691259fc9d2bffa8'),
  };
  const c = {
    key: hex('d1318ac2288d45fd05e788897f6672de3761c8e1565bef41c350e578283a9d6f'),
    value: hex('c35b501388708557ba0bab3b2b62c2e14cc405b1415d565a62b3ff1bc59399e2'),
  };
  const absent = hex('c51cbe39ee7ed29027d1c54fffb0b31d0475a502b811bd866b98b66bb0afd1f4');
  const wrongValue = hex('7c1961346483781a205da2a49d4e42a13d989e506f7e611d6f878ef09b5759a3');
  const step = (bit: number, text: string) => ({ bit, hash: hex(text) });
  const leafA = step(0, '5586c5702eb4abc508d685b0833e8f83050c864796d18ae25dc3d22073038fb8');
  const leafB = '16a5fadb9ec081b9111a6e731c4a5cea7315ebc862fe48f75b0e658966e59df2';
  const pairBc = 'c8f7f7f5f65dd8ede617bb4e4d934c1012a1003c817a3d217e030fcc1b3ed1a0';
  const leafC = step(2, '65ccf55d89d2f4864ea1e8fbc0b1d74a29a67431d7210b0e82037ef2788f32c6');
  const flippedB = '16a5fadb9ec081b9111a6e731c4a5cea7315ebc862fe48f75b0e658966e59d72';

  it.each<[boolean, string, PresenceClaim]>([
    [true, 'one leaf', { root: one, ...a, steps: [] }],
    [false, 'one leaf, wrong value', { root: one, key: a.key, value: wrongValue, steps: [] }],
    [true, 'two leaves, the left one', { root: two, ...a, steps: [step(0, leafB)] }],
    [true, 'two leaves, the right one', { root: two, ...b, steps: [leafA] }],
    [true, 'three leaves, the first', { root: three, ...a, steps: [step(0, pairBc)] }],
    [true, 'three leaves, the last', { root: three, ...b, steps: [leafC, leafA] }],
    [true, 'three leaves, the middle one', { root: three, ...c, steps: [step(2, leafB), leafA] }],
    [false, 'a flipped bit in a sibling', { root: two, ...a, steps: [step(0, flippedB)] }],
    [false, 'a cut hash', { root: two, ...a, steps: [{ bit: 0, hash: new Uint8Array(0) }] }],
    [false, 'no steps in a map of two', { root: two, ...a, steps: [] }],
  ])('presence is %s: %s', (verdict, _, claim) => {
    expect(verifyPresence(claim, torchwoodSha256)).toBe(verdict);
  });

  it.each<[boolean, string, AbsenceClaim]>([
    [true, 'an empty map', { root: emptyMapRoot, key: absent, other: null, steps: [] }],
    [false, 'nothing shown of a map with keys', { root: unrelated, key: absent, other: null, steps: [] }],
    [true, 'one leaf', { root: one, key: absent, other: a, steps: [] }],
    [false, 'one leaf, another root', { root: unrelated, key: absent, other: a, steps: [] }],
    [true, 'two leaves', { root: two, key: absent, other: b, steps: [leafA] }],
    [true, 'three leaves', { root: three, key: absent, other: c, steps: [step(2, leafB), leafA] }],
    [
      false,
      'the other key is the one searched for',
      { root: two, key: absent, other: { key: absent, value: a.value }, steps: [] },
    ],
    [
      false,
      'a flipped bit in the other key',
      { root: two, key: absent, other: { key: flip(b.key, 0), value: b.value }, steps: [leafA] },
    ],
  ])('absence is %s: %s', (verdict, _, claim) => {
    expect(verifyAbsence(claim, torchwoodSha256)).toBe(verdict);
  });
});

describe('roots and proofs, against the definition', () => {
  it('every map has the root of the definition, whatever the order of insertion', () => {
    fc.assert(
      fc.property(
        pairs.chain((some) =>
          fc.tuple(fc.constant(some), fc.shuffledSubarray(some, { minLength: some.length })),
        ),
        ([some, shuffled]) => {
          const root = toHex(naiveRoot(sortedOf(some)));
          expect(toHex(trieOf(some).root())).toBe(root);
          expect(toHex(trieOf(shuffled).root())).toBe(root);
        },
      ),
    );
  });

  it('a root after any change is that of a map built at once', () => {
    fc.assert(
      fc.property(pairs, pairs, fc.array(bytes32, { maxLength: 40 }), (first, more, values) => {
        const trie = trieOf(first);
        const now = new Map(first.map((pair) => [toHex(pair.key), pair]));
        trie.root();
        const changed = [
          ...more,
          ...first.map(({ key: at }, i) => ({ key: at, value: values[i] ?? sha(at) })),
        ];
        for (const pair of changed) {
          trie.set(pair.key, pair.value);
          now.set(toHex(pair.key), pair);
          if (pair.value[0] === 0) trie.root();
        }
        expect(trie.size).toBe(now.size);
        expect(toHex(trie.root())).toBe(toHex(naiveRoot(sortedOf([...now.values()]))));
      }),
    );
  });

  it('every key of a map has the proof of the definition, and it verifies', () => {
    fc.assert(
      fc.property(pairs, (some) => {
        const trie = trieOf(some);
        const sorted = sortedOf(some);
        const root = naiveRoot(sorted);
        for (const pair of some) {
          const proof = trie.prove(pair.key);
          expect(proof).toEqual({
            kind: 'presence',
            value: pair.value,
            steps: naiveSteps(sorted, pair.key).steps,
          });
          expect(verifyPresence({ root, ...pair, steps: proof.steps }, sha256)).toBe(true);
          expect(trie.get(pair.key)).toEqual(pair.value);
        }
      }),
    );
  });

  it('every other key has the proof of absence of the definition, and it verifies', () => {
    fc.assert(
      fc.property(pairs, fc.array(key), (some, keys) => {
        const trie = trieOf(some);
        const sorted = sortedOf(some);
        const root = naiveRoot(sorted);
        for (const absent of keys) {
          if (some.some((pair) => toHex(pair.key) === toHex(absent))) continue;
          const proof = trie.prove(absent);
          if (proof.kind !== 'absence') throw new Error('present');
          const expected = some.length === 0 ? { leaf: null, steps: [] } : naiveSteps(sorted, absent);
          expect(proof.other).toEqual(expected.leaf);
          expect(proof.steps).toEqual(expected.steps);
          expect(verifyAbsence({ root, key: absent, ...proof }, sha256)).toBe(true);
          expect(trie.get(absent)).toBeUndefined();
        }
      }),
    );
  });

  it('keys that share all but one bit make a way 256 steps long', () => {
    const ladder = Array.from({ length: 256 }, (_, bit) => ({
      key: flip(new Uint8Array(32), bit),
      value: sha(byte(bit)),
    }));
    const trie = trieOf([...ladder, { key: new Uint8Array(32), value: sha() }]);
    const proof = trie.prove(new Uint8Array(32));
    expect(proof.steps.map(({ bit }) => bit)).toEqual(Array.from({ length: 256 }, (_, i) => 255 - i));
    expect(
      verifyPresence(
        { root: trie.root(), key: new Uint8Array(32), value: sha(), steps: proof.steps },
        sha256,
      ),
    ).toBe(true);
  });

  it('many keys keep their values over all chunks', () => {
    const many = Array.from({ length: 10_000 }, (_, i) => ({
      key: sha(toUtf8(`${i}`)),
      value: sha(toUtf8(`v${i}`)),
    }));
    const trie = trieOf(many);
    expect(many.every((pair) => toHex(trie.get(pair.key) ?? byte(0)) === toHex(pair.value))).toBe(true);
    expect(toHex(trie.root())).toBe(toHex(naiveRootBySorting(many)));
    expect(trie.bytes).toBeLessThan(10_000 * 250);
  });
});

// As naiveRoot, but by the neighbours in the sorted list: fast enough for many keys.
function naiveRootBySorting(some: readonly Pair[]): Uint8Array {
  const sorted = sortedOf(some).map((pair) => ({ ...pair, bits: bitsOf(pair.key) }));
  const rootOf = (from: number, to: number): Uint8Array => {
    const first = sorted[from];
    const last = sorted[to - 1];
    if (first === undefined || last === undefined) return sha();
    if (to - from === 1) return sha(first.key, first.value);
    const bit = places.findIndex((at) => first.bits[at] !== last.bits[at]);
    let middle = from;
    while (sorted[middle]?.bits[bit] === '0') middle++;
    return sha(rootOf(from, middle), rootOf(middle, to), byte(bit));
  };
  return rootOf(0, sorted.length);
}

describe('a changed proof never verifies', () => {
  const some = Array.from({ length: 64 }, (_, i) => ({ key: sha(byte(i)), value: sha(byte(1), byte(i)) }));
  const trie = trieOf(some);
  const root = trie.root();
  const place = fc.nat(63);
  const flips = fc.nat(255);

  const claimAt = (at: number): PresenceClaim => {
    const pair = some[at] as Pair;
    return { root, ...pair, steps: trie.prove(pair.key).steps };
  };
  const absenceAt = (at: number): AbsenceClaim & { readonly other: Pair } => {
    const absent = sha(byte(at), byte(9));
    const proof = trie.prove(absent);
    if (proof.kind !== 'absence' || proof.other === null) throw new Error('not absent');
    return { root, key: absent, other: proof.other, steps: proof.steps };
  };
  const presence = (claim: PresenceClaim) => verifyPresence(claim, sha256);
  const absence = (claim: AbsenceClaim) => verifyAbsence(claim, sha256);

  it('a flipped bit of root, key or value', () => {
    fc.assert(
      fc.property(place, flips, (at, bit) => {
        const claim = claimAt(at);
        expect(presence(claim)).toBe(true);
        expect(presence({ ...claim, root: flip(claim.root, bit) })).toBe(false);
        expect(presence({ ...claim, key: flip(claim.key, bit) })).toBe(false);
        expect(presence({ ...claim, value: flip(claim.value, bit) })).toBe(false);
        const gone = absenceAt(at);
        expect(absence(gone)).toBe(true);
        expect(absence({ ...gone, root: flip(gone.root, bit) })).toBe(false);
        expect(absence({ ...gone, other: { ...gone.other, key: flip(gone.other.key, bit) } })).toBe(false);
        expect(absence({ ...gone, other: { ...gone.other, value: flip(gone.other.value, bit) } })).toBe(
          false,
        );
      }),
    );
  });

  it('a step flipped, left out, doubled, swapped, or at another bit', () => {
    fc.assert(
      fc.property(place, fc.nat(), flips, fc.nat(255), (at, pick, bit, otherBit) => {
        const claim = claimAt(at);
        const gone = absenceAt(at);
        const refuses: readonly (readonly [readonly TrieStep[], (steps: TrieStep[]) => boolean])[] = [
          [claim.steps, (changed) => !presence({ ...claim, steps: changed })],
          [gone.steps, (changed) => !absence({ ...gone, steps: changed })],
        ];
        for (const [steps, isRefused] of refuses) {
          const chosen = pick % steps.length;
          const step = steps[chosen] as TrieStep;
          const neighbour = steps[chosen + 1];
          const changes: TrieStep[][] = [
            steps.with(chosen, { ...step, hash: flip(step.hash, bit) }),
            steps.toSpliced(chosen, 1),
            steps.toSpliced(chosen, 0, step),
            [...steps, { bit: 0, hash: step.hash }],
            [],
          ];
          if (otherBit !== step.bit) changes.push(steps.with(chosen, { ...step, bit: otherBit }));
          if (neighbour !== undefined) {
            changes.push(steps.with(chosen, neighbour).with(chosen + 1, step));
            changes.push(
              steps
                .with(chosen, { bit: step.bit, hash: neighbour.hash })
                .with(chosen + 1, { bit: neighbour.bit, hash: step.hash }),
            );
          }
          expect(changes.every(isRefused)).toBe(true);
        }
      }),
    );
  });

  it('no key of the map is absent, whichever leaf is shown for it', () => {
    for (const { key: present } of some) {
      for (const other of some) {
        const { steps } = trie.prove(other.key);
        expect(absence({ root, key: present, other, steps })).toBe(false);
      }
      expect(absence({ root, key: present, other: null, steps: [] })).toBe(false);
    }
  });

  it('an empty map is shown by nothing else than its root', () => {
    const { steps } = claimAt(0);
    const claim = { root: emptyMapRoot, key: sha(), other: null };
    expect(absence({ ...claim, steps: [] })).toBe(true);
    expect(absence({ ...claim, steps })).toBe(false);
    expect(absence({ ...claim, root, steps: [] })).toBe(false);
    expect(absence({ ...claim, other: some[0] as Pair, steps: [] })).toBe(false);
  });

  it('what has not the shape of a proof is refused, not thrown at', () => {
    const claim = claimAt(3);
    const gone = absenceAt(3);
    const wrong: readonly unknown[] = [
      undefined,
      null,
      7,
      'x',
      {},
      [],
      new Uint8Array(31),
      new Uint8Array(33),
    ];
    const isRefused = (presenceClaim: unknown, absenceClaim: unknown) => {
      expect(presence(presenceClaim as PresenceClaim)).toBe(false);
      expect(absence(absenceClaim as AbsenceClaim)).toBe(false);
    };
    for (const junk of wrong) {
      isRefused({ ...claim, root: junk }, { ...gone, root: junk });
      isRefused({ ...claim, key: junk }, { ...gone, key: junk });
      isRefused({ ...claim, value: junk }, { ...gone, other: { ...gone.other, value: junk } });
      isRefused({ ...claim, steps: junk }, { ...gone, steps: junk });
      isRefused({ ...claim, steps: [junk] }, { ...gone, steps: [junk] });
      isRefused({ ...claim, steps: [{ bit: 0, hash: junk }] }, { ...gone, other: junk });
      isRefused(
        { ...claim, steps: [{ bit: junk, hash: root }] },
        { ...gone, other: { key: junk, value: root } },
      );
    }
    for (const bit of [-1, 256, 0.5, NaN, Infinity]) {
      isRefused(
        { ...claim, steps: [{ bit, hash: root }, ...claim.steps] },
        { ...gone, steps: [{ bit, hash: root }, ...gone.steps] },
      );
    }
  });

  it('keys and values of another length are not taken', () => {
    const grown = new Trie(sha256);
    expect(() => grown.set(new Uint8Array(31), new Uint8Array(32))).toThrow(RangeError);
    expect(() => grown.set(new Uint8Array(32), new Uint8Array(33))).toThrow(RangeError);
    expect(() => grown.prove(new Uint8Array(0))).toThrow(RangeError);
    expect(grown.size).toBe(0);
  });
});
