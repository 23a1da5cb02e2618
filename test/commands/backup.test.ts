// Backups as a user makes and restores them: real processes, a gateway that writes meanwhile, and disks that refuse.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import Sqlite from 'better-sqlite3';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mapHeadKind } from '../../gateway/audit/entry.ts';
import { keyFiles, putKeys, type Keys } from '../../gateway/key-files.ts';
import { lockKeys, unlockKeys } from '../../gateway/key-archive.ts';
import { staffRequest } from '../../gateway/operations/accounts.ts';
import { backUp, backUpKeys } from '../../gateway/operations/backup.ts';
import {
  judgeJournals,
  recordRestore,
  restoreData,
  type RestoreOrder,
} from '../../gateway/operations/restore.ts';
import { erasePerson, resumeErasures } from '../../gateway/rights/erase.ts';
import { notice } from '../../gateway/store/tables.ts';
import { realSystem } from '../../gateway/system.ts';
import { closeCore, closeCores, entriesOf, newFolder, openTestCore, type TestCore } from '../support/core.ts';
import {
  freePort,
  killChildren,
  run,
  startGateway,
  type Ended,
  type GatewayProcess,
} from '../support/gateway-process.ts';
import { plantMarkers, searchBytes } from '../rights/markers.ts';

const folder = mkdtempSync(join(tmpdir(), 'assent-backup-'));
const at = (name: string): string => join(folder, name);
const passphrase = 'correct horse battery staple';
afterAll(async () => {
  killChildren();
  await closeCores();
  rmSync(folder, { recursive: true, force: true });
});

function assent(home: string, given: readonly string[], input = ''): Promise<Ended> {
  return run('cli', { arguments: [...given, '--home', home], input });
}

async function answer(home: string, given: readonly string[], input = ''): Promise<Record<string, unknown>> {
  const { code, out, err } = await assent(home, [...given, '--json'], input);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return JSON.parse(out) as Record<string, unknown>;
}

async function refusal(
  home: string,
  given: readonly string[],
  input = '',
): Promise<{ code: string; message: string }> {
  const { code, out, err } = await assent(home, [...given, '--json'], input);
  expect({ code, out }).toEqual({ code: 2, out: '' });
  return (JSON.parse(err) as { error: { code: string; message: string } }).error;
}

async function refusedStart(home: string): Promise<string> {
  const ended = await run('main', {
    arguments: ['--home', home, '--port', String(await freePort())],
    environment: { ASSENT_CHAIN_PORT: '0' },
  });
  expect(ended.code).toBe(1);
  expect(ended.err).not.toContain('    at ');
  return ended.err;
}

function rows<Row>(database: string, sql: string): Row[] {
  const raw = new Sqlite(database, { readonly: true });
  try {
    return raw.prepare(sql).all() as Row[];
  } finally {
    raw.close();
  }
}

const leavesOf = (database: string): string[] =>
  rows<{ leaf: string }>(database, 'SELECT hex(leaf) AS leaf FROM entry ORDER BY number').map(
    ({ leaf }) => leaf,
  );
const databaseIn = (home: string): string => join(home, 'assent.sqlite');
const partsOf = (name: string): string[] =>
  readdirSync(folder).filter((file) => file.startsWith(name) && file !== name);

/** Somebody at the demo's officer door, with cookies. */
async function enter(url: string): Promise<(path: string) => Promise<Response>> {
  const cookies = new Map<string, string>();
  const visit = async (path: string, fields?: Record<string, string>): Promise<Response> => {
    const response = await fetch(`${url}${path}`, {
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(fields === undefined ? {} : { method: 'POST', body: new URLSearchParams(fields) }),
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      cookies.set(name, value);
    }
    return response;
  };
  const token = /name="_csrf" value="([^"]+)"/.exec(await (await visit('/demo')).text())?.[1] ?? '';
  expect((await visit('/demo/enter', { _csrf: token, door: 'officer' })).status).toBe(303);
  return visit;
}

async function saveProof(url: string, entry: number, file: string): Promise<void> {
  const response = await (await enter(url))(`/proofs/${entry}.json`);
  expect(response.status).toBe(200);
  writeFileSync(file, Buffer.from(await response.arrayBuffer()));
}

const verdict = async (
  bundle: string,
  trust: string,
): Promise<{ exitCode: number; verdict: string; firstFailing: unknown }> => {
  const { out } = await run('cli', { arguments: ['verify', bundle, '--trust', trust, '--json'] });
  return JSON.parse(out) as { exitCode: number; verdict: string; firstFailing: unknown };
};

