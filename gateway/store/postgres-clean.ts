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
import type { Connection, Patience } from './postgres-connection.ts';
import { locks } from './postgres-locks.ts';

const lockWaitMs = 1000;

/**
 * The caller closes the connection when this throws: it may hold the lock.
 * @throws GatewayError `store_unavailable` when something else in the server still needs what was deleted
 */
export async function cleanDatabase(connection: Connection, patience: Patience): Promise<void> {
  const tables = await connection.rows<{ name: string }>(
    // Unlogged ones hold counts under keyed hashes that are gone by themselves, and change all the time.
    `SELECT c.oid::regclass::text AS name FROM pg_class c
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relpersistence <> 'u' ORDER BY 1`,
  );
  // The first number of this line is how many deleted rows had to be kept, in whatever language it is.
  const kept: number[] = [];
  const stop = connection.onWarning((_message, detail) => {
    const number = /^\D*(\d+)/.exec(detail ?? '')?.[1];
    if (number !== undefined) kept.push(Number(number));
  });
  try {
    // Everybody waits for a table meanwhile: rather try again later than wait long for a reader elsewhere.
    await connection.exec('SET statement_timeout = 0');
    for (const { name } of tables) {
      kept.length = 0;
      // No gateway has a transaction open then, which would still see what another one just deleted.
      await connection.exec(
        `SET lock_timeout = ${patience.lockMs}; SELECT pg_advisory_lock(${locks.class}, ${locks.writer});
         SET lock_timeout = ${lockWaitMs}`,
      );
      await connection.exec(`VACUUM (FULL, VERBOSE) ${name}`, 0);
      await connection.exec(`SELECT pg_advisory_unlock(${locks.class}, ${locks.writer})`);
      if (kept.length === 0 || kept.some((rows) => rows > 0))
        throw new GatewayError('store_unavailable', 'another session keeps deleted rows from being cleaned');
      await connection.exec(`ANALYZE ${name}`, 0);
    }
    await allowedOrNot(connection, 'VACUUM FULL pg_catalog.pg_statistic');
    // The old files and segments go with the next checkpoint; a role may be allowed to ask for it now.
    await allowedOrNot(connection, 'SELECT pg_switch_wal()');
    await allowedOrNot(connection, 'CHECKPOINT');
    await connection.exec(
      `SET statement_timeout = ${patience.statementMs}; SET lock_timeout = ${patience.lockMs}`,
    );
  } finally {
    stop();
  }
}

/** Only owners of the database or of the server may do some things; without them the server does them in time. */
async function allowedOrNot(connection: Connection, statement: string): Promise<void> {
  try {
    await connection.exec(statement, 0);
  } catch (cause) {
    if ((cause as { code?: string }).code !== '42501') throw cause;
  }
}
