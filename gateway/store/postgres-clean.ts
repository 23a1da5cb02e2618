// Secure deletion on PostgreSQL: what a program can do from inside the database, and no more.
//
// VACUUM FULL writes each table, its indexes and its TOAST anew and gives the old files back; the planner's statistics,
// which hold samples of values, are made anew too. So the database's own files hold nothing that was deleted.
//
// Beyond reach, and the operator's to do: write-ahead segments (recycled by the server after checkpoints, not
// overwritten; `wal_recycle=off` deletes them), archived segments, standbys that lag, base backups and dumps, and
// blocks that the file system freed. Payloads of the log are safe there too, as the keys that open them are wrapped
// by a key that is in no database; integrated rows are not.
import { GatewayError } from '../errors.ts';
import { PostgresError, type Connection, type Patience } from './postgres-connection.ts';
import { takeWriterLock } from './postgres-locks.ts';

/** Longer than `deadlock_timeout`, after which the server ends an autovacuum that is in the way. */
const tableLockMs = 2000;

/** How a cleaning meets the rest of its process. */
export interface CleaningParts {
  readonly open: () => Promise<Connection>;
  /** Runs while this process writes nothing. */
  readonly inTurn: <Result>(work: () => Promise<Result>) => Promise<Result>;
  readonly patience: Patience;
}

/**
 * Rewrites table after table; everybody may write between two of them.
 * @throws GatewayError `store_unavailable` when something else in the server still needs what was deleted
 * @throws PostgresError when the database cannot be asked
 */
export async function cleanDatabase({ open, inTurn, patience }: CleaningParts): Promise<void> {
  const connections: Connection[] = [];
  try {
    const holder = await open();
    connections.push(holder);
    const rewriter = await open();
    connections.push(rewriter);
    const tables = await rewriter.rows<{ name: string }>(
      // Unlogged ones hold counts under keyed hashes that are gone by themselves, and change all the time. The one
      // that writers lock never changes.
      `SELECT c.oid::regclass::text AS name FROM pg_class c
       WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relpersistence <> 'u'
         AND c.relname <> 'schema_version' ORDER BY 1`,
    );
    await rewriter.exec(`SET statement_timeout = 0; SET lock_timeout = ${tableLockMs}`);
    for (const { name } of tables) {
      await tryFor(patience.statementMs, () =>
        inTurn(() => whileLocked(holder, patience, () => rewrite(rewriter, name))),
      );
      await rewriter.exec(`ANALYZE ${name}`, 0);
    }
    await allowedOrNot(rewriter, 'VACUUM FULL pg_catalog.pg_statistic');
    // The old files and segments go with the next checkpoint; a role may be allowed to ask for it now.
    await allowedOrNot(rewriter, 'SELECT pg_switch_wal()');
    await allowedOrNot(rewriter, 'CHECKPOINT');
  } finally {
    for (const connection of connections) await connection.close();
  }
}

/** Readers come and go: what one of them still sees now is nobody's a moment later. */
async function tryFor(limitMs: number, work: () => Promise<boolean>): Promise<void> {
  const begunMs = performance.now();
  for (let pauseMs = 100; !(await work()); pauseMs *= 2) {
    if (performance.now() - begunMs + pauseMs > limitMs)
      throw new GatewayError('store_unavailable', 'another session keeps deleted rows from being cleaned');
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/**
 * VACUUM runs in no transaction, so another connection holds the lock for it: no gateway has a transaction open then,
 * which would still see what another one just deleted.
 */
async function whileLocked<Result>(
  holder: Connection,
  patience: Patience,
  work: () => Promise<Result>,
): Promise<Result> {
  await holder.exec(`BEGIN; ${takeWriterLock}`);
  // The server ends a transaction that is silent for `silenceMs`. SHOW needs no snapshot.
  const beat = setInterval(
    () => void holder.exec('SHOW lock_timeout').catch(() => undefined),
    patience.silenceMs / 4,
  );
  try {
    return await work();
  } finally {
    clearInterval(beat);
    await holder.exec('ROLLBACK').catch(() => holder.close());
  }
}

/** @returns whether nothing that was deleted is left */
async function rewrite(connection: Connection, table: string): Promise<boolean> {
  // The first number of this line is how many deleted rows had to be kept, in whatever language it is.
  const kept: number[] = [];
  const stop = connection.onWarning((_message, detail) => {
    const number = /^\D*(\d+)/.exec(detail ?? '')?.[1];
    if (number !== undefined) kept.push(Number(number));
  });
  try {
    await connection.exec(`VACUUM (FULL, VERBOSE) ${table}`, 0);
    return kept.length > 0 && kept.every((rows) => rows === 0);
  } catch (cause) {
    // Everybody waits for a table meanwhile: rather try again later than wait long for a reader elsewhere.
    if (cause instanceof PostgresError && cause.code === lockNotAvailable) return false;
    throw cause;
  } finally {
    stop();
  }
}
const lockNotAvailable = '55P03';

/** Only owners of the database or of the server may do some things; without them the server does them in time. */
async function allowedOrNot(connection: Connection, statement: string): Promise<void> {
  try {
    await connection.exec(statement, 0);
  } catch (cause) {
    if ((cause as { code?: string }).code !== '42501') throw cause;
  }
}
