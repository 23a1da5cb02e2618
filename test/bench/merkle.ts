// Our tree beside the two Merkle trees of npm people would take instead: append and inclusion proof at 10^6 leaves.
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { SimpleMerkleTree } from '@openzeppelin/merkle-tree';
import { MerkleMountainRange, MerkleTree as MerkleTreeJs } from 'merkletreejs';
import { compareBytes, fromHex, toHex, u64 } from '../../gateway/audit/bytes.ts';
import { leafHash, MerkleTree, nodeHash, verifyInclusion } from '../../gateway/audit/tree.ts';
import { table, whole } from './figures.ts';
import { heldMemory } from './memory.ts';

const fullSize = 1_000_000;
// The mountain range takes about 90 µs a leaf and an object for each node: it runs at a tenth.
const mountainShare = 10;
const provenEach = 5_000;
const checkedEach = 100;

const sha256 = (bytes: Uint8Array): Buffer => hash('sha256', bytes, 'buffer');

/** A tree of one package. A proof is of the package's own kind. */
interface Peer {
  readonly name: string;
  readonly leaves: number;
  /** From nothing to all leaves and their root. */
  build(leaves: readonly Buffer[]): Built;
}

interface Built {
  /** One more leaf and the new root; null where that means to build all again. */
  readonly append: ((leaf: Buffer) => void) | null;
  /** How often to append. */
  readonly times: number;
  /** What a user of the package calls for it. */
  readonly appendIs: string;
  readonly prove: (index: number) => unknown;
  readonly verify: (index: number, leaf: Buffer, proof: unknown) => boolean;
}

/** `--leaves=N`: 1,000,000 unless told. */
export async function bench(options: readonly string[]): Promise<void> {
  const size = Number(options.find((text) => text.startsWith('--leaves='))?.slice(9) ?? fullSize);
  if (!Number.isSafeInteger(size) || size < 1000) throw new RangeError('--leaves=N, at least 1000');
  const leaves = Array.from({ length: size }, (_, index) => Buffer.from(leafHash(u64(index), sha256)));
  const rows: string[][] = [];
  let own: Figures | undefined;
  for (const peer of peersAt(size)) {
    const figures = await measure(peer, leaves.slice(0, peer.leaves));
    own ??= figures;
    rows.push(rowOf(peer, figures, own));
    process.stdout.write(`measured: ${peer.name}\n`);
  }
  process.stdout.write(`\n${report(rows)}\n`);
}

function peersAt(size: number): Peer[] {
  const peers: Peer[] = [
    { name: 'Assent, SHA-256', leaves: size, build: buildOwn },
    { name: 'merkletreejs MerkleTree, SHA-256', leaves: size, build: buildMerkleTreeJs },
    {
      name: 'merkletreejs MerkleMountainRange, SHA-256',
      leaves: Math.ceil(size / mountainShare),
      build: buildMountainRange,
    },
    {
      name: '@openzeppelin SimpleMerkleTree, SHA-256',
      leaves: size,
      build: (leaves) => buildOpenZeppelin(leaves, true),
    },
    {
      name: '@openzeppelin SimpleMerkleTree, its Keccak',
      leaves: size,
      build: (leaves) => buildOpenZeppelin(leaves, false),
    },
  ];
  return peers;
}

function buildOwn(leaves: readonly Buffer[]): Built {
  const tree = new MerkleTree(sha256);
  for (const leaf of leaves) tree.append(leaf);
  const root = tree.root();
  const size = leaves.length;
  return {
    times: 5_000,
    append: (leaf) => {
      tree.append(leaf);
      tree.root();
    },
    appendIs: 'append and root',
    prove: (index) => tree.inclusionPath(index, size),
    verify: (index, leaf, proof) =>
      verifyInclusion({ index, size, leafHash: leaf, path: proof as Uint8Array[], root }),
  };
}

function buildMerkleTreeJs(leaves: readonly Buffer[]): Built {
  const tree = new MerkleTreeJs([...leaves], sha256);
  const root = tree.getRoot();
  return {
    times: 1,
    append: (leaf) => {
      tree.addLeaf(leaf);
      tree.getRoot();
    },
    appendIs: 'addLeaf, which builds all again',
    // With the index: without it every proof searches all leaves.
    prove: (index) => tree.getProof(leaves[index] as Buffer, index),
    verify: (_, leaf, proof) => tree.verify(proof as unknown[], leaf, root),
  };
}

function buildMountainRange(leaves: readonly Buffer[]): Built {
  const range = new MerkleMountainRange(sha256);
  for (const leaf of leaves) range.append(leaf);
  const root = range.getRoot() as Buffer;
  return {
    times: 1_000,
    append: (leaf) => {
      range.append(leaf);
      range.getRoot();
    },
    appendIs: 'append and getRoot',
    prove: (index) => ({
      ...range.getMerkleProof(range.getLeafIndex(index + 1)),
      place: range.getLeafIndex(index + 1),
    }),
    verify: (_, leaf, proof) => {
      const { width, peakBagging, siblings, place } = proof as Record<'width' | 'place', number> &
        Record<'peakBagging' | 'siblings', unknown[]>;
      return range.verify(root, width, place, leaf, peakBagging, siblings);
    },
  };
}

