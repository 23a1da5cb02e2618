// The gateway as a user starts, stops and kills it: a real process on a folder of its own.
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  freePort,
  killChildren,
  run,
  startGateway,
  type GatewayProcess,
} from '../support/gateway-process.ts';

const parent = mkdtempSync(join(tmpdir(), 'assent-start-'));
afterAll(() => {
  killChildren();
  rmSync(parent, { recursive: true, force: true });
});

/** What must be the same after every stop and start. */
interface Kept {
  readonly people: unknown[];
  readonly switches: unknown[];
  readonly leaves: string[];
  readonly signedSize: number;
}

function read(home: string): Kept {
  const raw = new Sqlite(join(home, 'assent.sqlite'), { readonly: true });
  try {
    const all = <Row>(sql: string): Row[] => raw.prepare(sql).all() as Row[];
    return {
      people: all('SELECT id, reference, status, created_ms FROM person ORDER BY id'),
      switches: all('SELECT * FROM switch ORDER BY 1, 2, 3, 4'),
      leaves: all<{ hash: Buffer }>('SELECT leaf_hash AS hash FROM entry ORDER BY number').map(({ hash }) =>
        hash.toString('hex'),
      ),
      signedSize: all<{ size: number }>('SELECT max(size) AS size FROM checkpoint')[0]?.size ?? 0,
    };
  } finally {
    raw.close();
  }
}

async function blockHashes(chainUrl: string): Promise<string[]> {
  const ask = async (method: string, params: unknown[]): Promise<unknown> => {
    const response = await fetch(chainUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    });
    return ((await response.json()) as { result: unknown }).result;
  };
  const newest = Number(await ask('eth_blockNumber', []));
  const hashes: string[] = [];
  for (let number = 0; number <= newest; number++) {
    const block = (await ask('eth_getBlockByNumber', [`0x${number.toString(16)}`, false])) as {
      hash: string;
    };
    hashes.push(block.hash);
  }
  return hashes;
}

const contractIn = ({ greeting }: GatewayProcess): string =>
  /contract\s+(0x[0-9a-f]{40})/.exec(greeting)?.[1] ?? '';
const lineCount = (text: string): number => text.trim().split('\n').length;

