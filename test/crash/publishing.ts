// A log whose publishing rounds tell each step as it is reached, and what the world outside it has seen so far.
// Stopping the files at a step is what `kill -9` does: the page cache stays, everything in memory is gone.
import { join } from 'node:path';
import { asc } from 'drizzle-orm';
import { type Anchorer, createAnchorer } from '../../gateway/audit/anchor.ts';
import { decodeMapHead, isMapHead } from '../../gateway/audit/entry.ts';
import { createKeyring } from '../../gateway/audit/keys.ts';
import { type Log, type NewEntry, openLog, sha256 } from '../../gateway/audit/log.ts';
import { parseCheckpoint } from '../../gateway/audit/note.ts';
import { PersonIndex } from '../../gateway/audit/person-index.ts';
import { createPublisher, createSigner, type Publisher } from '../../gateway/audit/publish.ts';
import { leafHash, MerkleTree, verifyConsistency } from '../../gateway/audit/tree.ts';
import type { AnchoredHead, Chain, HeadToAnchor, MinedReceipt } from '../../gateway/chain/chain.ts';
import type { Chance } from '../../gateway/demo/chance.ts';
import { migrateSqlite } from '../../gateway/store/migrate.ts';
import { openSqlite } from '../../gateway/store/sqlite.ts';
import type { Store, Tx } from '../../gateway/store/store.ts';
import { checkpoint, entry } from '../../gateway/store/tables.ts';
import type { WalSync } from '../../gateway/store/wal-sync.ts';
import { handClock, type Random } from '../../gateway/system.ts';

export const fileName = 'log.db';
const origin = 'publishing.example/log/1';
const clock = handClock(Date.parse('2026-03-01T12:00:00Z'));
const migrations = join(import.meta.dirname, '..', '..', 'migrations', 'sqlite');

const writes = ['map head', 'checkpoint', 'outbox', 'anchor state'] as const;
type Write = (typeof writes)[number];
const inWrite = <Name extends Write>(name: Name) =>
  [
    `${name}: not begun`,
    `${name}: in the transaction`,
    `${name}: written`,
    `${name}: committed`,
    `${name}: durable`,
  ] as const;

/** Every step of signing a head, in order. */
export const publishingSteps = [
  'round begun',
  'newest entry known',
  'entries mapped',
  ...inWrite('map head'),
  'tree asked for',
  'tree loaded',
  'not signed',
  'signed',
  ...inWrite('checkpoint'),
  'head returned',
] as const;

/** And of handing it to the chain. */
export const steps = [
  ...publishingSteps,
  'transaction signed',
  ...inWrite('outbox'),
  'not handed over',
  'handed over',
  ...inWrite('anchor state'),
] as const;
export type Step = (typeof steps)[number];

/** What left the process: nothing of it may ever be gone or be contradicted. Hashes and roots are hex. */
export interface Outside {
  /** Entries whose writer was told their number. */
  readonly acknowledged: Map<number, string>;
  /** Heads that `publish` returned. */
  readonly returned: Map<number, string>;
  /** Heads ever signed. One may be known to nobody, and still no other may be signed at its size. */
  readonly signed: Map<number, string>;
  readonly chain: ChainState;
}

interface ChainState {
  head: AnchoredHead | undefined;
  /** One block for each transaction, whose nonce is its height. */
  readonly mined: { readonly hash: string; readonly receipt: MinedReceipt }[];
}

export const nothingOutside = (): Outside => ({
  acknowledged: new Map(),
  returned: new Map(),
  signed: new Map(),
  chain: { head: undefined, mined: [] },
});

export function copyOf(outside: Outside): Outside {
  return {
    acknowledged: new Map(outside.acknowledged),
    returned: new Map(outside.returned),
    signed: new Map(outside.signed),
    chain: { head: outside.chain.head, mined: [...outside.chain.mined] },
  };
}

/** @throws Error when something else was known under this number */
export function remember(known: Map<number, string>, number: number, text: string, what: string): void {
  const before = known.get(number) ?? text;
  if (before !== text) throw new Error(`two ${what} for ${number}: ${before} and ${text}`);
  known.set(number, text);
}

export interface SteppedOptions {
  readonly outside: Outside;
  readonly random: Random;
  readonly openSync: (walPath: string) => WalSync;
  /** Called in the middle of everything: must not await. */
  readonly onStep?: (step: Step) => void;
  /** Pages in the write-ahead log at which SQLite moves them to the database. */
  readonly checkpointPages?: number;
}

