// The map of a large log: what the index of everybody costs, and what the whole bundle of one person costs.
import { hash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Disclosure } from '../../gateway/audit/bundle.ts';
import { toBase64, toUtf8, u64, writeU64 } from '../../gateway/audit/bytes.ts';
import {
  canonicalPayload,
  commit,
  encodeEntry,
  encodeMapHead,
  populationKeyOf,
} from '../../gateway/audit/entry.ts';
import { readMapSnapshot, snapshotFile, writeMapSnapshot } from '../../gateway/audit/map-snapshot.ts';
import { multiProof } from '../../gateway/audit/multi-proof.ts';
import { formatCheckpoint, signNote } from '../../gateway/audit/note.ts';
import { sealPersonBundle, type Section } from '../../gateway/audit/person-bundle.ts';
import { PersonIndex } from '../../gateway/audit/person-index.ts';
import { createSigner } from '../../gateway/audit/publish.ts';
import { leafHash, MerkleTree } from '../../gateway/audit/tree.ts';
import { sealKeyName, trustText, verifyFile } from '../../gateway/audit/verify.ts';
import { ms, quantile, table, whole } from './figures.ts';
import { heldMemory } from './memory.ts';

const rounds = [1_000, 10_000];
const roundsEach = 5;
const provenEach = 5_000;
const bundlesEach = 5;
/** People whose leaves hold real payloads, by the number of their entries. */
const followedEntries = [10, 200, 2_000];
const populationNames = ['import', 'statistics'];
const systemEvery = 50;
const populationEvery = 100_000;
const stepSizeBytes = 33;
const atSeconds = 1_767_225_600;
const origin = 'bench.example/log/1';
const populationsKey = new Uint8Array(32).fill(7);

const sha256 = (bytes: Uint8Array): Buffer => hash('sha256', bytes, 'buffer');

/** `--people=N` and `--entries=N`: 1,000,000 and 10,000,000 unless told. */
export async function bench(options: readonly string[]): Promise<void> {
  const people = numberOf(options, 'people', 1_000_000, 100);
  const entries = numberOf(options, 'entries', 10_000_000, 10_000);
  process.stdout.write(`${whole(people)} people, ${whole(entries)} entries\n\n`);
  const world = createWorld(people, entries);
  let begun = performance.now();
  for (let at = 0; at < entries; at++) world.leafAt(at);
  const worldUs = usEach(begun, entries);

  const empty = await heldMemory();
  const index = new PersonIndex(sha256);
  begun = performance.now();
  for (let at = 0; at < entries; at++) index.add(world.leafAt(at));
  const addSeconds = secondsSince(begun);
  begun = performance.now();
  index.root();
  const rootSeconds = secondsSince(begun);
  const withIndex = await heldMemory();

  const tree = new MerkleTree(sha256);
  begun = performance.now();
  for (let at = 0; at < entries; at++) tree.append(leafHash(world.leafAt(at), sha256));
  const treeSeconds = secondsSince(begun);
  const withTree = await heldMemory();
  const addUs = (addSeconds * 1e6) / entries - worldUs;
  const treeUs = (treeSeconds * 1e6) / entries - worldUs;
  print([
    `${whole(index.keys)} keys; making a leaf takes ${worldUs.toFixed(2)} µs, taken off below`,
    '',
    table(
      ['', 'seconds', 'µs/entry', 'bytes held', 'bytes/key', 'bytes/entry', 'RSS MiB'],
      [
        [
          'index: all entries',
          addSeconds.toFixed(1),
          addUs.toFixed(2),
          whole(index.bytes),
          whole(index.bytes / index.keys),
          whole(index.bytes / entries),
          whole((withIndex.rss - empty.rss) / 2 ** 20),
        ],
        [
          'index: first root',
          rootSeconds.toFixed(1),
          ((rootSeconds * 1e6) / entries).toFixed(2),
          '',
          '',
          '',
          '',
        ],
        [
          'log tree: all entries',
          treeSeconds.toFixed(1),
          treeUs.toFixed(2),
          whole(withTree.bytes - withIndex.bytes),
          '',
          whole((withTree.bytes - withIndex.bytes) / entries),
          whole((withTree.rss - withIndex.rss) / 2 ** 20),
        ],
      ],
    ),
    '',
  ]);

  print([await measureStart(index, addSeconds + rootSeconds - (worldUs * entries) / 1e6), '']);
  print([measureRounds(index, tree, world, entries), '', measureProofs(index, people), '']);
  print([await measureBundles(index, tree, world, entries)]);
}

