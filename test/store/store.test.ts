import Sqlite from 'better-sqlite3';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe } from 'vitest';
import { migratePostgres } from '../../gateway/store/migrate-postgres.ts';
import { migrateSqlite } from '../../gateway/store/migrate.ts';
import { openPostgres } from '../../gateway/store/postgres.ts';
import { openSqlite } from '../../gateway/store/sqlite.ts';
import type { Store } from '../../gateway/store/store.ts';
import { describeOnPostgres } from '../support/on-stores.ts';
import { dropDatabases, newDatabase, onServer, postgresServer } from '../support/postgres.ts';
import { storeContract } from './suite.ts';

const migrations = resolve(import.meta.dirname, '..', '..', 'migrations');

describe('the store on SQLite', () => {
  storeContract(async (options) => {
    const folder = mkdtempSync(join(tmpdir(), 'assent-store-'));
    const path = join(folder, 'store.db');
    const onFatal = (cause: unknown): never => {
      throw cause;
    };
    const first = openSqlite(path, { ...options, onFatal });
    migrateSqlite(first.raw, join(migrations, 'sqlite'));
    const stores: Store[] = [first];
    return {
      store: first,
      async exec(statements) {
        const beside = new Sqlite(path);
        try {
          beside.exec(statements);
        } finally {
          beside.close();
        }
      },
      isOnDisk: async (bytes) =>
        [path, `${path}-wal`].some((file) => existsSync(file) && readFileSync(file).includes(bytes)),
      async again() {
        await first.close();
        const store = openSqlite(path, { onFatal });
        stores.push(store);
        return store;
      },
      async close() {
        for (const store of stores) await store.close().catch(() => undefined);
        rmSync(folder, { recursive: true, force: true });
      },
    };
  });
});

describeOnPostgres('the store on PostgreSQL', () => {
  afterAll(dropDatabases);
  storeContract(async (options) => {
    const url = await newDatabase();
    await migratePostgres(url, join(migrations, 'postgres'));
    const first = openPostgres(url, options);
    const stores: Store[] = [first];
    return {
      store: first,
      exec: async (statements) => void (await onServer(url, statements)),
      async isOnDisk(bytes) {
        const { data } = await postgresServer();
        // Of a server elsewhere only its answers can be seen.
        if (data === undefined)
          return (await onServer(url, 'SELECT * FROM setting')).some((row) =>
            JSON.stringify(row).includes(bytes.toString()),
          );
        await onServer(url, 'CHECKPOINT');
        // Other databases are other tests', and come and go.
        const [own] = await onServer<{ oid: number }>(
          url,
          'SELECT oid FROM pg_database WHERE datname = current_database()',
        );
        return filesUnder(join(data, 'base', String(own?.oid))).some((file) => holds(file, bytes));
      },
      async again() {
        await first.close();
        const store = openPostgres(url);
        stores.push(store);
        return store;
      },
      async close() {
        for (const store of stores) await store.close();
        await dropDatabases();
      },
    };
  });
});

/** The server deletes files of its own while they are looked for. */
function holds(file: string, bytes: Buffer): boolean {
  try {
    return readFileSync(file).includes(bytes);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw cause;
  }
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true);
}