export interface Stepped {
  readonly store: Store;
  readonly log: Log;
  readonly publisher: Publisher;
  readonly anchorer: Anchorer;
  /** Adds one entry and remembers outside that its writer was told. */
  add(about: Record<string, unknown>): Promise<void>;
  close(): Promise<void>;
}

export async function openStepped(folder: string, options: SteppedOptions): Promise<Stepped> {
  const { outside, random } = options;
  const step = options.onStep ?? (() => undefined);
  // A batch executes while the one before it syncs, so the next sync is that of the batch just executed.
  let executed: Write | undefined;
  const store = openSqlite(join(folder, fileName), {
    onFatal: (cause) => {
      throw cause;
    },
    openSync(walPath) {
      const walSync = options.openSync(walPath);
      return {
        ...walSync,
        sync() {
          const name = executed;
          executed = undefined;
          if (name !== undefined) step(`${name}: committed`);
          return walSync.sync();
        },
      };
    },
  });
  migrateSqlite(store.raw, migrations);
  store.raw.pragma(`wal_autocheckpoint = ${options.checkpointPages ?? 1000}`);
  // What SQLite itself would sync here, moving pages to the database, costs most of the time and changes no byte.
  store.raw.pragma('synchronous = OFF');
  const keyring = createKeyring(new Uint8Array(32).fill(1), random);
  const log = await openLog(store, keyring);

  const steppedStore = (nameOf: () => Write): Store => ({
    ...store,
    async write<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result> {
      const name = nameOf();
      step(`${name}: not begun`);
      const result = await store.write(async (tx) => {
        step(`${name}: in the transaction`);
        const value = await work(tx);
        step(`${name}: written`);
        executed = name;
        return value;
      });
      step(`${name}: durable`);
      return result;
    },
  });

  let publishes: Write = 'map head';
  const signer = createSigner(origin, new Uint8Array(32).fill(2));
  const inner = createPublisher({
    store: steppedStore(() => publishes),
    log: {
      ...log,
      async refresh() {
        await log.refresh();
        step('newest entry known');
      },
      async map(size) {
        const map = await log.map(size);
        step('entries mapped');
        return map;
      },
      async tree() {
        step('tree asked for');
        const tree = await log.tree();
        step('tree loaded');
        return tree;
      },
    },
    signer: {
      ...signer,
      sign(message) {
        step('not signed');
        const signature = signer.sign(message);
        const { size, root } = parseCheckpoint(Buffer.from(message).toString('utf8'));
        remember(outside.signed, size, hex(root), 'signed roots');
        publishes = 'checkpoint';
        step('signed');
        return signature;
      },
    },
    clock,
  });
  const publisher: Publisher = {
    ...inner,
    async publish() {
      publishes = 'map head';
      step('round begun');
      const head = await inner.publish();
      if (head !== undefined) remember(outside.returned, head.size, hex(head.root), 'returned roots');
      step('head returned');
      return head;
    },
  };

  let anchors: Write = 'anchor state';
  const chain = memoryChain(outside.chain);
  const anchorer = createAnchorer({
    store: steppedStore(() => anchors),
    log,
    publisher,
    chain: {
      ...chain,
      async sign(...order) {
        const signed = await chain.sign(...order);
        anchors = 'outbox';
        step('transaction signed');
        return signed;
      },
      async broadcast(raw) {
        step('not handed over');
        const answer = await chain.broadcast(raw);
        anchors = 'anchor state';
        step('handed over');
        return answer;
      },
    },
    origin,
    clock,
  });

  return {
    store,
    log,
    publisher,
    anchorer,
    async add(about) {
      const { number, leafHash: hash } = await store.write((tx) => log.append(tx, entryAbout(about)));
      remember(outside.acknowledged, number, hex(hash), 'entries');
    },
    close: () => store.close(),
  };
}

/**
 * Compares tables and outside: no acknowledged entry is lost, no head that left is, every head is that of the leaves,
 * ends in their map, and no map head follows another.
 * @throws Error that names what is wrong
 */
