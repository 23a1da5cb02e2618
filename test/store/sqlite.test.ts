import Sqlite from 'better-sqlite3';
import { asc } from 'drizzle-orm';
import { getTableColumns, getTableName, is, Table } from 'drizzle-orm';
import { closeSync, copyFileSync, fdatasyncSync, openSync, statSync, truncateSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { GatewayError } from '../../gateway/errors.ts';
import { migrateSqlite } from '../../gateway/store/migrate.ts';
import { openSqlite, type SqliteOptions } from '../../gateway/store/sqlite.ts';
import type { Tx } from '../../gateway/store/store.ts';
import * as tables from '../../gateway/store/tables.ts';
import type { WalSync } from '../../gateway/store/wal-sync.ts';
import { closeCores, newFolder } from '../support/core.ts';

const migrations = resolve(import.meta.dirname, '..', '..', 'migrations', 'sqlite');
type Opened = ReturnType<typeof openSqlite>;
const opened: Opened[] = [];

function open(options: Partial<SqliteOptions> & { path?: string } = {}): Opened & { path: string } {
  const { path = join(newFolder(), 'store.db'), ...rest } = options;
  const store = openSqlite(path, {
    onFatal: (cause) => {
      throw cause;
    },
    ...rest,
  });
  migrateSqlite(store.raw, migrations);
  opened.push(store);
  return { ...store, path };
}
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close().catch(() => undefined);
  await closeCores();
});

const put = (name: string) => async (tx: Tx) => {
  await tx.db.insert(tables.setting).values({ name, value: 'v' });
  return name;
};
const names = (store: Opened): Promise<string[]> =>
  store.read(async (reader) =>
    (await reader.db.select().from(tables.setting).orderBy(asc(tables.setting.name))).map(({ name }) => name),
  );
const later = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

/** A sync that a test finishes by hand. */
function handSync() {
  const waiting: { resolve: () => void; reject: (cause: Error) => void }[] = [];
  const sync: WalSync = {
    sync: () => new Promise<void>((resolve, reject) => void waiting.push({ resolve, reject })),
    close: async () => undefined,
  };
  return { openSync: () => sync, waiting };
}

describe('group commit', () => {
  it('an error of the whole batch is 503 to all, nothing of it happened, and the next batch works', async () => {
    const store = open();
    const told: string[] = [];
    const results = await Promise.allSettled([
      store.write(async (tx) => {
        tx.afterDurable(() => told.push('never'));
        await put('a')(tx);
      }),
      // What SQLite does of itself when the disk is full.
      store.write(async () => {
        store.raw.exec('ROLLBACK');
        throw new Error('database or disk is full');
      }),
      store.write(put('c')),
    ]);
    for (const result of results) {
      expect(result.status).toBe('rejected');
      const { reason } = result as PromiseRejectedResult;
      expect(reason).toBeInstanceOf(GatewayError);
      expect(reason).toMatchObject({ code: 'store_unavailable', status: 503 });
    }
    expect(told).toEqual([]);
    expect(await names(store)).toEqual([]);
    await store.write(put('d'));
    expect(await names(store)).toEqual(['d']);
  });

  it('a batch that is full for SQLite itself is 503 to all', async () => {
    const store = open();
    await store.write(put('before'));
    const pages = store.raw.pragma('page_count', { simple: true }) as number;
    store.raw.pragma(`max_page_count = ${pages}`);
    const big = async (tx: Tx): Promise<void> => {
      await tx.db.insert(tables.setting).values({ name: 'big', value: 'x'.repeat(5_000_000) });
    };
    const results = await Promise.allSettled([
      store.write(put('small')),
      store.write(big),
      store.write(put('other')),
    ]);
    const rejected = results.filter(({ status }) => status === 'rejected');
    store.raw.pragma('max_page_count = 1000000');
    const there = await names(store);
    // Whether SQLite undoes the statement or the transaction: what was acknowledged is there, the rest is not.
    expect(there).toEqual(
      [
        'before',
        ...['small', 'big', 'other'].filter((_, index) => results[index]?.status === 'fulfilled'),
      ].sort(),
    );
    expect(rejected.length).toBeGreaterThan(0);
    await store.write(put('after'));
    expect(await names(store)).toContain('after');
  });
});