interface World {
  /** The same bytes for the same place; valid until the next call. */
  leafAt(index: number): Uint8Array;
  readonly followed: readonly Followed[];
  /** By population: indices of the leaves that name it. */
  readonly populationIndices: readonly (readonly number[])[];
}

interface Followed {
  readonly tag: Uint8Array;
  readonly indices: readonly number[];
  readonly leaves: readonly Uint8Array[];
  readonly disclosures: readonly Disclosure[];
}

/** Every 50th entry concerns nobody; half of the others one in a hundred people, the other half anybody. */
function createWorld(people: number, entries: number): World {
  const tags = new Uint8Array(people * 32);
  for (let person = 0; person < people; person++) tags.set(tagOfNumber(person), person * 32);
  const busy = Math.max(1, Math.floor(people / 100));
  const leaf = encodeEntry({
    kind: 'used',
    atSeconds,
    commitment: new Uint8Array(32),
    startedIndex: null,
    about: { concern: 'person', role: 'subject', tag: new Uint8Array(32), sequence: 0 },
  });
  const system = encodeEntry({
    kind: 'anchored',
    atSeconds,
    commitment: new Uint8Array(32),
    startedIndex: null,
    about: { concern: 'system' },
  });
  const fixed = new Map<number, Uint8Array>();
  const populationIndices: number[][] = populationNames.map(() => []);
  for (let at = populationEvery - 1; at < entries; at += populationEvery) {
    const which = fixed.size % populationNames.length;
    populationIndices[which]?.push(at);
    const population = populationKeyOf(populationsKey, populationNames[which] ?? '');
    fixed.set(
      at,
      encodeEntry({
        kind: 'started',
        atSeconds,
        commitment: sha256(u64(at)),
        startedIndex: null,
        about: { concern: 'population', population, cohort: sha256(u64(at + 1)) },
      }),
    );
  }
  const followed = followedEntries.map((count, place) => followedPerson(count, place, entries, fixed));

  const leafAt = (index: number): Uint8Array => {
    const given = fixed.get(index);
    if (given !== undefined) return given;
    const drawn = scatter(index);
    const bytes = index % systemEvery === 0 ? system : leaf;
    writeU64(bytes, 12, index, 'bench');
    if (bytes === system) return bytes;
    const person = (drawn & 1) === 0 ? (drawn >>> 1) % busy : (drawn >>> 1) % people;
    bytes.set(tags.subarray(person * 32, person * 32 + 32), 52);
    return bytes;
  };
  return { leafAt, followed, populationIndices };
}

function followedPerson(
  count: number,
  place: number,
  entries: number,
  fixed: Map<number, Uint8Array>,
): Followed {
  const tag = sha256(toUtf8(`followed ${place}`));
  const indices: number[] = [];
  const leaves: Uint8Array[] = [];
  const disclosures: Disclosure[] = [];
  for (let sequence = 0; sequence < count; sequence++) {
    let index = Math.floor(((sequence + 0.5) * entries) / count);
    while (fixed.has(index)) index++;
    const payload = canonicalPayload({
      operation: 'read-data',
      caller: { kind: 'partner', id: 'bench' },
      purpose: 'recommendation',
      categories: ['browsing'],
      recipients: ['partner:bench'],
      decision: 'allowed',
      basis: 'consent',
      counts: { rows: 20 },
      number: index,
    });
    const opening = sha256(u64(index));
    const leaf = encodeEntry({
      kind: 'used',
      atSeconds,
      commitment: commit(opening, payload),
      startedIndex: null,
      about: { concern: 'person', role: 'subject', tag, sequence },
    });
    fixed.set(index, leaf);
    indices.push(index);
    leaves.push(leaf);
    disclosures.push({ opening: toBase64(opening), payload: toBase64(payload) });
  }
  return { tag, indices, leaves, disclosures };
}

