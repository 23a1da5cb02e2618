// An operator who has everything: the store, the keys and a chain. What an honest day left with others is in `Yesterday`;
// each lie begins from a copy of the log as it was at some moment of that day.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAnchorer } from '../../gateway/audit/anchor.ts';
import { fromBase64, toBase64 } from '../../gateway/audit/bytes.ts';
import { populationKeyOf } from '../../gateway/audit/entry.ts';
import { sealedText } from '../../gateway/audit/file-shape.ts';
import { type NewEntry, sha256 } from '../../gateway/audit/log.ts';
import { multiProof } from '../../gateway/audit/multi-proof.ts';
import {
  parsePersonBundle,
  type PersonBundle,
  type SectionProof,
} from '../../gateway/audit/person-bundle.ts';
import { type KeyProof, PersonIndex } from '../../gateway/audit/person-index.ts';
import { logIdOf } from '../../gateway/audit/log-id.ts';
import { createPublisher, createSigner, type SignedHead } from '../../gateway/audit/publish.ts';
import { parseState } from '../../gateway/audit/state.ts';
import { type FetchFile, parseTilePath, tileBytes } from '../../gateway/audit/tiles.ts';
import { leafHash } from '../../gateway/audit/tree.ts';
import { parseTrust, type State } from '../../gateway/audit/verify.ts';
import type { Chain } from '../../gateway/chain/chain.ts';
import type { LocalChain } from '../../gateway/chain/local.ts';
import { verifyCommand, type VerifyOrder } from '../../gateway/commands/verify.ts';
import type { Tx } from '../../gateway/store/store.ts';
import { entry as entryTable } from '../../gateway/store/tables.ts';
import { newFolder, openLog as openOnChain, openSubmitter, startChain } from '../chain/rig.ts';
import { clock, entryOf, type Ledger, openLedger, origin } from './ledger.ts';

/** Entries 0 to 8 and a map head: entries 2, 5 and 8 concern the victim, and 5 is the one to be hidden. */
export const victim = 'p-2';
export const hidden = 5;
export const sizeYesterday = 10;

/** With entries 0 to 3 and no head, `before` the hidden one; with everything `signed` and anchored. */
type Moment = 'before' | 'signed';

export interface Yesterday {
  readonly folder: string;
  readonly local: LocalChain;
  readonly chain: Chain;
  /** Kept by others from here on. */
  readonly trust: string;
  readonly state: State;
  readonly head: SignedHead;
  readonly entryFile: string;
  readonly personFile: string;
}

export async function liveADay(): Promise<Yesterday> {
  const folder = await newFolder();
  const { local, chain } = await chainFor();
  const before = await openLedger(folder, 1, 'signed.db');
  await write(before, [0, 1, 2, 3]);
  await before.close();
  copyFileSync(join(folder, 'signed.db'), join(folder, 'before.db'));
  const ledger = await openLedger(folder, 1, 'signed.db');
  await write(ledger, [4, 5, 6, 7, 8]);
  const head = (await ledger.publisher.publish())!;
  await anchorerOf(ledger, chain).anchor();
  const prover = ledger.proverFor(chain);
  const [trust, entryFile, personFile] = [
    await prover.trust(),
    await prover.bundle(hidden, true),
    await prover.person(victim),
  ];
  await ledger.close();
  const { stateText = '' } = await verifyCommand({ bundleText: entryFile, trustText: trust, state: null });
  return { folder, local, chain, trust, state: parseState(stateText), head, entryFile, personFile };
}

/** A local chain with the contract: from the same folder's beginnings always the same one. */
export async function chainFor(): Promise<{ local: LocalChain; chain: Chain }> {
  const local = await startChain(await newFolder(), 0);
  const { contract } = await openOnChain(local, logIdOf(origin));
  return { local, chain: await openSubmitter(local, contract) };
}

let copies = 0;

/** The operator's log as it was, to go on from as he likes. */
export function openCopy({ folder }: Yesterday, moment: Moment): Promise<Ledger> {
  const fileName = `copy-${copies++}.db`;
  copyFileSync(join(folder, `${moment}.db`), join(folder, fileName));
  return openLedger(folder, 1, fileName);
}

export async function write(ledger: Ledger, numbers: readonly number[]): Promise<void> {
  for (const number of numbers) await ledger.store.write((tx) => ledger.log.append(tx, entryOf(number)));
}

export const anchorerOf = ({ store, log, publisher }: Ledger, chain: Chain) =>
  createAnchorer({ store, log, publisher, chain, origin, clock });

/** A transaction in which the next leaf becomes another one, with the hash of that one. */
function lyingTx(tx: Tx, change: (leaf: Buffer) => Uint8Array): Tx {
  const changed = (parameters?: Record<string, unknown>): Record<string, unknown> | undefined => {
    const honest = parameters?.['leaf'];
    if (!(honest instanceof Uint8Array)) return parameters;
    const leaf = change(Buffer.from(honest));
    return { ...parameters, leaf, leafHash: leafHash(leaf, sha256) };
  };
  return {
    ...tx,
    run: (query, parameters) => tx.run(query, changed(parameters)),
    send: (query, parameters) => tx.send(query, changed(parameters) ?? {}),
  };
}

