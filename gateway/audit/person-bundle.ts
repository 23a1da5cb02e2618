// Everything the log holds about one person, with the proof that nothing is missing: FORMAT.md section 10.
// Pure; runs in the browser too.
import { readAnchor, readShownEntry, type BundleAnchor, type ShownEntry } from './bundle.ts';
import { equalBytes, fromBase64 } from './bytes.ts';
import { fail, type CheckName } from './checks.ts';
import { decodeMapHead, populationKeyOf, type Entry, type MapHead } from './entry.ts';
import {
  exact,
  hash,
  leaf,
  list,
  misfit,
  note,
  origin,
  orNull,
  parseFile,
  pathLimit,
  record,
  sealedText,
  signature,
  text,
  whole,
  wholeUpTo,
  type Read,
  type Sign,
} from './file-shape.ts';
import { extendFrontier, isAscending, listRoot } from './index-list.ts';
import { parseCheckpoint, parseNote } from './note.ts';
import { verifyConsistency } from './tree.ts';
import { verifyAbsence, verifyPresence } from './trie.ts';

export const personFormat = 'assent-person/v1';
export const personLimitBytes = 64 << 20;

/** Byte strings are canonical base64. */
export interface PersonBundle {
  readonly format: typeof personFormat;
  readonly origin: string;
  readonly tag: string;
  /** A signed note; its last leaf is the map head. */
  readonly checkpoint: string;
  readonly mapHead: string;
  readonly own: Section;
  /** In the order of the trust file's names. */
  readonly populations: readonly Section[];
  /** `multiProof` of every leaf shown and of the map head. */
  readonly paths: readonly string[];
  /** The head of an earlier bundle that this one goes on from. */
  readonly extends: EarlierHead | null;
  readonly anchor: BundleAnchor | null;
  readonly seal: string;
}

export interface EarlierHead {
  readonly size: number;
  readonly root: string;
  /** From that head to the checkpoint. */
  readonly consistency: readonly string[];
}

/** The list of one key of the map: the person's tag, or a population. */
export interface Section {
  /** Of the population; null for the person's own. */
  readonly name: string | null;
  /** What the earlier bundle showed: how many indices, and `frontierOf` them. */
  readonly earlier: { readonly count: number; readonly frontier: readonly string[] } | null;
  readonly indices: readonly number[];
  /** One for each index, in order. */
  readonly entries: readonly ShownEntry[];
  /** Those entries whose cohort held this person, as the gateway says. */
  readonly members: readonly number[];
  readonly proof: SectionProof;
}

export interface SectionProof {
  /** For an empty list: where the search for the key ends. */
  readonly other: { readonly key: string; readonly value: string } | null;
  readonly steps: readonly { readonly bit: number; readonly hash: string }[];
}

/** @throws FormatError (check "format") unless this is the one canonical spelling of a person's bundle */
export function parsePersonBundle(file: string | Uint8Array): PersonBundle {
  return parseFile(file, 'format', personLimitBytes, readPersonBundle);
}

/** The file's text, sealed. @throws FormatError (check "format") when it does not have the shape */
export async function sealPersonBundle(bundle: Omit<PersonBundle, 'seal'>, sign: Sign): Promise<string> {
  const file = await sealedText(bundle, sign);
  parsePersonBundle(file);
  return file;
}

/** A list as the map has it. */
export interface ProvenList {
  /** With the earlier ones. */
  readonly count: number;
  /** RFC 6962 root over the indices. */
  readonly root: Uint8Array;
  /** Of the earlier part, null where all is shown. */
  readonly earlier: { readonly count: number; readonly root: Uint8Array } | null;
  readonly indices: readonly number[];
}

/** @throws FormatError unless the leaf is a map head of all leaves before it */
export function checkMapHead(bundle: PersonBundle, size: number): MapHead {
  const head = decodeMapHead(fromBase64(bundle.mapHead, 'map head'));
  if (head.mapped !== size - 1)
    throw fail('map head', `the map head is about ${head.mapped} leaves, this one has ${size - 1} before it`);
  return head;
}