describe('durability', () => {
  it('a sync that never returns releases nothing', async () => {
    const { openSync, waiting } = handSync();
    const store = open({ openSync });
    let answered = 0;
    const durable: string[] = [];
    for (const name of ['a', 'b']) {
      void store
        .write(async (tx) => {
          tx.afterDurable(() => durable.push(name));
          return put(name)(tx);
        })
        .finally(() => (answered += 1));
    }
    await later();
    expect(waiting).toHaveLength(1);
    expect([answered, durable]).toEqual([0, []]);
    // The next batch executes meanwhile, is not synced before the first one is, and is not released either.
    void store.write(put('c')).finally(() => (answered += 1));
    await later();
    expect(waiting).toHaveLength(1);
    expect(answered).toBe(0);
    waiting[0]?.resolve();
    await later();
    expect([answered, durable]).toEqual([2, ['a', 'b']]);
    expect(waiting).toHaveLength(2);
    waiting[1]?.resolve();
    await later();
    expect(answered).toBe(3);
  });

  it('a sync that fails is fatal: nobody is told yes, nothing is tried again', async () => {
    const { openSync, waiting } = handSync();
    const fatal: unknown[] = [];
    const store = open({ openSync, onFatal: (cause) => fatal.push(cause) });
    const durable: string[] = [];
    const first = store.write(async (tx) => {
      tx.afterDurable(() => durable.push('a'));
      return put('a')(tx);
    });
    const settled = Promise.allSettled([first]);
    await later();
    const second = store.write(put('b'));
    const both = Promise.allSettled([first, second]);
    await later();
    waiting[0]?.reject(new Error('EIO'));
    await settled;
    for (const result of await both) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'store_unavailable' } });
    }
    expect(fatal).toHaveLength(1);
    expect(durable).toEqual([]);
    expect(waiting).toHaveLength(1);
    await expect(store.write(put('c'))).rejects.toMatchObject({ code: 'store_unavailable' });
  });

  it('every acknowledged write is in the write-ahead log as it was when its sync ended', async () => {
    const folder = newFolder();
    const path = join(folder, 'store.db');
    // The page cache hides what was not synced: so the log's length at each completed sync is all that counts.
    const lengths: number[] = [];
    const acknowledged: { name: string; syncs: number }[] = [];
    const store = open({
      path,
      batchSize: 4,
      openSync: (walPath) => ({
        async sync() {
          const file = openSync(walPath, 'r+');
          // Taken before the sync begins: only what was written by then is promised.
          const { size } = statSync(walPath);
          await later();
          fdatasyncSync(file);
          closeSync(file);
          lengths.push(size);
        },
        close: async () => undefined,
      }),
    });
    store.raw.pragma('wal_autocheckpoint = 0');
    await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        for (let wait = 0; wait < index % 7; wait++) await new Promise((resolve) => setImmediate(resolve));
        const name = await store.write(put(`n${index}`));
        acknowledged.push({ name, syncs: lengths.length });
      }),
    );
    expect(acknowledged).toHaveLength(60);
    expect(lengths.length).toBeGreaterThanOrEqual(15);
    for (const [index, length] of lengths.entries()) {
      const copy = join(newFolder(), 'copy.db');
      copyFileSync(path, copy);
      copyFileSync(`${path}-wal`, `${copy}-wal`);
      truncateSync(`${copy}-wal`, length);
      const found = new Sqlite(copy);
      const there = new Set(found.prepare('SELECT name FROM setting').pluck().all());
      found.close();
      for (const { name, syncs } of acknowledged) if (syncs <= index + 1) expect(there).toContain(name);
    }
  });
});

describe('the database', () => {
  it('is set to keep nothing that was deleted, and to a write-ahead log', () => {
    const { raw } = open();
    const pragma = (name: string): unknown => raw.pragma(name, { simple: true });
    expect({
      journal_mode: pragma('journal_mode'),
      synchronous: pragma('synchronous'),
      secure_delete: pragma('secure_delete'),
      foreign_keys: pragma('foreign_keys'),
      wal_autocheckpoint: pragma('wal_autocheckpoint'),
    }).toEqual({
      journal_mode: 'wal',
      synchronous: 1,
      secure_delete: 1,
      foreign_keys: 1,
      wal_autocheckpoint: 1000,
    });
  });

  it('migrates once, and refuses a schema newer than the program', () => {
    const { raw } = open();
    expect(migrateSqlite(raw, migrations)).toBe(0);
    raw.pragma('user_version = 999');
    expect(() => migrateSqlite(raw, migrations)).toThrow('use a newer program');
  });

  it('has the tables, columns, types and nullability that the program states', () => {
    const { raw } = open();
    const stated = Object.values(tables as Record<string, unknown>).filter((one) =>
      is(one, Table),
    ) as Table[];
    const inDatabase = raw
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
      .pluck()
      .all() as string[];
    const ascending = (a: string, b: string): number => (a < b ? -1 : 1);
    // `opened` belongs to the store: its first write makes the write-ahead log.
    expect([...stated.map((table) => getTableName(table)), 'opened'].sort(ascending)).toEqual(
      inDatabase.sort(ascending),
    );
    for (const table of stated) {
      const name = getTableName(table);
      const columns = raw.pragma(`table_info(${name})`) as {
        name: string;
        type: string;
        notnull: number;
        pk: number;
      }[];
      const found = columns.map((column) => [
        column.name,
        column.type.toLowerCase(),
        column.notnull === 1 || column.pk > 0,
      ]);
      const expected = Object.values(getTableColumns(table)).map((column) => [
        column.name,
        column.getSQLType(),
        column.notNull,
      ]);
      expect([name, expected]).toEqual([name, found]);
    }
  });
});