/** Adds an entry whose leaf is not the one the gateway makes. */
export async function writeLeaf(
  ledger: Ledger,
  entry: NewEntry,
  change: (leaf: Buffer) => Uint8Array,
): Promise<void> {
  await ledger.store.write((tx) => ledger.log.append(lyingTx(tx, change), entry));
}

/** Signs a head whose map leaves some leaves out; returns that map. */
export async function signWithoutMapping(ledger: Ledger, left: readonly number[]): Promise<PersonIndex> {
  const { store, log } = ledger;
  const map = new PersonIndex(sha256);
  const nobodys = new Uint8Array(52);
  for (const [index, leaf] of (await leavesOf(ledger)).entries())
    map.add(left.includes(index) ? nobodys : leaf);
  const root = map.root();
  const falsified = (leaf: Buffer) => {
    leaf.set(root, 60);
    return leaf;
  };
  const appendMapHead: typeof log.appendMapHead = (tx, atMs) =>
    log.appendMapHead(lyingTx(tx, falsified), atMs);
  await createPublisher({ store, log: { ...log, appendMapHead }, signer: logSigner, clock }).publish();
  return map;
}

export const leavesOf = (ledger: Ledger): Promise<Buffer[]> =>
  ledger.store.read(async (reader) =>
    (await reader.db.select({ leaf: entryTable.leaf }).from(entryTable).orderBy(entryTable.number)).map(
      ({ leaf }) => leaf,
    ),
  );

/** The victim's bundle after a change, with the paths and the seal that fit it. */
export async function changedPerson(
  ledger: Ledger,
  chain: Chain,
  change: (bundle: PersonBundle) => PersonBundle,
): Promise<string> {
  const honest = parsePersonBundle(await ledger.proverFor(chain).person(victim));
  const { seal: _, ...bundle } = change(honest);
  const size = (await ledger.publisher.latest())!.size;
  const shown = new Set([size - 1, ...[bundle.own, ...bundle.populations].flatMap(({ indices }) => indices)]);
  const paths = multiProof(
    await ledger.log.tree(),
    [...shown].sort((a, b) => a - b),
    size,
  );
  return sealed({ ...bundle, paths: paths.map(toBase64) });
}

/** The victim's list without some of it, and with the proofs of this map. */
export function hide(
  bundle: PersonBundle,
  left: readonly number[],
  trust: string,
  map?: PersonIndex,
): PersonBundle {
  const { own } = bundle;
  const isShown = (index: number): boolean => !left.includes(index);
  const { key, names } = parseTrust(trust).populations!;
  const proofOf = (of: Uint8Array, else_: SectionProof): SectionProof =>
    map === undefined ? else_ : inFile(map.prove(of));
  return {
    ...bundle,
    own: {
      ...own,
      indices: own.indices.filter(isShown),
      entries: own.entries.filter(({ index }) => isShown(index)),
      proof: proofOf(fromBase64(bundle.tag, 'test'), own.proof),
    },
    populations: bundle.populations.map((section, place) => ({
      ...section,
      proof: proofOf(populationKeyOf(fromBase64(key, 'test'), names[place] ?? ''), section.proof),
    })),
  };
}

const inFile = ({ other, steps }: KeyProof): SectionProof => ({
  other: other === null ? null : { key: toBase64(other.key), value: toBase64(other.value) },
  steps: steps.map(({ bit, hash }) => ({ bit, hash: toBase64(hash) })),
});

// The keys of `openLedger` with byte 1: an operator signs what he likes.
export const logSigner = createSigner(origin, new Uint8Array(32).fill(101));
const sealSigner = createSigner(`${origin}/seal`, new Uint8Array(32).fill(151));

/** Sealed with the operator's key, of any shape. */
export const sealed = (file: object): Promise<string> => {
  const { seal: _, ...rest } = file as { seal?: string };
  return sealedText(rest as { format: string }, (message) => sealSigner.sign(message));
};

/** What `assent verify` says to the one who kept yesterday's trust file and head: exit code and first failing check. */
export async function look(
  yesterday: Yesterday,
  bundleText: string,
  more: Partial<VerifyOrder> = {},
): Promise<string> {
  const { trust: trustText, state } = yesterday;
  const { exitCode, json } = await verifyCommand({ bundleText, trustText, state, timeoutMs: 5_000, ...more });
  return `${exitCode}: ${typeof json['firstFailing'] === 'string' ? json['firstFailing'] : 'every check'}`;
}

/** The public files of a log, as the operator serves them. */
export function publicLogOf(ledger: Ledger): FetchFile {
  return async (path) => {
    if (path === 'checkpoint') return Buffer.from((await ledger.publisher.latest())!.note);
    return tileBytes(await ledger.log.tree(), parseTilePath(path)!);
  };
}
