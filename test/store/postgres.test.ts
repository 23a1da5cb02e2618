import { asc, desc, getTableColumns, getTableName, is, like, sql, Table } from 'drizzle-orm';
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { inspect } from 'node:util';
import pg from 'pg';
import { afterAll, afterEach, expect, it } from 'vitest';
import { GatewayError } from '../../gateway/errors.ts';
import { migratePostgres, schemaOfPostgres } from '../../gateway/store/migrate-postgres.ts';
import { toNumber, type Patience } from '../../gateway/store/postgres-connection.ts';
import { takeWriterLock } from '../../gateway/store/postgres-locks.ts';
import { openPostgres, type PostgresOptions } from '../../gateway/store/postgres.ts';
import { query, type Store, type Tx } from '../../gateway/store/store.ts';
import * as tables from '../../gateway/store/tables.ts';
import { openLine, type Line } from '../support/cut-line.ts';
import { describeOnPostgres } from '../support/on-stores.ts';
import { dropDatabases, newDatabase, onServer } from '../support/postgres.ts';

const folder = resolve(import.meta.dirname, '..', '..', 'migrations', 'postgres');
const { setting, entry } = tables;
const stores: Store[] = [];
const lines: Line[] = [];
const clients: pg.Client[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) await client.end().catch(() => undefined);
  for (const store of stores.splice(0)) await store.close();
  for (const line of lines.splice(0)) await line.close();
});
afterAll(dropDatabases);

function open(url: string, options: PostgresOptions = {}): Store {
  const store = openPostgres(url, options);
  stores.push(store);
  return store;
}
async function newTables(): Promise<string> {
  const url = await newDatabase();
  await migratePostgres(url, folder);
  return url;
}
async function newLine(): Promise<Line & { direct: string }> {
  const direct = await newTables();
  const line = await openLine(direct);
  lines.push(line);
  return { ...line, direct };
}
/** A session of somebody else. */
async function beside(url: string, ...statements: string[]): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  clients.push(client);
  await client.connect();
  for (const statement of statements) await client.query(statement);
  return client;
}
const put = (name: string) => async (tx: Tx) => {
  await tx.db.insert(setting).values({ name, value: 'v' });
  return name;
};
const insertSetting = query((db) => db.insert(setting).values({ name: sql.placeholder('name'), value: 'v' }));
const names = (store: Store): Promise<string[]> =>
  store.read(async (reader) =>
    (await reader.db.select().from(setting).orderBy(asc(setting.name))).map(({ name }) => name),
  );
const unavailable = { code: 'store_unavailable', status: 503 };
const brief: Partial<Patience> = { connectMs: 400, lockMs: 300, statementMs: 600 };
const takenMs = async (work: () => Promise<unknown>): Promise<number> => {
  const begunMs = performance.now();
  await work();
  return performance.now() - begunMs;
};

describeOnPostgres('several processes on one database', () => {
  it('number entries in one order without gap or double', async () => {
    const url = await newTables();
    const append = async (tx: Tx): Promise<number> => {
      const [last] = await tx.db
        .select({ number: entry.number })
        .from(entry)
        .orderBy(desc(entry.number))
        .limit(1);
      const number = (last?.number ?? -1) + 1;
      await tx.db.insert(entry).values({
        number,
        leaf: Buffer.from([1]),
        leafHash: Buffer.from([1]),
        holder: 'h',
        sequence: number,
        operationId: 'o',
        kind: 1,
        atMs: 0,
        outcome: 'noted',
        keyClass: 'data',
      });
      return number;
    };
    const three = [open(url), open(url), open(url)];
    const told = await Promise.all(
      Array.from({ length: 300 }, (_, index) => (three[index % 3] as Store).write(append)),
    );
    expect([...told].sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, number) => number));
    for (const place of [0, 1, 2]) {
      const own = told.filter((_, index) => index % 3 === place);
      expect(own).toEqual([...own].sort((a, b) => a - b));
    }
  });

  it('see at once what another one acknowledged', async () => {
    const url = await newTables();
    const [one, other] = [open(url), open(url)];
    for (let round = 0; round < 20; round++) {
      await one.write(put(`n${round}`));
      expect(await names(other)).toHaveLength(round + 1);
      expect(await other.write(async (tx) => (await tx.db.select().from(setting)).length)).toBe(round + 1);
    }
  });
});

