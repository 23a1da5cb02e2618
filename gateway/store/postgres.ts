// The same store on PostgreSQL: one writer a process with group commit, and a few connections that only read.
//
// Durability: COMMIT with `synchronous_commit=on` returns once the commit is on the server's disk, and a row becomes
// visible no sooner. Order: each batch first takes a lock that all processes share, so audited work is serial over
// all of them, and READ COMMITTED reads everything that earlier holders of the lock committed.
import { GatewayError } from '../errors.ts';
import { cleanDatabase } from './postgres-clean.ts';
import {
  connect,
  PostgresError,
  toldAs,
  usualPatience,
  type Connection,
  type Patience,
} from './postgres-connection.ts';
import { takeWriterLock } from './postgres-locks.ts';
import { openPool } from './postgres-pool.ts';
import type { Store, StoreFigures, Tx } from './store.ts';

export interface PostgresOptions {
  /** How many works one transaction holds at most. */
  readonly batchSize?: number;
  /** How many works may wait before new ones are refused. */
  readonly queueLimit?: number;
  /** How many reads run at once at most. */
  readonly readers?: number;
  readonly patience?: Partial<Patience>;
}

interface Waiting {
  readonly work: (tx: Tx) => Promise<unknown>;
  readonly sinceMs: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (cause: unknown) => void;
}

type Outcome = { ok: true; value: unknown; afterDurable: (() => void)[] } | { ok: false; cause: unknown };

/**
 * `entangled`: nothing was committed, as a work failed that had changed something; only savepoints can part them.
 * `undone`: certainly nothing was committed. `unknown`: the answer to COMMIT is missing.
 */
type BatchEnd =
  | { readonly kind: 'committed'; readonly outcomes: Outcome[] }
  | { readonly kind: 'entangled' }
  | { readonly kind: 'undone' | 'unknown'; readonly cause: unknown };

const attempts = 3;
const entangled = Symbol('entangled');

/**
 * Opens a database whose tables `migratePostgres` made.
 *
 * A batch is run again, from the start of each work, when the server undid it or was lost before COMMIT was sent; so
 * a work changes what lies outside the database in `afterDurable` only. When the connection is lost during COMMIT,
 * callers hear `store_unavailable` although the batch may have been committed: nothing acknowledged is ever lost,
 * and what was not acknowledged may be there.
 */
