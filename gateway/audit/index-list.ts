// The value of a key in the map: the RFC 6962 root over a list of leaf indices, and how it grows.
// FORMAT.md section 7. Pure; runs in the browser too.
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import { u64 } from './bytes.ts';
import { emptyRoot, hashSizeBytes, leafHash, nodeHash, type Sha256 } from './tree.ts';

/** RFC 6962 root over the indices, each a u64. @throws FormatError `range` unless each is from 0 to 2^53 - 1 */
export function listRoot(indices: readonly number[], sha256: Sha256 = nobleSha256): Uint8Array {
  return rootOfFrontier(frontierOf(indices, sha256), sha256);
}

/**
 * Roots of the full subtrees over the indices, largest first: all that is needed to go on with the list.
 * @throws FormatError `range` unless each index is from 0 to 2^53 - 1
 */
export function frontierOf(indices: readonly number[], sha256: Sha256 = nobleSha256): Uint8Array[] {
  const frontier: Uint8Array[] = [];
  indices.forEach((index, count) => push(frontier, count, index, sha256));
  return frontier;
}

/** RFC 6962 root of the list with this frontier, largest subtree first. */
export function rootOfFrontier(frontier: readonly Uint8Array[], sha256: Sha256 = nobleSha256): Uint8Array {
  const last = frontier.at(-1);
  if (last === undefined) return emptyRoot.slice();
  return frontier.slice(0, -1).reduceRight((root, subtree) => nodeHash(subtree, root, sha256), last);
}

export interface ExtendedList {
  /** Of the list before. */
  readonly oldRoot: Uint8Array;
  /** Of the list with the new indices. */
  readonly newRoot: Uint8Array;
  readonly count: number;
  /** Of the list with the new indices, largest subtree first. */
  readonly frontier: readonly Uint8Array[];
}

/**
 * The roots of a list of `count` indices known by its frontier alone, before and after the new ones. Both must be
 * compared with what is known of them: together they show that the longer list begins with the shorter one.
 * Undefined when the frontier is not one of `count` indices or the new ones do not ascend. Never throws.
 */
export function extendFrontier(
  count: number,
  frontier: readonly Uint8Array[],
  newIndices: readonly number[],
  sha256: Sha256 = nobleSha256,
): ExtendedList | undefined {
  if (!isIndex(count) || !Array.isArray(frontier) || frontier.length !== subtreesOf(count)) return undefined;
  if (!frontier.every((hash) => hash instanceof Uint8Array && hash.length === hashSizeBytes))
    return undefined;
  if (!isAscending(newIndices) || !isIndex(count + newIndices.length)) return undefined;
  const grown = [...frontier];
  newIndices.forEach((index, at) => push(grown, count + at, index, sha256));
  return {
    oldRoot: rootOfFrontier(frontier, sha256),
    newRoot: rootOfFrontier(grown, sha256),
    count: count + newIndices.length,
    frontier: grown,
  };
}

/** Whether these are leaf indices, each larger than the one before. */
export function isAscending(indices: readonly number[]): boolean {
  return (
    Array.isArray(indices) && indices.every((index, at) => isIndex(index) && index > (indices[at - 1] ?? -1))
  );
}

/** Number of full subtrees of a list of `count`: the one bits of the number. */
export function subtreesOf(count: number): number {
  let ones = 0;
  for (let rest = count; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2;
  return ones;
}

function push(frontier: Uint8Array[], count: number, index: number, sha256: Sha256): void {
  let hash = leafHash(u64(index, 'completeness'), sha256);
  for (let rest = count; rest % 2 === 1; rest = Math.floor(rest / 2)) {
    hash = nodeHash(frontier.pop() as Uint8Array, hash, sha256);
  }
  frontier.push(hash);
}

function isIndex(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
