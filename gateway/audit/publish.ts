// Signs heads of the log: a checkpoint a second at most, only over durable entries, never two roots for one size.
// The last leaf under each is the map head of all leaves before it (FORMAT.md section 7).
import { createPrivateKey, createPublicKey, sign as signBytes, type KeyObject } from 'node:crypto';
import { desc, eq } from 'drizzle-orm';
import { GatewayError } from '../errors.ts';
import { alwaysLeader, type Leadership } from '../store/processes.ts';
import { fixed, query, type Store, type Tx } from '../store/store.ts';
import { checkpoint as checkpointTable, entry as entryTable } from '../store/tables.ts';
import type { Clock } from '../system.ts';
import { decodeMapHead, isMapHead, mapHeadKind } from './entry.ts';
import type { Log } from './log.ts';
import { findEntry } from './payload.ts';
import { formatCheckpoint, formatVerifierKey, signNote } from './note.ts';

export interface Signer {
  readonly name: string;
  readonly publicKey: Uint8Array;
  /** C2SP verifier key text. */
  readonly verifierKey: string;
  sign(message: Uint8Array): Uint8Array;
}

/** An Ed25519 signer from its 32-byte seed. RFC 8032; PKCS #8 wrapping of RFC 8410. */
export function createSigner(name: string, seed: Uint8Array): Signer {
  const prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
  const key: KeyObject = createPrivateKey({
    key: Buffer.concat([prefix, seed]),
    format: 'der',
    type: 'pkcs8',
  });
  const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);
  return {
    name,
    publicKey,
    verifierKey: formatVerifierKey(name, publicKey),
    sign: (message) => signBytes(null, message, key),
  };
}

export interface SignedHead {
  readonly size: number;
  readonly root: Uint8Array;
  /** The signed note. */
  readonly note: string;
  readonly signedMs: number;
}

export interface Publisher {
  /**
   * Signs the newest durable head unless that was done; returns the newest checkpoint, undefined for an empty log.
   * Where another process leads it waits until that one has signed what is durable now.
   * @throws GatewayError `store_unavailable` when that takes too long; ask again
   */
  publish(): Promise<SignedHead | undefined>;
  /** Brings tree and map up to the newest checkpoint that another process signed. */
  follow(): Promise<void>;
  latest(): Promise<SignedHead | undefined>;
  /**
   * Compares the log with the newest checkpoint, for start-up.
   * @throws GatewayError `log_fork` when entries are missing or differ from what was signed
   */
  check(): Promise<void>;
}

const lastKind = query((db) =>
  db
    .select({ number: entryTable.number, kind: entryTable.kind })
    .from(entryTable)
    .orderBy(desc(entryTable.number))
    .limit(fixed(1)),
);
const newest = query((db) => db.select().from(checkpointTable).orderBy(desc(checkpointTable.size)).limit(1));

const pollMs = 100;
const mapHeadAttempts = 2;

export interface PublisherParts {
  readonly store: Store;
  readonly log: Log;
  readonly signer: Signer;
  readonly clock: Clock;
  /** Without it this process signs. */
  readonly leadership?: Pick<Leadership, 'asLeader'>;
  /** How long a call waits for another process that signs. */
  readonly patienceMs?: number;
  /** Hears of every checkpoint to which tree and map of this process have been taken. Must not throw. */
  readonly onHead?: (head: SignedHead) => void;
}

