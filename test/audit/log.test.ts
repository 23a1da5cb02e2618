import fc from 'fast-check';
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';
import { decodeEntry, decodeMapHead, isMapHead } from '../../gateway/audit/entry.ts';
import { sha256 } from '../../gateway/audit/log.ts';
import { PersonIndex } from '../../gateway/audit/person-index.ts';
import { leafHash } from '../../gateway/audit/tree.ts';
import { entry as entryTable } from '../../gateway/store/tables.ts';
import { newFolder } from '../support/core.ts';
import { describeOnStores } from '../support/on-stores.ts';
import { dropDatabases } from '../support/postgres.ts';
import { entryOf, openLedger, type Ledger } from './ledger.ts';

const outcomes = [
  'good',
  'good',
  'good',
  'twice',
  'refused before',
  'undone after',
  'at the end alone',
] as const;

describeOnStores('the log', () => {
  let ledger: Ledger;
  beforeEach(async () => (ledger = await openLedger(newFolder())));
  afterEach(() => ledger.close());
  afterAll(dropDatabases);

  it('numbers without a gap what works append at the same time, for each holder too, whatever fails beside them', async () => {
    const { store, log } = ledger;
    const told = new Map<number, string>();
    let round = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({ holder: fc.nat(4), what: fc.constantFrom(...outcomes), mayOverlap: fc.boolean() }),
          {
            minLength: 1,
            maxLength: 40,
          },
        ),
        async (works) => {
          round += 1;
          const results = await Promise.allSettled(
            works.map(({ holder, what, mayOverlap }, index) =>
              store.write(
                async (tx) => {
                  if (what === 'refused before') throw new Error('refused');
                  const entry = (part: number) => ({
                    ...entryOf(0),
                    // Now and then one whose keys are made here.
                    concern: {
                      kind: 'person' as const,
                      id: holder === 4 ? `new-${round}-${index}` : `p-${holder}`,
                      role: 'subject' as const,
                    },
                    operationId: `${round}/${index}/${part}`,
                  });
                  const receipts = [await log.append(tx, entry(0))];
                  if (what === 'twice') receipts.push(await log.append(tx, entry(1)));
                  if (what === 'undone after') throw new Error('undone');
                  return receipts;
                },
                { mayOverlap: mayOverlap && what !== 'at the end alone' },
              ),
            ),
          );
          results.forEach((result, index) => {
            const what = works[index]?.what;
            expect(result.status).toBe(
              what === 'refused before' || what === 'undone after' ? 'rejected' : 'fulfilled',
            );
            if (result.status === 'rejected') return;
            for (const [part, { number }] of result.value.entries())
              told.set(number, `${round}/${index}/${part}`);
          });
        },
      ),
      { numRuns: 40 },
    );
    const rows = await store.read(async (reader) =>
      reader.db.select().from(entryTable).orderBy(entryTable.number),
    );
    expect(rows.map(({ number }) => number)).toEqual(rows.map((_row, index) => index));
    expect(rows.map(({ number, operationId }) => [number, operationId])).toEqual(
      [...told].sort(([a], [b]) => a - b),
    );
    expect(log.durableSize()).toBe(rows.length);
    const counted = new Map<string, number>();
    for (const { holder, sequence, leaf, leafHash: stored } of rows) {
      expect(sequence).toBe(counted.get(holder ?? '') ?? 0);
      counted.set(holder ?? '', sequence + 1);
      expect(decodeEntry(leaf).about).toMatchObject({ concern: 'person', sequence });
      expect(stored.equals(leafHash(leaf, sha256))).toBe(true);
    }
    expect(rows.length).toBeGreaterThan(100);
    await ledger.publisher.publish();
    await ledger.publisher.check();
  });

  it('signs true map heads while neighbours fail after they appended, and proofs read the map', async () => {
    const { store, log, publisher } = ledger;
    for (let page = 0; page < 3; page++)
      await store.write(async (tx) => {
        for (let index = 0; index < 700; index++) await log.append(tx, entryOf(index));
      });
    let isOver = false;
    const failing = (async () => {
      while (!isOver) {
        await Promise.allSettled(
          Array.from({ length: 4 }, (_, index) =>
            store.write(async (tx) => {
              await log.append(tx, entryOf(index));
              if (index !== 1) throw new Error('undone');
            }),
          ),
        );
      }
    })();
    const reading = (async () => {
      while (!isOver) {
        await log.map((await publisher.latest())?.size ?? 0);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    for (let round = 0; round < 25; round++) await publisher.publish();
    isOver = true;
    await Promise.all([failing, reading]);
    await publisher.publish();
    const rows = await store.read(async (reader) =>
      reader.db.select({ leaf: entryTable.leaf }).from(entryTable).orderBy(entryTable.number),
    );
    const index = new PersonIndex(sha256);
    let heads = 0;
    for (const { leaf } of rows) {
      if (isMapHead(leaf)) {
        heads += 1;
        expect(Buffer.from(decodeMapHead(leaf).root).equals(index.root())).toBe(true);
      }
      index.add(leaf);
    }
    expect(heads).toBeGreaterThan(20);
  });

  it('puts no map head behind one that was undone before the map was dropped', async () => {
    const { store, log, publisher } = ledger;
    await ledger.add(3);
    const undone = store.write(async (tx) => {
      await log.appendMapHead(tx, 0);
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    await expect(store.write((tx) => log.appendMapHead(tx, 0))).rejects.toMatchObject({
      code: 'store_unavailable',
    });
    expect((await publisher.publish())?.size).toBe(4);
    await publisher.check();
  });
});
