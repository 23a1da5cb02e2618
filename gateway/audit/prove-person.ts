// Builds a person's bundle: everything the log holds about one person, and the proof that nothing is missing.
// FORMAT.md section 10. Reads only durable, signed state.
import { and, asc, eq, inArray, lt } from 'drizzle-orm';
import { GatewayError } from '../errors.ts';
import { bound, query, type Reader, type Store } from '../store/store.ts';
import { entry as entryTable, run, runMember } from '../store/tables.ts';
import type { BundleAnchor, Disclosure, ShownEntry } from './bundle.ts';
import { equalBytes, toBase64 } from './bytes.ts';
import { populationKeyOf } from './entry.ts';
import { frontierOf, listRoot } from './index-list.ts';
import type { Keyring } from './keys.ts';
import { holderOf, populationsHolder, type Log } from './log.ts';
import { multiProof } from './multi-proof.ts';
import { openPayload, type EntryRow } from './payload.ts';
import { sealPersonBundle, type Section } from './person-bundle.ts';
import { mapKeyOf, type KeyProof } from './person-index.ts';
import type { Publisher, SignedHead, Signer } from './publish.ts';
import type { MerkleTree } from './tree.ts';

export interface PersonProverParts {
  readonly store: Store;
  readonly log: Log;
  readonly keyring: Keyring;
  readonly publisher: Publisher;
  readonly sealSigner: Signer;
  /** Every population there is, in the order of the trust file. */
  readonly populations: readonly string[];
  readonly origin: string;
  /** The note of a head with its cosignatures. */
  readonly noteOf: (head: SignedHead) => Promise<string>;
  readonly anchorNow?: () => Promise<void>;
  readonly anchorFor: (head: SignedHead, tree: MerkleTree) => Promise<BundleAnchor | null>;
}

/** More than this is not one file for a person to open: an earlier bundle is extended instead. */
export const personEntriesLimit = 100_000;
const attempts = 20;
const openPage = 500;

const listOfHolder = query((db) =>
  db
    .select({ number: entryTable.number, leaf: entryTable.leaf })
    .from(entryTable)
    .where(and(eq(entryTable.holder, bound('holder')), lt(entryTable.number, bound('size'))))
    .orderBy(asc(entryTable.sequence)),
);

/** One list of the map: whose it is, its leaves, and what the map says of it. */
interface List {
  readonly name: string | null;
  readonly rows: readonly { readonly number: number; readonly leaf: Buffer }[];
  readonly proof: KeyProof;
  /** Numbers of entries whose cohort held this person. */
  readonly members: ReadonlySet<number>;
}

/**
 * @param since size of the head of an earlier bundle, which this one extends: only what came later is shown
 * @throws GatewayError `not_found` for a person without a tag, `conflict` when nothing is signed yet or `since` is not
 *   a size this log had, `too_many_entries` when there is more than a file should hold
 */
export async function provePerson(
  parts: PersonProverParts,
  person: string,
  since: number | null = null,
): Promise<string> {
  const { store, log, keyring, populations } = parts;
  const holder = holderOf({ kind: 'person', id: person, role: 'subject' });
  const { tag, populationsKey } = await store.read(async (reader) => ({
    tag: (await keyring.open(reader, holder)).tag,
    populationsKey: (await keyring.open(reader, populationsHolder)).tag,
  }));
  if (tag === undefined) throw new GatewayError('not_found', 'the tag of this person is destroyed');
  if (populationsKey === undefined) throw new GatewayError('internal', 'the populations have no key');
  const keys = [tag, ...populations.map((name) => populationKeyOf(populationsKey, name))];
  const { head, proofs } = await mapAtHead(parts, keys);
  if (since !== null && (since < 1 || since > head.size))
    throw new GatewayError('conflict', 'the earlier bundle is not of this log as it is now');

  const lists = await store.read(async (reader) => {
    const members = await memberEntries(reader, person);
    const found: List[] = [];
    for (const [place, proof] of proofs.entries()) {
      const name = place === 0 ? null : (populations[place - 1] ?? null);
      const listed = name === null ? holder : `population:${name}`;
      const listedRows = await reader.run(listOfHolder, { holder: listed, size: head.size });
      // A log begun before map heads has entries of populations under other keys (FORMAT.md section 8).
      const key = keys[place] ?? tag;
      const rows = listedRows.filter(({ leaf }) => equalBytes(mapKeyOf(leaf) ?? leaf, key));
      found.push({ name, rows, proof, members: name === null ? new Set() : members });
    }
    return found;
  });
  for (const list of lists) checkList(list);
  const shownRows = lists.map(({ rows }) => rows.filter(({ number }) => since === null || number >= since));
  if (shownRows.reduce((sum, rows) => sum + rows.length, 0) > personEntriesLimit)
    throw new GatewayError(
      'too_many_entries',
      `more than ${personEntriesLimit} entries: extend an earlier bundle`,
    );

  const [own, ...others] = await Promise.all(
    lists.map((list, place) => sectionOf(parts, list, shownRows[place] ?? [], since)),
  );
  if (own === undefined) throw new GatewayError('internal', 'a bundle without its own section');
  const tree = await log.tree();
  const mapHead = await store.read(async (reader) =>
    reader.db
      .select({ leaf: entryTable.leaf })
      .from(entryTable)
      .where(eq(entryTable.number, head.size - 1)),
  );
  const shown = new Set([head.size - 1, ...shownRows.flat().map(({ number }) => number)]);
  const paths = multiProof(
    tree,
    [...shown].sort((a, b) => a - b),
    head.size,
  );
  const unsealed = {
    format: 'assent-person/v1' as const,
    origin: parts.origin,
    tag: toBase64(tag),
    checkpoint: await parts.noteOf(head),
    mapHead: toBase64(mapHead[0]?.leaf ?? new Uint8Array()),
    own,
    populations: others,
    paths: paths.map(toBase64),
    extends:
      since === null
        ? null
        : {
            size: since,
            root: toBase64(tree.root(since)),
            consistency: tree.consistencyPath(since, head.size).map(toBase64),
          },
    anchor: await parts.anchorFor(head, tree),
  };
  return sealPersonBundle(unsealed, (message) => parts.sealSigner.sign(message));
}

