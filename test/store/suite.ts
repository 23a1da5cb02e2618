// What every store keeps, whatever lies beneath: the same tests on SQLite and on PostgreSQL.
import fc from 'fast-check';
import { and, asc, count, desc, eq, gt, gte, inArray, lte, sql, sum } from 'drizzle-orm';
import { alias } from 'drizzle-orm/sqlite-core';
import { createHash, randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { GatewayError } from '../../gateway/errors.ts';
import { bound, fixed, query, type Reader, type Store, type Tx } from '../../gateway/store/store.ts';
import * as tables from '../../gateway/store/tables.ts';

export interface StoreOptions {
  readonly batchSize?: number;
  readonly queueLimit?: number;
}

export interface OpenedStore {
  readonly store: Store;
  /** Statements beside the store, as somebody with another program would run them. */
  exec(statements: string): Promise<void>;
  /** Whether these bytes are in any file of the database, the write-ahead log left aside where it cannot be cleaned. */
  isOnDisk(bytes: Buffer): Promise<boolean>;
  /** The same data opened again, as by a restart. */
  again(): Promise<Store>;
  close(): Promise<void>;
}

const { setting } = tables;
const put =
  (name: string, value = 'v') =>
  async (tx: Tx) => {
    await tx.db.insert(setting).values({ name, value });
    return name;
  };
const names = (store: Store): Promise<string[]> =>
  store.read(async (reader) =>
    (await reader.db.select().from(setting).orderBy(asc(setting.name))).map(({ name }) => name),
  );
const byName = query((db) =>
  db
    .select({ value: setting.value })
    .from(setting)
    .where(eq(setting.name, bound('name')))
    .limit(fixed(1)),
);
const after = query((db) =>
  db
    .select({ number: tables.entry.number, leaf: tables.entry.leaf })
    .from(tables.entry)
    .where(gt(tables.entry.number, bound('from')))
    .orderBy(asc(tables.entry.number))
    .limit(bound('most')),
);
const insertSetting = query((db) =>
  db.insert(setting).values({ name: sql.placeholder('name'), value: sql.placeholder('value') }),
);
const entryRow = (number: number, leaf = Buffer.from([number % 256])) => ({
  number,
  leaf,
  leafHash: Buffer.from([1]),
  holder: 'person:p',
  sequence: number,
  operationId: 'o',
  kind: 1,
  atMs: 0,
  outcome: 'allowed',
  recipient: null,
  keyClass: 'data',
  nonce: Buffer.from([2]),
  payload: Buffer.from([3]),
});
const person = { id: 'p', status: 'active', createdMs: 0 };
const source = { id: 's', name: 's', legalBasis: 'contract', importedMs: 0, accepted: 0, rejected: 0 };
/** SQLite counts with UTF-8's bytes, and so does PostgreSQL with COLLATE "C". */
const byteWise = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

export function storeContract(open: (options?: StoreOptions) => Promise<OpenedStore>): void {
  const opened: OpenedStore[] = [];
  async function start(options?: StoreOptions): Promise<OpenedStore> {
    const one = await open(options);
    opened.push(one);
    return one;
  }
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.close();
  });

  describe('group commit', () => {
    it('puts what waits into few transactions, and all of it is there afterwards', async () => {
      const { store } = await start();
      const wanted = Array.from({ length: 500 }, (_, index) => `n${String(index).padStart(3, '0')}`);
      expect(await Promise.all(wanted.map((name) => store.write(put(name))))).toEqual(wanted);
      expect(await names(store)).toEqual(wanted);
      const { batches, works, largestBatch, waiting, waitedMs } = store.figures();
      expect([works, largestBatch, waiting]).toEqual([500, 32, 0]);
      expect(batches).toBe(Math.ceil(500 / 32));
      expect(waitedMs).toBeGreaterThan(0);
    });

    it('orders works as they were asked for', async () => {
      const { store } = await start();
      const seen: number[] = [];
      await Promise.all(
        Array.from({ length: 100 }, (_, index) => store.write(async () => void seen.push(index))),
      );
      expect(seen).toEqual(Array.from({ length: 100 }, (_, index) => index));
    });

    it('a work that throws is undone alone; its neighbours commit', async () => {
      const { store } = await start();
      const results = await Promise.allSettled([
        store.write(put('first')),
        store.write(async (tx) => {
          await put('undone')(tx);
          throw new Error('this one only');
        }),
        store.write(put('first')),
        store.write(put('last')),
      ]);
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled']);
      expect(await names(store)).toEqual(['first', 'last']);
      expect(store.figures().batches).toBe(1);
    });

    it('a work that goes on after it ended is refused, and changes nothing', async () => {
      const { store } = await start();
      let later: (() => Promise<unknown>)[] = [];
      await store.write(async (tx) => {
        later = [
          () => put('late')(tx),
          () => tx.run(insertSetting, { name: 'late', value: 'v' }),
          async () => tx.send(insertSetting, { name: 'late', value: 'v' }),
        ];
      });
      for (const one of later) await expect(one()).rejects.toMatchObject({ code: 'internal' });
      await store.write(async () => {
        for (const one of later) await expect(one()).rejects.toMatchObject({ code: 'internal' });
      });
      expect(await names(store)).toEqual([]);
    });

    it('a work that asks to be alone shares its transaction with none, and keeps its place', async () => {
      const { store } = await start();
      const scopes: object[] = [];
      const seen: number[] = [];
      await Promise.all(
        Array.from({ length: 9 }, (_, index) =>
          store.write(
            async ({ scope }) => {
              scopes.push(scope);
              seen.push(index);
            },
            { alone: index === 3 || index === 4 },
          ),
        ),
      );
      expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
      expect(store.figures().batches).toBe(4);
      expect(new Set(scopes).size).toBe(4);
    });

    it('what a work throws is what its caller catches', async () => {
      const { store } = await start();
      const refusal = new GatewayError('conflict', 'mine');
      await expect(store.write(() => Promise.reject(refusal))).rejects.toBe(refusal);
      await expect(store.read(() => Promise.reject(refusal))).rejects.toBe(refusal);
    });

    it('an error of a statement tells no value', async () => {
      const { store } = await start();
      await store.write(put('a-secret-name', 'a-secret-value'));
      const told = async (work: (tx: Tx) => Promise<unknown>): Promise<string> => {
        const error: unknown = await store.write(work).catch((cause: unknown) => cause);
        expect(error).toBeInstanceOf(Error);
        const { message, cause } = error as Error;
        return `${message} ${cause instanceof Error ? cause.message : ''} ${JSON.stringify(error)}`;
      };
      expect(await told(put('a-secret-name', 'a-secret-value'))).not.toMatch(/secret/);
      expect(await told((tx) => tx.run(insertSetting, { name: 'a-secret-name', value: 'x' }))).not.toMatch(
        /secret/,
      );
    });

    it('a work sees what the works before it in the batch did', async () => {
      const { store } = await start();
      const [, counted] = await Promise.all([
        store.write(put('a')),
        store.write(async (tx) => (await tx.db.select().from(setting)).length),
      ]);
      expect(counted).toBe(1);
    });

    it('refuses more than it lets wait, with 503', async () => {
      const { store } = await start({ queueLimit: 10 });
      const results = await Promise.allSettled(
        Array.from({ length: 12 }, (_, i) => store.write(put(`n${i}`))),
      );
      const refused = results.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
      expect(refused.map(({ reason }) => (reason as GatewayError).status)).toEqual([503, 503]);
      expect(await names(store)).toHaveLength(10);
    });

    it('what runs after durable runs before the caller hears, in order, and not for what was undone', async () => {
      const { store } = await start();
      const order: string[] = [];
      const work = (name: string) =>
        store
          .write(async (tx) => {
            order.push(`execute ${name}`);
            tx.afterDurable(() => order.push(`durable ${name}`));
            if (name === 'b') throw new Error('undone');
          })
          .then(
            () => order.push(`told ${name}`),
            () => order.push(`refused ${name}`),
          );
      await Promise.all([work('a'), work('b'), work('c')]);
      expect(order.slice(0, 5)).toEqual(['execute a', 'execute b', 'execute c', 'durable a', 'durable c']);
      expect(order.slice(5).sort(byteWise)).toEqual(['refused b', 'told a', 'told c']);
    });

    it('whatever fails in whatever order, exactly what was acknowledged is there, also after a restart', async () => {
      const one = await start({ batchSize: 5 });
      let round = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.tuple(
              fc.constantFrom('good', 'good', 'good', 'throws', 'fails', 'waits', 'refuses', 'missends'),
              fc.boolean(),
            ),
            { minLength: 1, maxLength: 25 },
          ),
          async (works) => {
            round += 1;
            const kinds = works.map(([kind]) => kind);
            const results = await Promise.allSettled(
              works.map(([kind, mayOverlap], index) =>
                one.store.write(
                  async (tx) => {
                    const name = `${round}-${index}`;
                    // Fails having read what is there and changed nothing.
                    if (kind === 'refuses')
                      throw new Error(`refused beside ${(await tx.run(byName, { name })).length}`);
                    tx.send(insertSetting, { name, value: 'sent' });
                    // Nobody waits for the answer that says no.
                    if (kind === 'missends') tx.send(insertSetting, { name, value: 'twice' });
                    if (kind === 'throws') throw new Error('thrown');
                    if (kind === 'fails') await put(name)(tx);
                    if (kind === 'waits') await new Promise((resolve) => setImmediate(resolve));
                    // Says that it may overlap, and does what only one that may not may do.
                    if (kind === 'waits')
                      await tx.db.update(setting).set({ value: 'waited' }).where(eq(setting.name, name));
                  },
                  { mayOverlap },
                ),
              ),
            );
            const good = ['good', 'waits'];
            const yes = kinds.map((kind) => (good.includes(kind) ? 'fulfilled' : 'rejected'));
            expect(results.map(({ status }) => status)).toEqual(yes);
            const there = (await names(one.store)).filter((name) => name.startsWith(`${round}-`));
            expect(there).toEqual(
              kinds
                .flatMap((_, index) => (yes[index] === 'fulfilled' ? [`${round}-${index}`] : []))
                .sort(byteWise),
            );
          },
        ),
        { numRuns: 25 },
      );
      const before = await names(one.store);
      expect(await names(await one.again())).toEqual(before);
    });

    it('numbers that works count themselves have no gap and no double, whatever fails beside them', async () => {
      const { store } = await start();
      await store.write(async (tx) => void (await tx.db.insert(tables.person).values(person)));
      const append = (fails: boolean) =>
        store.write(async (tx) => {
          const [last] = await tx.db
            .select({ number: tables.entry.number })
            .from(tables.entry)
            .orderBy(desc(tables.entry.number))
            .limit(1);
          const number = (last?.number ?? -1) + 1;
          await tx.db.insert(tables.entry).values(entryRow(number));
          if (fails) throw new Error('undone');
          return number;
        });
      const results = await Promise.allSettled(
        Array.from({ length: 200 }, (_, index) => append(index % 7 === 3)),
      );
      const told = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      expect(told).toEqual(Array.from({ length: told.length }, (_, number) => number));
      const rows = await store.read((reader) => reader.run(after, { from: -1, most: 1000 }));
      expect(rows.map(({ number }) => number)).toEqual(told);
    });
  });

  describe('reads', () => {
    it('cannot write', async () => {
      const { store } = await start();
      await expect(
        store.read(async (reader) => reader.db.insert(setting).values({ name: 'x', value: 'y' })),
      ).rejects.toThrow();
      expect(await names(store)).toEqual([]);
    });

    it('do not see what is not committed; the transaction does, by prepared queries too', async () => {
      const { store } = await start();
      const seen = await store.write(async (tx) => {
        await tx.run(insertSetting, { name: 'a', value: '1' });
        const outside = await names(store);
        const inside = await tx.run(byName, { name: 'a' });
        return { outside, inside };
      });
      expect(seen).toEqual({ outside: [], inside: [{ value: '1' }] });
    });

    it('see what was acknowledged, at once, also many side by side', async () => {
      const { store } = await start();
      await Promise.all(
        Array.from({ length: 60 }, async (_, index) => {
          await store.write(put(`n${index}`, String(index)));
          expect(await store.read((reader) => reader.run(byName, { name: `n${index}` }))).toEqual([
            { value: String(index) },
          ]);
        }),
      );
    });

    it('may ask several things at once in one read and in one work', async () => {
      const { store } = await start();
      await store.write(put('a', '1'));
      const both = (reader: Reader) =>
        Promise.all([reader.run(byName, { name: 'a' }), reader.db.select().from(setting)]);
      const expected = [[{ value: '1' }], [{ name: 'a', value: '1' }]];
      expect(await store.read(both)).toEqual(expected);
      expect(await store.write(both)).toEqual(expected);
    });
  });

  it('a table joined with itself by another name, and with what may not be there, gives the rows that belong together', async () => {
    const { store } = await start();
    const other = alias(tables.item, 'other');
    const joined = query((db) =>
      db
        .select({ key: tables.item.key, other: other.title, source: tables.source, nobody: tables.person.id })
        .from(tables.item)
        .leftJoin(other, and(eq(other.key, tables.item.title), eq(other.source, bound('source'))))
        .innerJoin(tables.source, eq(tables.source.id, tables.item.source))
        .leftJoin(tables.person, eq(tables.person.id, tables.item.key))
        .where(gte(tables.item.key, bound('from')))
        .orderBy(asc(tables.item.key)),
    );
    await store.write(async (tx) => {
      await tx.db.insert(tables.source).values(source);
      for (const [key, title] of [
        ['a', 'b'],
        ['b', 'c'],
        ['0', 'a'],
      ] as const)
        await tx.db.insert(tables.item).values({ key, title, source: 's' });
    });
    expect(await store.read((reader) => reader.run(joined, { source: 's', from: 'a' }))).toEqual([
      { key: 'a', other: 'c', source, nobody: null },
      { key: 'b', other: null, source, nobody: null },
    ]);
  });

  describe('values', () => {
    it('ids are compared and ordered byte by byte, in any case and script', async () => {
      const { store } = await start();
      const ids = [
        'a',
        'A',
        'aa',
        'aB',
        'ab',
        'a-b',
        'a_b',
        'ä',
        'a\u0308',
        'z',
        'Z',
        'ß',
        'ss',
        '中',
        'é',
        'e\u0301',
        '😀',
        '\uFFFD',
        ' ',
        '0',
        '00',
        '1',
        '10',
        '9',
        'ı',
        'i',
        'I',
        'İ',
      ];
      await store.write(async (tx) => {
        for (const name of ids) await put(name)(tx);
      });
      expect(await names(store)).toEqual([...ids].sort(byteWise));
      for (const name of ids) {
        const [found] = await store.read((reader) =>
          reader.db.select({ times: count() }).from(setting).where(eq(setting.name, name)),
        );
        expect([name, found?.times]).toEqual([name, 1]);
      }
      const upTo = await store.read((reader) =>
        reader.db.select().from(setting).where(lte(setting.name, 'a')).orderBy(desc(setting.name)),
      );
      expect(upTo.map(({ name }) => name)).toEqual(
        ids
          .filter((id) => byteWise(id, 'a') <= 0)
          .sort(byteWise)
          .reverse(),
      );
    });

    it('times and numbers come back as numbers, exact to 2^53', async () => {
      const { store } = await start();
      const largest = Number.MAX_SAFE_INTEGER;
      const values = [
        0,
        1,
        -1,
        2 ** 31,
        2 ** 32 + 1,
        Date.parse('2026-03-01T12:00:00.123Z'),
        largest,
        -largest,
      ];
      await store.write(async (tx) => {
        for (const [index, at] of values.entries())
          await tx.db
            .insert(tables.person)
            .values({ ...person, id: `p${index}`, createdMs: at, gpcSinceMs: null });
      });
      const rows = await store.read((reader) =>
        reader.db.select().from(tables.person).orderBy(asc(tables.person.id)),
      );
      expect(rows.map(({ createdMs }) => createdMs)).toEqual(values);
      expect(rows.map(({ gpcSinceMs, reference }) => [gpcSinceMs, reference])).toEqual(
        values.map(() => [null, null]),
      );
      const [totals] = await store.read((reader) =>
        reader.db
          .select({
            times: count(),
            total: sum(tables.person.createdMs).mapWith(Number),
            most: sql<number>`max(${tables.person.createdMs})`,
          })
          .from(tables.person)
          .where(inArray(tables.person.id, ['p1', 'p3'])),
      );
      expect(totals).toEqual({ times: 2, total: 1 + 2 ** 31, most: 2 ** 31 });
    });

    it('fractions keep every bit, nothing stays nothing, rows get numbers of their own', async () => {
      const { store } = await start();
      const fractions = [0.1, 1 / 3, -2.5, 1e-300, 4.35, null];
      const ids = await store.write(async (tx) => {
        await tx.db.insert(tables.person).values(person);
        await tx.db.insert(tables.source).values(source);
        const common = { person: 'p', category: 'browsing', kind: 'view', item: 'i', source: 's' };
        const rows = await tx.db
          .insert(tables.event)
          .values(fractions.map((value, atMs) => ({ ...common, value, atMs })))
          .returning({ id: tables.event.id });
        return rows.map(({ id }) => id);
      });
      expect(new Set(ids).size).toBe(fractions.length);
      expect([...ids].sort((a, b) => a - b)).toEqual(ids);
      const rows = await store.read((reader) =>
        reader.db.select().from(tables.event).orderBy(asc(tables.event.atMs)),
      );
      expect(rows.map(({ value }) => value)).toEqual(fractions);
    });

    it('bytes come back as they were, none at all and 50 MB too', async () => {
      const { store } = await start();
      const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      const large = randomBytes(50_000_000);
      const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
      const runOf = (id: string) => ({
        id,
        operation: 'train',
        state: 'released',
        population: 'x',
        consentEvent: 0,
        people: 0,
        startedEntry: 0,
        begunMs: 0,
      });
      await store.write(async (tx) => {
        for (const [id, bytes] of [
          ['all', all],
          ['none', Buffer.alloc(0)],
          ['large', large],
        ] as const) {
          await tx.db.insert(tables.run).values(runOf(id));
          await tx.db.insert(tables.model).values({ run: id, kind: 'k', bytes, madeMs: 0 });
        }
      });
      const rows = await store.read((reader) =>
        reader.db.select().from(tables.model).orderBy(asc(tables.model.run)),
      );
      expect(rows.map(({ run }) => run)).toEqual(['all', 'large', 'none']);
      expect(rows.every(({ bytes }) => Buffer.isBuffer(bytes))).toBe(true);
      expect(rows.map(({ bytes }) => digest(bytes))).toEqual([
        digest(all),
        digest(large),
        digest(Buffer.alloc(0)),
      ]);
    });

    it('text of any kind comes back as it was', async () => {
      const { store } = await start();
      await fc.assert(
        fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 200 }), async (given) => {
          // NUL and lone halves of a pair are no text for one store or the other; input is checked before it comes here.
          const text = given.replaceAll('\0', '').toWellFormed();
          await store.write(async (tx) => {
            await tx.db
              .insert(setting)
              .values({ name: 'text', value: text })
              .onConflictDoUpdate({ target: setting.name, set: { value: text } });
          });
          expect(await store.read((reader) => reader.run(byName, { name: 'text' }))).toEqual([
            { value: text },
          ]);
        }),
        { numRuns: 30 },
      );
    });

    it('sums and comparisons happen in the database as in the program', async () => {
      const { store } = await start();
      await store.write(async (tx) => {
        await tx.db.insert(tables.budgetScope).values({ id: 'a', limitMicro: 10, spentMicro: 0 });
        for (const cost of [4, 4, 4]) {
          await tx.db
            .update(tables.budgetScope)
            .set({ spentMicro: sql`${tables.budgetScope.spentMicro} + ${cost}` })
            .where(lte(tables.budgetScope.spentMicro, sql`${tables.budgetScope.limitMicro} - ${cost}`));
        }
      });
      expect(await store.read((reader) => reader.db.select().from(tables.budgetScope))).toEqual([
        { id: 'a', limitMicro: 10, spentMicro: 8 },
      ]);
    });
  });

  describe('what is final', () => {
    it('leaves and checkpoints are never edited or deleted, consent events never edited', async () => {
      const one = await start();
      await one.store.write(async (tx) => {
        await tx.db.insert(tables.person).values(person);
        await tx.db.insert(tables.entry).values(entryRow(0));
        await tx.db
          .insert(tables.checkpoint)
          .values({ size: 1, root: Buffer.from([0]), note: 'note', signedMs: 0 });
        await tx.db.insert(tables.consentEvent).values({
          number: 1,
          person: 'p',
          category: 'browsing',
          purpose: 'pricing',
          recipient: '*',
          action: 'on',
          method: 'portal',
          collectedMs: 0,
          recordedMs: 0,
        });
      });
      for (const [statement, message] of [
        ['UPDATE entry SET leaf = leaf_hash', 'leaves are never edited'],
        ['UPDATE entry SET leaf_hash = leaf', 'leaves are never edited'],
        ['UPDATE entry SET number = 7', 'leaves are never edited'],
        ['DELETE FROM entry', 'entries are never deleted'],
        ['UPDATE checkpoint SET root = root', 'checkpoints are never edited'],
        ['DELETE FROM checkpoint', 'checkpoints are never deleted'],
        ["UPDATE consent_event SET action = 'off'", 'consent events are never edited'],
      ] as const) {
        await expect(one.exec(statement), statement).rejects.toThrow(message);
      }
      await expect(one.store.write((tx) => tx.db.delete(tables.entry))).rejects.toThrow(
        'entries are never deleted',
      );
      // An erasure clears what lies beside a leaf.
      await one.exec('UPDATE entry SET payload = NULL, nonce = NULL');
      expect(await one.store.read((reader) => reader.db.select().from(tables.entry))).toMatchObject([
        { number: 0, payload: null, nonce: null },
      ]);
    });

    it('a row without its person, a double and a word outside the list are refused', async () => {
      const { store } = await start();
      const refused = (work: (tx: Tx) => Promise<unknown>) => expect(store.write(work)).rejects.toThrow();
      await refused((tx) =>
        tx.db.insert(tables.account).values({ person: 'nobody', userName: 'x', password: 'x', createdMs: 0 }),
      );
      await refused((tx) => tx.db.insert(tables.person).values({ ...person, status: 'sleepy' }));
      await store.write(async (tx) => void (await tx.db.insert(tables.person).values(person)));
      await refused((tx) => tx.db.insert(tables.person).values(person));
      await refused((tx) =>
        tx.db.insert(tables.budgetScope).values({ id: 'a', limitMicro: 1, spentMicro: 2 }),
      );
    });
  });

  describe('cleaning', () => {
    it('leaves no byte of what was deleted in the files, and all that was kept', async () => {
      const one = await start();
      const secret = () => Buffer.from(randomBytes(12).toString('hex'));
      const [gone, kept, cleared] = [secret(), secret(), secret()];
      await one.store.write(async (tx) => {
        await put('gone', gone.toString())(tx);
        await put('kept', kept.toString())(tx);
        for (let index = 0; index < 300; index++) await put(`n${index}`, `${gone.toString()}${index}`)(tx);
        await tx.db.insert(tables.person).values(person);
        await tx.db.insert(tables.entry).values({ ...entryRow(0), payload: cleared });
      });
      await one.store.write(async (tx) => {
        await tx.db.delete(setting).where(sql`${setting.name} <> 'kept'`);
        await tx.db.update(tables.entry).set({ payload: null });
      });
      await one.store.clean();
      expect(await one.isOnDisk(kept)).toBe(true);
      expect(await one.isOnDisk(gone)).toBe(false);
      expect(await one.isOnDisk(cleared)).toBe(false);
      expect(await names(one.store)).toEqual(['kept']);
      expect(await one.store.write(put('after'))).toBe('after');
    });

    it('happens between batches while others write, once for all who wait', async () => {
      const { store } = await start();
      const writes = Array.from({ length: 80 }, (_, index) => store.write(put(`n${index}`)));
      await Promise.all([...writes, store.clean(), store.clean(), store.clean()]);
      expect(await names(store)).toHaveLength(80);
    });
  });

  it('while the files are rewritten, reads are answered and writes wait their turn', async () => {
    const { store } = await start();
    const large = 'x'.repeat(100_000);
    await Promise.all(Array.from({ length: 100 }, (_, index) => store.write(put(`n${index}`, large))));
    let isClean = false;
    const cleaning = store.clean().then(() => (isClean = true));
    const written = store.write(put('meanwhile'));
    let reads = 0;
    while (!isClean) {
      expect((await names(store)).length).toBeGreaterThanOrEqual(100);
      await new Promise((resolve) => setImmediate(resolve));
      reads += 1;
    }
    await cleaning;
    expect(reads).toBeGreaterThan(5);
    expect(await written).toBe('meanwhile');
    expect(await names(store)).toHaveLength(101);
  });

  describe('closing', () => {
    it('finishes what waits, then refuses', async () => {
      const one = await start();
      const waiting = Promise.all(
        Array.from({ length: 40 }, (_, index) => one.store.write(put(`n${index}`))),
      );
      const closing = one.store.close();
      await expect(one.store.write(put('late'))).rejects.toMatchObject({
        code: 'store_unavailable',
        status: 503,
      });
      await closing;
      expect(await waiting).toHaveLength(40);
      await expect(one.store.clean()).rejects.toMatchObject({ code: 'store_unavailable' });
      expect(await names(await one.again())).toHaveLength(40);
    });
  });
}
