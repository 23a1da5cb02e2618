// The embedded store: one SQLite file, one writer with group commit, one read-only connection beside it.
//
// Durability (checked in SQLite's source, see DESIGN section 4): `synchronous=NORMAL`, then fdatasync of the -wal
// file started after COMMIT, is as durable as FULL and overlaps with the next batch.
// Nothing in the process except SQLite may open the database or its -shm file: POSIX locks are lost on close.
import Sqlite from 'better-sqlite3';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { GatewayError } from '../errors.ts';
import type { Database, Query, Reader, Store, StoreFigures, Tx } from './store.ts';
import { openWalSync, type WalSync } from './wal-sync.ts';

export interface SqliteOptions {
  /** Called when durability can no longer be promised; must end the process. */
  readonly onFatal: (cause: unknown) => void;
  /** Replaces the sync thread; for fault injection. */
  readonly openSync?: (walPath: string) => WalSync;
  /** How many works one transaction holds at most. */
  readonly batchSize?: number;
  /** How many works may wait before new ones are refused. */
  readonly queueLimit?: number;
}

interface Waiting {
  readonly work: (tx: Tx) => Promise<unknown>;
  readonly sinceMs: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (cause: unknown) => void;
}

type Outcome = { ok: true; value: unknown; afterDurable: (() => void)[] } | { ok: false; cause: unknown };

const busyTimeoutMs = 5000;

