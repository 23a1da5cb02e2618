// The rows of anchors: what was signed, sent and mined. States change, rows never go away.
import { and, asc, desc, eq, gt, inArray, isNotNull, isNull, ne } from 'drizzle-orm';
import type { AnchorReceipt, SignedTransaction } from '../chain/chain.ts';
import { GatewayError } from '../errors.ts';
import type { Store, Tx } from '../store/store.ts';
import { anchor as anchorTable } from '../store/tables.ts';
import type { Clock } from '../system.ts';
import type { AnchorRow } from './proof.ts';

/**
 * `signed`: stored, perhaps sent. `broadcast`: the chain took it. `mined`: in a block that may still go.
 * `final`: in a block that stays. `failed`: reverted, or another transaction has its nonce. `lost`: its chain
 * was replaced by another, or the log goes on under another name.
 */
export type AnchorState = 'signed' | 'broadcast' | 'mined' | 'final' | 'failed' | 'lost';

/** The chain that earlier anchors were on is not the one that answers now. */
export interface ChainLoss {
  /** Epochs (`epochOf`) that ended. */
  readonly epochs: readonly string[];
  readonly newEpoch: string;
  /** How many anchors nobody can look up any more. */
  readonly anchors: number;
}

// An older row than these has stood under a hundred newer ones; it is looked at when they are settled.
const rowLimit = 100;

const alive: readonly AnchorState[] = ['signed', 'broadcast', 'mined', 'final'];
const unmined = { sequence: null, blockNumber: null, blockHash: null, gasUsed: null, costWei: null };

export interface Outbox {
  /** Rows in these states, at most 100. */
  find(epoch: string, states: readonly AnchorState[], order: 'oldest' | 'newest'): Promise<AnchorRow[]>;
  /**
   * Durable when it returns: only then may the transaction leave. Where another process has stored one with this nonce
   * meanwhile, that one is returned and this one is not stored.
   * @param replaced the newest one with this nonce that the caller knows of
   */
  store(
    order: Pick<AnchorRow, 'epoch' | 'size' | 'root' | 'checkpointHash'> & { signed: SignedTransaction },
    replaced?: AnchorRow,
  ): Promise<AnchorRow>;
  setState(row: AnchorRow, state: AnchorState): Promise<AnchorRow>;
  /** Writes down what the chain says of a transaction; undefined (unknown there) changes nothing. */
  settle(row: AnchorRow, receipt: AnchorReceipt | undefined): Promise<AnchorRow>;
  /** Whether a transaction of the outbox with this row's nonce is in a block, reverted or not. */
  isMinedAtNonce(row: AnchorRow): Promise<boolean>;
  /** Gives up all that wait with this row's nonce; `record` runs in the same transaction. */
  failAtNonce(row: AnchorRow, record: (tx: Tx) => Promise<unknown>): Promise<AnchorRow>;
  /** An anchor whose block is gone waits again, and with it those it had displaced. */
  unmine(row: AnchorRow, record: (tx: Tx) => Promise<unknown>): Promise<void>;
  /** Ends all other epochs; `record` runs in the same transaction, so that a loss is never forgotten. */
  enterEpoch(
    epoch: string,
    record: (tx: Tx, loss: ChainLoss) => Promise<unknown>,
  ): Promise<ChainLoss | undefined>;
}

