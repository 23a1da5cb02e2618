// What comes in wrong: each gets its status and code, does nothing, says nothing to the log it should not.
import { connect } from 'node:net';
import { and, eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../gateway/app.ts';
import { createRecommender } from '../../gateway/operations/recommend.ts';
import { budgetScope, dpQuery, person as personTable, staffToken } from '../../gateway/store/tables.ts';
import { addPerson, closeCores, dayMs, entriesOf, openTestCore } from '../support/core.ts';
import { openService, problemIn, type Service } from './service.ts';

const path = '/v1/data/browsing?purpose=recommendation';
let service: Service;
let analyst: string;

const query = { question: 'people_by_genre', epsilon: '0.5', idempotency_key: 'key-12345' };
const json = { 'content-type': 'application/json' };

function ask(body: unknown, headers: Record<string, string> = json): Promise<Response> {
  return service.call('/v1/dp/query', {
    method: 'POST',
    headers,
    body: typeof body === 'string' ? body : JSON.stringify(body),
    authorization: `Bearer ${analyst}`,
  });
}

/** Bytes as they are, and the answer as it comes. */
function raw(bytes: string): Promise<Response> {
  return new Promise((resolve, reject) => {
    const socket = connect(service.port, '127.0.0.1', () => socket.write(bytes));
    const chunks: Buffer[] = [];
    socket.setTimeout(5000, () => socket.destroy(new Error('no answer')));
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', reject);
    socket.on('close', () => {
      const [head = '', ...body] = Buffer.concat(chunks).toString().split('\r\n\r\n');
      const [first = '', ...lines] = head.split('\r\n');
      const status = Number(first.split(' ')[1]);
      if (!(status >= 200)) return reject(new Error(`no answer: ${first}`));
      const headers = new Headers(lines.map((line) => line.split(/: (.*)/s, 2) as [string, string]));
      resolve(new Response(body.join('\r\n\r\n'), { status, headers }));
    });
  });
}

const request = (line: string, ...headers: string[]): string =>
  [`${line} HTTP/1.1`, 'host: 127.0.0.1', 'connection: close', ...headers, '', ''].join('\r\n');

beforeAll(async () => {
  service = await openService({ limits: { requestsPerMinute: 0 } });
  analyst = await service.staffToken('analyst');
});
afterAll(async () => {
  await service.close();
  await closeCores();
});

describe('a body that is wrong', () => {
  it.each([
    ['half an object', '{"question":', 'malformed_request'],
    ['nothing', '', 'malformed_request'],
    ['a list', '[]', 'malformed_request'],
    ['null', 'null', 'malformed_request'],
    ['a prototype', '{"__proto__": {"admin": true}}', 'malformed_request'],
    ['a constructor', '{"constructor": {"prototype": {"x": 1}}}', 'malformed_request'],
    ['a deep nest', '['.repeat(20_000), 'malformed_request'],
    ['an unknown field', JSON.stringify({ ...query, person: 'somebody' }), 'unknown_field'],
    ['no idempotency key', JSON.stringify({ ...query, idempotency_key: undefined }), 'malformed_request'],
    ['a short idempotency key', JSON.stringify({ ...query, idempotency_key: 'short' }), 'malformed_request'],
    ['a question that is a number', JSON.stringify({ ...query, question: 7 }), 'malformed_request'],
    ['ε as a number', JSON.stringify({ ...query, epsilon: 0.5 }), 'malformed_request'],
    [
      'ε of 1e400 as a number',
      '{"question":"people_by_genre","epsilon":1e400,"idempotency_key":"key-12345"}',
      'malformed_request',
    ],
    ['a long ε', JSON.stringify({ ...query, epsilon: `0.${'1'.repeat(40)}` }), 'malformed_request'],
    ['an unknown question', JSON.stringify({ ...query, question: 'salaries' }), 'unknown_query'],
    ['a question of every object', JSON.stringify({ ...query, question: 'toString' }), 'unknown_query'],
    ...[
      '0',
      '0.0',
      '-0',
      '-1',
      '1e400',
      'NaN',
      'Infinity',
      '1.0001',
      '1000000',
      '0x1',
      ' 0.5',
      '0,5',
      '',
      '٠.٥',
    ].map((epsilon) => [`ε of “${epsilon}”`, JSON.stringify({ ...query, epsilon }), 'epsilon_out_of_range']),
  ])('with %s is refused', async (_what, body, code) => {
    const before = (await entriesOf(service.core)).length;
    await problemIn(await ask(body), 400, code);
    expect(await service.entriesAfter(before)).toEqual([]);
  });

  it('is not half done: no budget is spent and no query is stored', async () => {
    const rows = await service.core.store.read(async (reader) => [
      ...(await reader.db.select().from(budgetScope)),
      ...(await reader.db.select().from(dpQuery)),
    ]);
    expect(rows).toEqual([]);
  });

  it('of another content type is 415', async () => {
    for (const type of ['text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'made up'])
      await problemIn(
        await ask(JSON.stringify(query), { 'content-type': type }),
        415,
        'unsupported_media_type',
      );
  });

  it('that is larger than the limit is 413, also when it does not say so', async () => {
    const large = JSON.stringify({ ...query, question: 'x'.repeat(70_000) });
    await problemIn(await ask(large), 413, 'body_too_large');
    const chunks = `${(70_000).toString(16)}\r\n${'x'.repeat(70_000)}\r\n0\r\n\r\n`;
    const chunked = request(
      'POST /v1/dp/query',
      'content-type: application/json',
      'transfer-encoding: chunked',
    );
    await problemIn(await raw(chunked + chunks), 413, 'body_too_large');
  });
});

describe('a request that is wrong', () => {
  it('with too large headers is 431', async () => {
    await problemIn(
      await raw(request('GET /log/checkpoint', `x-long: ${'x'.repeat(20_000)}`)),
      431,
      'headers_too_large',
    );
  });

  it('that is not HTTP is 400', async () => {
    await problemIn(await raw('what is this\r\n\r\n'), 400, 'malformed_request');
    await problemIn(await raw(request('GET /%')), 400, 'malformed_request');
    await problemIn(await raw(request('GET /v1/data/%E0%A4%A')), 400, 'malformed_request');
  });

  it('with a method its address does not take is 405 and says which it takes', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const response = await service.call(path, { method });
      expect(response.headers.get('allow')).toContain('GET');
      await problemIn(response, 405, 'method_not_allowed');
    }
    const response = await service.call('/v1/dp/query');
    expect(response.headers.get('allow')).toBe('POST');
    await problemIn(response, 405, 'method_not_allowed');
    await problemIn(await raw(request('BREW /v1/dp/query')), 400, 'malformed_request');
  });

  it.each([
    '/v1/../../etc/passwd',
    '/../package.json',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/assets/../../config.ts',
    '/assets/..%2f..%2fconfig.ts',
    '/assets/%2e%2e%2fsurface.ts',
    '/assets/portal.css%00.ts',
    '//etc/passwd',
    '/v1/data/..%2f..%2flog',
    '/log/../keys/log.key',
  ])('for %s reaches no file', async (target) => {
    const response = await raw(request(`GET ${target}`));
    expect([400, 401, 404]).toContain(response.status);
    expect(await response.text()).not.toMatch(/root:|GatewayError|import |"dependencies"/);
  });

  it('for a person that is somebody else’s, or nobody, is refused', async () => {
    const other = await addPerson(service.core, 'somebody-else', { browsed: ['secret-item'] });
    await problemIn(await service.call(`${path}&person=${other}`), 400, 'unknown_field');
    await problemIn(await service.call(`/v1/data/${other}?purpose=recommendation`), 400, 'unknown_category');
    expect(await (await service.call(path)).text()).not.toContain('secret-item');
  });
});

describe('a credential that is wrong', () => {
  it('of staff opens no person’s rows, and that refusal of a known caller is an entry', async () => {
    const authorization = `Bearer ${await service.staffToken('analyst')}`;
    for (const asked of [path, '/v1/recommendations']) {
      const response = await service.call(asked, { authorization });
      expect(response.headers.get('assent-entry')).toMatch(/^\d+$/);
      await problemIn(response, 403, 'forbidden');
    }
  });

  it('is refused however it was made', async () => {
    const { token } = service.granted;
    const last = token.at(-1) === 'A' ? 'B' : 'A';
    for (const authorization of [
      `Bearer ${token.slice(0, -1)}${last}`,
      `Bearer ${token}x`,
      `Bearer ${token.toLowerCase()}`,
      `Bearer ${token} ${token}`,
      `Basic ${token}`,
      `Bearer staff_${token}`,
      `Bearer ${'.'.repeat(512)}`,
      `DPoP ${token}`,
      'Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.',
    ]) {
      const response = await service.call(path, { authorization });
      const scheme = authorization.startsWith('DPoP ') ? 'DPoP' : 'Bearer';
      expect(response.headers.get('www-authenticate')).toMatch(new RegExp(`^${scheme}`));
      await problemIn(response, 401, 'invalid_token');
    }
    await problemIn(await service.call(path, { authorization: null }), 401, 'unauthenticated');
    expect((await service.call(path)).status).toBe(200);
  });

  it('of staff who may not ask leaves an entry', async () => {
    const authorization = `Bearer ${await service.staffToken('officer')}`;
    const before = (await entriesOf(service.core)).length;
    const response = await service.call('/v1/dp/query', {
      method: 'POST',
      headers: json,
      body: JSON.stringify(query),
      authorization,
    });
    expect(response.headers.get('assent-entry')).toMatch(/^\d+$/);
    await problemIn(response, 403, 'forbidden');
    expect(await service.entriesAfter(before)).toMatchObject([
      { kind: 'refused', payload: { reason: 'role_not_allowed' } },
    ]);
  });

  it('that is past is refused: a staff token, and an access token', async () => {
    const { core } = service;
    const nowMs = core.clock.nowMs();
    expect((await ask({ ...query, idempotency_key: 'before-it-ends' })).status).toBe(200);
    await core.store.write(async (tx) => {
      await tx.db.update(staffToken).set({ expiresMs: nowMs + 1000 });
    });
    core.clock.set(nowMs + 1000);
    await problemIn(await ask(query), 401, 'invalid_token');
    expect((await service.call(path)).status).toBe(200);
    core.clock.set(nowMs + dayMs);
    await problemIn(await service.call(path), 401, 'invalid_token');
    core.clock.set(nowMs + 2000);
  });

  it('of a person who was restricted tells the partner no more than that nothing is available', async () => {
    const { core, granted } = service;
    const set = (status: 'active' | 'restricted') =>
      core.store.write(async (tx) => {
        await tx.db
          .update(personTable)
          .set({ status })
          .where(and(eq(personTable.id, granted.person)));
      });
    await set('restricted');
    const problem = await problemIn(await service.call(path), 403, 'not_available');
    expect(JSON.stringify(problem)).not.toContain('restrict');
    expect(problem).not.toHaveProperty('ask_again');
    await set('active');
    expect((await service.call(path)).status).toBe(200);
  });
});

describe('every answer', () => {
  it.each([
    '/v1/nothing',
    path,
    '/log/checkpoint',
    '/',
    '/oidc/.well-known/openid-configuration',
    '/oidc/auth',
  ])('carries the headers that protect whoever reads it: %s', async (target) => {
    const { headers } = await service.call(target);
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    // The authorization server's public description is for everyone (RFC 8414); nothing else is for other sites.
    if (!target.includes('.well-known')) expect(headers.get('access-control-allow-origin')).toBeNull();
    expect(headers.get('x-powered-by')).toBeNull();
  });

  it('left no token, query, name or row in the application’s log, and no failure', () => {
    const lines = service.logLines.join('');
    expect(service.logLines.length).toBeGreaterThan(50);
    for (const secret of [
      service.granted.token,
      analyst,
      service.granted.person,
      'Bearer',
      'staff_',
      'purpose=',
      'somebody-else',
      'secret-item',
      'Item number',
      'key-12345',
      'authorization',
    ])
      expect(lines).not.toContain(secret);
    for (const line of service.logLines) {
      const { level, code } = JSON.parse(line) as { level: number; code?: string };
      expect(level).toBe(30);
      if (code !== undefined) expect(code).toMatch(/^[a-z_]+$/);
    }
  });
});

describe('a failure of the gateway itself', () => {
  it('is 500 with nothing of its cause in the answer, and no row of it in the log', async () => {
    const core = await openTestCore();
    const lines: string[] = [];
    const { fastify } = await buildApp({
      parts: core.operations,
      recommender: createRecommender(core.operations),
      gate: core.gate,
      config: core.config,
      prover: core.prover,
      publisher: core.publisher,
      proveDpop: async () => undefined,
      identify: async (tx) => {
        await tx.db
          .insert(personTable)
          .values({ id: 'a', reference: 'mail:lin@example.org', status: 'active', createdMs: 0 });
        await tx.db
          .insert(personTable)
          .values({ id: 'a', reference: 'mail:lin@example.org\nx', status: 'active', createdMs: 0 });
        throw new Error('unreachable');
      },
      logLevel: 'info',
      logTo: { write: (line) => void lines.push(line) },
      surfaces: [],
    });
    const response = await fastify.inject({ url: path, headers: { authorization: 'Bearer anything' } });
    expect(response.statusCode).toBe(500);
    expect(response.json()).toMatchObject({ code: 'internal' });
    expect(response.json()).not.toHaveProperty('detail');
    const [line = ''] = lines;
    expect(JSON.parse(line)).toMatchObject({ level: 50, code: 'internal', route: '/v1/data/:category' });
    expect(line).toMatch(/SQLITE_CONSTRAINT|a constraint is violated: person_pkey/);
    expect(line + response.body).not.toContain('lin@example.org');
    expect(line).toContain('    at ');
    await fastify.close();
  });
});

describe('too many requests from one address', () => {
  it('are 429 with the code and when to come again, for addresses that do not exist too', async () => {
    const limited = await openService({ limits: { requestsPerMinute: 5 } });
    for (let times = 0; times < 5; times++) expect((await limited.call(path)).status).toBe(200);
    const refused = await limited.call(path);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(refused.headers.get('x-content-type-options')).toBe('nosniff');
    await problemIn(refused, 429, 'too_many_requests');
    const statuses: number[] = [];
    for (let times = 0; times < 7; times++) statuses.push((await limited.call('/nothing')).status);
    expect(statuses.at(-1)).toBe(429);
    await limited.close();
  });
});