describe('a data folder with the demo world', () => {
  const home = join(parent, 'demo');
  let running: GatewayProcess;
  let firstBlocks: string[];
  let firstContract: string;
  let before: Kept;

  beforeAll(async () => {
    running = await startGateway(home);
  });

  it('is made on the first start, which says where everything is and what is not for production', async () => {
    const { greeting, url } = running;
    for (const part of [`${url}/`, `${url}/demo`, `${url}/verify`, `${url}/oidc`, running.chainUrl, home])
      expect(greeting).toContain(` ${part}\n`);
    const warnings = greeting.slice(greeting.indexOf('Not for production'));
    for (const word of ['the local chain', 'keys lie in files', 'doors without passwords'])
      expect(warnings).toContain(word);
    for (const path of ['/', '/demo', '/verify', '/log/checkpoint', '/oidc/.well-known/openid-configuration'])
      expect([path, (await fetch(`${url}${path}`)).status]).toEqual([path, 200]);
    firstBlocks = await blockHashes(running.chainUrl);
    firstContract = contractIn(running);
    expect(firstContract).not.toBe('');
    // Genesis, contract, submitter and the first anchor at least.
    expect(firstBlocks.length).toBeGreaterThanOrEqual(4);
  });

  it('is its owner’s alone', () => {
    expect(statSync(home).mode & 0o777).toBe(0o700);
    expect(statSync(join(home, 'keys')).mode & 0o777).toBe(0o700);
    const keys = readdirSync(join(home, 'keys'));
    expect(keys).toContain('wrapping.key');
    for (const name of keys)
      expect([name, statSync(join(home, 'keys', name)).mode & 0o777]).toEqual([name, 0o600]);
    for (const name of readdirSync(home).filter((file) => file.startsWith('assent.sqlite')))
      expect([name, statSync(join(home, name)).mode & 0o077]).toEqual([name, 0]);
  });

  it('stops on SIGTERM with code 0, the last entry under a signed head', async () => {
    // Counted, and written as one entry when the gateway stops.
    expect((await fetch(`${running.url}/v1/recommendations`)).status).toBe(401);
    const { leaves } = read(home);
    const ended = await running.stop('SIGTERM');
    expect({ code: ended.code, err: ended.err }).toEqual({ code: 0, err: '' });
    before = read(home);
    expect(before.leaves.length).toBeGreaterThan(leaves.length);
    expect(before.signedSize).toBe(before.leaves.length);
    expect(before.people).toHaveLength(302);
    expect(before.switches.length).toBeGreaterThan(302);
  });

  it('goes on at the second start: people, switches, log, and the same blocks and contract', async () => {
    running = await startGateway(home);
    expect(running.greeting).not.toContain('building');
    expect(contractIn(running)).toBe(firstContract);
    expect((await blockHashes(running.chainUrl)).slice(0, firstBlocks.length)).toEqual(firstBlocks);
    const now = read(home);
    expect(now.people).toEqual(before.people);
    expect(now.switches).toEqual(before.switches);
    expect(now.leaves.slice(0, before.leaves.length)).toEqual(before.leaves);
  });

  it('is refused to a second process with a clear message, and the first one serves on', async () => {
    const second = await run('main', {
      environment: { ASSENT_HOME: home, PORT: String(await freePort()), ASSENT_CHAIN_PORT: '0' },
    });
    expect(second.code).toBe(1);
    expect(second.err).toContain(`(conflict): ${home} is in use by process ${running.pid}`);
    expect(lineCount(second.err)).toBe(1);
    expect((await fetch(`${running.url}/verify`)).status).toBe(200);
  });

  it('answers an address that does not exist with a page for a browser and with JSON for a program', async () => {
    const ask = (accept: string) => fetch(`${running.url}/nothing/here?lang=zh`, { headers: { accept } });
    const page = await ask('text/html,application/xhtml+xml');
    expect([page.status, page.headers.get('content-type')]).toEqual([404, 'text/html; charset=utf-8']);
    expect(await page.text()).toContain('<html lang="zh-CN">');
    const problem = await ask('*/*');
    expect([problem.status, problem.headers.get('content-type')]).toEqual([
      404,
      'application/problem+json; charset=utf-8',
    ]);
  });

  it('takes no import of real data', async () => {
    const imported = await run('cli', {
      arguments: [
        'import', '--json', '--home', home, '--source', 'shop', '--basis', 'contract',
        '--map', 'test/cli/examples/orders.map.json', 'test/cli/examples/orders.csv',
      ], // prettier-ignore
    });
    expect(imported.code).toBe(2);
    expect(JSON.parse(imported.err)).toMatchObject({ error: { code: 'demo_world' } });
    expect(read(home).people).toHaveLength(302);
  });

  it('loses nothing to kill -9, and starts again', async () => {
    const response = await fetch(`${running.url}/demo/partner`, { redirect: 'manual' });
    expect(response.status).toBe(303);
    const { leaves, people } = read(home);
    const killed = await running.stop('SIGKILL');
    expect(killed.code).toBeNull();
    running = await startGateway(home);
    const now = read(home);
    expect(now.leaves.slice(0, leaves.length)).toEqual(leaves);
    expect(now.people).toEqual(people);
    expect(contractIn(running)).toBe(firstContract);
    expect((await blockHashes(running.chainUrl)).slice(0, firstBlocks.length)).toEqual(firstBlocks);
  });

  it('once an entry was deleted from its copy, does not start, and the message names the entry', async () => {
    const copy = join(parent, 'tampered');
    const tampered = await run('cli', { arguments: ['demo', 'tamper', copy, '--home', home, '--json'] });
    expect(tampered).toMatchObject({ code: 0, err: '' });
    const { entry, folder } = JSON.parse(tampered.out) as { entry: number; folder: string };
    expect(folder).toBe(copy);
    const refused = await run('main', {
      arguments: ['--home', copy, '--port', String(await freePort())],
      environment: { ASSENT_CHAIN_PORT: '0' },
    });
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('log_fork');
    expect(refused.err).toMatch(new RegExp(`\\bentry ${entry}\\b`));
    expect(refused.err).not.toContain('    at ');
    const again = await run('cli', { arguments: ['demo', 'tamper', copy, '--home', home] });
    expect(again).toMatchObject({ code: 2, out: '' });
  });

  it('stops on SIGINT with code 0, also when it is repeated, the last entry under a signed head', async () => {
    const ending = running.stop('SIGINT');
    process.kill(running.pid, 'SIGINT');
    const ended = await ending;
    expect({ code: ended.code, err: ended.err }).toEqual({ code: 0, err: '' });
    expect(ended.out.split('SIGINT: stopping')).toHaveLength(2);
    const now = read(home);
    expect(now.signedSize).toBe(now.leaves.length);
  });
});

