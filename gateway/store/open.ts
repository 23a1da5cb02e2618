// Which store the configuration names, opened with its tables made. What each needs is loaded only for it.
import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { migrateSqlite, schemaOfSqlite, type Schema } from './migrate.ts';
import type { PostgresOptions } from './postgres.ts';
import { openSqlite, type SqliteOptions } from './sqlite.ts';
import type { Store } from './store.ts';
import { setting } from './tables.ts';

export const databaseFile = 'assent.sqlite';

/** Where the data lies: a PostgreSQL database by its URL, else a file in `home`. */
export interface StorePlace {
  readonly home: string;
  /** A function, so that no dump of the configuration shows the password in it. */
  readonly postgresUrl: (() => string) | undefined;
}

export interface OpenStoreOptions extends SqliteOptions {
  /** Folder with a folder of migrations for each dialect. */
  readonly migrations: string;
  readonly postgres?: PostgresOptions;
}

/**
 * Opens the store and brings its schema to the newest version.
 * @throws GatewayError `store_unavailable` when it cannot be reached or is newer than this program
 */
export async function openStore(place: StorePlace, options: OpenStoreOptions): Promise<Store> {
  if (place.postgresUrl === undefined) return openFile(place.home, options);
  const url = place.postgresUrl();
  const { migratePostgres } = await import('./migrate-postgres.ts');
  const { openPostgres } = await import('./postgres.ts');
  await migratePostgres(url, join(options.migrations, 'postgres'));
  return openPostgres(url, options.postgres);
}

function openFile(home: string, options: OpenStoreOptions): Store {
  const database = join(home, databaseFile);
  // SQLite would make it readable by all who can reach the folder; its other files take over these rights.
  if (!existsSync(database)) closeSync(openSync(database, 'a', 0o600));
  const store = openSqlite(database, options);
  migrateSqlite(store.raw, join(options.migrations, 'sqlite'));
  return store;
}

/** Whether a gateway has ever started on this place. @throws GatewayError `store_unavailable` */
export async function holdsData(place: StorePlace, migrations: string): Promise<boolean> {
  if (place.postgresUrl === undefined) return existsSync(join(place.home, databaseFile));
  if ((await schemaOf(place, migrations)).version === 0) return false;
  const { openPostgres } = await import('./postgres.ts');
  const store = openPostgres(place.postgresUrl(), { readers: 1 });
  try {
    const rows = await store.read((reader) =>
      reader.db.select().from(setting).where(eq(setting.name, 'origin')),
    );
    return rows.length > 0;
  } finally {
    await store.close();
  }
}

/** @throws GatewayError `store_unavailable` when it cannot be reached or is newer than this program */
export async function schemaOf(place: StorePlace, migrations: string): Promise<Schema> {
  if (place.postgresUrl === undefined) {
    const { default: Sqlite } = await import('better-sqlite3');
    const raw = new Sqlite(join(place.home, databaseFile), { readonly: true });
    try {
      return schemaOfSqlite(raw, join(migrations, 'sqlite'));
    } finally {
      raw.close();
    }
  }
  const { schemaOfPostgres } = await import('./migrate-postgres.ts');
  return schemaOfPostgres(place.postgresUrl(), join(migrations, 'postgres'));
}
