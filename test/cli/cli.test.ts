// The commands as a user runs them, on a folder that a gateway is serving at the same time.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSigner } from '../../gateway/audit/publish.ts';
import {
  killChildren,
  run,
  startGateway,
  type Ended,
  type GatewayProcess,
} from '../support/gateway-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'assent-cli-'));
const home = join(folder, 'home');
const examples = join(import.meta.dirname, 'examples');
const example = (name: string): string => join(examples, name);
const wasEncoded = (text: string): boolean => text.startsWith('{') && text.trim().split('\n').length === 1;

function assent(...given: string[]): Promise<Ended> {
  return run('cli', { arguments: given, environment: { ASSENT_HOME: home } });
}

/** The one object a command answers with `--json`. */
async function answer(...given: string[]): Promise<Record<string, unknown>> {
  const { code, out, err } = await assent(...given, '--json');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(wasEncoded(out)).toBe(true);
  return JSON.parse(out) as Record<string, unknown>;
}

async function refusal(...given: string[]): Promise<Record<string, unknown>> {
  const { code, out, err } = await assent(...given, '--json');
  expect({ code, out }).toEqual({ code: 2, out: '' });
  return (JSON.parse(err) as { error: Record<string, unknown> }).error;
}

function importing(file: string, ...more: string[]): string[] {
  const map = example(`${file.slice(0, file.lastIndexOf('.'))}.map.json`);
  return ['import', '--source', 'shop', '--basis', 'contract', '--map', map, ...more, example(file)];
}

function table(sql: string): Record<string, unknown>[] {
  const raw = new Sqlite(join(home, 'assent.sqlite'), { readonly: true });
  try {
    return raw.prepare(sql).all() as Record<string, unknown>[];
  } finally {
    raw.close();
  }
}

afterAll(() => {
  killChildren();
  rmSync(folder, { recursive: true, force: true });
});

describe('a command line', () => {
  it('is explained in less than a second, and refused when it is not understood', async () => {
    const begun = performance.now();
    const help = await assent('--help');
    expect(help.code).toBe(0);
    // Generous: other tests share the machine. Loading a database or a chain for it would take several seconds.
    expect(performance.now() - begun).toBeLessThan(3000);
    for (const command of [
      'import',
      'train',
      'invite',
      'staff add',
      'partner add',
      'trust export',
      'verify',
      'demo',
    ])
      expect(help.out).toContain(`\n  ${command} `);
    const wrong = [
      [],
      ['dance'],
      ['--colour'],
      ['demo'],
      ['verify'],
      ['verify', 'a.json', 'b.json'],
      ['import', '--source'],
    ];
    const ended = await Promise.all(wrong.map((given) => assent(...given)));
    expect(ended.map(({ code }) => code)).toEqual(wrong.map(() => 2));
    expect(ended[1]?.err).toBe('assent: there is no command dance\n\nassent --help lists the commands\n');
    expect(existsSync(home)).toBe(false);
  });

  it('that names a folder without data makes none', async () => {
    const wrong = [['train'], ['import', '--consents', example('consents.csv')]];
    for (const found of await Promise.all(wrong.map((given) => refusal(...given))))
      expect(found).toMatchObject({ code: 'usage', message: expect.stringContaining('no data') });
    expect(existsSync(home)).toBe(false);
  });
});

