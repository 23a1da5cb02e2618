// A small log of our own with fixed keys, times and contents, as the files a mirror of it holds: the same bytes on
// every run. `node test/audit/golden-log.ts FOLDER` writes them. Its map is built here a second time, from the words of
// FORMAT.md section 7 alone.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { sha256 } from '@noble/hashes/sha2.js';
import { trustText, type Trust } from '../../gateway/audit/bundle.ts';
import { compareBytes, concat, fromUtf8, toBase64, toHex, toUtf8, u64 } from '../../gateway/audit/bytes.ts';
import * as entries from '../../gateway/audit/entry.ts';
import { formatCheckpoint, formatVerifierKey, signNote } from '../../gateway/audit/note.ts';
import {
  bundlesOf,
  formatEntryBundle,
  formatTilePath,
  rangeOf,
  tileBytes,
  tilesOf,
} from '../../gateway/audit/tiles.ts';
import { formatTlogProof } from '../../gateway/audit/tlog-proof.ts';
import { leafHash, MerkleTree } from '../../gateway/audit/tree.ts';
import { signerOf } from './example-log.ts';

export const goldenOrigin = 'golden.example/log/1';
/** Of the signed heads; the last leaf of each is a map head. */
export const goldenSizes = [5, 40, 256, 300];

/** Of the entry whose proof lies beside the log. */
export const provenIndex = 276;

const logSigner = signerOf(goldenOrigin, 1);
const sealSigner = signerOf(`${goldenOrigin}/seal`, 2);
const populationsKey = new Uint8Array(32).fill(6);
const populationNames = ['analytics/browsing', 'import'];

export const goldenTrust: Trust = {
  format: 'assent-trust/v2',
  origin: goldenOrigin,
  logKey: formatVerifierKey(logSigner.name, logSigner.publicKey),
  sealKey: formatVerifierKey(sealSigner.name, sealSigner.publicKey),
  chain: null,
  policy: `log ${formatVerifierKey(logSigner.name, logSigner.publicKey)}\nquorum none\n`,
  populations: { key: toBase64(populationsKey), names: populationNames },
  exportedAt: '2026-01-01T00:00:00.000Z',
};

/** The key of a population that is, or is not, in the trust file's list. */
export const populationKey = (name: string): Uint8Array => entries.populationKeyOf(populationsKey, name);

/** Persons, populations and the system by turns, and a map head at the end of every signed size. */
export function goldenLeaves(): Uint8Array[] {
  const leaves: Uint8Array[] = [];
  const sequences = new Map<number, number>();
  while (leaves.length < (goldenSizes.at(-1) ?? 0)) {
    const index = leaves.length;
    const atSeconds = 1_767_225_600 + 60 * Math.floor(index / 3);
    if (goldenSizes.includes(index + 1)) {
      leaves.push(entries.encodeMapHead({ atSeconds, mapped: index, root: mapRootOf(leaves) }));
      continue;
    }
    leaves.push(
      entries.encodeEntry({
        kind: 'used',
        atSeconds,
        commitment: sha256(toUtf8(`commitment ${index}`)),
        startedIndex: null,
        about: concernOf(index, sequences),
      }),
    );
  }
  return leaves;
}

function concernOf(index: number, sequences: Map<number, number>): entries.Concern {
  if (index % 7 === 0) return { concern: 'system' };
  if (index % 11 === 0) {
    const population = populationKey(populationNames[index % 2] ?? '');
    return { concern: 'population', population, cohort: sha256(toUtf8(`cohort ${index}`)) };
  }
  const person = (index * index) % 13;
  const sequence = sequences.get(person) ?? 0;
  sequences.set(person, sequence + 1);
  const tag = entries.tagOf(new Uint8Array(32).fill(100 + person));
  return { concern: 'person', role: 'subject', tag, sequence };
}

/** The map's root, all at once from sorted keys: slow and close to its description. */
export function mapRootOf(leaves: readonly Uint8Array[]): Uint8Array {
  const lists = new Map<string, { key: Uint8Array; list: MerkleTree }>();
  for (const [index, leaf] of leaves.entries()) {
    if (leaf[0] !== 1 || leaf[2] === 0) continue;
    const key = leaf.slice(52, 84);
    const known = lists.get(toHex(key)) ?? { key, list: new MerkleTree() };
    known.list.append(leafHash(u64(index)));
    lists.set(toHex(key), known);
  }
  const sorted = [...lists.values()].sort((a, b) => compareBytes(a.key, b.key));
  const rootOf = (from: number, end: number): Uint8Array => {
    const first = sorted[from]?.key ?? new Uint8Array(0);
    if (end - from === 1) return sha256(concat(first, sorted[from]?.list.root() ?? new Uint8Array(0)));
    const last = sorted[end - 1]?.key ?? new Uint8Array(0);
    let bit = 0;
    while (bitOf(first, bit) === bitOf(last, bit)) bit++;
    const middle = sorted.findIndex(({ key }, place) => place >= from && bitOf(key, bit) === 1);
    return sha256(concat(rootOf(from, middle), rootOf(middle, end), Uint8Array.of(bit)));
  };
  return sorted.length === 0 ? sha256(new Uint8Array(0)) : rootOf(0, sorted.length);
}

function bitOf(key: Uint8Array, bit: number): number {
  return ((key[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1;
}

export function treeOf(leaves: readonly Uint8Array[]): MerkleTree {
  const tree = new MerkleTree();
  for (const leaf of leaves) tree.append(leafHash(leaf));
  return tree;
}

/** Every file of a log with these leaves, by its path; signed and true to the leaves, whatever they are. */
export async function filesOf(
  leaves: readonly Uint8Array[],
  sizes: readonly number[],
): Promise<Map<string, Uint8Array>> {
  const tree = treeOf(leaves);
  const files = new Map<string, Uint8Array>();
  for (const size of sizes) {
    const text = formatCheckpoint({ origin: goldenOrigin, size, root: tree.root(size) });
    const note = toUtf8(await signNote(text, logSigner));
    files.set(size === sizes.at(-1) ? 'checkpoint' : `checkpoint.${size}`, note);
    for (const tile of tilesOf(size)) files.set(formatTilePath(tile), tileBytes(tree, tile));
    for (const tile of bundlesOf(size))
      files.set(formatTilePath(tile), formatEntryBundle(leaves.slice(...rangeOf(tile))));
  }
  if (tree.size > provenIndex) {
    const checkpoint = fromUtf8(files.get('checkpoint') ?? new Uint8Array(0), 'golden');
    const path = tree.inclusionPath(provenIndex, sizes.at(-1));
    const extra = leaves[provenIndex] ?? null;
    files.set(
      `${provenIndex}.tlog-proof`,
      toUtf8(formatTlogProof({ extra, index: provenIndex, path, checkpoint })),
    );
  }
  files.set('vkey', toUtf8(`${goldenTrust.logKey}\n`));
  files.set('trust.json', toUtf8(trustText(goldenTrust)));
  return files;
}

export function writeFiles(folder: string, files: ReadonlyMap<string, Uint8Array>): void {
  for (const [path, bytes] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  }
}

if (import.meta.main === true) {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) throw new Error('name a folder');
  writeFiles(folder, await filesOf(goldenLeaves(), goldenSizes));
}
