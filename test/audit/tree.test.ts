import { readdirSync, readFileSync } from 'node:fs';
import { hash as nodeHashOf } from 'node:crypto';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { equalBytes, toHex, toUtf8 } from '../../gateway/audit/bytes.ts';
import * as tree from '../../gateway/audit/tree.ts';
import { describeWithShared } from '../support/shared.ts';

const nativeSha256 = (bytes: Uint8Array) => nodeHashOf('sha256', bytes, 'buffer');

// RFC 6962 section 2.1, word for word: slow and obviously right.
function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return tree.emptyRoot;
  if (leaves.length === 1) return tree.leafHash(leaves[0] as Uint8Array);
  const k = naiveSplit(leaves.length);
  return tree.nodeHash(naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)));
}

function naivePath(index: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length === 1) return [];
  const k = naiveSplit(leaves.length);
  return index < k
    ? [...naivePath(index, leaves.slice(0, k)), naiveRoot(leaves.slice(k))]
    : [...naivePath(index - k, leaves.slice(k)), naiveRoot(leaves.slice(0, k))];
}

function naiveProof(
  m: number,
  leaves: readonly Uint8Array[],
  known: 'known' | 'unknown' = 'known',
): Uint8Array[] {
  const n = leaves.length;
  if (m === n) return known === 'known' ? [] : [naiveRoot(leaves)];
  const k = naiveSplit(n);
  return m <= k
    ? [...naiveProof(m, leaves.slice(0, k), known), naiveRoot(leaves.slice(k))]
    : [...naiveProof(m - k, leaves.slice(k), 'unknown'), naiveRoot(leaves.slice(0, k))];
}