function buildOpenZeppelin(leaves: readonly Buffer[], withSha256: boolean): Built {
  // Its proofs do not say left or right, so that a node of its must not depend on the order of its children.
  const node = (one: unknown, other: unknown): `0x${string}` => {
    const [first, second] = [bytesOf(one), bytesOf(other)].toSorted(compareBytes) as [Uint8Array, Uint8Array];
    return `0x${toHex(nodeHash(first, second, sha256))}`;
  };
  const options = withSha256 ? { sortLeaves: false, nodeHash: node } : { sortLeaves: false };
  const tree = SimpleMerkleTree.of([...leaves], options);
  return {
    times: 0,
    append: null,
    appendIs: 'building all again',
    prove: (index) => tree.getProof(index),
    verify: (index, _, proof) => tree.verify(index, proof as string[]),
  };
}

interface Figures {
  readonly buildUs: number;
  readonly appendUs: number;
  readonly appendIs: string;
  readonly proveUs: number;
  readonly bytesEach: number;
}

async function measure(peer: Peer, leaves: readonly Buffer[]): Promise<Figures> {
  const before = await heldMemory();
  let begun = performance.now();
  const built = peer.build(leaves);
  const buildUs = ((performance.now() - begun) * 1000) / leaves.length;
  const bytesEach = ((await heldMemory()).bytes - before.bytes) / leaves.length;

  const places = spread(provenEach, leaves.length);
  begun = performance.now();
  const proofs = places.map((index) => built.prove(index));
  const proveUs = ((performance.now() - begun) * 1000) / provenEach;
  for (const [at, index] of places.slice(0, checkedEach).entries()) {
    if (!built.verify(index, leaves[index] as Buffer, proofs[at]))
      throw new Error(`${peer.name}: a proof fails`);
  }

  begun = performance.now();
  for (let at = 0; at < built.times; at++) built.append?.(leaves[at % leaves.length] as Buffer);
  const appendUs =
    built.append === null ? buildUs * leaves.length : ((performance.now() - begun) * 1000) / built.times;
  return { buildUs, appendUs, appendIs: built.appendIs, proveUs, bytesEach };
}

function rowOf(peer: Peer, figures: Figures, own: Figures): string[] {
  const ratio = (value: number, yardstick: number) => {
    const times = value / yardstick;
    return `${times < 100 ? times.toFixed(1) : whole(times)}×`;
  };
  const { buildUs, appendUs, proveUs, bytesEach } = figures;
  return [
    peer.name,
    whole(peer.leaves),
    buildUs.toFixed(2),
    ratio(buildUs, own.buildUs),
    appendUs < 1000 ? appendUs.toFixed(1) : whole(appendUs),
    ratio(appendUs, own.appendUs),
    proveUs.toFixed(1),
    ratio(proveUs, own.proveUs),
    whole(bytesEach),
    figures.appendIs,
  ];
}

function report(rows: readonly (readonly string[])[]): string {
  const versions = ['merkletreejs', '@openzeppelin/merkle-tree'].map((name) => `${name} ${versionOf(name)}`);
  return [
    versions.join(', '),
    '',
    table(
      ['', 'leaves', 'build µs/leaf', '', 'one more µs', '', 'proof µs', '', 'bytes/leaf', 'one more is'],
      rows,
    ),
    '',
    '× is against the first row. Leaf hashes are given to all; "one more" ends with the new root; proofs are of places',
    `spread over the tree, made from the leaf's index, ${checkedEach} of them verified. OpenZeppelin checks each proof as it makes it.`,
    `The mountain range runs at 1/${mountainShare} of the leaves: it would take minutes at all of them.`,
    'Left out: IncrementalMerkleTree of merkletreejs, which says "tree is full" at 400 leaves with depth 20.',
    'Our tree stores complete subtrees only and hashes the right edge once for each size; the others store every node.',
    'Neither package has consistency proofs, or proofs under an older root: only our tree answers for every size it had.',
  ].join('\n');
}

/** Places spread over the whole tree, the same in every run. */
function spread(count: number, size: number): number[] {
  return Array.from({ length: count }, (_, at) => (at * 7_368_787 + 13) % size);
}

function bytesOf(value: unknown): Uint8Array {
  if (typeof value === 'string') return fromHex(value.slice(2), 'bench');
  if (value instanceof Uint8Array) return value;
  throw new TypeError('neither hex nor bytes');
}

function versionOf(name: string): string {
  const file = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
