import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { databaseFile } from '../../gateway/compose.ts';
import { cleanIfDue, paceCleanings } from '../../gateway/rights/clean.ts';
import { erasePerson, resumeErasures } from '../../gateway/rights/erase.ts';
import { setting } from '../../gateway/store/tables.ts';
import { handClock } from '../../gateway/system.ts';
import { closeCores, entriesOf, openTestCore, rawOf, type TestCore } from '../support/core.ts';
import { plantMarkers, searchBytes } from './markers.ts';

let core: TestCore;

beforeEach(async () => {
  core = await openTestCore();
});
afterEach(closeCores);

const put = (name: string) =>
  core.store.write((tx) => tx.db.insert(setting).values({ name, value: 'x' }).onConflictDoNothing());

it('writes before, during and after a cleaning are all there', async () => {
  const names = Array.from({ length: 200 }, (_, index) => `put-${index}`);
  const work = names.flatMap((name, index) =>
    index % 50 === 25 ? [put(name), core.store.clean()] : [put(name)],
  );
  await Promise.all(work);
  const kept = rawOf(core).prepare("SELECT count(*) FROM setting WHERE name LIKE 'put-%'").pluck().get();
  expect(kept).toBe(200);
  expect(rawOf(core).pragma('integrity_check', { simple: true })).toBe('ok');
});

it('while another connection reads old pages, the erasure waits and nothing is said to be complete', async () => {
  const planted = await plantMarkers(core, 'Anna');
  const other = new Sqlite(join(core.folder, databaseFile), { readonly: true });
  other.exec('BEGIN');
  other.prepare('SELECT count(*) FROM person').get();
  try {
    await erasePerson(core.operations, { kind: 'person', person: planted.person });
    await expect(resumeErasures(core.operations)).rejects.toMatchObject({ code: 'store_unavailable' });
    expect((await entriesOf(core)).map(({ kind }) => kind)).not.toContain('erasure-completed');
    await put('still-writing');
  } finally {
    other.exec('COMMIT');
  }
  expect(await resumeErasures(core.operations)).toBe(1);
  expect(await searchBytes(core.folder, planted.erased)).toEqual({});
  other.close();
});

it('two erasures at once share a cleaning and both complete', async () => {
  const both = [await plantMarkers(core, 'Anna'), await plantMarkers(core, 'Berta')];
  await Promise.all(
    both.map(async ({ person }) => {
      await erasePerson(core.operations, { kind: 'person', person });
      await resumeErasures(core.operations);
    }),
  );
  for (const { erased } of both) expect(await searchBytes(core.folder, erased)).toEqual({});
  const kinds = (await entriesOf(core)).map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind === 'erasure-completed')).toHaveLength(2);
  expect(kinds).not.toContain('failed');
});

it('one who is erased while the files are rewritten waits for the next cleaning', async () => {
  const [first, second] = [await plantMarkers(core, 'Anna'), await plantMarkers(core, 'Berta')];
  await erasePerson(core.operations, { kind: 'person', person: first.person });
  const parts = {
    ...core.operations,
    clean: async () => {
      const isClean = await core.operations.clean();
      await erasePerson(core.operations, { kind: 'person', person: second.person });
      return isClean;
    },
  };
  expect(await resumeErasures(parts)).toBe(1);
  expect(await resumeErasures(core.operations)).toBe(1);
  expect(await searchBytes(core.folder, second.erased)).toEqual({});
});

it('while it is not time to clean, nothing is rewritten and nothing is said to be complete', async () => {
  const planted = await plantMarkers(core, 'Anna');
  await erasePerson(core.operations, { kind: 'person', person: planted.person });
  const cleaning = vi.spyOn(core.store, 'clean');
  let isTime = false;
  const parts = { ...core.operations, clean: () => cleanIfDue(core.store, () => isTime) };
  expect(await resumeErasures(parts)).toBe(0);
  expect(cleaning).not.toHaveBeenCalled();
  isTime = true;
  expect(await resumeErasures(parts)).toBe(1);
  isTime = false;
  expect(await parts.clean()).toBe(true);
  expect(cleaning).toHaveBeenCalledOnce();
});

it('small files are rewritten once a minute at most, large ones once an hour', () => {
  const clock = handClock(0);
  let sizeBytes = 64 * 2 ** 20;
  const mayNow = paceCleanings(clock, () => sizeBytes);
  const after = (ms: number) => (clock.advance(ms), mayNow());
  expect([mayNow(), after(59_999), after(1)]).toEqual([true, false, true]);
  sizeBytes += 1;
  expect([after(60_000), after(3_539_999), after(1), after(60_000)]).toEqual([false, false, true, false]);
});

it('a closed store cleans nothing', async () => {
  const { store } = core;
  await closeCores();
  await expect(store.clean()).rejects.toMatchObject({ code: 'store_unavailable' });
});
