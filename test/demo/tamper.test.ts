import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCore, type Core } from '../../gateway/compose.ts';
import { loadConfig } from '../../gateway/config.ts';
import { tamperCopy } from '../../gateway/demo/tamper.ts';
import { staffRequest } from '../../gateway/operations/accounts.ts';
import { realSystem } from '../../gateway/system.ts';
import { countEntries, makeHome } from './home.ts';

describe('an entry deleted from a copy of the data', () => {
  const home = makeHome();
  const targets = makeHome();
  let core: Core;

  beforeAll(async () => {
    core = await home.open();
    mkdirSync(join(home.path, 'chain'));
    writeFileSync(join(home.path, 'chain', 'journal.jsonl'), '{}\n');
    writeFileSync(join(home.path, 'chain', 'lock'), '1');
  });
  afterAll(async () => {
    await core.close();
    home.remove();
    targets.remove();
  });
  const target = (name: string): string => join(targets.path, name);

  it('cannot be shown before a head is signed', async () => {
    await expect(tamperCopy(home.path, target('early'))).rejects.toMatchObject({ code: 'conflict' });
  });

  it('makes a start on the copy refuse and name the entry, while the gateway runs on', async () => {
    for (let times = 0; times < 9; times++) {
      const request = staffRequest({ kind: 'system', id: 'test' }, 'administer');
      await core.gate.run(request, async () => ({ value: undefined, keyClass: 'evidence' }));
    }
    await core.publisher.publish();
    const done = await tamperCopy(home.path, target('copy'));
    expect(done).toEqual({ entry: 4, folder: target('copy') });
    const refused = await openCore(loadConfig({ ASSENT_HOME: done.folder }), realSystem).catch(
      (e: unknown) => e,
    );
    expect(refused).toMatchObject({ code: 'log_fork', message: expect.stringMatching(/\bentry 4\b/) });
    // Nine entries and the map head over them.
    expect(await countEntries(core)).toBe(10);
    await core.publisher.check();
  });

  it('can still be opened for looking at, one entry short, and the original stays whole', async () => {
    const copy = target('copy');
    const opened = await openCore(loadConfig({ ASSENT_HOME: copy }), realSystem, { checkLog: false });
    expect(await countEntries(opened)).toBe(9);
    await opened.close();
    await core.publisher.check();
  });

  it('copies keys and journal, readable by their owner alone, and no lock', () => {
    const copy = target('copy');
    expect(readdirSync(join(copy, 'chain'))).toEqual(['journal.jsonl']);
    for (const name of readdirSync(join(copy, 'keys')))
      expect(statSync(join(copy, 'keys', name)).mode & 0o777).toBe(0o600);
    expect(statSync(join(copy, 'assent.sqlite')).mode & 0o077).toBe(0);
  });

  it('is refused for a target in use and for a folder without data', async () => {
    await expect(tamperCopy(home.path, target('copy'))).rejects.toMatchObject({ code: 'conflict' });
    await expect(tamperCopy(target('nothing'), target('other'))).rejects.toMatchObject({ code: 'not_found' });
    expect(existsSync(target('other'))).toBe(false);
  });
});