export function createPublisher(parts: PublisherParts): Publisher {
  const {
    store,
    log,
    signer,
    clock,
    leadership = alwaysLeader,
    patienceMs = 5000,
    onHead = () => undefined,
  } = parts;
  let publishing: Promise<unknown> = Promise.resolve();

  const latest = async (): Promise<SignedHead | undefined> =>
    (await store.read((reader) => reader.run(newest)))[0];

  async function publishNow(): Promise<SignedHead | undefined> {
    // In this order: what another process signs in between must be no longer than what is known here.
    const last = await latest();
    await log.refresh();
    const held = log.durableSize();
    if (held === 0 || held === last?.size) return last;
    if (last !== undefined && held < last.size)
      throw new GatewayError('log_fork', 'the log is shorter than what was signed');
    const size = await mapHeadOver(held);
    await log.refresh();
    const tree = await log.tree();
    const root = tree.root(size);
    const note = await signNote(formatCheckpoint({ origin: signer.name, size, root }), signer);
    const head: SignedHead = { size, root, note, signedMs: clock.nowMs() };
    // The primary key makes a second root for the same size impossible, whoever tries; another process that signed
    // this very head came first, that is all.
    const stored = await store.write(async (tx) => {
      await tx.db
        .insert(checkpointTable)
        .values({ ...head, root: Buffer.from(root) })
        .onConflictDoNothing();
      const [row] = await tx.db.select().from(checkpointTable).where(eq(checkpointTable.size, size));
      return row;
    });
    if (stored === undefined || Buffer.compare(stored.root, root) !== 0)
      throw new GatewayError('log_fork', `another root was signed for the first ${size} entries`);
    onHead(stored);
    return stored;
  }

  /** One at a time in this process. */
  function signNext(): Promise<SignedHead | undefined> {
    const next = publishing.then(publishNow, publishNow);
    publishing = next.catch(() => undefined);
    return next;
  }

  async function signOrWait(): Promise<SignedHead | undefined> {
    const untilMs = performance.now() + patienceMs;
    let wanted: number | undefined;
    for (;;) {
      // Asked each time: the one that led may have died, and the place be ours.
      const signed = await leadership.asLeader(signNext);
      if (signed !== undefined) return signed.value;
      if (wanted === undefined) {
        await log.refresh();
        wanted = log.durableSize();
      }
      const head = await latest();
      if ((head?.size ?? 0) >= wanted) {
        await catchUp(head);
        return head;
      }
      if (performance.now() > untilMs)
        throw new GatewayError('store_unavailable', 'this is not signed yet; ask again in a few seconds');
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  }

  /** A map only grows: one that was taken to this head answers for it until the next. */
  async function catchUp(head: SignedHead | undefined): Promise<void> {
    if (head === undefined) return;
    if (log.durableSize() < head.size) await log.refresh();
    await log.tree();
    await log.map(head.size);
    onHead(head);
  }

  /** That the map of the leaves is the one that was signed: else proofs would be made from another. */
  async function checkMapHead(number: number): Promise<void> {
    const row = await store.read((reader) => findEntry(reader, number));
    if (row === undefined || !isMapHead(row.leaf)) return;
    const map = await log.map(number);
    if (Buffer.compare(map.root(), decodeMapHead(row.leaf).root) !== 0)
      throw new GatewayError(
        'log_fork',
        `the map of the first ${number} entries is not the one that was signed`,
      );
    await log.map(number + 1);
  }

  /** Makes the last leaf a map head; returns the size of the log with it. */
  async function mapHeadOver(held: number): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      await log.map(held);
      try {
        const add = async (tx: Tx): Promise<number> => {
          const [last] = await tx.run(lastKind);
          // A crash between map head and signature leaves one that waits to be signed.
          if (last?.kind === mapHeadKind) return last.number + 1;
          return (await log.appendMapHead(tx, clock.nowMs())).number + 1;
        };
        // Nobody's failure may undo it.
        return await store.write(add, { alone: true });
      } catch (error) {
        // Leaves of this transaction may be in the map and not in the log.
        log.forgetMap();
        if (attempt === mapHeadAttempts) throw error;
      }
    }
  }

  return {
    latest,
    publish: signOrWait,
    follow: async () => catchUp(await latest()),
    async check() {
      const last = await latest();
      if (last === undefined) return;
      // Beside a running gateway: it may have appended and signed since this log was opened.
      if (log.durableSize() < last.size) await log.refresh();
      if (log.durableSize() < last.size) {
        throw new GatewayError(
          'log_fork',
          `the log holds ${log.durableSize()} entries, but a head of ${last.size} was signed`,
          { details: { contradicts: 'checkpoint', held: log.durableSize(), known: last.size } },
        );
      }
      const tree = await log.tree();
      if (Buffer.compare(tree.root(last.size), last.root) !== 0) {
        throw new GatewayError(
          'log_fork',
          `the first ${last.size} entries do not have the root that was signed`,
          { details: { contradicts: 'checkpoint', held: log.durableSize(), known: last.size } },
        );
      }
      await checkMapHead(last.size - 1);
      onHead(last);
    },
  };
}