export async function compareWith(outside: Outside, { store }: Stepped): Promise<number> {
  const { rows, heads } = await store.read(async (reader) => ({
    rows: await reader.db
      .select({ number: entry.number, leaf: entry.leaf })
      .from(entry)
      .orderBy(asc(entry.number)),
    heads: await reader.db.select().from(checkpoint).orderBy(asc(checkpoint.size)),
  }));
  const tree = new MerkleTree(sha256);
  const map = new PersonIndex(sha256);
  const hashes: string[] = [];
  for (const [place, { number, leaf }] of rows.entries()) {
    if (number !== place) throw new Error(`entry ${place} is missing`);
    if (isMapHead(leaf)) {
      if (place === 0 || isMapHead(rows[place - 1]!.leaf))
        throw new Error(`map head ${place} maps nothing new`);
      const { mapped, root } = decodeMapHead(leaf);
      if (mapped !== place || hex(root) !== hex(map.root()))
        throw new Error(`map head ${place} is not the map`);
    }
    map.add(leaf);
    const hash = leafHash(leaf, sha256);
    tree.append(hash);
    hashes.push(hex(hash));
  }
  for (const [number, hash] of outside.acknowledged) {
    if (hashes[number] !== hash) throw new Error(`acknowledged entry ${number} is lost`);
  }
  const stored = new Map(heads.map((head) => [head.size, head]));
  for (const { size, root, note } of heads) {
    if (hex(tree.root(size)) !== hex(root)) throw new Error(`the leaves do not lead to the head of ${size}`);
    if (!isMapHead(rows[size - 1]!.leaf)) throw new Error(`the head of ${size} does not end in a map head`);
    if (parseCheckpoint(note.slice(0, note.indexOf('\n\n') + 1)).size !== size)
      throw new Error('another note');
    remember(outside.signed, size, hex(root), 'signed roots');
  }
  for (const [size, root] of outside.returned) {
    const head = stored.get(size);
    if (head === undefined || hex(head.root) !== root)
      throw new Error(`the head of ${size} left and is not stored`);
  }
  const { head } = outside.chain;
  if (head !== undefined && outside.returned.get(head.size) !== head.root.slice(2))
    throw new Error(`the anchored head of ${head.size} never left`);
  return rows.length;
}

/** The contract in memory, so that a thousand rounds end in time: takes only what extends its head, a nonce once. */
function memoryChain(state: ChainState): Chain {
  const find = (hash: string) => state.mined.find((one) => one.hash === hash)?.receipt;
  return {
    finality: 'local',
    submitter: `0x${'5'.repeat(40)}`,
    identity: async () => ({
      chainId: 1,
      genesisHash: hashText('genesis'),
      contract: `0x${'c'.repeat(40)}`,
      codeHash: hashText('code'),
    }),
    head: async () => state.head,
    async sign(head, proof, nonce) {
      const rawTransaction = JSON.stringify({ head, proof, nonce } satisfies Transaction);
      return { rawTransaction, hash: hashText(rawTransaction), nonce };
    },
    async broadcast(raw) {
      const { head, proof, nonce } = JSON.parse(raw) as Transaction;
      const hash = hashText(raw);
      if (find(hash) !== undefined) return { result: 'known', message: '' };
      if (nonce !== state.mined.length) return { result: 'nonce_used', message: '' };
      const bytes = (text: string) => Buffer.from(text.slice(2), 'hex');
      const extendsHead =
        state.head === undefined ||
        (state.head.size < head.size &&
          verifyConsistency({
            oldSize: state.head.size,
            newSize: head.size,
            oldRoot: bytes(state.head.root),
            newRoot: bytes(head.root),
            path: proof.map(bytes),
          }));
      if (!extendsHead) return { result: 'refused', message: 'does not extend the head' };
      const seq = state.mined.length + 1;
      state.head = { size: head.size, root: head.root, seq, anchoredAtMs: 0 };
      state.mined.push({
        hash,
        receipt: {
          state: 'mined',
          blockNumber: nonce,
          blockHash: hashText(`${seq}`),
          gasUsed: 1,
          costWei: 1n,
          seq,
        },
      });
      return { result: 'accepted', message: '' };
    },
    receipt: async (hash) => find(hash),
    nextNonce: async () => state.mined.length,
    suggestFees: async () => ({ maxFeePerGasWei: 2n, maxPriorityFeePerGasWei: 1n }),
    balanceWei: async () => 1n,
    blockHashAt: async (height) => state.mined[height]?.receipt.blockHash,
    isFinal: async () => false,
  };
}

interface Transaction {
  readonly head: HeadToAnchor;
  readonly proof: readonly string[];
  readonly nonce: number;
}

function entryAbout(about: Record<string, unknown>): NewEntry {
  return {
    kind: 'used',
    concern: { kind: 'person', id: `p-${Number(about['turn']) % 3}`, role: 'subject' },
    operationId: 'op',
    atMs: clock.nowMs(),
    outcome: 'allowed',
    recipient: null,
    keyClass: 'data',
    payload: about,
  };
}

/** Bytes that differ from one future to the other, and are the same again for the same seed. */
export function randomFrom(chance: Chance): Random {
  return { bytes: (length) => Uint8Array.from({ length }, () => chance.whole(0, 255)) };
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const hashText = (text: string): string => `0x${hex(sha256(Buffer.from(text)))}`;
