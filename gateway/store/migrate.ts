// Applies migrations/<dialect>/NNNN_name.sql in order, forward only, each in a transaction of its own.
import type Sqlite from 'better-sqlite3';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GatewayError } from '../errors.ts';

/**
 * Brings the schema to the newest version.
 * @returns how many migrations were applied
 * @throws GatewayError `store_unavailable` when the database is newer than this program
 */
export function migrateSqlite(raw: Sqlite.Database, folder: string): number {
  const files = readdirSync(folder)
    .filter((name) => /^\d{4}_[a-z0-9-]+\.sql$/.test(name))
    .sort();
  const before = raw.pragma('user_version', { simple: true }) as number;
  if (before > files.length) {
    throw new GatewayError(
      'store_unavailable',
      `the database has schema ${before}, this program knows ${files.length}: use a newer program`,
    );
  }
  for (const [index, name] of files.entries()) {
    if (index < before) continue;
    raw.transaction(() => {
      raw.exec(readFileSync(join(folder, name), 'utf8'));
      raw.pragma(`user_version = ${index + 1}`);
    })();
  }
  return files.length - before;
}
