// The gateway and its commands as processes, with their data in PostgreSQL.
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../gateway/config.ts';
import { killChildren, run, startGateway } from '../support/gateway-process.ts';
import { describeOnPostgres } from '../support/on-stores.ts';
import { dropDatabases, newDatabase, onServer } from '../support/postgres.ts';

const newest = readdirSync(resolve(import.meta.dirname, '..', '..', 'migrations', 'postgres')).length;
const folders: string[] = [];
function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'assent-start-'));
  folders.push(folder);
  return folder;
}
afterAll(async () => {
  killChildren();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  await dropDatabases();
});

describe('where the data lies', () => {
  const url = 'postgres://someone:pass-word-0@db.example/assent';

  it('is a file unless a URL or a file with one is named, and no dump of the configuration shows it', () => {
    expect(loadConfig({}).postgresUrl).toBeUndefined();
    expect(loadConfig({ ASSENT_STORE: 'sqlite' }).postgresUrl).toBeUndefined();
    const config = loadConfig({ ASSENT_STORE: url });
    expect(config.postgresUrl?.()).toBe(url);
    expect(JSON.stringify(config)).not.toContain('pass-word-0');
    const file = join(newFolder(), 'store');
    writeFileSync(file, `${url}\n`, { mode: 0o600 });
    expect(loadConfig({ ASSENT_STORE_FILE: file }).postgresUrl?.()).toBe(url);
  });

  it('wrong or doubled is said, without a part of the URL', () => {
    const message = (environment: Record<string, string>): string => {
      try {
        loadConfig(environment).postgresUrl?.();
      } catch (error) {
        return (error as Error).message;
      }
      return '';
    };
    const file = join(newFolder(), 'store');
    writeFileSync(file, url, { mode: 0o600 });
    const doubled = message({ ASSENT_STORE: url, ASSENT_STORE_FILE: file });
    const scheme = message({ ASSENT_STORE: 'mysql://someone:pass-word-0@db.example/assent' });
    const nameless = message({ ASSENT_STORE: 'postgres://someone:pass-word-0@db.example' });
    chmodSync(file, 0o644);
    const open = message({ ASSENT_STORE_FILE: file });
    const absent = message({ ASSENT_STORE_FILE: `${file}-not-there` });
    expect(doubled).toContain('only one of them');
    expect(scheme).toContain('must be postgres://USER@HOST/DATABASE');
    expect(nameless).toContain('names a database');
    expect(open).toContain('readable by others');
    expect(absent).toContain('there is no');
    for (const said of [doubled, scheme, nameless, open, absent])
      expect(said).not.toMatch(/pass-word|someone|db\.example/);
  });
});

describeOnPostgres('a gateway whose data is in PostgreSQL', () => {
  it('starts, stops, goes on where it stopped, and leaves no data in its folder', async () => {
    const home = newFolder();
    const store = join(home, 'store-url');
    const url = await newDatabase();
    writeFileSync(store, url, { mode: 0o600 });
    const environment = { ASSENT_HOME: home, ASSENT_STORE_FILE: store, ASSENT_EMPTY: '1' };
    const cli = (...given: string[]) => run('cli', { arguments: given, environment });

    const before = await cli('migrate', '--check', '--json');
    expect([before.code, JSON.parse(before.out)]).toEqual([
      1,
      { store: 'postgres', version: 0, newest, isNewest: false },
    ]);
    expect(await cli('trust', 'export')).toMatchObject({
      code: 2,
      err: expect.stringContaining('holds no data'),
    });
    const migrated = await cli('migrate', '--json');
    expect([migrated.code, JSON.parse(migrated.out)]).toEqual([
      0,
      { store: 'postgres', before: 0, version: newest },
    ]);
    expect((await cli('migrate', '--check')).code).toBe(0);

    const first = await startGateway(home, { environment });
    const health = await fetch(`${first.url}/readyz`);
    expect([health.status, await health.text()]).toEqual([200, expect.stringContaining('"store":"answers"')]);
    expect((await first.stop('SIGTERM')).code).toBe(0);
    expect(readdirSync(home).filter((name) => name.includes('sqlite'))).toEqual([]);
    expect((await cli('trust', 'export', join(home, 'trust.json'))).code).toBe(0);
    const entries = () => onServer<{ count: string }>(url, 'SELECT count(*) FROM entry');
    const held = Number((await entries())[0]?.count);

    const second = await startGateway(home, { environment });
    const trust = (await (await fetch(`${second.url}/log/trust.json`)).json()) as { logKey: string };
    expect(trust.logKey).toBe(
      (JSON.parse(readFileSync(join(home, 'trust.json'), 'utf8')) as typeof trust).logKey,
    );
    expect((await second.stop('SIGKILL')).code).toBeNull();
    expect(Number((await entries())[0]?.count)).toBeGreaterThanOrEqual(held);

    // Another folder has other keys: they would open nothing and sign as another log.
    const elsewhere = newFolder();
    const refused = await run('main', { environment: { ...environment, ASSENT_HOME: elsewhere, PORT: '1' } });
    expect([refused.code === 0, refused.err]).toEqual([false, expect.stringContaining('put them back')]);
    expect(existsSync(join(elsewhere, 'keys'))).toBe(false);

    const backup = join(home, 'x.bak');
    expect(await cli('backup', backup)).toMatchObject({ code: 2, err: expect.stringContaining('pg_dump') });
    expect(existsSync(backup)).toBe(false);
    expect(await cli('restore', backup)).toMatchObject({
      code: 2,
      err: expect.stringContaining('pg_restore'),
    });
    const keys = await run('cli', {
      arguments: ['backup', '--keys', join(home, 'keys.bak')],
      environment,
      input: 'a long enough passphrase\n',
    });
    expect(keys.code).toBe(0);

    await onServer(url, "INSERT INTO schema_version VALUES (99, 'newer')");
    for (const refusal of [
      await cli('migrate'),
      await cli('migrate', '--check'),
      await cli('trust', 'export'),
    ])
      expect(refusal).toMatchObject({ code: 2, err: expect.stringContaining('use a newer program') });
  }, 180_000);
});
