// The last leaf of every checkpoint is the map head of all leaves before it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asc } from 'drizzle-orm';
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';
import { decodeMapHead, isMapHead, mapHeadKind } from '../../gateway/audit/entry.ts';
import { sha256 } from '../../gateway/audit/log.ts';
import { PersonIndex } from '../../gateway/audit/person-index.ts';
import { createPublisher, createSigner } from '../../gateway/audit/publish.ts';
import { entry as entryTable } from '../../gateway/store/tables.ts';
import { describeOnStores } from '../support/on-stores.ts';
import { dropDatabases } from '../support/postgres.ts';
import { clock, entryOf, openLedger, origin } from './ledger.ts';

let folder: string;
let ledger: Awaited<ReturnType<typeof openLedger>>;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'assent-publish-'));
  ledger = await openLedger(folder);
});
afterEach(async () => {
  await ledger.close();
  rmSync(folder, { recursive: true, force: true });
});
afterAll(dropDatabases);

const leaves = (): Promise<Buffer[]> =>
  ledger.store.read(async (reader) =>
    (await reader.db.select({ leaf: entryTable.leaf }).from(entryTable).orderBy(asc(entryTable.number))).map(
      ({ leaf }) => leaf,
    ),
  );
/** The map of these leaves, built from nothing. */
function rootOf(mapped: readonly Buffer[]): string {
  const index = new PersonIndex(sha256);
  for (const leaf of mapped) index.add(leaf);
  return Buffer.from(index.root()).toString('hex');
}

describeOnStores('a checkpoint', () => {
  it('ends in a map head of every leaf before it, round after round', async () => {
    for (const added of [1, 3, 40]) {
      await ledger.add(added);
      const head = await ledger.publisher.publish();
      const all = await leaves();
      expect(head?.size).toBe(all.length);
      const last = decodeMapHead(all.at(-1)!);
      expect(last.mapped).toBe(all.length - 1);
      expect(Buffer.from(last.root).toString('hex')).toBe(rootOf(all.slice(0, -1)));
    }
    expect((await leaves()).map(isMapHead).filter(Boolean)).toHaveLength(3);
  });

  it('is not signed again while nothing but a map head is new', async () => {
    await ledger.add(2);
    const first = await ledger.publisher.publish();
    expect(await ledger.publisher.publish()).toEqual(first);
    expect(await leaves()).toHaveLength(3);
  });

  it('that two processes make at the same moment is one checkpoint', async () => {
    await ledger.add(3);
    const other = await openLedger(folder);
    try {
      const [ours, theirs] = await Promise.all([ledger.publisher.publish(), other.publisher.publish()]);
      expect(ours?.root).toEqual(theirs?.root);
      expect([ours?.size, theirs?.size]).toEqual([4, 4]);
      expect((await leaves()).filter(isMapHead)).toHaveLength(1);
    } finally {
      await other.close();
    }
  });

  it('of an empty log does not exist', async () => {
    expect(await ledger.publisher.publish()).toBeUndefined();
    expect(await leaves()).toHaveLength(0);
  });

  it('is signed over the map head that a crash left unsigned, not over a second one', async () => {
    await ledger.add(2);
    await ledger.store.write((tx) => ledger.log.appendMapHead(tx, clock.nowMs()));
    await ledger.close();
    ledger = await openLedger(folder);
    expect((await ledger.publisher.publish())?.size).toBe(3);
    expect((await leaves()).filter(isMapHead)).toHaveLength(1);
  });

  it('has the right map after a publishing transaction that failed', async () => {
    await ledger.add(2);
    await ledger.publisher.publish();
    await ledger.add(1);
    const failing = {
      ...ledger.store,
      write: (work: Parameters<typeof ledger.store.write>[0]) =>
        ledger.store.write(async (tx) => {
          await work(tx);
          throw new Error('the disk is full');
        }),
    } as typeof ledger.store;
    const signer = createSigner(origin, new Uint8Array(32).fill(101));
    const failingPublisher = createPublisher({ store: failing, log: ledger.log, signer, clock });
    await expect(failingPublisher.publish()).rejects.toThrow('the disk is full');
    await ledger.add(1);
    const head = await ledger.publisher.publish();
    const all = await leaves();
    expect(head?.size).toBe(all.length);
    expect(all).toHaveLength(6);
    expect(Buffer.from(decodeMapHead(all[5]!).root).toString('hex')).toBe(rootOf(all.slice(0, 5)));
  });
});

describeOnStores('the map', () => {
  it('is in doubt once its transaction is undone, and right on other leaves after it was dropped', async () => {
    await ledger.add(2);
    await ledger.publisher.publish();
    const undone = ledger.store.write(async (tx) => {
      await ledger.log.append(tx, entryOf(50));
      await ledger.log.appendMapHead(tx, clock.nowMs());
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    // As many leaves as the undone transaction had, but others.
    await ledger.add(2);
    const append = () => ledger.store.write((tx) => ledger.log.appendMapHead(tx, clock.nowMs()));
    await expect(append()).rejects.toMatchObject({ code: 'store_unavailable' });
    ledger.log.forgetMap();
    await append();
    const all = await leaves();
    expect(Buffer.from(decodeMapHead(all.at(-1)!).root).toString('hex')).toBe(rootOf(all.slice(0, -1)));
  });
});

describeOnStores('the start-up check', () => {
  it('accepts the log as it was signed, and a log whose last entries are not signed yet', async () => {
    await ledger.add(3);
    await ledger.publisher.publish();
    await ledger.add(2);
    await ledger.close();
    ledger = await openLedger(folder);
    await expect(ledger.publisher.check()).resolves.toBeUndefined();
    expect((await ledger.publisher.publish())?.size).toBe(7);
  });

  it('refuses a signed map head that is not the map of the leaves', async () => {
    await ledger.add(3);
    const lying = {
      ...ledger.log,
      appendMapHead: (tx: Parameters<typeof ledger.log.appendMapHead>[0], atMs: number) =>
        ledger.log.appendMapHead(
          {
            ...tx,
            run: ((given: never, parameters: Record<string, unknown>) => {
              if (parameters?.['kind'] === mapHeadKind) {
                const leaf = Buffer.from(parameters['leaf'] as Uint8Array);
                leaf[60]! ^= 1;
                const leafHash = sha256(Buffer.concat([Uint8Array.of(0), leaf]));
                return tx.run(given, { ...parameters, leaf, leafHash });
              }
              return tx.run(given, parameters);
            }) as typeof tx.run,
          },
          atMs,
        ),
    };
    const signer = createSigner(origin, new Uint8Array(32).fill(101));
    await createPublisher({ store: ledger.store, log: lying, signer, clock }).publish();
    await ledger.close();
    ledger = await openLedger(folder);
    await expect(ledger.publisher.check()).rejects.toMatchObject({ code: 'log_fork' });
  });
});
