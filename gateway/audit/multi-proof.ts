// One proof that many leaves lie under one root: each hash that two single paths would share is there once.
// FORMAT.md section 10. Pure; runs in the browser too.
import { equalBytes } from './bytes.ts';
import { isAscending } from './index-list.ts';
import { hashSizeBytes, nodeHash, type MerkleTree } from './tree.ts';

export interface ProvenLeaf {
  readonly index: number;
  readonly leafHash: Uint8Array;
}

export interface MultiProofClaim {
  /** Number of leaves under `root`. */
  readonly size: number;
  /** By ascending index, each once. */
  readonly leaves: readonly ProvenLeaf[];
  /** In the order of FORMAT.md section 10, none left over. */
  readonly path: readonly Uint8Array[];
  readonly root: Uint8Array;
}

/** Whether the leaves and the path give this root. Never throws. */
export function verifyMultiProof({ size, leaves, path, root }: MultiProofClaim): boolean {
  const indices = leaves.map(({ index }) => index);
  if (!Number.isSafeInteger(size) || size < 1 || !isAscending(indices) || (indices.at(-1) ?? 0) >= size)
    return false;
  if (![root, ...path, ...leaves.map(({ leafHash }) => leafHash)].every(isHash)) return false;
  let used = 0;
  const rootOf = (range: Range): Uint8Array | undefined => {
    if (range.from === range.to) return path[used++];
    if (range.end - range.begin === 1) return leaves[range.from]?.leafHash;
    const [left, right] = halves(range, indices);
    const leftHash = rootOf(left);
    const rightHash = leftHash === undefined ? undefined : rootOf(right);
    return leftHash === undefined || rightHash === undefined ? undefined : nodeHash(leftHash, rightHash);
  };
  const found = rootOf({ begin: 0, end: size, from: 0, to: indices.length });
  return found !== undefined && used === path.length && equalBytes(found, root);
}

/**
 * The path for `verifyMultiProof` of these leaves under the root of the first `size`.
 * @throws RangeError unless the indices ascend and lie below `size`, and the tree had that size
 */
export function multiProof(
  tree: Pick<MerkleTree, 'size' | 'hashes'>,
  indices: readonly number[],
  size: number,
): Uint8Array[] {
  if (!isAscending(indices) || size < 1 || size > tree.size || (indices.at(-1) ?? 0) >= size)
    throw new RangeError('the indices do not ascend within the tree');
  const path: Uint8Array[] = [];
  const collect = (range: Range): void => {
    if (range.from === range.to) path.push(rangeHash(tree, range.begin, range.end));
    else if (range.end - range.begin > 1) halves(range, indices).forEach(collect);
  };
  collect({ begin: 0, end: size, from: 0, to: indices.length });
  return path;
}

/** Leaves `begin` to `end`, which hold the indices at places `from` to `to` of the set. */
interface Range {
  readonly begin: number;
  readonly end: number;
  readonly from: number;
  readonly to: number;
}

function halves({ begin, end, from, to }: Range, indices: readonly number[]): [Range, Range] {
  const middle = begin + largestPowerBelow(end - begin);
  // Binary search: a person may have many entries, and each lies below up to 53 ranges.
  let place = from;
  for (let high = to; place < high;) {
    const half = Math.floor((place + high) / 2);
    if ((indices[half] ?? 0) < middle) place = half + 1;
    else high = half;
  }
  return [
    { begin, end: middle, from, to: place },
    { begin: middle, end, from: place, to },
  ];
}

// Complete subtrees are stored; only those at the right edge are put together here.
function rangeHash(tree: Pick<MerkleTree, 'hashes'>, begin: number, end: number): Uint8Array {
  const width = end - begin;
  const power = largestPowerBelow(width);
  if (width === 1 || power * 2 === width) {
    const place = begin / width;
    return tree.hashes(Math.log2(width), place, place + 1);
  }
  return nodeHash(rangeHash(tree, begin, begin + power), rangeHash(tree, begin + power, end));
}

// Numbers up to 2^53: no bit operators.
function largestPowerBelow(width: number): number {
  let power = 1;
  while (power * 2 < width) power *= 2;
  return power;
}

const isHash = (hash: unknown): boolean => hash instanceof Uint8Array && hash.length === hashSizeBytes;