describe('a backup', () => {
  const home = at('home');
  const other = at('other');
  const [first, newest, keys] = [at('first.assent'), at('newest.assent'), at('keys.json')];
  const [trust, newTrust] = [at('trust.json'), at('new-trust.json')];
  let gateway: GatewayProcess;
  let acknowledged: string[];

  beforeAll(async () => {
    gateway = await startGateway(home);
    await saveProof(gateway.url, 300, at('proof.json'));
    expect((await assent(home, ['trust', 'export', trust])).code).toBe(0);
  });

  it('is one file of its owner’s alone, made while the gateway writes', async () => {
    let writes = true;
    let visits = 0;
    const writing = (async () => {
      const visit = await enter(gateway.url);
      while (writes) {
        expect((await visit('/proofs/300.json')).status).toBe(200);
        visits += 1;
      }
    })();
    while (visits < 3) await new Promise((done) => setTimeout(done, 50));
    acknowledged = leavesOf(databaseIn(home));
    const before = visits;
    const made = await answer(home, ['backup', first]);
    expect(visits).toBeGreaterThan(before);
    writes = false;
    await writing;
    expect(statSync(first).mode & 0o777).toBe(0o600);
    expect(partsOf('first.assent')).toEqual([]);
    expect(made).toMatchObject({ file: first, sizeBytes: statSync(first).size, sha256: digestOf(first) });
    expect(leavesOf(first).slice(0, acknowledged.length)).toEqual(acknowledged);
  });

  it('holds no byte of a key, raw, as hex or as base64', async () => {
    expect((await answer(home, ['backup', '--keys', keys], `${passphrase}\n`))['keys']).toBe(
      keyNames().length,
    );
    expect(statSync(keys).mode & 0o777).toBe(0o600);
    const secrets = keyNames().map((name) => join(home, 'keys', name));
    expect(secrets.length).toBeGreaterThanOrEqual(7);
    for (const file of [first, keys]) expect([file, foundIn(file, secrets)]).toEqual([file, []]);
    // The search finds what is there.
    const planted = at('planted');
    writeFileSync(
      planted,
      Buffer.concat([readFileSync(first), Buffer.from(readFileSync(secrets[0] ?? '', 'utf8').trim(), 'hex')]),
    );
    expect(foundIn(planted, secrets)).toEqual([secrets[0]]);
  });

  it('starts nowhere without its keys, and takes only its own', async () => {
    const restored = await assent(other, ['restore', first]);
    expect({ code: restored.code, err: restored.err }).toEqual({ code: 0, err: '' });
    expect(restored.out).toContain(`assent restore --keys FILE --home ${other}`);
    expect(existsSync(join(other, 'keys'))).toBe(false);
    expect(await refusedStart(other)).toContain('assent restore --keys FILE');
    expect(existsSync(join(other, 'keys'))).toBe(false);
    expect(await refusal(other, ['restore', '--keys', keys], 'a wrong but long passphrase')).toMatchObject({
      code: 'backup_invalid',
      message: expect.stringContaining('passphrase'),
    });
    expect(await answer(other, ['restore', '--keys', keys], passphrase)).toMatchObject({
      keys: keyNames().length,
    });
    for (const name of keyNames()) {
      expect(readFileSync(join(other, 'keys', name))).toEqual(readFileSync(join(home, 'keys', name)));
      expect(statSync(join(other, 'keys', name)).mode & 0o777).toBe(0o600);
    }
    expect(await refusal(other, ['restore', '--keys', keys], passphrase)).toMatchObject({ code: 'conflict' });
  });

  it('restored into a new folder starts with every entry acknowledged before it, and proves it to yesterday’s trust file', async () => {
    const restored = await startGateway(other);
    expect(restored.greeting).not.toContain('building');
    expect(leavesOf(databaseIn(other)).slice(0, acknowledged.length)).toEqual(acknowledged);
    // The last that is no map head: those prove others, and have no proof of their own.
    const [last] = rows<{ entry: number }>(
      databaseIn(other),
      `SELECT max(number) AS entry FROM entry WHERE number < ${acknowledged.length} AND kind <> ${mapHeadKind}`,
    );
    const entry = last?.entry ?? 0;
    expect(entry).toBeGreaterThan(acknowledged.length - 3);
    await saveProof(restored.url, entry, at('restored-proof.json'));
    expect(await verdict(at('restored-proof.json'), trust)).toMatchObject({
      exitCode: expect.toBeOneOf([0, 4]),
    });
    expect((await restored.stop('SIGTERM')).code).toBe(0);
    expect(rows(databaseIn(other), "SELECT * FROM setting WHERE name = 'restored'")).toEqual([]);
  });

  it('is on the record twice: before anything was copied, and with size and digest, never with a path', async () => {
    expect((await gateway.stop('SIGTERM')).code).toBe(0);
    const core = await openTestCore({ folder: home, startMs: Date.now() });
    const found = (await entriesOf(core)).filter(({ payload }) => payload?.['operation'] === 'backup');
    await closeCore(core);
    expect(
      found.map(({ row, kind, payload }) => [row.holder, kind, payload?.['of'], payload?.['backup']]),
    ).toEqual([
      ['system', 'used', 'data', 'begun'],
      ['system', 'used', 'data', 'made'],
      ['system', 'used', 'keys', 'made'],
    ]);
    expect(found[1]?.payload).toMatchObject({
      begun_entry: found[0]?.row.number,
      file_sha256: digestOf(first),
      counts: { size_bytes: statSync(first).size, entries: leavesOf(first).length },
    });
    expect(JSON.stringify(found.map(({ payload }) => payload))).not.toContain(folder);
  });

  it('can be made of a stopped gateway; the newest one starts in the folder it came from', async () => {
    await answer(home, ['backup', newest]);
    expect(await refusal(home, ['restore', newest])).toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('--replace'),
    });
    const { movedTo, journal } = await answer(home, ['restore', newest, '--replace']);
    expect(journal).toBe('same');
    expect(existsSync(join(String(movedTo), 'assent.sqlite'))).toBe(true);
    gateway = await startGateway(home);
    await gateway.stop('SIGTERM');
  });

  it('that is old is noticed by the chain: the start is refused, with sizes and the ways out', async () => {
    const held = leavesOf(first).length;
    expect(await answer(home, ['restore', first, '--replace'])).toMatchObject({ journal: 'kept-longer' });
    const said = await refusedStart(home);
    expect(said).toContain('(log_fork)');
    expect(said).toMatch(
      new RegExp(
        `contradicts this folder: the chain\\. Known there: a head of \\d+ entries; held here: ${held}\\.`,
      ),
    );
    expect(said).toContain(`assent restore FILE --replace --home ${home}`);
    expect(said).toContain(`assent restore --accept-loss NEW-LOG-NAME --home ${home}`);
    expect(leavesOf(databaseIn(home))).toHaveLength(held);
  });

  it('that is old and all there is: the log goes on under a new name only, with the loss as its first new entry', async () => {
    const held = leavesOf(databaseIn(home)).length;
    const { origin } = JSON.parse(readFileSync(trust, 'utf8')) as { origin: string };
    expect(await refusal(home, ['restore', '--accept-loss', origin])).toMatchObject({ code: 'conflict' });
    expect(await refusal(home, ['restore', '--accept-loss', 'two words'])).toMatchObject({
      code: 'malformed_request',
    });
    const name = 'gateway.example/log/2';
    const accepted = await answer(home, ['restore', '--accept-loss', name]);
    expect(accepted).toMatchObject({
      origin: name,
      formerOrigin: origin,
      entry: held,
      held,
      heads: [{ by: 'chain', known: expect.any(Number) }],
    });
    expect((accepted['heads'] as { known: number }[])[0]?.known).toBeGreaterThan(held);
    expect(rows(databaseIn(home), `SELECT kind, outcome, holder FROM entry WHERE number = ${held}`)).toEqual([
      { kind: 15, outcome: 'allowed', holder: 'system' },
    ]);
    expect(
      rows(
        databaseIn(home),
        "SELECT value FROM setting WHERE name IN ('origin', 'former_origins') ORDER BY name",
      ),
    ).toEqual([{ value: JSON.stringify([origin]) }, { value: name }]);
    expect(
      rows(
        databaseIn(home),
        "SELECT (SELECT count(*) FROM session) + (SELECT count(*) FROM oauth_record) AS live, (SELECT count(*) FROM anchor WHERE state <> 'lost') AS anchors",
      ),
    ).toEqual([{ live: 0, anchors: 0 }]);
    gateway = await startGateway(home);
    const checkpoint = await (await fetch(`${gateway.url}/log/checkpoint`)).text();
    expect(checkpoint.split('\n')[0]).toBe(name);
    expect(Number(checkpoint.split('\n')[1])).toBeGreaterThan(held);
    expect(rows(databaseIn(home), "SELECT count(*) AS anchors FROM anchor WHERE state = 'mined'")).toEqual([
      { anchors: 1 },
    ]);
  });

  it('after which old proofs hold with the old trust file, and new ones need a new one', async () => {
    expect((await assent(home, ['trust', 'export', newTrust])).code).toBe(0);
    await saveProof(gateway.url, 300, at('renamed-proof.json'));
    expect(await verdict(at('proof.json'), trust)).toMatchObject({ exitCode: 0 });
    expect(await verdict(at('renamed-proof.json'), trust)).toMatchObject({ exitCode: 1 });
    expect(await verdict(at('renamed-proof.json'), newTrust)).toMatchObject({ exitCode: 0 });
    expect(await verdict(at('proof.json'), newTrust)).toMatchObject({ exitCode: 1 });
    expect((await gateway.stop('SIGTERM')).code).toBe(0);
    // Nothing is missing now, so there is nothing to accept; and an old name never comes back.
    expect(await refusal(home, ['restore', '--accept-loss', 'gateway.example/log/3'])).toMatchObject({
      message: expect.stringContaining('nothing is missing'),
    });
  });

  const keyNames = (): string[] => readdirSync(join(home, 'keys')).filter((name) => name.endsWith('.key'));
});