describe('beside a running gateway', () => {
  let gateway: GatewayProcess;

  beforeAll(async () => {
    gateway = await startGateway(home, { arguments: ['--empty'] });
  });

  it('events, items and attributes of a user’s own files are loaded, rows that cannot be used are counted', async () => {
    expect(await answer(...importing('orders.csv'))).toMatchObject({
      people: 3, events: 4, repeated: 0, rejected: { missing_value: 1, invalid_time: 1, invalid_number: 1 },
    }); // prettier-ignore
    expect(await answer(...importing('products.ndjson'))).toMatchObject({
      items: 3,
      rejected: { missing_value: 1 },
    });
    expect(await answer(...importing('customers.csv'))).toMatchObject({
      people: 0, attributes: 5, rejected: { missing_value: 1 },
    }); // prettier-ignore
    expect(await answer(...importing('views.ndjson'))).toMatchObject({
      events: 4, rejected: { invalid_json: 1, invalid_time: 1 },
    }); // prettier-ignore
    expect(table("SELECT value FROM attribute WHERE name = 'city' ORDER BY value")).toEqual([
      { value: 'Köln' },
      { value: 'München' },
    ]);
    expect(table("SELECT title, attributes FROM item WHERE key = 'tea-cup'")).toEqual([
      { title: '茶杯 Tea cup', attributes: '{"genres":["kitchen","tea"]}' },
    ]);
    expect(table('SELECT count(*) AS times FROM person')).toEqual([{ times: 3 }]);
    expect(table('SELECT legal_basis AS basis FROM source GROUP BY 1')).toEqual([{ basis: 'contract' }]);
  });

  it('an import that is repeated loads nothing twice', async () => {
    expect(await answer(...importing('orders.csv'))).toMatchObject({ people: 0, events: 0, repeated: 4 });
  });

  it('rejected rows are kept aside, and no byte of them can be read in the files', async () => {
    const kept = table('SELECT code, count(*) AS times FROM quarantine GROUP BY code ORDER BY code');
    expect(kept).toEqual([
      { code: 'invalid_json', times: 1 },
      { code: 'invalid_number', times: 2 },
      { code: 'invalid_time', times: 3 },
      { code: 'missing_value', times: 4 },
    ]);
    const raws = table('SELECT raw FROM quarantine').map(({ raw }) => (raw as Buffer).toString('latin1'));
    for (const text of ['yesterday', '2026-02-30', 'Bonn', 'ghost'])
      expect(raws.some((raw) => raw.includes(text))).toBe(false);
  });

  it('a wrong map, column, encoding or basis changes nothing and says what is wrong', async () => {
    const before = table('SELECT count(*) AS times FROM entry WHERE kind <> 32');
    const map = (name: string, value: string): string => {
      const path = join(folder, name);
      writeFileSync(path, value);
      return path;
    };
    const order = (path: string, file: string) => [
      'import', '--source', 'shop', '--basis', 'contract', '--map', path, example(file),
    ]; // prettier-ignore
    const right = readFileSync(example('orders.map.json'), 'utf8');
    const latin = readFileSync(example('customers.map.json'), 'utf8');
    const cases: [string[], string, string][] = [
      [order(map('a.json', '{"mapping":'), 'orders.csv'), 'usage', 'not JSON'],
      [order(map('b.json', right.replace('transactions', 'genome')), 'orders.csv'), 'unknown_category', 'mapping.category'],
      [order(map('c.json', right.replace('StockCode', 'Sku')), 'orders.csv'), 'import_format', 'Missing columns: Sku'],
      [order(map('d.json', latin.replace('latin-1', 'utf-8')), 'customers.csv'), 'import_encoding', ''],
      [[...importing('orders.csv'), '--basis', 'curiosity'], 'malformed_request', 'legal basis'],
      [order(example('orders.map.json'), 'missing.csv'), 'usage', 'there is no file'],
    ]; // prettier-ignore
    const found = await Promise.all(cases.map(([given]) => refusal(...given)));
    for (const [at, [, code, message]] of cases.entries()) {
      expect([message, found[at]?.['code']]).toEqual([message, code]);
      expect(found[at]?.['message']).toContain(message);
    }
    expect(table('SELECT count(*) AS times FROM entry WHERE kind <> 32')).toEqual(before);
  });

  it('nobody is trained on before consents are loaded, then exactly those who gave one', async () => {
    expect(await answer('train')).toMatchObject({ people: 0, rows: 0, model: null });
    const consents = await answer('import', '--consents', example('consents.csv'));
    expect(consents).toMatchObject({ people: 2, consents: 2 });
    expect(consents['rejected']).toEqual([
      { line: 4, code: 'unknown_person' },
      { line: 5, code: 'unknown_category' },
      { line: 6, code: 'unknown_purpose' },
      { line: 7, code: 'unknown_recipient' },
      { line: 8, code: 'invalid_notice_hash' },
      { line: 9, code: 'invalid_time' },
    ]);
    expect(await answer('train')).toMatchObject({
      people: 2,
      rows: 3,
      model: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(await answer('import', '--consents', example('consents.ndjson'))).toMatchObject({
      people: 1,
      rejected: [{ line: 2, code: 'invalid_json' }],
    });
    const trained = await assent('train');
    expect(trained.out).toContain('people 3, rows 4');
    expect(table("SELECT count(*) AS times FROM consent_event WHERE method = 'migrated'")).toEqual([
      { times: 3 },
    ]);
  });

  it('an invitation is for someone who is there', async () => {
    expect(await refusal('invite', 'shop:nobody')).toMatchObject({ code: 'not_found' });
    const { invitation } = await answer('invite', 'shop:c-17');
    expect(invitation).toMatch(/^[A-Za-z0-9_-]{20}$/);
    expect(JSON.stringify(table('SELECT * FROM invitation'))).not.toContain(invitation);
    expect((await fetch(`${gateway.url}/enrol`)).status).toBe(200);
  });

  it('staff are added with a password on standard input, and get tokens that work at once', async () => {
    const add = (role: string, name: string, input: string): Promise<Ended> =>
      run('cli', {
        arguments: ['staff', 'add', role, name, '--json'],
        environment: { ASSENT_HOME: home },
        input,
      });
    expect(await add('analyst', 'ana', 'a long enough password\n')).toMatchObject({
      code: 0,
      out: '{"added":"ana"}\n',
    });
    expect((await add('analyst', 'ana', 'a long enough password\n')).err).toContain('"conflict"');
    expect((await add('analyst', 'bob', 'short\n')).err).toContain('"malformed_request"');
    expect((await add('emperor', 'bob', 'a long enough password\n')).err).toContain('no role emperor');
    const { token } = await answer('staff', 'token', 'ana');
    const response = await fetch(`${gateway.url}/v1/dp/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${String(token)}` },
      body: JSON.stringify({
        question: 'people_by_age_band',
        epsilon: '0.5',
        idempotency_key: 'from-the-cli',
      }),
    });
    expect(response.status).toBe(200);
  });

  it('a partner is registered with a secret that is shown once, and known at once', async () => {
    const add = (...more: string[]): string[] => ['partner', 'add', 'bookshop', 'Book Shop', ...more];
    const redirect = ['--redirect', 'https://books.example.org/callback'];
    const scope = ['--scope', 'browsing.recommendation:read'];
    expect(await refusal(...add(...redirect, '--scope', 'genome.resale:read'))).toMatchObject({
      code: 'unknown_scope',
      scope: 'genome.resale:read',
    });
    expect(await refusal(...add(...scope, '--redirect', 'http://books.example.org/'))).toMatchObject({
      code: 'malformed_request',
    });
    const { clientId, clientSecret } = await answer(...add(...redirect, ...scope));
    expect(clientId).toBe('bookshop');
    expect(JSON.stringify(table('SELECT * FROM partner'))).not.toContain(clientSecret);
    expect(await refusal(...add(...redirect, ...scope))).toMatchObject({ code: 'conflict' });
    const introspected = await fetch(`${gateway.url}/oidc/token/introspection`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(`bookshop:${String(clientSecret)}`).toString('base64')}`,
      },
      body: new URLSearchParams({ token: 'made-up' }),
    });
    expect([introspected.status, await introspected.json()]).toEqual([200, { active: false }]);
  });

  it('a trust file is written once and says the same as the gateway', async () => {
    const path = join(folder, 'trust.json');
    expect(await answer('trust', 'export', path)).toEqual({ file: path });
    const written = readFileSync(path, 'utf8');
    expect(await refusal('trust', 'export', path)).toMatchObject({
      message: expect.stringContaining('never overwritten'),
    });
    expect(readFileSync(path, 'utf8')).toBe(written);
    const printed = (await assent('trust', 'export')).out;
    const served = await (await fetch(`${gateway.url}/log/trust.json`)).text();
    const timeless = (text: string) => ({ ...(JSON.parse(text) as object), exportedAt: '' });
    expect(timeless(printed)).toEqual(timeless(written));
    expect(timeless(served)).toEqual(timeless(written));
    expect(timeless(written)).toMatchObject({ chain: { finality: 'local' } });
  });

  it('what commands wrote is under the gateway’s next signed head, and the log is one log', async () => {
    const entries = table('SELECT count(*) AS size FROM entry')[0]?.['size'] as number;
    let signed = 0;
    for (let attempt = 0; attempt < 50 && signed < entries; attempt++) {
      await new Promise((done) => setTimeout(done, 200));
      const checkpoint = await (await fetch(`${gateway.url}/log/checkpoint`)).text();
      signed = Number(checkpoint.split('\n')[1]);
    }
    expect(signed).toBeGreaterThanOrEqual(entries);
  });

  it('stops with code 0, and starts on what the commands wrote', async () => {
    expect((await gateway.stop('SIGTERM')).code).toBe(0);
    gateway = await startGateway(home);
    expect(gateway.greeting).not.toContain('demo');
    expect(table('SELECT count(*) AS times FROM person')).toEqual([{ times: 3 }]);
    expect((await gateway.stop('SIGTERM')).code).toBe(0);
  });
});

describe('a proof downloaded from a running gateway', () => {
  const demo = join(folder, 'demo');
  const bundle = join(folder, 'bundle.json');
  const trust = join(folder, 'demo-trust.json');
  let gateway: GatewayProcess;

  beforeAll(async () => {
    gateway = await startGateway(demo);
    const cookies = new Map<string, string>();
    const visit = async (path: string, fields?: Record<string, string>): Promise<Response> => {
      const response = await fetch(`${gateway.url}${path}`, {
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
    const page = await (await visit('/demo')).text();
    const token = /name="_csrf" value="([^"]+)"/.exec(page)?.[1] ?? '';
    expect((await visit('/demo/enter', { _csrf: token, door: 'officer' })).status).toBe(303);
    // An entry of the history: anchored by the first start.
    const response = await visit('/proofs/300.json');
    expect(response.status).toBe(200);
    writeFileSync(bundle, Buffer.from(await response.arrayBuffer()));
    const exported = await run('cli', { arguments: ['trust', 'export', trust, '--home', demo] });
    expect(exported.code).toBe(0);
  });

  it('holds offline (0), and with the chain asked says that the anchor is there', async () => {
    const offline = await assent('verify', bundle, '--trust', trust);
    expect({ code: offline.code, err: offline.err }).toEqual({ code: 0, err: '' });
    expect(offline.out).toContain('The proof holds.');
    expect(offline.out).toContain('Entry 300');
    const asked = await answer('verify', bundle, '--trust', trust, '--rpc', gateway.chainUrl);
    expect(asked).toMatchObject({
      exitCode: 0,
      verdict: 'holds',
      levels: {
        recorded: { state: 'holds' },
        checkpointed: { state: 'holds' },
        anchored: { state: 'holds', words: 'anchored-local-chain' },
        anchoredFinal: { state: 'absent' },
      },
    });
    const chinese = await assent('verify', bundle, '--trust', trust, '--language', 'zh');
    expect(chinese.code).toBe(0);
    expect(chinese.out).toContain('凭证成立');
  });

  it('does not hold (1) once a byte is changed, is not UTF-8, or the trust file is another’s', async () => {
    const changed = join(folder, 'changed.json');
    const bytes = readFileSync(bundle);
    const at = bytes.indexOf('"leaf"') + 20;
    const flipped = Buffer.from(bytes);
    flipped[at] = flipped[at] === 0x41 ? 0x42 : 0x41;
    writeFileSync(changed, flipped);
    const found = await assent('verify', changed, '--trust', trust, '--json');
    expect(found.code).toBe(1);
    expect(JSON.parse(found.out)).toMatchObject({ exitCode: 1, firstFailing: expect.any(String) });
    const notText = Buffer.from(bytes);
    notText[at] = 0xff;
    writeFileSync(changed, notText);
    expect((await assent('verify', changed, '--trust', trust)).code).toBe(1);
    // The same gateway under a log key of another's, as after a rebuild.
    const { logKey, origin } = JSON.parse(readFileSync(trust, 'utf8')) as { logKey: string; origin: string };
    const { verifierKey } = createSigner(origin, Buffer.alloc(32, 7));
    const otherTrust = join(folder, 'other-trust.json');
    writeFileSync(otherTrust, readFileSync(trust, 'utf8').replaceAll(logKey, verifierKey));
    const other = await assent('verify', bundle, '--trust', otherTrust);
    expect(other.code).toBe(1);
    expect(other.out).toContain('First failing check: checkpoint signature');
  });

  it('gets no verdict (2) when a file is missing or the chain cannot be asked', async () => {
    expect(await refusal('verify', join(folder, 'nothing.json'), '--trust', trust)).toMatchObject({
      code: 'failed',
    });
    expect(await refusal('verify', bundle)).toMatchObject({ code: 'usage' });
    expect(await refusal('verify', bundle, '--trust', trust, '--language', 'fr')).toMatchObject({
      code: 'usage',
    });
    const unreachable = await assent('verify', bundle, '--trust', trust, '--rpc', 'http://127.0.0.1:1');
    expect(unreachable.code).toBe(2);
    const noUrl = await assent('verify', bundle, '--trust', trust, '--rpc', 'somewhere');
    expect(noUrl.code).toBe(2);
  });

  it('is asked of no gateway that is not there by the demo partner', async () => {
    const ended = await assent('demo-partner', 'http://127.0.0.1:1', '--home', demo);
    expect([ended.code, ended.out]).toEqual([
      2,
      'no gateway answers at http://127.0.0.1:1; if it listens elsewhere: assent demo-partner URL\n',
    ]);
    const elsewhere = await assent('demo-partner', 'https://example.org', '--home', demo, '--json');
    expect(elsewhere.code).toBe(2);
    expect(JSON.parse(elsewhere.out)).toMatchObject({ said: expect.stringContaining('loopback') });
    const real = await assent('demo-partner', gateway.url, '--home', home);
    expect(real.code).toBe(2);
    expect(real.out).toContain('holds no demo world');
  });
});
