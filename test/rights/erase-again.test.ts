import { appendFileSync, copyFileSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { databaseFile } from '../../gateway/compose.ts';
import { viewData } from '../../gateway/operations/own.ts';
import { eraseAgain } from '../../gateway/rights/erase-again.ts';
import { erasePerson, resumeErasures } from '../../gateway/rights/erase.ts';
import { erasedFile, openErasedList } from '../../gateway/rights/erased-list.ts';
import {
  addPerson,
  closeCore,
  closeCores,
  entriesOf,
  newFolder,
  openTestCore,
  rawOf,
  type TestCore,
} from '../support/core.ts';
import { plantMarkers, searchBytes } from './markers.ts';

afterEach(closeCores);

const copyIn = (folder: string): string => join(folder, 'before.sqlite');

/** The core's folder with the database as it is now set aside. */
async function setAside(core: TestCore): Promise<TestCore> {
  await closeCore(core);
  copyFileSync(join(core.folder, databaseFile), copyIn(core.folder));
  return openTestCore({ folder: core.folder, startMs: core.clock.nowMs() });
}

/** The database that was set aside, in its place again. */
async function bringBack(core: TestCore): Promise<TestCore> {
  await closeCore(core);
  const database = join(core.folder, databaseFile);
  for (const ending of ['', '-wal', '-shm']) rmSync(`${database}${ending}`, { force: true });
  copyFileSync(copyIn(core.folder), database);
  rmSync(copyIn(core.folder));
  return openTestCore({ folder: core.folder, startMs: core.clock.nowMs() });
}

async function erase(core: TestCore, person: string): Promise<void> {
  await erasePerson(core.operations, { kind: 'person', person });
  await resumeErasures(core.operations);
}

const suppressedIn = (core: TestCore): unknown =>
  rawOf(core).prepare('SELECT count(*) FROM suppression').pluck().get();

it('whom an old backup brings back is erased again at the next start, and nobody else is', async () => {
  let core = await openTestCore();
  const planted = await plantMarkers(core, 'Anna');
  await addPerson(core, 'bea', { browsed: ['i1'] });
  core = await setAside(core);
  await erase(core, planted.person);
  expect(await eraseAgain(core.operations)).toBe(0);

  core = await bringBack(core);
  expect((await viewData(core.operations, planted.person, 'browsing', 0)).value.events).toHaveLength(1);
  expect(await eraseAgain(core.operations)).toBe(1);
  expect(await resumeErasures(core.operations)).toBe(1);
  await expect(viewData(core.operations, planted.person, 'browsing', 0)).rejects.toMatchObject({
    reason: 'person_erased',
  });
  expect(await searchBytes(core.folder, planted.erased)).toEqual({});
  expect((await viewData(core.operations, 'bea', 'browsing', 0)).value.events).toHaveLength(1);
  const asked = (await entriesOf(core)).find(({ kind }) => kind === 'erasure-requested');
  expect(asked?.payload).toMatchObject({ again: 'a restore had brought them back' });
  expect(await eraseAgain(core.operations)).toBe(0);
});

it('whom an old backup does not know yet is not imported afterwards', async () => {
  let core = await setAside(await openTestCore());
  const planted = await plantMarkers(core, 'Anna');
  await erase(core, planted.person);
  core = await bringBack(core);
  expect(suppressedIn(core)).toBe(0);
  expect(await eraseAgain(core.operations)).toBe(0);
  expect(suppressedIn(core)).toBe(1);
});

it('the list is its owner’s alone and names nobody; what it lacks is written again from the database', async () => {
  const core = await openTestCore();
  const planted = await plantMarkers(core, 'Anna');
  const path = join(core.folder, erasedFile);
  await erase(core, planted.person);
  const text = readFileSync(path, 'utf8');
  expect(statSync(path).mode & 0o077).toBe(0);
  expect(text).toMatch(
    /^\{"kind":"person","hash":"[0-9a-f]{64}"\}\n\{"kind":"reference","hash":"[0-9a-f]{64}"\}\n$/,
  );
  expect(text).not.toContain(planted.person);

  rmSync(path);
  const { folder, clock } = core;
  await closeCore(core);
  const again = await openTestCore({ folder, startMs: clock.nowMs() });
  expect(await eraseAgain(again.operations)).toBe(0);
  expect(readFileSync(path, 'utf8')).toBe(text);
});

it('an erasure whose line cannot be written is done, and complete only once the line is written', async () => {
  const core = await openTestCore();
  await addPerson(core, 'ann');
  const refusing = {
    ...core.operations,
    erased: {
      ...core.operations.erased,
      add: () => {
        throw new Error('ENOSPC');
      },
    },
  };
  const { value } = await erasePerson(refusing, { kind: 'person', person: 'ann' });
  expect(value.code).toMatch(/^[\w-]{27}$/);
  await expect(resumeErasures(refusing)).rejects.toThrow('ENOSPC');
  expect(await resumeErasures(core.operations)).toBe(1);
  expect(readFileSync(join(core.folder, erasedFile), 'utf8')).toContain('"person"');
});

it('a line that a crash cut off is passed over, and the next one is whole', () => {
  const path = join(newFolder(), erasedFile);
  const mark = (digit: string) => ({ kind: 'person' as const, hash: digit.repeat(64) });
  openErasedList(path).add([mark('a')]);
  appendFileSync(path, '{"kind":"person","ha');
  const list = openErasedList(path);
  list.add([mark('a'), mark('b')]);
  expect(openErasedList(path).all()).toEqual([mark('a'), mark('b')]);
  expect(readFileSync(path, 'utf8').match(/aaaa/g)).toHaveLength(16);
});