async function smallCore(): Promise<TestCore> {
  const core = await openTestCore();
  const request = staffRequest({ kind: 'operator', id: 'test' }, 'administer');
  for (let times = 0; times < 5; times++)
    await core.gate.run(request, async () => ({ value: undefined, keyClass: 'evidence' }));
  await core.publisher.publish();
  return core;
}

const backUpTo = (core: TestCore, file: string) =>
  backUp(core.operations, 'test', { file, logKey: core.logSigner.verifierKey });
const outcomesOf = async (core: TestCore): Promise<string[]> =>
  (await entriesOf(core)).map(({ row }) => row.outcome);

describe('a backup that cannot be made', () => {
  let core: TestCore;
  beforeAll(async () => {
    core = await smallCore();
  });

  it('replaces no file, and nothing is recorded of it', async () => {
    const file = at('there');
    writeFileSync(file, 'mine');
    const before = await outcomesOf(core);
    await expect(backUpTo(core, file)).rejects.toMatchObject({ code: 'conflict' });
    await expect(
      backUpKeys(core.operations, 'test', { file, keys: core.keys, passphrase }),
    ).rejects.toMatchObject({ code: 'conflict' });
    expect(readFileSync(file, 'utf8')).toBe('mine');
    expect(await outcomesOf(core)).toEqual(before);
  });

  it('leaves nothing where no file can be made, and the log says that it failed', async () => {
    await expect(backUpTo(core, join(at('there'), 'backup.assent'))).rejects.toMatchObject({
      code: 'ENOTDIR',
    });
    expect((await outcomesOf(core)).slice(-2)).toEqual(['allowed', 'failed']);
    await expect(backUpTo(core, join(at('nowhere'), 'backup.assent'))).rejects.toMatchObject({
      code: 'ENOENT',
    });
    expect(existsSync(at('nowhere'))).toBe(false);
  });

  it.runIf(process.platform === 'linux')('leaves nothing on a disk that is full', async () => {
    // A limit on the size of files stands for the full disk: the copy is larger than what the log writes beside it.
    await core.store.write(async (tx) => {
      const body = 'x'.repeat(4000);
      for (let version = 1; version <= 1500; version++)
        await tx.db
          .insert(notice)
          .values({ id: 'large', version, language: 'en', body, hash: `large ${version}`, publishedMs: 0 });
    });
    const pages =
      rows<{ pages: number }>(databaseIn(core.folder), 'SELECT page_count AS pages FROM pragma_page_count')[0]
        ?.pages ?? 0;
    await closeCore(core);
    const [target, program] = [at('full'), resolve(import.meta.dirname, '..', '..', 'gateway', 'cli.ts')];
    const order = `ulimit -f ${pages * 2}; exec "$0" --disable-warning=ExperimentalWarning "$@"`;
    const ended = spawnSync('bash', [
      '-c',
      order,
      process.execPath,
      program,
      'backup',
      target,
      '--home',
      core.folder,
    ]);
    expect(ended.status).toBe(2);
    expect(existsSync(target)).toBe(false);
    expect(partsOf('full')).toEqual([]);
    core = await openTestCore({ folder: core.folder, startMs: Date.now() });
    expect((await outcomesOf(core)).slice(-2)).toEqual(['allowed', 'failed']);
    await backUpTo(core, target);
    expect(existsSync(target)).toBe(true);
  });

  it('is not made of keys under a short passphrase or none, nor of both in one file, nor without data', async () => {
    for (const given of ['', '\n', 'eleven char'])
      await expect(
        backUpKeys(core.operations, 'test', { file: at('weak.json'), keys: core.keys, passphrase: given }),
      ).rejects.toMatchObject({ code: 'malformed_request' });
    expect(existsSync(at('weak.json'))).toBe(false);
    expect(
      await refusal(core.folder, ['backup', at('both'), '--keys', at('weak.json')], passphrase),
    ).toMatchObject({ code: 'usage' });
    expect(await refusal(at('nowhere'), ['backup', at('nothing')])).toMatchObject({ code: 'usage' });
    expect(existsSync(at('nowhere'))).toBe(false);
  });
});