export function openOutbox(store: Store, clock: Clock): Outbox {
  const change = (row: AnchorRow, values: Partial<AnchorRow>): Promise<AnchorRow> =>
    store.write(async (tx) => {
      const [changed] = await tx.db
        .update(anchorTable)
        .set({ ...values, changedMs: clock.nowMs() })
        .where(eq(anchorTable.id, row.id))
        .returning();
      if (changed === undefined) throw new GatewayError('internal', 'a stored anchor is gone');
      return changed;
    });

  return {
    find: (epoch, states, order) =>
      store.read(async (reader) =>
        reader.db
          .select()
          .from(anchorTable)
          .where(and(eq(anchorTable.epoch, epoch), inArray(anchorTable.state, [...states])))
          .orderBy(order === 'oldest' ? asc(anchorTable.id) : desc(anchorTable.id))
          .limit(rowLimit),
      ),

    store: ({ signed, ...head }, replaced) =>
      store.write(async (tx) => {
        const unknown = and(
          eq(anchorTable.epoch, head.epoch),
          eq(anchorTable.nonce, signed.nonce),
          inArray(anchorTable.state, ['signed', 'broadcast']),
          gt(anchorTable.id, replaced?.id ?? 0),
        );
        const [other] = await tx.db
          .select()
          .from(anchorTable)
          .where(unknown)
          .orderBy(desc(anchorTable.id))
          .limit(1);
        if (other !== undefined) return other;
        const nowMs = clock.nowMs();
        const [row] = await tx.db
          .insert(anchorTable)
          .values({
            ...head,
            nonce: signed.nonce,
            raw: signed.rawTransaction,
            transactionHash: signed.hash,
            state: 'signed',
            createdMs: nowMs,
            changedMs: nowMs,
          })
          .returning();
        if (row === undefined) throw new GatewayError('internal', 'an anchor was not stored');
        return row;
      }),

    setState: async (row, state) => (row.state === state ? row : change(row, { state })),

    async settle(row, receipt) {
      if (receipt === undefined) return row;
      if (receipt.state === 'pending') return this.setState(row, 'broadcast');
      return change(row, {
        state: receipt.state === 'mined' ? 'mined' : 'failed',
        sequence: receipt.seq ?? null,
        blockNumber: receipt.blockNumber,
        blockHash: receipt.blockHash,
        gasUsed: receipt.gasUsed,
        costWei: receipt.costWei.toString(),
      });
    },

    isMinedAtNonce: async (row) => {
      const atNonce = and(
        eq(anchorTable.epoch, row.epoch),
        eq(anchorTable.nonce, row.nonce),
        isNotNull(anchorTable.blockHash),
      );
      const found = await store.read(async (reader) =>
        reader.db.select({ id: anchorTable.id }).from(anchorTable).where(atNonce).limit(1),
      );
      return found.length > 0;
    },

    failAtNonce: (row, record) =>
      store.write(async (tx) => {
        const waiting = and(
          eq(anchorTable.epoch, row.epoch),
          eq(anchorTable.nonce, row.nonce),
          inArray(anchorTable.state, ['signed', 'broadcast']),
        );
        await tx.db.update(anchorTable).set({ state: 'failed', changedMs: clock.nowMs() }).where(waiting);
        await record(tx);
        return { ...row, state: 'failed' };
      }),

    unmine: (row, record) =>
      store.write(async (tx) => {
        const waits = { state: 'broadcast', ...unmined, changedMs: clock.nowMs() };
        await tx.db.update(anchorTable).set(waits).where(eq(anchorTable.id, row.id));
        const displaced = and(
          eq(anchorTable.epoch, row.epoch),
          eq(anchorTable.nonce, row.nonce),
          eq(anchorTable.state, 'failed'),
          isNull(anchorTable.blockHash),
        );
        await tx.db.update(anchorTable).set(waits).where(displaced);
        await record(tx);
      }),

    async enterEpoch(epoch, record) {
      const elsewhere = and(ne(anchorTable.epoch, epoch), inArray(anchorTable.state, [...alive]));
      const found = await store.read(async (reader) =>
        reader.db.select({ id: anchorTable.id }).from(anchorTable).where(elsewhere).limit(1),
      );
      if (found.length === 0) return undefined;
      return store.write(async (tx) => {
        const gone = await tx.db
          .update(anchorTable)
          .set({ state: 'lost', changedMs: clock.nowMs() })
          .where(elsewhere)
          .returning({ epoch: anchorTable.epoch });
        const epochs = [...new Set(gone.map((row) => row.epoch))];
        const loss = { epochs, newEpoch: epoch, anchors: gone.length };
        await record(tx, loss);
        return loss;
      });
    },
  };
}