describeOnPostgres('a batch', () => {
  it('is run again when its connection is lost before the commit; it happens once', async () => {
    const line = await newLine();
    const store = open(line.url);
    let runs = 0;
    const durable: string[] = [];
    const [first, second] = await Promise.all([
      store.write(put('beside')),
      store.write(async (tx) => {
        runs += 1;
        tx.afterDurable(() => durable.push('once'));
        if (runs === 1) line.cut();
        await put('mine')(tx);
        return runs;
      }),
    ]);
    expect([first, second, durable]).toEqual(['beside', 2, ['once']]);
    expect(await names(store)).toEqual(['beside', 'mine']);
    expect(store.figures()).toMatchObject({ batches: 1, works: 2 });
  });

  it('is run again when the server undid it for another transaction', async () => {
    const url = await newTables();
    await onServer(
      url,
      `CREATE SEQUENCE tries;
       CREATE FUNCTION fail_twice () RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN IF nextval('tries') < 3 THEN RAISE EXCEPTION 'not now' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$;
       CREATE TRIGGER t BEFORE INSERT ON setting FOR EACH ROW EXECUTE FUNCTION fail_twice ()`,
    );
    const store = open(url);
    expect(await store.write(put('third'))).toBe('third');
    await onServer(
      url,
      'ALTER SEQUENCE tries RESTART; DELETE FROM setting; ALTER SEQUENCE tries MINVALUE -100 START -100 RESTART',
    );
    await expect(store.write(put('never'))).rejects.toMatchObject(unavailable);
    expect(await names(store)).toEqual([]);
  });

  it('whose commit never arrived is refused, and nothing of it is there', async () => {
    const line = await newLine();
    const store = open(line.url);
    await store.write(put('before'));
    line.set('lose-commit');
    const durable: string[] = [];
    const results = await Promise.allSettled([
      store.write(put('a')),
      store.write(async (tx) => {
        tx.afterDurable(() => durable.push('b'));
        await put('b')(tx);
      }),
    ]);
    for (const result of results) expect(result).toMatchObject({ status: 'rejected', reason: unavailable });
    expect(durable).toEqual([]);
    await store.write(put('after'));
    expect(await names(store)).toEqual(['after', 'before']);
  });

  it('whose commit was done but not answered is refused too, and not done twice', async () => {
    const line = await newLine();
    const store = open(line.url);
    line.set('lose-answer');
    let runs = 0;
    const durable: string[] = [];
    await expect(
      store.write(async (tx) => {
        runs += 1;
        tx.afterDurable(() => durable.push('never'));
        return put('there')(tx);
      }),
    ).rejects.toMatchObject(unavailable);
    expect([runs, durable]).toEqual([1, []]);
    await store.write(put('after'));
    expect(await names(store)).toEqual(['after', 'there']);
  });

  it('work that passes over a failed statement is undone, alone', async () => {
    const store = open(await newTables());
    const results = await Promise.allSettled([
      store.write(put('a')),
      store.write(async (tx) => {
        await put('b')(tx);
        await put('a')(tx).catch(() => undefined);
      }),
      store.write(put('c')),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await names(store)).toEqual(['a', 'c']);
  });
});

describeOnPostgres('a database in trouble', () => {
  it('that is away is 503 soon, to all who wait, and is used again without a restart', async () => {
    const line = await newLine();
    const store = open(line.url, { patience: brief });
    await store.write(put('before'));
    expect(await names(store)).toEqual(['before']);
    line.set('closed');
    line.cut();
    const tookMs = await takenMs(async () => {
      const results = await Promise.allSettled([
        ...Array.from({ length: 100 }, (_, index) => store.write(put(`n${index}`))),
        names(store),
      ]);
      for (const result of results) expect(result).toMatchObject({ status: 'rejected', reason: unavailable });
    });
    expect(tookMs).toBeLessThan(3000);
    line.set('open');
    await store.write(put('after'));
    expect(await names(store)).toEqual(['after', 'before']);
  });

  it('that says nothing is 503 once patience is over, and is used again without a restart', async () => {
    const line = await newLine();
    const store = open(line.url, { patience: brief });
    await store.write(put('before'));
    await names(store);
    line.set('silent');
    const tookMs = await takenMs(async () => {
      const results = await Promise.allSettled([store.write(put('a')), store.write(put('b')), names(store)]);
      for (const result of results) expect(result).toMatchObject({ status: 'rejected', reason: unavailable });
    });
    expect(tookMs).toBeLessThan(8000);
    line.set('open');
    line.cut();
    await store.write(put('after'));
    expect(await names(store)).toEqual(['after', 'before']);
  });

  it('whose lock another process keeps is 503, and goes on when it is free', async () => {
    const url = await newTables();
    const store = open(url, { patience: brief });
    const other = await beside(url, 'BEGIN', takeWriterLock);
    await expect(store.write(put('a'))).rejects.toMatchObject(unavailable);
    expect(await names(store)).toEqual([]);
    await other.query('COMMIT');
    expect(await store.write(put('b'))).toBe('b');
  });

  it('a process that went silent inside its transaction loses the lock', async () => {
    const line = await newLine();
    const mute = open(line.url, { patience: { ...brief, silenceMs: 300 } });
    const lost = mute.write(async (tx) => {
      await put('never')(tx);
      line.set('silent');
      await new Promise((resolve) => setTimeout(resolve, 600));
    });
    const refused = expect(lost).rejects.toMatchObject(unavailable);
    const store = open(line.direct, { patience: { lockMs: 3000 } });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await store.write(put('mine'))).toBe('mine');
    line.set('open');
    line.cut();
    await refused;
    expect(await names(store)).toEqual(['mine']);
  });

  it('a statement that takes too long is 503 for its batch alone', async () => {
    const store = open(await newTables(), { patience: brief });
    const sleep = { slept: sql`pg_sleep(5)` };
    await store.write(put('row'));
    const results = await Promise.allSettled([
      store.write(put('a')),
      store.write((tx) => tx.db.select(sleep).from(setting)),
    ]);
    for (const result of results) expect(result).toMatchObject({ status: 'rejected', reason: unavailable });
    await expect(store.read((reader) => reader.db.select(sleep).from(setting))).rejects.toMatchObject(
      unavailable,
    );
    await store.write(put('b'));
    expect(await names(store)).toEqual(['b', 'row']);
  });

  it('when all readers are busy, the next one is refused soon; writes go on', async () => {
    const store = open(await newTables(), { readers: 2, patience: brief });
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const busy = [1, 2].map(() => store.read(() => held));
    const tookMs = await takenMs(() => expect(names(store)).rejects.toMatchObject(unavailable));
    expect(tookMs).toBeLessThan(2000);
    expect(await store.write(put('a'))).toBe('a');
    const waiting = names(store);
    release();
    await Promise.all(busy);
    expect(await waiting).toEqual(['a']);
  });

  it('a reader that was thrown out is replaced', async () => {
    const url = await newTables();
    const store = open(url);
    await store.write(put('a'));
    await names(store);
    await onServer(
      url,
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'assent %' AND datname = current_database()",
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await names(store)).toEqual(['a']);
    expect(await store.write(put('b'))).toBe('b');
  });

  it('no error shows a part of the URL', async () => {
    const given = new URL(await newTables());
    const wrong = (change: (url: URL) => void): string => {
      const url = new URL(given);
      url.username = 'no-such-user';
      url.password = 'pass-word-0';
      change(url);
      return url.href;
    };
    for (const url of [
      wrong((one) => (one.pathname = '/no-such-database')),
      wrong((one) => (one.port = '1')),
      wrong((one) => (one.hostname = 'no-such-host.invalid')),
      wrong(() => undefined),
    ]) {
      for (const ask of [
        () => open(url, { patience: brief }).write(put('a')),
        () => names(open(url, { patience: brief })),
        () => migratePostgres(url, folder),
      ]) {
        const error: unknown = await ask().then(
          () => undefined,
          (cause: unknown) => cause,
        );
        expect(error).toMatchObject(unavailable);
        expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/pass-word-0|no-such/);
      }
    }
  });
});