describe('a start with --empty', () => {
  const home = join(parent, 'empty');

  it('makes no demo world and no doors, and the folder stays without them', async () => {
    const first = await startGateway(home, { arguments: ['--empty'] });
    expect(first.greeting).not.toContain('demo');
    for (const path of ['/demo', '/demo/partner', '/demo/enter'])
      expect([path, (await fetch(`${first.url}${path}`)).status]).toEqual([path, 404]);
    expect((await fetch(`${first.url}/`)).status).toBe(200);
    expect((await first.stop('SIGTERM')).code).toBe(0);
    expect(read(home).people).toEqual([]);
    const second = await startGateway(home);
    expect(second.greeting).not.toContain('demo');
    expect((await fetch(`${second.url}/demo`)).status).toBe(404);
    const busy = await run('main', {
      arguments: ['--empty', '--home', join(parent, 'other')],
      environment: { PORT: String(second.port), ASSENT_CHAIN_PORT: '0' },
    });
    expect(busy.code).toBe(1);
    expect(busy.err).toContain(`port ${second.port}`);
    expect(busy.err).not.toContain('    at ');
    expect((await second.stop('SIGTERM')).code).toBe(0);
  });
});

describe('a start that was asked for wrongly', () => {
  it('names the argument it does not know and those it does', async () => {
    const home = join(parent, 'never');
    const ended = await run('main', { arguments: ['--home', home, '--prot', '9000'] });
    expect(ended.code).toBe(1);
    expect(ended.err).toContain('unknown argument --prot');
    expect(ended.err).toContain('--port N');
    expect(existsSync(home)).toBe(false);
    const missing = await run('main', { arguments: ['--home'] });
    expect(missing.code).toBe(1);
    expect(missing.err).toContain('--home needs a value');
  });

  it('lists every problem of a half-configured environment, and makes nothing', async () => {
    const home = join(parent, 'half');
    const ended = await run('main', {
      environment: {
        ASSENT_HOME: home,
        HOST: '0.0.0.0',
        PORT: 'eighty',
        ASSENT_CHAIN_CONTRACT: '0x0000000000000000000000000000000000000001',
        ASSENT_CHAIN_FINALITY: 'soon',
        ASSENT_ANCHOR_EVERY_SECONDS: '0',
        ASSENT_TRUST_PROXY: 'yes',
        ASSENT_TRUSTPROXY: '1',
      },
    });
    expect(ended.code).toBe(1);
    for (const name of [
      'HOST',
      'PORT',
      'ASSENT_CHAIN_CONTRACT',
      'ASSENT_CHAIN_FINALITY',
      'ASSENT_ANCHOR_EVERY_SECONDS',
      'ASSENT_TRUST_PROXY',
      'ASSENT_TRUSTPROXY',
    ])
      // prettier-ignore
      expect(ended.err).toMatch(new RegExp(`\\b${name}\\b`));
    expect(ended.err).not.toContain('    at ');
    expect(existsSync(home)).toBe(false);
  });

  it('refuses a name with plain http for others, and a chain that cannot be asked', async () => {
    const problems = async (environment: Record<string, string>): Promise<string> => {
      const ended = await run('main', { environment: { ASSENT_HOME: join(parent, 'half'), ...environment } });
      expect(ended.code).toBe(1);
      expect(ended.out).not.toContain('is ready');
      return ended.err;
    };
    expect(await problems({ ASSENT_PUBLIC_URL: 'http://assent.example.org' })).toContain('must be https');
    expect(await problems({ ASSENT_CHAIN_URL: 'ftp://chain.example.org' })).toContain('ASSENT_CHAIN_URL');
  });
});
