// Brings a PostgreSQL database's schema to the newest version: as `migrate.ts`, beside other processes that try too.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { known, migrationsIn, type Schema } from './migrate.ts';
import { connect, toldAs, usualPatience, type Connection } from './postgres-connection.ts';
import { locks, takeWriterLock } from './postgres-locks.ts';

/**
 * Brings the schema to the newest version; of several processes that try at once, one does it and the others wait.
 * @returns how many migrations were applied
 * @throws GatewayError `store_unavailable` when the database is newer than this program, or cannot be asked
 */
export async function migratePostgres(url: string, folder: string): Promise<number> {
  return onDatabase(url, async (connection) => {
    await connection.exec(
      `SET statement_timeout = 0; SET lock_timeout = '60s';
       SELECT pg_advisory_lock(${locks.class}, ${locks.schema})`,
      90_000,
    );
    const files = migrationsIn(folder);
    const { version: before } = known(await versionOf(connection), files.length);
    for (const [index, name] of files.entries()) {
      if (index < before) continue;
      const text = readFileSync(join(folder, name), 'utf8');
      await connection.exec(
        `BEGIN;
         CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY, name TEXT COLLATE "C" NOT NULL);
         ${takeWriterLock};
         ${text}
         INSERT INTO schema_version VALUES (${index + 1}, '${name}');
         COMMIT`,
        0,
      );
    }
    return files.length - before;
  });
}

/** @throws GatewayError `store_unavailable` when the database is newer than this program, or cannot be asked */
export async function schemaOfPostgres(url: string, folder: string): Promise<Schema> {
  return onDatabase(url, async (connection) =>
    known(await versionOf(connection), migrationsIn(folder).length),
  );
}

async function onDatabase<Result>(
  url: string,
  work: (connection: Connection) => Promise<Result>,
): Promise<Result> {
  let connection: Connection | undefined;
  try {
    connection = await connect(url, 'write', usualPatience);
    return await work(connection);
  } catch (cause) {
    throw toldAs(cause);
  } finally {
    await connection?.close();
  }
}

async function versionOf(connection: Connection): Promise<number> {
  const [table] = await connection.rows<{ there: boolean }>(
    "SELECT to_regclass('schema_version') IS NOT NULL AS there",
  );
  if (table?.there !== true) return 0;
  const [row] = await connection.rows<{ version: number }>(
    'SELECT coalesce(max(version), 0) AS version FROM schema_version',
  );
  return row?.version ?? 0;
}
