import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { databaseFile } from '../../gateway/compose.ts';
import { erasePerson, resumeErasures } from '../../gateway/rights/erase.ts';
import { setting } from '../../gateway/store/tables.ts';
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

it('a closed store cleans nothing', async () => {
  const { store } = core;
  await closeCores();
  await expect(store.clean()).rejects.toMatchObject({ code: 'store_unavailable' });
});