/** What a start costs that has the map in a file, and what keeping the file costs the gateway. */
async function measureStart(index: PersonIndex, leavesSeconds: number): Promise<string> {
  const { mapped } = index;
  const root = index.root();
  const folder = mkdtempSync(join(tmpdir(), 'assent-bench-'));
  try {
    const place = { path: join(folder, snapshotFile), origin, key: new Uint8Array(32).fill(3) };
    let begun = performance.now();
    const frozen = index.freeze();
    const freezeMs = performance.now() - begun;
    begun = performance.now();
    const sizeBytes = await writeMapSnapshot(place, mapped, frozen);
    const writeSeconds = secondsSince(begun);
    begun = performance.now();
    const again = await readMapSnapshot(place, mapped, async () => ({ atSeconds, mapped, root }));
    const readSeconds = secondsSince(begun);
    if (again?.keys !== index.keys) throw new Error('the snapshot is another map');
    return [
      table(
        ['start: the map', 'seconds', 'µs/key'],
        [
          ['from the leaves in memory', leavesSeconds],
          ['from a snapshot', readSeconds],
        ].map(([what, seconds]) => [
          String(what),
          Number(seconds).toFixed(1),
          ((Number(seconds) * 1e6) / index.keys).toFixed(1),
        ]),
      ),
      `The file has ${whole(sizeBytes)} bytes; writing it takes ${writeSeconds.toFixed(1)} s beside other work, the copy it is written from ${ms(freezeMs)} ms at once.`,
    ].join('\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A publishing round: the new entries, the map's root, the map head as last leaf, the tree's root. */
function measureRounds(index: PersonIndex, tree: MerkleTree, world: World, entries: number): string {
  const rows: string[][] = [];
  for (const count of rounds) {
    const adds: number[] = [];
    const roots: number[] = [];
    const wholes: number[] = [];
    for (let round = 0; round < roundsEach; round++) {
      const start = performance.now();
      for (let at = 0; at < count; at++) {
        // Neither a fixed leaf nor a place used by a round before.
        const leaf = world.leafAt(entries + tree.size * 7 + at);
        index.add(leaf);
        tree.append(leafHash(leaf, sha256));
      }
      const added = performance.now();
      const root = index.root();
      const rooted = performance.now();
      appendMapHead(index, tree, root);
      tree.root();
      adds.push(added - start);
      roots.push(rooted - added);
      wholes.push(performance.now() - start);
    }
    const middle = (values: number[]) =>
      quantile(
        values.sort((a, b) => a - b),
        0.5,
      );
    rows.push([
      whole(count),
      ms(middle(adds)),
      ms(middle(roots)),
      ms(middle(wholes)),
      ((middle(wholes) * 1000) / count).toFixed(1),
    ]);
  }
  return [
    table(['entries in a round', 'taken in, ms', 'map root, ms', 'round, ms', 'µs/entry'], rows),
    `Median of ${roundsEach} rounds, one after the other, on the full index and tree.`,
  ].join('\n');
}

function appendMapHead(index: PersonIndex, tree: MerkleTree, root: Uint8Array): Uint8Array {
  const mapHead = encodeMapHead({ atSeconds, mapped: index.mapped, root });
  index.add(mapHead);
  tree.append(leafHash(mapHead, sha256));
  return mapHead;
}

function measureProofs(index: PersonIndex, people: number): string {
  const rows = (['presence', 'absence'] as const).map((kind) => {
    const keys = Array.from({ length: provenEach }, (_, at) =>
      kind === 'presence' ? tagOfNumber(scatter(at) % people) : sha256(toUtf8(`absent ${at}`)),
    );
    index.root();
    const begun = performance.now();
    const proofs = keys.map((key) => index.prove(key));
    const us = usEach(begun, provenEach);
    const found = proofs.filter((proof) => proof.kind === kind);
    const steps = found.map((proof) => proof.steps.length).sort((a, b) => a - b);
    const sum = steps.reduce((all, count) => all + count, 0);
    const size = (count: number) => whole(count * stepSizeBytes + (kind === 'absence' ? 64 : 0));
    return [
      kind,
      whole(found.length),
      us.toFixed(1),
      (sum / steps.length).toFixed(1),
      String(steps.at(-1) ?? 0),
      size(sum / steps.length),
      size(steps.at(-1) ?? 0),
    ];
  });
  return table(['proof', 'made', 'µs', 'steps', 'most', 'bytes', 'most'], rows);
}

async function measureBundles(
  index: PersonIndex,
  tree: MerkleTree,
  world: World,
  entries: number,
): Promise<string> {
  const logSigner = createSigner(origin, new Uint8Array(32).fill(1));
  const sealSigner = createSigner(sealKeyName(origin), new Uint8Array(32).fill(2));
  const trust = trustText({
    format: 'assent-trust/v2',
    origin,
    logKey: logSigner.verifierKey,
    sealKey: sealSigner.verifierKey,
    chain: null,
    policy: `log ${logSigner.verifierKey}\nquorum none\n`,
    populations: { key: toBase64(populationsKey), names: populationNames },
    exportedAt: '2026-01-01T00:00:00.000Z',
  });
  // The proofs are those of the map under the last head, taken before the head itself is added.
  const root = index.root();
  const prove = (key: Uint8Array) => {
    const { other, steps } = index.prove(key);
    return {
      other: other === null ? null : { key: toBase64(other.key), value: toBase64(other.value) },
      steps: steps.map((step) => ({ bit: step.bit, hash: toBase64(step.hash) })),
    };
  };
  const mapHead = encodeMapHead({ atSeconds, mapped: index.mapped, root });
  tree.append(leafHash(mapHead, sha256));
  const size = tree.size;
  const checkpoint = await signNote(formatCheckpoint({ origin, size, root: tree.root() }), logSigner);

  const build = async ({ tag, indices, leaves, disclosures }: Followed): Promise<string> => {
    const own: Section = {
      name: null,
      earlier: null,
      indices,
      entries: indices.map((at, place) => ({
        index: at,
        leaf: toBase64(leaves[place] ?? new Uint8Array(0)),
        disclosure: disclosures[place] ?? null,
      })),
      members: [],
      proof: prove(tag),
    };
    const populations = populationNames.map((name, place): Section => {
      const list = world.populationIndices[place] ?? [];
      return {
        name,
        earlier: null,
        indices: list,
        entries: list.map((at) => ({ index: at, leaf: toBase64(world.leafAt(at)), disclosure: null })),
        members: [],
        proof: prove(populationKeyOf(populationsKey, name)),
      };
    });
    const shown = [...indices, ...world.populationIndices.flat(), size - 1].sort((a, b) => a - b);
    return sealPersonBundle(
      {
        format: 'assent-person/v1',
        origin,
        tag: toBase64(tag),
        checkpoint,
        mapHead: toBase64(mapHead),
        own,
        populations,
        paths: multiProof(tree, shown, size).map(toBase64),
        extends: null,
        anchor: null,
      },
      (message) => sealSigner.sign(message),
    );
  };

  const rows: string[][] = [];
  for (const person of world.followed) {
    const builds: number[] = [];
    const checks: number[] = [];
    let file = '';
    for (let turn = 0; turn < bundlesEach; turn++) {
      let begun = performance.now();
      file = await build(person);
      builds.push(performance.now() - begun);
      begun = performance.now();
      const { verdict, firstFailing } = verifyFile(Buffer.from(file), trust);
      checks.push(performance.now() - begun);
      if (verdict !== 'holds') throw new Error(`the bundle does not hold: ${firstFailing}`);
    }
    const middle = (values: number[]) =>
      quantile(
        values.sort((a, b) => a - b),
        0.5,
      );
    rows.push([
      whole(person.indices.length),
      whole(file.length),
      whole(file.length / person.indices.length),
      ms(middle(builds)),
      ms(middle(checks)),
    ]);
  }
  const populationEntries = world.populationIndices.flat().length;
  return [
    table(['entries of the person', 'bundle bytes', 'bytes/entry', 'build ms', 'verify ms'], rows),
    `In a log of ${whole(entries)} entries and more. Each bundle also holds ${populationEntries} entries of ${populationNames.length} populations.`,
    `Median of ${bundlesEach}. Built from memory: reading leaves and decrypting payloads in the store comes on top.`,
    'Verified by the portable verifier, with its own SHA-256 and Ed25519 in JavaScript.',
  ].join('\n');
}

const tagOfNumber = (person: number): Uint8Array => sha256(u64(person));

/** 32 bits that look random and are the same in every run: the finalizer of MurmurHash3. */
function scatter(value: number): number {
  let bits = value | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

function numberOf(options: readonly string[], name: string, usual: number, least: number): number {
  const text = options.find((option) => option.startsWith(`--${name}=`))?.slice(name.length + 3);
  const value = text === undefined ? usual : Number(text);
  if (!Number.isSafeInteger(value) || value < least) throw new RangeError(`--${name}=N, at least ${least}`);
  return value;
}

const secondsSince = (begun: number): number => (performance.now() - begun) / 1000;
const usEach = (begun: number, times: number): number => ((performance.now() - begun) * 1000) / times;

function print(lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}
