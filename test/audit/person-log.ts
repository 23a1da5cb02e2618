// Small whole logs in memory, with map heads and populations, made from a plan: for tests of a person's bundle.
// What a bundle must say is read off the plan, not off the code that builds bundles.
import { toBase64 } from '../../gateway/audit/bytes.ts';
import * as entries from '../../gateway/audit/entry.ts';
import { sealedText } from '../../gateway/audit/file-shape.ts';
import { frontierOf, listRoot } from '../../gateway/audit/index-list.ts';
import { multiProof } from '../../gateway/audit/multi-proof.ts';
import { formatCheckpoint, signNote } from '../../gateway/audit/note.ts';
import type { PersonBundle, Section } from '../../gateway/audit/person-bundle.ts';
import { leafHash, MerkleTree } from '../../gateway/audit/tree.ts';
import { Trie } from '../../gateway/audit/trie.ts';
import { trustText, type BundleAnchor, type ShownEntry, type Trust } from '../../gateway/audit/verify.ts';
import * as example from './example-log.ts';

export const { origin } = example;
export const populationsKey = new Uint8Array(32).fill(9);
export const names = ['analytics', 'import', 'training'];

/** Whom a planned entry is about: a person by number, a population by name and its people, nobody, or a map head. */
export type Planned =
  | { readonly person: number; readonly says?: Record<string, unknown> }
  | { readonly population: string; readonly people: readonly number[] }
  | 'system'
  | 'head';

export const tagKeyOf = (person: number): Uint8Array => new Uint8Array(32).fill(0x40 + person);
export const dataKeyOf = (person: number): Uint8Array => new Uint8Array(32).fill(0x80 + person);
export const tagOf = (person: number): Uint8Array => entries.tagOf(tagKeyOf(person));

export const trust: Trust = {
  ...example.trust,
  populations: { key: toBase64(populationsKey), names },
};
export const trustFile = trustText(trust);

export interface PersonLog {
  readonly leaves: readonly Uint8Array[];
  readonly payloads: readonly Record<string, unknown>[];
  readonly tree: MerkleTree;
  /** Sizes that end in a map head. */
  readonly sizes: readonly number[];
  readonly plan: readonly Planned[];
  checkpoint(size: number): Promise<string>;
  /** Map root of the first `count` leaves. */
  mapAt(count: number): Trie;
  shown(index: number, disclose?: boolean): ShownEntry;
  /** Indices below `size` that concern the person; or the population. */
  about(whom: number | string, size: number): number[];
  anchorAt(anchored: number, size: number): BundleAnchor;
  person(person: number, size: number, since?: number | null): Promise<Omit<PersonBundle, 'seal'>>;
}