/** The newest head and what its map says of these keys, taken at one moment. */
async function mapAtHead(
  { publisher, log, anchorNow }: PersonProverParts,
  keys: readonly Uint8Array[],
): Promise<{ head: SignedHead; proofs: KeyProof[] }> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const head = await publisher.publish();
    if (head === undefined)
      throw new GatewayError('conflict', 'nothing is signed yet; ask again in a second');
    if (attempt === 0) await anchorNow?.();
    const map = await log.map(head.size);
    // A round that began meanwhile has taken the map further: its head will be signed in a moment.
    if (map.mapped === head.size) return { head, proofs: keys.map((key) => map.prove(key)) };
  }
  throw new GatewayError('store_unavailable', 'the log grows faster than it is signed; ask again');
}

/** That the rows are the list the map speaks of: what cannot be proven is not handed out. */
function checkList({ rows, proof }: List): void {
  const indices = rows.map(({ number }) => number);
  const isListed =
    proof.value === null
      ? indices.length === 0
      : indices.length > 0 && Buffer.compare(listRoot(indices), proof.value) === 0;
  if (!isListed)
    throw new GatewayError('log_fork', 'the entries of this key are not those of the signed map');
}

async function sectionOf(
  { store, keyring }: PersonProverParts,
  list: List,
  rows: List['rows'],
  since: number | null,
): Promise<Section> {
  const earlier = list.rows.slice(0, list.rows.length - rows.length).map(({ number }) => number);
  const { other, steps } = list.proof;
  const entries: ShownEntry[] = [];
  for (let at = 0; at < rows.length; at += openPage) {
    const page = rows.slice(at, at + openPage);
    const disclosures =
      list.name === null
        ? await store.read((reader) => disclose(keyring, reader, page))
        : new Map<number, Disclosure>();
    for (const { number, leaf } of page)
      entries.push({ index: number, leaf: toBase64(leaf), disclosure: disclosures.get(number) ?? null });
  }
  return {
    name: list.name,
    earlier: since === null ? null : { count: earlier.length, frontier: frontierOf(earlier).map(toBase64) },
    indices: rows.map(({ number }) => number),
    entries,
    members: rows.map(({ number }) => number).filter((number) => list.members.has(number)),
    proof: {
      other: other === null ? null : { key: toBase64(other.key), value: toBase64(other.value) },
      steps: steps.map(({ bit, hash }) => ({ bit, hash: toBase64(hash) })),
    },
  };
}

async function disclose(
  keyring: Keyring,
  reader: Reader,
  page: List['rows'],
): Promise<Map<number, Disclosure>> {
  const found = new Map<number, Disclosure>();
  const rows: EntryRow[] = await reader.db
    .select()
    .from(entryTable)
    .where(
      inArray(
        entryTable.number,
        page.map(({ number }) => number),
      ),
    );
  for (const row of rows) {
    const opened = await openPayload(keyring, reader, row);
    if (opened !== undefined)
      found.set(row.number, { opening: toBase64(opened.opening), payload: toBase64(opened.plain) });
  }
  return found;
}

/** Entries of operations on many people that held this person. */
async function memberEntries(reader: Reader, person: string): Promise<Set<number>> {
  const rows = await reader.db
    .select({ started: run.startedEntry, ended: run.endedEntry })
    .from(run)
    .innerJoin(runMember, eq(runMember.run, run.id))
    .where(eq(runMember.person, person));
  return new Set(rows.flatMap(({ started, ended }) => (ended === null ? [started] : [started, ended])));
}