describe('keys locked with a passphrase', () => {
  const keys = Object.fromEntries(
    Object.keys(keyFiles).map((name, index) => [name, Buffer.alloc(32, index + 1)]),
  ) as unknown as Keys;
  const text = lockKeys(keys, 'gateway.example/log', passphrase, realSystem.random);

  it('come back under the same characters however they were typed, and under no others', () => {
    const typed = lockKeys(keys, 'gateway.example/log', 'Caf\u00e9 au lait, deux', realSystem.random);
    expect(unlockKeys(typed, 'Cafe\u0301 au lait, deux')).toEqual({ origin: 'gateway.example/log', keys });
    expect(() => unlockKeys(text, `${passphrase}.`)).toThrow(/passphrase is wrong/);
  });

  it('do not come back from a file that was changed, or that asks for more memory than the limit', () => {
    const file = JSON.parse(text) as { origin: string; kdf: Record<string, unknown>; sealed: string };
    const changed = (more: object): string => JSON.stringify({ ...file, ...more });
    expect(unlockKeys(changed({}), passphrase).keys).toEqual(keys);
    expect(() => unlockKeys(changed({ origin: 'gateway.example/other' }), passphrase)).toThrow(/was changed/);
    const flipped = Buffer.from(file.sealed, 'base64');
    flipped[5] = (flipped[5] ?? 0) ^ 1;
    expect(() => unlockKeys(changed({ sealed: flipped.toString('base64') }), passphrase)).toThrow(
      /was changed/,
    );
    for (const kdf of [{ log2N: 30 }, { r: 1024 }, { p: 99 }, { name: 'none' }])
      expect(() => unlockKeys(changed({ kdf: { ...file.kdf, ...kdf } }), passphrase)).toThrow(/no file that/);
    for (const other of ['', '{}', '[]', 'null', changed({ more: 1 })])
      expect(() => unlockKeys(other, passphrase)).toThrow(
        expect.objectContaining({ code: 'backup_invalid' }) as Error,
      );
  });
});

