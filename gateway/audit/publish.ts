// Signs heads of the log: a checkpoint a second at most, only over durable entries, never two roots for one size.
import { createPrivateKey, createPublicKey, sign as signBytes, type KeyObject } from 'node:crypto';
import { desc } from 'drizzle-orm';
import { GatewayError } from '../errors.ts';
import { query, type Store } from '../store/store.ts';
import { checkpoint as checkpointTable } from '../store/tables.ts';
import type { Clock } from '../system.ts';
import type { Log } from './log.ts';
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
  /** Signs the newest durable head unless that was done; returns the newest checkpoint, undefined for an empty log. */
  publish(): Promise<SignedHead | undefined>;
  latest(): Promise<SignedHead | undefined>;
  /**
   * Compares the log with the newest checkpoint, for start-up.
   * @throws GatewayError `log_fork` when entries are missing or differ from what was signed
   */
  check(): Promise<void>;
}

const newest = query((db) => db.select().from(checkpointTable).orderBy(desc(checkpointTable.size)).limit(1));

export function createPublisher(parts: { store: Store; log: Log; signer: Signer; clock: Clock }): Publisher {
  const { store, log, signer, clock } = parts;
  let publishing: Promise<unknown> = Promise.resolve();

  const latest = async (): Promise<SignedHead | undefined> =>
    (await store.read((reader) => reader.run(newest)))[0];

  async function publishNow(): Promise<SignedHead | undefined> {
    await log.refresh();
    const last = await latest();
    const size = log.durableSize();
    if (size === 0 || size === last?.size) return last;
    if (last !== undefined && size < last.size)
      throw new GatewayError('log_fork', 'the log is shorter than what was signed');
    const tree = await log.tree();
    const root = tree.root(size);
    const note = await signNote(formatCheckpoint({ origin: signer.name, size, root }), signer);
    const head: SignedHead = { size, root, note, signedMs: clock.nowMs() };
    // The primary key makes a second root for the same size impossible, whoever tries.
    await store.write(async (tx) => {
      await tx.db.insert(checkpointTable).values({ ...head, root: Buffer.from(root) });
    });
    return head;
  }

  return {
    latest,
    publish() {
      const next = publishing.then(publishNow, publishNow);
      publishing = next.catch(() => undefined);
      return next;
    },
    async check() {
      const last = await latest();
      if (last === undefined) return;
      if (log.durableSize() < last.size) {
        throw new GatewayError(
          'log_fork',
          `the log holds ${log.durableSize()} entries, but a head of ${last.size} was signed`,
        );
      }
      const tree = await log.tree();
      if (Buffer.compare(tree.root(last.size), last.root) !== 0) {
        throw new GatewayError(
          'log_fork',
          `the first ${last.size} entries do not have the root that was signed`,
        );
      }
    },
  };
}