describeOnPostgres('a deadlock with another session', () => {
  it.each(['waits for', 'sends'])(
    'that hits a change which the work %s undoes the batch, which is run again',
    async (how) => {
      const url = await newTables();
      const store = open(url);
      const other = await beside(
        url,
        "BEGIN; SET LOCAL deadlock_timeout = '20s'",
        "INSERT INTO setting VALUES ('x', 'theirs')",
      );
      const begun = new Promise<void>((resolve) => {
        void store
          .write(async (tx) => {
            resolve();
            if (how === 'sends') tx.send(insertSetting, { name: 'x' });
            else await tx.run(insertSetting, { name: 'x' });
          })
          .then(
            () => ended.push('done'),
            (cause: unknown) => ended.push(cause),
          );
      });
      const ended: unknown[] = [];
      await begun;
      await other.query('LOCK TABLE schema_version IN ROW EXCLUSIVE MODE');
      await other.query('ROLLBACK');
      while (ended.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      expect(ended).toEqual(['done']);
    },
  );
});

describeOnPostgres('cleaning', () => {
  it('says so while another session still sees what was deleted, and works once it is gone', async () => {
    const url = await newTables();
    const store = open(url, { patience: brief });
    await store.write(put('gone'));
    const other = await beside(url, 'BEGIN ISOLATION LEVEL REPEATABLE READ', 'SELECT 1 FROM person');
    await store.write((tx) => tx.db.delete(setting));
    await expect(store.clean()).rejects.toMatchObject(unavailable);
    expect(await store.write(put('meanwhile'))).toBe('meanwhile');
    await other.query('COMMIT');
    await store.clean();
    expect(await names(store)).toEqual(['meanwhile']);
  });
});

describeOnPostgres('cleaning beside other processes', () => {
  it('that write and delete all the time works, and none of their writes fails', async () => {
    const url = await newTables();
    const store = open(url);
    let isOver = false;
    // Two, so that one always waits for its turn while the other deletes what was there when the wait began.
    const written = [0, 0];
    const writing = Promise.all(
      written.map(async (_none, index) => {
        const other = open(url);
        while (!isOver) {
          await other.write(async (tx) => {
            await tx.db.delete(setting).where(like(setting.name, `${index}-%`));
            await put(`${index}-${written[index]}`)(tx);
          });
          written[index] = (written[index] ?? 0) + 1;
        }
      }),
    );
    try {
      for (let round = 0; round < 4; round++) await store.clean();
    } finally {
      isOver = true;
      await writing;
    }
    expect(Math.min(...written)).toBeGreaterThan(4);
    expect((await names(store)).sort()).toEqual(written.map((count, index) => `${index}-${count - 1}`));
  });
});

describeOnPostgres('the schema', () => {
  const migrations = readdirSync(folder).length;

  it('is made once by processes that start together, and a newer one is refused', async () => {
    const url = await newDatabase();
    expect(await schemaOfPostgres(url, folder)).toEqual({ version: 0, newest: migrations });
    const applied = await Promise.all([1, 2, 3].map(() => migratePostgres(url, folder)));
    expect(applied.sort((a, b) => a - b)).toEqual([0, 0, migrations]);
    await onServer(url, "INSERT INTO schema_version VALUES (99, '0098_from-the-future.sql')");
    await expect(migratePostgres(url, folder)).rejects.toThrow('use a newer program');
    await expect(schemaOfPostgres(url, folder)).rejects.toThrow('use a newer program');
  });

  it('a migration that fails leaves the version before it', async () => {
    const url = await newDatabase();
    await onServer(url, 'CREATE TABLE erasure (x INT)');
    await expect(migratePostgres(url, folder)).rejects.toThrow();
    expect((await schemaOfPostgres(url, folder)).version).toBe(1);
    await onServer(url, 'DROP TABLE erasure');
    expect(await migratePostgres(url, folder)).toBe(migrations - 1);
  });

  it('changes beside a gateway that writes: neither fails', async () => {
    const url = await newTables();
    const store = open(url);
    const more = mkdtempSync(join(tmpdir(), 'assent-migrations-'));
    cpSync(folder, more, { recursive: true });
    writeFileSync(
      join(more, '9998_more.sql'),
      'CREATE INDEX setting_value ON setting (value);\nSELECT pg_sleep(0.5);\n',
    );
    let isOver = false;
    let written = 0;
    const writing = (async () => {
      while (!isOver) await store.write(put(`n${written++}`));
    })();
    while (written < 10) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await migratePostgres(url, more)).toBe(1);
    isOver = true;
    await writing;
    expect((await schemaOfPostgres(url, more)).version).toBe(migrations + 1);
    rmSync(more, { recursive: true });
  });

  it('has the same migrations as SQLite, by number and name', () => {
    expect(readdirSync(folder)).toEqual(readdirSync(join(folder, '..', 'sqlite')));
  });

  it('has the tables, columns, types and nullability that the program states, and text by bytes', async () => {
    const url = await newTables();
    const found = await onServer<{
      table: string;
      column: string;
      type: string;
      isNeeded: boolean;
      collation: string | null;
    }>(
      url,
      `SELECT table_name AS table, column_name AS column, data_type AS type, is_nullable = 'NO' AS "isNeeded",
              collation_name AS collation
       FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY ordinal_position`,
    );
    const types: Record<string, string> = {
      integer: 'bigint',
      text: 'text',
      blob: 'bytea',
      real: 'double precision',
    };
    const stated = (Object.values(tables) as unknown[]).filter((one): one is Table => is(one, Table));
    expect([...new Set(found.map(({ table }) => table))].sort()).toEqual(
      ['schema_version', ...stated.map((table) => getTableName(table))].sort(),
    );
    for (const table of stated) {
      const name = getTableName(table);
      const columns = found.filter((one) => one.table === name);
      expect([name, columns.map(({ column, type, isNeeded }) => [column, type, isNeeded])]).toEqual([
        name,
        Object.values(getTableColumns(table)).map((one) => [one.name, types[one.getSQLType()], one.notNull]),
      ]);
    }
    for (const { column, type, collation } of found)
      if (type === 'text') expect([column, collation]).toEqual([column, 'C']);
  });

  it('has the constraints, indexes and triggers of the SQLite one', async () => {
    const { default: Sqlite } = await import('better-sqlite3');
    const { migrateSqlite } = await import('../../gateway/store/migrate.ts');
    const raw = new Sqlite(':memory:');
    migrateSqlite(raw, join(folder, '..', 'sqlite'));
    const ofSqlite = (type: string): unknown[] =>
      raw
        .prepare('SELECT name FROM sqlite_schema WHERE type = ? AND sql IS NOT NULL ORDER BY name')
        .pluck()
        .all(type);
    const url = await newTables();
    const indexes = await onServer<{ name: string }>(
      url,
      `SELECT indexname AS name FROM pg_indexes WHERE schemaname = current_schema()
       AND indexname NOT LIKE '%_pkey' AND indexname NOT LIKE '%_key' ORDER BY indexname COLLATE "C"`,
    );
    expect(indexes.map(({ name }) => name)).toEqual(ofSqlite('index'));
    const triggers = await onServer<{ name: string }>(
      url,
      `SELECT DISTINCT tgname::text COLLATE "C" AS name FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
       WHERE relnamespace = current_schema()::regnamespace AND NOT tgisinternal AND tgname NOT LIKE '%_emptied' ORDER BY 1`,
    );
    expect(triggers.map(({ name }) => name)).toEqual(ofSqlite('trigger'));
    const counted = await onServer<{ foreign: number; unique: number }>(
      url,
      `SELECT count(*) FILTER (WHERE contype = 'f')::int AS foreign, count(*) FILTER (WHERE contype = 'u')::int AS unique
       FROM pg_constraint WHERE connamespace = current_schema()::regnamespace`,
    );
    const inSqlite = (list: string, where: string): number =>
      Number(
        raw
          .prepare(
            `SELECT count(DISTINCT m.name || x.${list === 'foreign_key_list' ? 'id' : 'name'}) FROM sqlite_schema m, pragma_${list}(m.name) x WHERE m.type = 'table' AND ${where}`,
          )
          .pluck()
          .get(),
      );
    expect(counted).toEqual([
      { foreign: inSqlite('foreign_key_list', '1'), unique: inSqlite('index_list', "x.origin = 'u'") },
    ]);
    raw.close();
  });

  it('tables of the log are not emptied either', async () => {
    const url = await newTables();
    await expect(onServer(url, 'TRUNCATE entry')).rejects.toThrow('entries are never deleted');
    await expect(onServer(url, 'TRUNCATE checkpoint CASCADE')).rejects.toThrow(
      'checkpoints are never deleted',
    );
  });

  it('a whole number beyond 2^53 is refused, not rounded', async () => {
    const url = await newTables();
    const store = open(url);
    await onServer(
      url,
      "INSERT INTO person (id, status, created_ms) VALUES ('p', 'active', 9007199254740993)",
    );
    const reading = store.read((reader) => reader.db.select().from(tables.person));
    await expect(reading).rejects.toBeInstanceOf(GatewayError);
    await expect(reading).rejects.toMatchObject({ code: 'internal' });
    expect(toNumber('9007199254740991')).toBe(Number.MAX_SAFE_INTEGER);
    expect(() => toNumber('9007199254740992')).toThrow('too large');
    // The connection is still good.
    expect(await names(store)).toEqual([]);
  });
});