function naiveSplit(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

const leavesOf = (count: number) => Array.from({ length: count }, (_, i) => toUtf8(`leaf ${i}`));

function treeOf(leaves: readonly Uint8Array[], sha256?: tree.Sha256): tree.MerkleTree {
  const grown = new tree.MerkleTree(sha256);
  for (const leaf of leaves) grown.append(tree.leafHash(leaf));
  return grown;
}

describeWithShared('vectors', 'proofs of transparency-dev/merkle', (path) => {
  const decode = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
  const cases = (folder: string) => {
    const all = readdirSync(join(path, 'rfc6962', folder), { recursive: true, encoding: 'utf8' });
    return all.filter((name) => name.endsWith('.json')).map((name) => join(path, 'rfc6962', folder, name));
  };
  const read = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Record<string, never>;

  it('all 98 inclusion cases get their verdict', () => {
    const files = cases('inclusion');
    expect(files).toHaveLength(98);
    for (const file of files) {
      const v = read(file) as unknown as Record<'leafIdx' | 'treeSize', number> &
        Record<'root' | 'leafHash', string> & { proof: string[] | null; wantErr: boolean };
      const verdict = tree.verifyInclusion({
        index: v.leafIdx,
        size: v.treeSize,
        leafHash: decode(v.leafHash),
        path: (v.proof ?? []).map(decode),
        root: decode(v.root),
      });
      expect(verdict, file).toBe(!v.wantErr);
    }
  });

  it('all 98 consistency cases get their verdict', () => {
    const files = cases('consistency');
    expect(files).toHaveLength(98);
    for (const file of files) {
      const v = read(file) as unknown as Record<'size1' | 'size2', number> &
        Record<'root1' | 'root2', string> & { proof: string[] | null; wantErr: boolean };
      const verdict = tree.verifyConsistency({
        oldSize: v.size1,
        newSize: v.size2,
        oldRoot: decode(v.root1),
        newRoot: decode(v.root2),
        path: (v.proof ?? []).map(decode),
      });
      expect(verdict, file).toBe(!v.wantErr);
    }
  });
});

describe('the packed tree', () => {
  const leaves = leavesOf(70);
  const grown = treeOf(leaves, nativeSha256);

  it('equals the naive recursive definition at every size', () => {
    for (let size = 0; size <= leaves.length; size++) {
      expect(equalBytes(grown.root(size), naiveRoot(leaves.slice(0, size))), `size ${size}`).toBe(true);
    }
  });

  it('gives the naive inclusion path of every leaf, and it verifies', () => {
    const size = fc.integer({ min: 1, max: leaves.length });
    const places = size.chain((n) => fc.tuple(fc.integer({ min: 0, max: n - 1 }), fc.constant(n)));
    fc.assert(
      fc.property(places, ([index, n]) => {
        const path = grown.inclusionPath(index, n);
        expect(path.map(toHex)).toEqual(naivePath(index, leaves.slice(0, n)).map(toHex));
        const leafHash = tree.leafHash(leaves[index] as Uint8Array);
        expect(tree.verifyInclusion({ index, size: n, leafHash, path, root: grown.root(n) })).toBe(true);
      }),
    );
  });

  it('gives the naive consistency path between any two sizes, and it verifies', () => {
    const sizes = fc.tuple(fc.integer({ min: 0, max: 70 }), fc.integer({ min: 0, max: 70 }));
    fc.assert(
      fc.property(sizes, (pair) => {
        const [oldSize, newSize] = pair.sort((a, b) => a - b) as [number, number];
        const path = grown.consistencyPath(oldSize, newSize);
        if (oldSize > 0) {
          expect(path.map(toHex)).toEqual(naiveProof(oldSize, leaves.slice(0, newSize)).map(toHex));
        }
        const claim = { oldSize, newSize, oldRoot: grown.root(oldSize), newRoot: grown.root(newSize), path };
        expect(tree.verifyConsistency(claim)).toBe(true);
      }),
    );
  });

  it('any flipped bit, other place or other size breaks an inclusion proof', () => {
    const index = 37;
    const claim = {
      index,
      size: 70,
      leafHash: tree.leafHash(leaves[index] as Uint8Array),
      path: grown.inclusionPath(index, 70),
      root: grown.root(),
    };
    fc.assert(
      fc.property(fc.nat(claim.path.length - 1), fc.nat(31), fc.nat(7), (place, byte, bit) => {
        const path = claim.path.map((hash) => new Uint8Array(hash));
        (path[place] as Uint8Array)[byte]! ^= 1 << bit;
        expect(tree.verifyInclusion({ ...claim, path })).toBe(false);
      }),
    );
    for (const other of [-1, 0.5, 36, 38, 70, 2 ** 53, Number.NaN]) {
      expect(tree.verifyInclusion({ ...claim, index: other })).toBe(false);
    }
    // 71 and 72 have the same path shape as 70 for this leaf, so only sizes with another shape can be told apart.
    for (const other of [37, 0, 64, 129, 2 ** 60]) {
      expect(tree.verifyInclusion({ ...claim, size: other })).toBe(false);
    }
    expect(tree.verifyInclusion({ ...claim, path: claim.path.slice(1) })).toBe(false);
    expect(tree.verifyInclusion({ ...claim, path: [...claim.path, claim.root] })).toBe(false);
    expect(tree.verifyInclusion({ ...claim, root: claim.root.slice(1) })).toBe(false);
  });

  it('grows over chunk borders and keeps its old roots', () => {
    const big = new tree.MerkleTree(nativeSha256);
    const leaf = tree.leafHash(toUtf8('same'));
    for (let i = 0; i < 4096; i++) big.append(leaf);
    const root = toHex(big.root());
    for (let i = 0; i < 5000; i++) big.append(leaf);
    expect(toHex(big.root(4096))).toBe(root);
    const path = big.consistencyPath(4096, 9096);
    const claim = { oldSize: 4096, newSize: 9096, oldRoot: big.root(4096), newRoot: big.root(), path };
    expect(tree.verifyConsistency(claim)).toBe(true);
    expect(toHex(big.hashes(0, 4095, 4097))).toBe(toHex(leaf).repeat(2));
  });

  it('forgets a rolled back batch as if it had never been', () => {
    fc.assert(
      fc.property(fc.nat(40), fc.nat(30), fc.nat(2), (kept, dropped, more) => {
        const added = dropped + more;
        const rolled = treeOf(leavesOf(kept), nativeSha256);
        for (let i = 0; i < dropped; i++) rolled.append(tree.leafHash(toUtf8(`lost ${i}`)));
        // Asked before, so that nothing remembered from then may be answered later.
        if (rolled.size > 0) rolled.root();
        rolled.truncate(kept);
        for (const leaf of leavesOf(kept + added).slice(kept)) rolled.append(tree.leafHash(leaf));
        expect(toHex(rolled.root())).toBe(toHex(naiveRoot(leavesOf(kept + added))));
      }),
      { numRuns: 40 },
    );
  });

  it('hands out hashes of its own: changing one changes no later proof', () => {
    const before = grown.inclusionPath(37, 70).map(toHex);
    for (const hash of [...grown.inclusionPath(37, 70), grown.root()]) hash.fill(0);
    expect(grown.inclusionPath(37, 70).map(toHex)).toEqual(before);
  });

  it('refuses sizes it never had and leaves it does not hold', () => {
    expect(() => grown.root(71)).toThrow(RangeError);
    expect(() => grown.inclusionPath(70, 70)).toThrow(RangeError);
    expect(() => grown.inclusionPath(0, 0)).toThrow(RangeError);
    expect(() => grown.consistencyPath(3, 2)).toThrow(RangeError);
    expect(() => grown.hashes(1, 0, 36)).toThrow(RangeError);
    expect(() => grown.append(new Uint8Array(31))).toThrow(RangeError);
  });

  it('verifies proofs of trees beyond 32 bits', () => {
    // The right-most leaf of a tree of 2^40 + 1 leaves hangs directly under the root.
    const left = tree.leafHash(toUtf8('a subtree of 2^40 leaves'));
    const leafHash = tree.leafHash(toUtf8('the last one'));
    const root = tree.nodeHash(left, leafHash);
    const claim = { index: 2 ** 40, size: 2 ** 40 + 1, leafHash, path: [left], root };
    expect(tree.verifyInclusion(claim)).toBe(true);
    expect(tree.verifyInclusion({ ...claim, index: 2 ** 40 - 1 })).toBe(false);
    expect(
      tree.verifyConsistency({
        oldSize: 2 ** 40,
        newSize: 2 ** 40 + 1,
        oldRoot: left,
        newRoot: root,
        path: [leafHash],
      }),
    ).toBe(true);
  });
});