/** A plan must end in a head; the log is the same on every run. */
export function buildLog(plan: readonly Planned[]): PersonLog {
  const leaves: Uint8Array[] = [];
  const payloads: Record<string, unknown>[] = [];
  const keys: (Uint8Array | null)[] = [];
  const openings: Uint8Array[] = [];
  const tree = new MerkleTree();
  const counts = new Map<number, number>();

  const mapAt = (count: number): Trie => {
    const lists = new Map<string, { key: Uint8Array; indices: number[] }>();
    keys.slice(0, count).forEach((key, index) => {
      if (key === null) return;
      const list = lists.get(key.toString()) ?? { key, indices: [] };
      list.indices.push(index);
      lists.set(key.toString(), list);
    });
    const trie = new Trie();
    for (const { key, indices } of lists.values()) trie.set(key, listRoot(indices));
    return trie;
  };

  plan.forEach((planned, index) => {
    const atSeconds = 1_767_225_600 + 60 * index;
    const opening = openingOf(planned, index, counts);
    const says = typeof planned === 'object' && 'person' in planned ? planned.says : {};
    const payload = { decision: 'allowed', number: index, operation: 'read-data', ...says };
    payloads.push(payload);
    openings.push(opening);
    const { leaf, key } =
      planned === 'head'
        ? {
            key: null,
            leaf: entries.encodeMapHead({ atSeconds, mapped: index, root: mapAt(index).root() }),
          }
        : leafFor(planned, {
            kind: 'used' as const,
            atSeconds,
            commitment: entries.commit(opening, entries.canonicalPayload(payload)),
            startedIndex: null,
          });
    leaves.push(leaf);
    keys.push(key);
    tree.append(leafHash(leaf));
  });

  function leafFor(planned: Exclude<Planned, 'head'>, base: Omit<entries.Entry, 'about'>) {
    if (planned === 'system')
      return { key: null, leaf: entries.encodeEntry({ ...base, about: { concern: 'system' } }) };
    if ('person' in planned) {
      const tag = tagOf(planned.person);
      const sequence = counts.get(planned.person) ?? 0;
      counts.set(planned.person, sequence + 1);
      const about = { concern: 'person', role: 'subject', tag, sequence } as const;
      return { key: tag, leaf: entries.encodeEntry({ ...base, about }) };
    }
    const key = entries.populationKeyOf(populationsKey, planned.population);
    const { root, count } = entries.cohortOf(planned.people.map(tagOf));
    const cohort = entries.cohortCommitment(new Uint8Array(32).fill(7), root, count);
    const about = { concern: 'population', population: key, cohort } as const;
    return { key, leaf: entries.encodeEntry({ ...base, about }) };
  }

  const log: PersonLog = {
    leaves,
    payloads,
    tree,
    plan,
    sizes: plan.flatMap((planned, index) => (planned === 'head' ? [index + 1] : [])),
    mapAt,
    checkpoint: (size) =>
      signNote(formatCheckpoint({ origin, size, root: tree.root(size) }), example.logSigner),
    shown: (index, disclose = true) => ({
      index,
      leaf: toBase64(leaves[index]!),
      disclosure: disclose
        ? {
            opening: toBase64(openings[index]!),
            payload: toBase64(entries.canonicalPayload(payloads[index]!)),
          }
        : null,
    }),
    about: (whom, size) =>
      plan.slice(0, size).flatMap((planned, index) => (isAbout(planned, whom) ? [index] : [])),
    anchorAt: (anchored, size) => ({
      chainId: example.chain.chainId,
      genesisHash: example.chain.genesisHash,
      contract: example.chain.contract,
      transactionHash: `0x${'d4'.repeat(32)}`,
      blockNumber: 9,
      seq: 2,
      size: anchored,
      root: toBase64(tree.root(anchored)),
      checkpointHash: toBase64(new Uint8Array(32).fill(1)),
      consistency: tree.consistencyPath(Math.min(anchored, size), Math.max(anchored, size)).map(toBase64),
    }),
    async person(person, size, since = null) {
      const map = mapAt(size - 1);
      const sectionOf = (name: string | null): Section => {
        const all = log.about(name ?? person, size);
        const indices = all.filter((index) => since === null || index >= since);
        const before = all.slice(0, all.length - indices.length);
        const key = name === null ? tagOf(person) : entries.populationKeyOf(populationsKey, name);
        const found = map.prove(key);
        const other = found.kind === 'absence' ? found.other : null;
        return {
          name,
          earlier:
            since === null ? null : { count: before.length, frontier: frontierOf(before).map(toBase64) },
          indices,
          entries: indices.map((index) => log.shown(index, name === null)),
          members: name === null ? [] : indices.filter((index) => holds(plan[index]!, person)),
          proof: {
            other: other === null ? null : { key: toBase64(other.key), value: toBase64(other.value) },
            steps: found.steps.map(({ bit, hash }) => ({ bit, hash: toBase64(hash) })),
          },
        };
      };
      const own = sectionOf(null);
      const populations = names.map(sectionOf);
      return {
        format: 'assent-person/v1',
        origin,
        tag: toBase64(tagOf(person)),
        checkpoint: await log.checkpoint(size),
        mapHead: toBase64(leaves[size - 1]!),
        own,
        populations,
        paths: pathsFor(log, [own, ...populations], size),
        extends:
          since === null
            ? null
            : {
                size: since,
                root: toBase64(tree.root(since)),
                consistency: tree.consistencyPath(since, size).map(toBase64),
              },
        anchor: null,
      };
    },
  };
  return log;
}

/** The multi-proof of what the sections show and of the map head. */
export function pathsFor(log: PersonLog, sections: readonly Section[], size: number): string[] {
  const shown = new Set([size - 1, ...sections.flatMap(({ indices }) => indices)]);
  const indices = [...shown].filter((index) => index < size).sort((a, b) => a - b);
  return multiProof(log.tree, indices, size).map(toBase64);
}

/** Sealed with the operator's key, true or not, of any shape. */
export const sealAnything = (file: object): Promise<string> =>
  sealedText(file as { format: string }, (message) => example.sealSigner.sign(message));

function openingOf(planned: Planned, index: number, counts: ReadonlyMap<number, number>): Uint8Array {
  return typeof planned === 'object' && 'person' in planned
    ? entries.openingOf(dataKeyOf(planned.person), counts.get(planned.person) ?? 0)
    : entries.openingOf(new Uint8Array(32).fill(0x30), index);
}

function isAbout(planned: Planned, whom: number | string): boolean {
  if (typeof planned !== 'object') return false;
  return 'person' in planned ? planned.person === whom : planned.population === whom;
}

const holds = (planned: Planned, person: number): boolean =>
  typeof planned === 'object' && 'population' in planned && planned.people.includes(person);

/** Three people, three populations, two heads: person 0 has entries 1, 4, 8 and 10. */
export const examplePlan: readonly Planned[] = [
  'system',
  { person: 0, says: { populations: { joined: ['training'], left: [] } } },
  { population: 'training', people: [0, 1] },
  { person: 1 },
  { person: 0 },
  { population: 'import', people: [1] },
  'head',
  { population: 'training', people: [0] },
  { person: 0 },
  { person: 2 },
  { person: 0 },
  { population: 'analytics', people: [0, 2] },
  'head',
];

/** The same log, where what was shown to the first person is named by their entries 4 and 8. */
export const namingNotice = (hash: string): Planned[] =>
  examplePlan.map((planned, index) =>
    typeof planned === 'object' && 'person' in planned && (index === 4 || index === 8)
      ? { ...planned, says: { ...planned.says, notice: hash } }
      : planned,
  );
