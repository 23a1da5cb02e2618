// An empty store for parts that are tested without the whole core: on whichever store the tests are about.
import { join, resolve } from 'node:path';
import { migratePostgres } from '../../gateway/store/migrate-postgres.ts';
import { migrateSqlite } from '../../gateway/store/migrate.ts';
import { openPostgres } from '../../gateway/store/postgres.ts';
import { openSqlite } from '../../gateway/store/sqlite.ts';
import type { Store } from '../../gateway/store/store.ts';
import { currentStore, newDatabase } from './postgres.ts';

const migrations = resolve(import.meta.dirname, '..', '..', 'migrations');
const databases = new Map<string, string>();

/** Opens the file, or on PostgreSQL the database that stands for it: the same path, the same data. */
export async function openDataStore(path: string): Promise<Store> {
  if (currentStore() === 'postgres') {
    const url = databases.get(path) ?? (await newDatabase());
    databases.set(path, url);
    await migratePostgres(url, join(migrations, 'postgres'));
    return openPostgres(url);
  }
  const store = openSqlite(path, {
    onFatal: (cause) => {
      throw cause;
    },
  });
  migrateSqlite(store.raw, join(migrations, 'sqlite'));
  return store;
}
