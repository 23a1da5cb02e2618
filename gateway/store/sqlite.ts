// The embedded store: one SQLite file, one writer with group commit, one read-only connection beside it.
//
// Durability (checked in SQLite's source, see DESIGN section 4): `synchronous=NORMAL`, then fdatasync of the -wal
// file started after COMMIT, is as durable as FULL and overlaps with the next batch.
// Nothing in the process except SQLite may open the database or its -shm file: POSIX locks are lost on close.
import Sqlite from 'better-sqlite3';
import { drizzle } from 'drizzle-orm/better-sqlite3';
import { GatewayError } from '../errors.ts';
import type { Database, Query, Reader, Store, Tx } from './store.ts';
import { rewriteFile } from './rewrite.ts';
import { openWalSync, type WalSync } from './wal-sync.ts';
import {
  openCleaning,
  openQueue,
  transactionOver,
  type Outcome,
  type QueueOptions,
  type Waiting,
} from './work-queue.ts';

export interface SqliteOptions extends QueueOptions {
  /** Called when durability can no longer be promised; must end the process. */
  readonly onFatal: (cause: unknown) => void;
  /** Replaces the sync thread; for fault injection. */
  readonly openSync?: (walPath: string) => WalSync;
}

/** Opens (and creates) a database file. Tables are made by `migrate`. */
export function openSqlite(path: string, options: SqliteOptions): Store & { readonly raw: Sqlite.Database } {
  const raw = new Sqlite(path);
  raw.pragma('journal_mode = WAL');
  raw.pragma('synchronous = NORMAL');
  raw.pragma('secure_delete = ON');
  raw.pragma('foreign_keys = ON');
  raw.pragma('busy_timeout = 5000');
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
  function txWith(scope: object): { tx: Tx; afterDurable: (() => void)[]; end: () => void } {
    const afterDurable: (() => void)[] = [];
    let isOver = false;
    const whileOpen = <Value>(value: Value): Value => {
      if (isOver) throw transactionOver();
      return value;
    };
    const tx: Tx = {
      get db() {
        return whileOpen(db);
      },
      scope,
      run: async (query, parameters) => whileOpen(execute)(query, parameters),
      send: (query, parameters) => void whileOpen(execute)(query, parameters),
      afterDurable: (action) => void afterDurable.push(action),
    };
    return { tx, afterDurable, end: () => void (isOver = true) };
  }

  // Prepared once: parsing them anew costs more than running them.
  const [begin, commit] = [raw.prepare('BEGIN IMMEDIATE'), raw.prepare('COMMIT')];
  const [savepoint, releaseSavepoint] = [raw.prepare('SAVEPOINT work'), raw.prepare('RELEASE work')];
  const queue = openQueue(options, runBatch);
  const cleaning = openCleaning(queue, () =>
    queue.inTurn(async () => {
      await syncing;
      await cleanFiles();
    }),
  );
  /** Set by the first failed sync; what was executed behind it is never synced again. */
  let fatal: { readonly cause: unknown } | undefined;
  let syncing: Promise<void> = Promise.resolve();

  async function runBatch(batch: Waiting[]): Promise<void> {
    const outcomes = await executeBatch(batch);
    if (outcomes === undefined) return;
    // One batch executes while the one before it syncs, never more: `release` waits for its predecessor.
    await syncing;
    syncing = release(batch, outcomes);
  }

  /** One transaction, a savepoint for each work. Undefined: the whole batch failed, and everybody was told. */
  async function executeBatch(batch: Waiting[]): Promise<Outcome[] | undefined> {
    const outcomes: Outcome[] = [];
    let scope = {};
    queue.begun(batch);
    try {
      begin.run();
      for (const { work } of batch) {
        savepoint.run();
        const { tx, afterDurable, end } = txWith(scope);
        try {
          const value = await work(tx).finally(end);
          releaseSavepoint.run();
          outcomes.push({ ok: true, value, afterDurable });
        } catch (cause) {
          // A full disk or an I/O error makes SQLite roll back everything: then the batch has failed, not one work.
          if (!raw.inTransaction) throw cause;
          raw.exec('ROLLBACK TO work; RELEASE work');
          scope = {};
          outcomes.push({ ok: false, cause });
        }
      }
      commit.run();
    } catch (cause) {
      if (raw.inTransaction) raw.exec('ROLLBACK');
      queue.refuse(batch, new GatewayError('store_unavailable', undefined, { cause }));
      return undefined;
    }
    return outcomes;
  }

  async function cleanFiles(): Promise<void> {
    try {
      if (fatal !== undefined) throw fatal.cause;
      await rewriteFile(path);
    } catch (cause) {
      // The checkpoint syncs: after a failure nobody knows what the kernel dropped, as with a failed fdatasync.
      if ((cause as { code?: string }).code?.startsWith('SQLITE_IOERR') === true && fatal === undefined) {
        queue.close();
        fatal = { cause };
        options.onFatal(cause);
      }
      throw new GatewayError('store_unavailable', 'the files cannot be rewritten now', { cause });
    }
  }

  async function release(batch: Waiting[], outcomes: Outcome[]): Promise<void> {
    try {
      if (fatal !== undefined) throw fatal.cause;
      await walSync.sync();
    } catch (cause) {
      // After a failed fdatasync the kernel may have dropped the pages: a retry could lie (fsyncgate, 2018).
      queue.close();
      if (fatal === undefined) {
        fatal = { cause };
        options.onFatal(cause);
      }
      queue.refuse(batch, new GatewayError('store_unavailable', undefined, { cause }));
      return;
    }
    queue.release(batch, outcomes);
  }

  return {
    raw,
    write: queue.write,
    figures: queue.figures,
    clean: cleaning.clean,
    read: (work) => work(reader),
    async close() {
      queue.close();
      await cleaning.idle();
      await queue.idle();
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
