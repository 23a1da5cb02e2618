// Works that wait for the writer: accepted in order, run in batches, answered once they are durable. Both stores use it.
import { GatewayError } from '../errors.ts';
import type { Store, StoreFigures, Tx, WriteOptions } from './store.ts';

export interface QueueOptions {
  /** How many works one transaction holds at most. 16 and 32 measured alike; more only makes the slowest wait longer. */
  readonly batchSize?: number;
  /** How many works may wait before new ones are refused. */
  readonly queueLimit?: number;
}

export interface Waiting {
  readonly work: (tx: Tx) => Promise<unknown>;
  readonly options: WriteOptions;
  readonly sinceMs: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (cause: unknown) => void;
}

/** What one work of a batch came to. */
export type Outcome =
  | { readonly ok: true; readonly value: unknown; readonly afterDurable: readonly (() => void)[] }
  | { readonly ok: false; readonly cause: unknown };

export interface WorkQueue extends Pick<Store, 'write' | 'figures'> {
  /** Runs between two batches, and one at a time. */
  inTurn<Result>(work: () => Promise<Result>): Promise<Result>;
  /** These begin now. */
  begun(batch: readonly Waiting[]): void;
  /** These are durable. */
  release(batch: readonly Waiting[], outcomes: readonly Outcome[]): void;
  /** Refuses these. */
  refuse(batch: readonly Waiting[], cause: unknown): void;
  /** Refuses all that wait. */
  refuseWaiting(cause: unknown): void;
  isClosed(): boolean;
  /** Takes no more; what waits is still run. */
  close(): void;
  /** When nothing waits or runs. */
  idle(): Promise<void>;
}

/** @param runBatch answers all works of the batch; when it resolves, the next batch may begin. Never rejects */
export function openQueue(options: QueueOptions, runBatch: (batch: Waiting[]) => Promise<void>): WorkQueue {
  const batchSize = options.batchSize ?? 32;
  const queueLimit = options.queueLimit ?? 10_000;
  const queue: Waiting[] = [];
  const counted = { batches: 0, works: 0, largestBatch: 0, waitedMs: 0 };
  let turn: Promise<unknown> = Promise.resolve();
  let running: Promise<void> | undefined;
  let closed = false;

  function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = turn.then(work);
    turn = done.catch(() => undefined);
    return done;
  }

  function nextBatch(): Waiting[] {
    if (queue[0]?.options.alone === true) return queue.splice(0, 1);
    const next = queue.findIndex(({ options: { alone } }, place) => alone === true || place === batchSize);
    return queue.splice(0, next === -1 ? batchSize : next);
  }

  async function runAll(): Promise<void> {
    // Everything that arrives in this turn of the event loop joins the batch.
    await new Promise((resolve) => setImmediate(resolve));
    while (queue.length > 0) await inTurn(() => runBatch(nextBatch()));
    running = undefined;
  }

  return {
    inTurn,
    write<Result>(work: (tx: Tx) => Promise<Result>, how: WriteOptions = {}): Promise<Result> {
      if (closed) return Promise.reject(new GatewayError('store_unavailable', 'the store is closed'));
      if (queue.length >= queueLimit)
        return Promise.reject(new GatewayError('store_unavailable', 'too many writes wait'));
      return new Promise<Result>((resolve, reject) => {
        queue.push({
          work,
          options: how,
          sinceMs: performance.now(),
          resolve: resolve as (value: unknown) => void,
          reject,
        });
        running ??= runAll();
      });
    },
    begun(batch) {
      const nowMs = performance.now();
      for (const { sinceMs } of batch) counted.waitedMs += nowMs - sinceMs;
    },
    release(batch, outcomes) {
      counted.batches += 1;
      counted.works += batch.length;
      counted.largestBatch = Math.max(counted.largestBatch, batch.length);
      outcomes.forEach((outcome, index) => {
        if (!outcome.ok) return batch[index]?.reject(outcome.cause);
        for (const action of outcome.afterDurable) action();
        batch[index]?.resolve(outcome.value);
      });
    },
    refuse(batch, cause) {
      for (const { reject } of batch) reject(cause);
    },
    refuseWaiting(cause) {
      for (const { reject } of queue.splice(0)) reject(cause);
    },
    figures: (): StoreFigures => ({ ...counted, waiting: queue.length }),
    isClosed: () => closed,
    close() {
      closed = true;
    },
    async idle() {
      while (running !== undefined) await running;
      await turn;
    },
  };
}

/** Callers that ask before a cleaning begins share it; those who ask while it runs wait for the next. */
export function openCleaning(
  queue: Pick<WorkQueue, 'isClosed'>,
  cleanOnce: () => Promise<void>,
): Pick<Store, 'clean'> & { idle(): Promise<void> } {
  let current: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  return {
    clean() {
      if (queue.isClosed())
        return Promise.reject(new GatewayError('store_unavailable', 'the store is closed'));
      next ??= current
        .catch(() => undefined)
        .then(() => {
          next = undefined;
          current = cleanOnce();
          return current;
        });
      return next;
    },
    async idle() {
      await next?.catch(() => undefined);
      await current.catch(() => undefined);
    },
  };
}

/** For a work that goes on after its promise settled: another one's transaction may be open by then. */
export const transactionOver = (): GatewayError =>
  new GatewayError('internal', 'the transaction of this work is over');