describe('a restore', () => {
  const file = at('small.assent');
  let core: TestCore;
  beforeAll(async () => {
    core = await smallCore();
    await backUpTo(core, file);
  });
  const order = (path: string, home: string, replace = false): RestoreOrder => ({
    file: path,
    home,
    databaseFile: 'assent.sqlite',
    newestSchema: 100,
    replace,
  });
  const restoring = (path: string, home: string, replace = false) =>
    restoreData(order(path, home, replace), realSystem);
  const changedBy = (sql: string): string => {
    const copy = at('changed.assent');
    copyFileSync(file, copy);
    const raw = new Sqlite(copy);
    raw.exec(sql);
    raw.close();
    return copy;
  };
  const target = newFolder();
  const isRefused = async (path: string, words: RegExp): Promise<void> => {
    await expect(restoring(path, target)).rejects.toMatchObject({
      code: 'backup_invalid',
      message: expect.stringMatching(words),
    });
    expect(readdirSync(target)).toEqual([]);
  };

  it('refuses a file that is cut short, is no database, or was not made by this command', async () => {
    for (const part of [0.2, 0.5, 0.9]) {
      const cut = at('cut.assent');
      copyFileSync(file, cut);
      truncateSync(cut, Math.floor(statSync(file).size * part));
      await isRefused(cut, /./);
    }
    const text = at('text.assent');
    writeFileSync(text, 'not a database '.repeat(1000));
    await isRefused(text, /cannot be read/);
    await isRefused(changedBy('DROP TABLE backup'), /no file that/);
    await expect(restoring(at('missing.assent'), target)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('refuses a newer schema, and a manifest that differs from the content', async () => {
    await isRefused(
      changedBy("UPDATE backup SET manifest = json_set(manifest, '$.schema', 9999)"),
      /schema 9999/,
    );
    await isRefused(changedBy('PRAGMA user_version = 1'), /another database/);
    await isRefused(
      changedBy("UPDATE setting SET value = 'other' WHERE name = 'origin'"),
      /another database/,
    );
    await isRefused(
      changedBy("UPDATE backup SET manifest = json_set(manifest, '$.format', 'assent-backup/v2')"),
      /another format/,
    );
    await isRefused(changedBy("UPDATE backup SET journal = x'7b7d0a'"), /journal/);
    await isRefused(changedBy('INSERT INTO backup SELECT * FROM backup'), /one manifest/);
  });

  it('refuses entries that are missing, changed, or not under the signed head', async () => {
    const free =
      'PRAGMA foreign_keys = OFF; DROP TRIGGER entry_is_kept; DROP TRIGGER entry_leaf_is_final; DROP TRIGGER checkpoint_is_final;';
    await isRefused(
      changedBy(`${free} DELETE FROM entry WHERE number = (SELECT max(number) FROM entry)`),
      /its manifest says/,
    );
    await isRefused(changedBy(`${free} DELETE FROM entry WHERE number = 0`), /entry 0 is missing/);
    await isRefused(changedBy(`${free} UPDATE entry SET leaf = x'00' WHERE number = 0`), /entry 0 .* hash/);
    const swapped = `UPDATE entry SET leaf = (SELECT leaf FROM entry WHERE number = 1), leaf_hash = (SELECT leaf_hash FROM entry WHERE number = 1) WHERE number = 0`;
    await isRefused(changedBy(`${free} ${swapped}`), /root that was signed/);
    await isRefused(changedBy(`${free} UPDATE checkpoint SET root = zeroblob(32)`), /another signed head/);
  });

  it('takes an older schema, which the next start brings forward', async () => {
    const { manifest } = await restoreData({ ...order(file, newFolder()), newestSchema: 100 }, realSystem);
    expect(manifest.schema).toBeLessThan(100);
    await expect(
      restoreData({ ...order(file, target), newestSchema: manifest.schema - 1 }, realSystem),
    ).rejects.toMatchObject({ code: 'backup_invalid' });
  });

  it('replaces a database only when told to, deletes none, and mixes no keys', async () => {
    const other = await smallCore();
    await closeCore(other);
    await expect(restoring(file, other.folder)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('--replace'),
    });
    await expect(restoring(file, other.folder, true)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('another log'),
    });
    const before = leavesOf(databaseIn(other.folder));
    rmSync(join(other.folder, 'keys'), { recursive: true });
    const { movedTo, hasKeys } = await restoring(file, other.folder, true);
    expect(hasKeys).toBe(false);
    expect(leavesOf(databaseIn(movedTo ?? ''))).toEqual(before);
    putKeys(join(other.folder, 'keys'), core.keys);
    expect(() => putKeys(join(other.folder, 'keys'), core.keys)).toThrow(/not empty/);
    const opened = await openTestCore({ folder: other.folder });
    expect(await outcomesOf(opened)).toEqual((await outcomesOf(core)).slice(0, -1));
    await recordRestore(opened.operations);
    await recordRestore(opened.operations);
    expect(
      (await entriesOf(opened)).filter(({ payload }) => payload?.['restored'] !== undefined),
    ).toHaveLength(1);
  });

  it('never makes the local chain forget: a longer journal stays, a contradicting one is refused', () => {
    const line = fc.stringMatching(/^[a-f]{1,8}\n$/);
    const lines = fc.array(line, { minLength: 2, maxLength: 8 });
    const bytes = (all: readonly string[]): Buffer => Buffer.from(all.join(''));
    fc.assert(
      fc.property(lines, lines, (one, more) => {
        expect(judgeJournals(bytes(one), bytes(one))).toBe('same');
        expect(judgeJournals(bytes(one), bytes([...one, ...more]))).toBe('restored');
        expect(judgeJournals(bytes([...one, ...more]), bytes(one))).toBe('kept-longer');
        expect(judgeJournals(null, bytes(one))).toBe('restored');
        expect(judgeJournals(bytes(one), null)).toBe('kept-longer');
        const forked = [...one.slice(0, -1), 'x\n', ...more];
        expect(() => judgeJournals(bytes([...one, ...more]), bytes(forked))).toThrow(/contradict/);
        // The last line of the copy alone may be one that the chain took off again.
        expect(judgeJournals(bytes([...one, ...more]), bytes([...one, 'x\n']))).toBe('kept-longer');
      }),
    );
    expect(judgeJournals(null, null)).toBe('none');
  });
});

describe('a command that opened the log', () => {
  it('takes what a running gateway signs a moment later for no fork, and entries gone below a head for one', async () => {
    const core = await smallCore();
    const beside = await openTestCore({ folder: core.folder });
    const request = staffRequest({ kind: 'operator', id: 'test' }, 'administer');
    await core.gate.run(request, async () => ({ value: undefined, keyClass: 'evidence' }));
    await core.publisher.publish();
    await beside.publisher.check();
    await closeCore(beside);
    await closeCore(core);
    const raw = new Sqlite(databaseIn(core.folder));
    raw.exec('DROP TRIGGER entry_is_kept; DELETE FROM entry WHERE number = (SELECT max(number) FROM entry)');
    raw.close();
    await expect(openTestCore({ folder: core.folder })).rejects.toMatchObject({
      code: 'log_fork',
      details: { contradicts: 'checkpoint' },
    });
  });
});

describe('a backup made after an erasure', () => {
  it('holds no byte of what was erased, and neither does a folder restored from it; one made before does', async () => {
    const core = await openTestCore();
    const planted = await plantMarkers(core, 'Dora');
    const [before, after, restored] = [newFolder(), newFolder(), newFolder()];
    await backUpTo(core, join(before, 'backup.assent'));
    expect(Object.keys(planted.erased).length).toBeGreaterThanOrEqual(20);
    expect(Object.keys(await searchBytes(before, planted.erased)).sort()).toEqual(
      Object.keys(planted.erased).sort(),
    );
    await erasePerson(core.operations, { kind: 'person', person: planted.person });
    await resumeErasures(core.operations);
    await backUpTo(core, join(after, 'backup.assent'));
    expect(await searchBytes(after, planted.erased)).toEqual({});
    await restoreData(
      {
        file: join(after, 'backup.assent'),
        home: restored,
        databaseFile: 'assent.sqlite',
        newestSchema: 100,
        replace: false,
      },
      realSystem,
    );
    putKeys(join(restored, 'keys'), core.keys);
    const opened = await openTestCore({ folder: restored, startMs: core.clock.nowMs() });
    expect(await searchBytes(restored, planted.erased)).toEqual({});
    expect((await planted.importAgain()).suppressed).toBeGreaterThan(0);
    await closeCore(opened);
  });
});

function digestOf(file: string): string {
  return execFileSync('node', [
    '-e',
    "process.stdout.write(require('node:crypto').hash('sha256', require('node:fs').readFileSync(process.argv[1])))",
    file,
  ]).toString();
}

/** Key files some form of whose bytes is in a file. In a child: this process has opened databases. */
function foundIn(file: string, secrets: readonly string[]): string[] {
  const search = `
    const { readFileSync } = require('node:fs');
    const [file, ...secrets] = process.argv.slice(1);
    const bytes = readFileSync(file);
    const found = secrets.filter((path) => {
      const key = Buffer.from(readFileSync(path, 'utf8').trim(), 'hex');
      if (key.length !== 32) throw new Error('not a key');
      // Base64 of a part depends on where it starts: all three places, without the characters at the edges.
      const base64 = [0, 1, 2].map((skip) => key.subarray(skip, skip + 27).toString('base64'));
      const texts = [key.toString('hex'), key.toString('hex').toUpperCase(), ...base64, ...base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_'))];
      return [key, ...texts.map((text) => Buffer.from(text))].some((needle) => bytes.includes(needle));
    });
    process.stdout.write(JSON.stringify(found));`;
  return JSON.parse(execFileSync(process.execPath, ['-e', search, file, ...secrets]).toString()) as string[];
}