/** The person's own list. @throws FormatError when something is missing, foreign or out of its place */
export function checkOwnList(bundle: PersonBundle, entries: readonly Entry[], mapHead: MapHead): ProvenList {
  const check = 'completeness';
  const { own } = bundle;
  const tag = fromBase64(bundle.tag, check);
  if (own.name !== null || own.members.length > 0) throw fail(check, 'the own list is one of a population');
  const before = own.earlier?.count ?? 0;
  entries.forEach(({ about }, place) => {
    const at = own.indices[place];
    if (about.concern !== 'person' || !equalBytes(about.tag, tag))
      throw fail(check, `entry ${at} does not concern this tag`);
    if (about.sequence !== before + place)
      throw fail(check, `entry ${at} says it is number ${about.sequence}, its place is ${before + place}`);
  });
  return checkList({ section: own, key: tag, mapHead, extendsHead: bundle.extends, check });
}

/**
 * The lists of populations, by name.
 * @param known names and key of the trust file
 * @param mayLack whether names of the trust file may be missing, as in a bundle from before they were added
 * @throws FormatError when a population or an entry of one is missing or foreign
 */
export function checkPopulations(
  bundle: PersonBundle,
  entries: readonly (readonly Entry[])[],
  mapHead: MapHead,
  known: { readonly key: Uint8Array; readonly names: readonly string[] },
  mayLack: boolean,
): Map<string, ProvenList> {
  const check = 'populations';
  const names = bundle.populations.map(({ name }) => name ?? '');
  const wanted = mayLack ? known.names.filter((name) => names.includes(name)) : known.names;
  if (names.length !== wanted.length || !names.every((name, i) => name === wanted[i]))
    throw fail(check, 'the populations are not those of the trust file');
  const lists = new Map<string, ProvenList>();
  bundle.populations.forEach((section, i) => {
    const name = names[i] ?? '';
    const key = populationKeyOf(known.key, name);
    entries[i]?.forEach(({ about }, place) => {
      if (about.concern !== 'population' || !equalBytes(about.population, key))
        throw fail(check, `entry ${section.indices[place]} is not about ${name}`);
    });
    const shown = new Set(section.indices);
    if (!isAscending(section.members) || !section.members.every((index) => shown.has(index)))
      throw fail(check, `the members of ${name} are not entries of it`);
    lists.set(name, checkList({ section, key, mapHead, extendsHead: bundle.extends, check }));
  });
  return lists;
}

interface ListClaim {
  readonly section: Section;
  readonly key: Uint8Array;
  readonly mapHead: MapHead;
  readonly extendsHead: EarlierHead | null;
  readonly check: CheckName;
}

function checkList({ section, key, mapHead, extendsHead, check }: ListClaim): ProvenList {
  const { earlier, indices, entries, proof } = section;
  const isShown = indices.length === entries.length && indices.every((at, i) => at === entries[i]?.index);
  if (!isShown) throw fail(check, 'the entries shown are not those of the list');
  if ((indices.at(-1) ?? -1) >= mapHead.mapped) throw fail(check, 'an index beyond the map');
  if (earlier !== null) {
    // Whatever the earlier bundle did not show came after its head.
    if (extendsHead === null) throw fail(check, 'a list goes on from an earlier bundle that is not named');
    if (earlier.count > extendsHead.size || (indices[0] ?? extendsHead.size) < extendsHead.size)
      throw fail(check, 'the list does not go on where the earlier bundle ended');
  }
  const grown = extendFrontier(
    earlier?.count ?? 0,
    (earlier?.frontier ?? []).map((subtree) => fromBase64(subtree, check)),
    indices,
  );
  if (grown === undefined) throw fail(check, 'the indices do not ascend, or do not fit the earlier ones');
  if (!isUnderMap(key, grown.count, grown.newRoot, proof, mapHead.root, check)) {
    const what = grown.count === 0 ? 'that there is no entry' : `that these ${grown.count} entries are all`;
    throw fail(check, `the map does not say ${what}`);
  }
  return {
    count: grown.count,
    root: grown.newRoot,
    earlier: earlier === null ? null : { count: earlier.count, root: grown.oldRoot },
    indices,
  };
}