/** Opens (and creates) a database file. Tables are made by `migrate`. */
export function openSqlite(path: string, options: SqliteOptions): Store & { readonly raw: Sqlite.Database } {
  const raw = new Sqlite(path);
  raw.pragma('journal_mode = WAL');
  raw.pragma('synchronous = NORMAL');
  raw.pragma('secure_delete = ON');
  raw.pragma('foreign_keys = ON');
  raw.pragma(`busy_timeout = ${busyTimeoutMs}`);
  // The write-ahead log must exist before the sync thread opens it.
  raw.exec(
    'CREATE TABLE IF NOT EXISTS opened (at INTEGER); DELETE FROM opened; INSERT INTO opened VALUES (1)',
  );
  const walSync = (options.openSync ?? openWalSync)(`${path}-wal`);
  const writer = connect(raw);

  const readOnly = new Sqlite(path, { readonly: true });
  readOnly.pragma('busy_timeout = 5000');
  const { db: readDb, run: readNow } = connect(readOnly);
  const reader: Reader = { db: readDb, run: async (query, parameters) => readNow(query, parameters) };

  const { db, run: execute } = writer;
  const txWith = (afterDurable: (() => void)[]): Tx => ({
    db,
    run: async (query, parameters) => execute(query, parameters),
    send: (query, parameters) => void execute(query, parameters),
    afterDurable: (action) => void afterDurable.push(action),
  });

  // Prepared once: parsing them anew costs more than running them.
  const [begin, commit] = [raw.prepare('BEGIN IMMEDIATE'), raw.prepare('COMMIT')];
  const [savepoint, releaseSavepoint] = [raw.prepare('SAVEPOINT work'), raw.prepare('RELEASE work')];
  // 16 and 32 measured alike; more only makes the slowest wait longer.
  const batchSize = options.batchSize ?? 32;
  const queueLimit = options.queueLimit ?? 10_000;
  const queue: Waiting[] = [];
  const cleaners: Pick<Waiting, 'resolve' | 'reject'>[] = [];
  const counted = { batches: 0, works: 0, largestBatch: 0, waitedMs: 0 };
  let running = false;
  let closed = false;
  /** Set by the first failed sync; what was executed behind it is never synced again. */
  let fatal: { readonly cause: unknown } | undefined;
  let syncing: Promise<void> = Promise.resolve();

  function run(): void {
    if (running) return;
    running = true;
    // Everything that arrives in this turn of the event loop joins the batch.
    setImmediate(() => void runBatches());
  }

  async function runBatches(): Promise<void> {
    while (queue.length > 0 || cleaners.length > 0) {
      if (cleaners.length > 0) {
        await syncing;
        cleanFiles(cleaners.splice(0));
      }
      const batch = queue.splice(0, batchSize);
      if (batch.length === 0) continue;
      const outcomes = await executeBatch(batch);
      if (outcomes === undefined) continue;
      // One batch executes while the one before it syncs, never more: `release` waits for its predecessor.
      await syncing;
      syncing = release(batch, outcomes);
    }
    running = false;
  }

  /** One transaction, a savepoint for each work. Undefined: the whole batch failed, and everybody was told. */
  async function executeBatch(batch: Waiting[]): Promise<Outcome[] | undefined> {
    const outcomes: Outcome[] = [];
    const begunMs = performance.now();
    for (const { sinceMs } of batch) counted.waitedMs += begunMs - sinceMs;
    try {
      begin.run();
      for (const { work } of batch) {
        savepoint.run();
        const afterDurable: (() => void)[] = [];
        try {
          const value = await work(txWith(afterDurable));
          releaseSavepoint.run();
          outcomes.push({ ok: true, value, afterDurable });
        } catch (cause) {
          // A full disk or an I/O error makes SQLite roll back everything: then the batch has failed, not one work.
          if (!raw.inTransaction) throw cause;
          raw.exec('ROLLBACK TO work; RELEASE work');
          outcomes.push({ ok: false, cause });
        }
      }
      commit.run();
    } catch (cause) {
      if (raw.inTransaction) raw.exec('ROLLBACK');
      for (const { reject } of batch) reject(new GatewayError('store_unavailable', undefined, { cause }));
      return undefined;
    }
    counted.batches += 1;
    counted.works += batch.length;
    counted.largestBatch = Math.max(counted.largestBatch, batch.length);
    return outcomes;
  }

  /** `secure_delete` zeroes rows, but pages that were balanced keep old bytes in their gaps: only a rewrite is sure. */
  function cleanFiles(asked: Pick<Waiting, 'resolve' | 'reject'>[]): void {
    try {
      if (fatal !== undefined) throw fatal.cause;
      // Everybody waits meanwhile: rather try again later than wait long for a reader elsewhere.
      raw.pragma('busy_timeout = 250');
      raw.exec('VACUUM');
      const [state] = raw.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[];
      if (state?.busy !== 0)
        throw new GatewayError(
          'store_unavailable',
          'another connection keeps the old pages from being cleaned',
        );
      for (const { resolve } of asked) resolve(undefined);
    } catch (cause) {
      const { code } = cause as { code?: string };
      // The checkpoint syncs: after a failure nobody knows what the kernel dropped, as with a failed fdatasync.
      if (code?.startsWith('SQLITE_IOERR') === true && fatal === undefined) {
        closed = true;
        fatal = { cause };
        options.onFatal(cause);
      }
      const error =
        cause instanceof GatewayError ? cause : new GatewayError('store_unavailable', undefined, { cause });
      for (const { reject } of asked) reject(error);
    } finally {
      raw.pragma(`busy_timeout = ${busyTimeoutMs}`);
    }
  }

  async function release(batch: Waiting[], outcomes: Outcome[]): Promise<void> {
    try {
      if (fatal !== undefined) throw fatal.cause;
      await walSync.sync();
    } catch (cause) {
      // After a failed fdatasync the kernel may have dropped the pages: a retry could lie (fsyncgate, 2018).
      closed = true;
      if (fatal === undefined) {
        fatal = { cause };
        options.onFatal(cause);
      }
      for (const { reject } of batch) reject(new GatewayError('store_unavailable', undefined, { cause }));
      return;
    }
    outcomes.forEach((outcome, index) => {
      if (!outcome.ok) return batch[index]?.reject(outcome.cause);
      for (const action of outcome.afterDurable) action();
      batch[index]?.resolve(outcome.value);
    });
  }

  return {
    raw,
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
    clean(): Promise<void> {
      if (closed) return Promise.reject(new GatewayError('store_unavailable', 'the store is closed'));
      return new Promise<void>((resolve, reject) => {
        cleaners.push({ resolve: resolve as (value: unknown) => void, reject });
        run();
      });
    },
    read: (work) => work(reader),
    figures: (): StoreFigures => ({ ...counted, waiting: queue.length }),
    async close() {
      closed = true;
      while (running) await new Promise((resolve) => setImmediate(resolve));
      await syncing;
      await walSync.close();
      readOnly.close();
      raw.close();
    },
  };
}

/** A connection with its prepared queries. */
function connect(raw: Sqlite.Database): {
  readonly db: Database;
  run<Result>(query: Query<Result>, parameters?: Record<string, unknown>): Result;
} {
  const db: Database = drizzle(raw);
  const prepared = new Map<
    Query<unknown>,
    { execute(parameters?: Record<string, unknown>): { sync(): unknown } }
  >();
  return {
    db,
    run<Result>(query: Query<Result>, parameters?: Record<string, unknown>): Result {
      let ready = prepared.get(query);
      if (ready === undefined) {
        ready = (query.build(db) as unknown as { prepare(): typeof ready & object }).prepare();
        prepared.set(query, ready);
      }
      return ready.execute(parameters).sync() as Result;
    },
  };
}