export function openPostgres(url: string, options: PostgresOptions = {}): Store {
  const patience: Patience = { ...usualPatience, ...options.patience };
  const pool = openPool(() => connect(url, 'read', patience), options.readers ?? 8, patience.connectMs);
  const batchSize = options.batchSize ?? 32;
  const queueLimit = options.queueLimit ?? 10_000;
  const queue: Waiting[] = [];
  const counted = { batches: 0, works: 0, largestBatch: 0, waitedMs: 0 };
  let writer: Connection | undefined;
  let running = false;
  let closed = false;
  /** Batches and the rewriting of tables take turns. */
  let turn: Promise<unknown> = Promise.resolve();
  let cleaning: Promise<void> = Promise.resolve();
  let nextCleaning: Promise<void> | undefined;

  function run(): void {
    if (running) return;
    running = true;
    // Everything that arrives in this turn of the event loop joins the batch.
    setImmediate(() => void runBatches());
  }

  async function runBatches(): Promise<void> {
    while (queue.length > 0) await inTurn(() => finish(queue.splice(0, batchSize)));
    running = false;
  }

  function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = turn.then(work);
    turn = done.catch(() => undefined);
    return done;
  }

  async function connected(): Promise<Connection> {
    if (writer === undefined || writer.isLost()) writer = await connect(url, 'write', patience);
    writer.clearFailure();
    return writer;
  }

  /** Whoever is left waiting behind a database that is away would only wait as long again. */
  async function connectedOrRefuse(batch: Pick<Waiting, 'reject'>[]): Promise<Connection | undefined> {
    try {
      return await connected();
    } catch (cause) {
      for (const { reject } of [...batch, ...queue.splice(0)]) reject(unavailable(cause));
      return undefined;
    }
  }

  async function finish(batch: Waiting[]): Promise<void> {
    const begin = batchBegun(batch);
    let isApart = false;
    for (let attempt = 1; ; attempt++) {
      const connection = await connectedOrRefuse(batch);
      if (connection === undefined) return;
      const end = await execute(connection, batch, isApart ? executeApart : executeTogether, begin);
      if (end.kind === 'committed') return release(batch, end.outcomes);
      if (end.kind === 'entangled') {
        isApart = true;
        attempt -= 1;
        continue;
      }
      if (end.kind === 'undone' && mayRetry(end.cause) && attempt < attempts) continue;
      for (const { reject } of batch) reject(unavailable(end.cause));
      return;
    }
  }

  /** Counts once how long these works waited for their turn. */
  function batchBegun(batch: Waiting[]): () => void {
    let isCounted = false;
    return () => {
      if (isCounted) return;
      isCounted = true;
      const nowMs = performance.now();
      for (const { sinceMs } of batch) counted.waitedMs += nowMs - sinceMs;
    };
  }

  /** One transaction. */
  async function execute(
    connection: Connection,
    batch: Waiting[],
    executeOne: typeof executeApart,
    begun: () => void,
  ): Promise<BatchEnd> {
    const outcomes: Outcome[] = [];
    const refusedBefore = connection.counted.refused;
    try {
      await connection.exec(`BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; ${takeWriterLock}`);
      begun();
      for (const { work } of batch) {
        outcomes.push(await executeOne(connection, work));
        const failure = connection.failure();
        if (failure !== undefined) throw failure;
      }
    } catch (cause) {
      await connection.exec('ROLLBACK').catch(() => connection.close());
      return cause === entangled ? { kind: 'entangled' } : { kind: 'undone', cause };
    }
    // A standby that was waited for in vain, and given up, is told as a warning on a COMMIT that worked.
    let warning: string | undefined;
    const stop = connection.onWarning((message) => (warning = message));
    try {
      const tags = await connection.exec('COMMIT');
      if (tags.at(-1) !== 'COMMIT') {
        const isOurs = connection.counted.refused > refusedBefore && connection.failure() === undefined;
        if (isOurs && executeOne === executeTogether) return { kind: 'entangled' };
        throw new PostgresError('busy', 'nothing was committed', undefined, true);
      }
      if (warning !== undefined)
        throw new PostgresError('busy', 'the commit is not safe yet', undefined, false);
      return { kind: 'committed', outcomes };
    } catch (cause) {
      const isUndone = cause instanceof PostgresError && cause.isAnswer;
      if (!isUndone) await connection.close();
      return { kind: isUndone ? 'undone' : 'unknown', cause };
    } finally {
      stop();
    }
  }

  /** No answer is waited for but those the work asks for. Right as long as no work fails after it changed something. */
  async function executeTogether(connection: Connection, work: Waiting['work']): Promise<Outcome> {
    const before = { ...connection.counted };
    const { tx, afterDurable } = txOn(connection);
    try {
      const value = await work(tx);
      if (connection.counted.refused > before.refused) throw entangled;
      return { ok: true, value, afterDurable };
    } catch (cause) {
      const { changing, refused } = connection.counted;
      if (connection.failure() === undefined && (changing > before.changing || refused > before.refused))
        throw entangled;
      return { ok: false, cause };
    }
  }

  /** With a savepoint, so that its failure undoes this work alone. */
  async function executeApart(connection: Connection, work: Waiting['work']): Promise<Outcome> {
    const { tx, afterDurable, sent } = txOn(connection);
    await connection.exec('SAVEPOINT work');
    try {
      const value = await work(tx);
      await Promise.all(sent);
      // Fails where the work passed over a statement that had failed: its transaction takes no more then.
      await connection.exec('RELEASE SAVEPOINT work');
      return { ok: true, value, afterDurable };
    } catch (cause) {
      if (connection.failure() === undefined) await connection.exec('ROLLBACK TO SAVEPOINT work');
      return { ok: false, cause };
    }
  }

  function txOn(connection: Connection): { tx: Tx; afterDurable: (() => void)[]; sent: Promise<unknown>[] } {
    const afterDurable: (() => void)[] = [];
    const sent: Promise<unknown>[] = [];
    const tx: Tx = {
      db: connection.db,
      run: (query, parameters) => connection.run(query, parameters),
      send(query, parameters) {
        const answer = connection.run(query, parameters);
        answer.catch(() => undefined);
        sent.push(answer);
      },
      afterDurable: (action) => void afterDurable.push(action),
    };
    return { tx, afterDurable, sent };
  }

  function release(batch: Waiting[], outcomes: Outcome[]): void {
    counted.batches += 1;
    counted.works += batch.length;
    counted.largestBatch = Math.max(counted.largestBatch, batch.length);
    for (const outcome of outcomes) if (outcome.ok) for (const action of outcome.afterDurable) action();
    outcomes.forEach((outcome, index) => {
      if (outcome.ok) batch[index]?.resolve(outcome.value);
      else batch[index]?.reject(outcome.cause);
    });
  }

  async function clean(): Promise<void> {
    try {
      await cleanDatabase({ open: () => connect(url, 'write', patience), inTurn, patience });
    } catch (cause) {
      throw unavailable(cause);
    }
  }

  return {
    write<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result> {
      if (closed) return Promise.reject(new GatewayError('store_unavailable', 'the store is closed'));
      if (queue.length >= queueLimit)
        return Promise.reject(new GatewayError('store_unavailable', 'too many writes wait'));
      return new Promise<Result>((resolve, reject) => {
        queue.push({
          work,
          sinceMs: performance.now(),
          resolve: resolve as (value: unknown) => void,
          reject,
        });
        run();
      });
    },
    async read(work) {
      if (closed) throw new GatewayError('store_unavailable', 'the store is closed');
      try {
        return await pool.use(work);
      } catch (cause) {
        throw toldAs(cause);
      }
    },
    clean(): Promise<void> {
      if (closed) return Promise.reject(new GatewayError('store_unavailable', 'the store is closed'));
      // One for all who ask before it begins.
      nextCleaning ??= cleaning
        .catch(() => undefined)
        .then(() => {
          nextCleaning = undefined;
          cleaning = clean();
          return cleaning;
        });
      return nextCleaning;
    },
    figures: (): StoreFigures => ({ ...counted, waiting: queue.length }),
    async close() {
      closed = true;
      await nextCleaning?.catch(() => undefined);
      while (running) await new Promise((resolve) => setTimeout(resolve, 1));
      await cleaning.catch(() => undefined);
      await writer?.close();
      await pool.close();
    },
  };
}

function mayRetry(cause: unknown): boolean {
  return cause instanceof PostgresError && (cause.kind === 'lost' || cause.kind === 'conflict');
}

function unavailable(cause: unknown): GatewayError {
  if (cause instanceof GatewayError) return cause;
  return new GatewayError('store_unavailable', cause instanceof PostgresError ? cause.message : undefined, {
    cause,
  });
}