function isUnderMap(
  key: Uint8Array,
  count: number,
  value: Uint8Array,
  proof: SectionProof,
  root: Uint8Array,
  check: CheckName,
): boolean {
  const bytes = (encoded: string) => fromBase64(encoded, check);
  const steps = proof.steps.map((step) => ({ bit: step.bit, hash: bytes(step.hash) }));
  if (count > 0) return proof.other === null && verifyPresence({ root, key, value, steps });
  const other =
    proof.other === null ? null : { key: bytes(proof.other.key), value: bytes(proof.other.value) };
  return verifyAbsence({ root, key, other, steps });
}

/** @throws FormatError unless the head named by `extends` is one of the same history */
export function checkExtends(
  { size, root, consistency }: EarlierHead,
  head: { readonly size: number; readonly root: Uint8Array },
): void {
  const check = 'earlier bundle';
  const holds =
    size > 0 &&
    verifyConsistency({
      oldSize: size,
      newSize: head.size,
      oldRoot: fromBase64(root, check),
      newRoot: head.root,
      path: consistency.map((step) => fromBase64(step, check)),
    });
  if (!holds) throw fail(check, `the head of size ${size} is not the beginning of this one`);
}

/** What an earlier bundle of the same person, itself verified, says. */
export interface EarlierBundle {
  readonly tag: string;
  readonly head: { readonly size: number; readonly root: Uint8Array };
  /** By name; the person's own under null. */
  readonly lists: ReadonlyMap<string | null, ProvenList>;
  /** It goes on from no other. */
  readonly isWhole: boolean;
}

/** @throws FormatError unless these lists begin with those of the earlier bundle */
export function checkAgainstEarlier(
  bundle: PersonBundle,
  lists: ReadonlyMap<string | null, ProvenList>,
  before: EarlierBundle,
): void {
  const wrong = (message: string) => fail('earlier bundle', message);
  if (before.tag !== bundle.tag) throw wrong('the earlier bundle is about another tag');
  const { extends: from } = bundle;
  if (from !== null) {
    const isIt =
      from.size === before.head.size && equalBytes(fromBase64(from.root, 'earlier bundle'), before.head.root);
    if (!isIt) throw wrong(`this bundle goes on from the head of size ${from.size}, not from the one given`);
  }
  // Without `extends` no path connects the heads, but no log has two of one size.
  const head = parseCheckpoint(parseNote(bundle.checkpoint).text);
  if (before.head.size > head.size) throw wrong('the bundle given as the earlier one is the newer one');
  if (before.head.size === head.size && !equalBytes(before.head.root, head.root))
    throw wrong(`two heads of size ${head.size}: the log was shown in two versions`);
  for (const [name, known] of before.lists) {
    const now = lists.get(name);
    const label = name ?? 'the own list';
    // A population that is no longer in the trust file is nothing this bundle speaks of.
    if (now === undefined) continue;
    const root =
      now.earlier === null
        ? listRoot(now.indices.slice(0, known.count))
        : now.earlier.count === known.count
          ? now.earlier.root
          : undefined;
    if (root === undefined || now.count < known.count || !equalBytes(root, known.root))
      throw wrong(`${label}: not the ${known.count} entries of the earlier bundle, and more`);
  }
  for (const [name, now] of lists) {
    if (now.earlier !== null && !before.lists.has(name))
      throw wrong(`${name ?? 'the own list'} is not in the earlier bundle`);
  }
}

const entriesLimit = 1 << 20;

const readSection: Read<Section> = record<Section>({
  name: orNull(text(255)),
  earlier: orNull(record({ count: whole, frontier: list(pathLimit, hash) })),
  indices: list(entriesLimit, whole),
  entries: list(entriesLimit, readShownEntry),
  members: list(entriesLimit, whole),
  proof: record<SectionProof>({
    other: orNull(record({ key: hash, value: hash })),
    steps: list(256, record({ bit: wholeUpTo(255), hash })),
  }),
});

export const readPersonBundle: Read<PersonBundle> = record<PersonBundle>({
  format: exact(personFormat),
  origin,
  tag: hash,
  checkpoint: note,
  mapHead: leaf,
  own: readSection,
  populations: (value, at) => {
    const sections = list(1024, readSection)(value, at);
    if (sections.some(({ name }) => name === null)) throw misfit(at, 'a list of named sections');
    return sections;
  },
  paths: list(entriesLimit, hash),
  extends: orNull(record<EarlierHead>({ size: whole, root: hash, consistency: list(pathLimit, hash) })),
  anchor: readAnchor,
  seal: signature,
});
