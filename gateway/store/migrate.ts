// Applies migrations/<dialect>/NNNN_name.sql in order, forward only, each in a transaction of its own. Both dialects
// have the same numbers with the same meaning.
import type Sqlite from 'better-sqlite3';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GatewayError } from '../errors.ts';

export interface Schema {
  /** How many migrations the database has; 0 for an empty one. */
  readonly version: number;
  /** How many this program knows. */
  readonly newest: number;
}

/**
 * Brings the schema to the newest version.
 * @returns how many migrations were applied
 * @throws GatewayError `store_unavailable` when the database is newer than this program
 */
export function migrateSqlite(raw: Sqlite.Database, folder: string): number {
  const files = migrationsIn(folder);
  const before = schemaOfSqlite(raw, folder).version;
  for (const [index, name] of files.entries()) {
    if (index < before) continue;
    raw.transaction(() => {
      raw.exec(readFileSync(join(folder, name), 'utf8'));
      raw.pragma(`user_version = ${index + 1}`);
    })();
  }
  return files.length - before;
}

/** @throws GatewayError `store_unavailable` when the database is newer than this program */
export function schemaOfSqlite(raw: Sqlite.Database, folder: string): Schema {
  return known(raw.pragma('user_version', { simple: true }) as number, migrationsIn(folder).length);
}

/** Names of the migrations, oldest first. */
export function migrationsIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /^\d{4}_[a-z0-9-]+\.sql$/.test(name))
    .sort();
}

/** @throws GatewayError `store_unavailable` when the database is newer than this program */
export function known(version: number, newest: number): Schema {
  if (version > newest) {
    throw new GatewayError(
      'store_unavailable',
      `the database has schema ${version}, this program knows ${newest}: use a newer program`,
    );
  }
  return { version, newest };
}
