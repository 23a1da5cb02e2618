// What a proxy and a supervisor are told, and what callers meet while the store is away.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { setSwitches } from '../../gateway/operations/set-switch.ts';
import { closeCores, entriesOf } from '../support/core.ts';
import { makeFaulty, type FaultyStore } from './faults.ts';
import { openService, problemIn, type Service } from './service.ts';

const path = '/v1/data/browsing?purpose=recommendation';
let service: Service;
let faulty: FaultyStore;

beforeAll(async () => {
  service = await openService({ limits: { requestsPerMinute: 5 }, readyLimitMs: 200 });
  faulty = makeFaulty(service.core.store);
});
afterEach(() => faulty.mend());
afterAll(async () => {
  await service.close();
  await closeCores();
});

async function readyz(): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await service.call('/readyz', { authorization: null });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const parts = (store: string, log: string) => ({ store, log });

describe('/healthz', () => {
  it('says ok and nothing else, to be kept by nobody', async () => {
    const response = await service.call('/healthz', { authorization: null });
    expect([response.status, await response.text()]).toEqual([200, 'ok\n']);
    expect(response.headers.get('cache-control')).toBe('no-store');
  });

  it('lives on while the store is away', async () => {
    faulty.breakDown('hangs');
    expect((await service.call('/healthz', { authorization: null })).status).toBe(200);
  });

  it('takes no other method', async () => {
    await problemIn(
      await service.call('/healthz', { method: 'POST', authorization: null }),
      405,
      'method_not_allowed',
    );
  });
});

describe('/readyz', () => {
  it('names its parts, and chain and witnesses as information, in whole', async () => {
    const response = await service.call('/readyz', { authorization: null });
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.json()).toEqual({
      status: 'ready',
      parts: { store: 'answers', log: 'answers' },
      information: { chain: 'unasked', witnesses: { cosigned: 0, known: 0 } },
    });
  });

  it('is answered more often than a caller may ask for anything else, and is no entry of the log', async () => {
    await service.app.rejected.flush();
    const before = (await entriesOf(service.core)).length;
    for (let asked = 0; asked < 20; asked++) expect((await readyz()).status).toBe(200);
    for (let asked = 0; asked < 20; asked++)
      expect((await service.call('/healthz', { authorization: null })).status).toBe(200);
    await service.app.rejected.flush();
    expect(await service.entriesAfter(before)).toEqual([]);
  });

  it.each([
    ['did nothing', parts('answers', 'fails')],
    ['did it', parts('answers', 'fails')],
    ['hangs', parts('late', 'late')],
    ['reads fail', parts('fails', 'answers')],
  ] as const)(
    'says 503 and which part while the store %s, and 200 once it is back',
    async (fault, expected) => {
      faulty.breakDown(fault);
      const away = await readyz();
      expect([away.status, away.body['status'], away.body['parts']]).toEqual([503, 'not_ready', expected]);
      faulty.mend();
      if (fault === 'hangs') {
        // What never answers is given up after half a minute.
        expect((await readyz()).status).toBe(503);
        service.core.clock.advance(31_000);
      }
      expect((await readyz()).status).toBe(200);
    },
  );
});

describe('a call while the store is away', () => {
  // Of its own: the limit of requests above is small.
  beforeAll(async () => {
    await service.close();
    service = await openService({ limits: { requestsPerMinute: 0 }, readyLimitMs: 200 });
    faulty = makeFaulty(service.core.store);
  });

  it.each(['did nothing', 'reads fail'] as const)(
    'is 503 with when to ask again (%s), without a row, and works again without a restart',
    async (fault) => {
      const before = (await entriesOf(service.core)).length;
      faulty.breakDown(fault);
      // Reads alone serve the public log; a partner's call goes through the writer.
      const response =
        fault === 'reads fail'
          ? await service.call('/log/checkpoint', { authorization: null })
          : await service.call(path);
      const problem = await problemIn(response.clone(), 503, 'store_unavailable');
      expect(response.headers.get('retry-after')).toBe('5');
      expect(JSON.stringify(problem)).not.toMatch(/item-|SQLITE|connection/);
      faulty.mend();
      expect(await service.entriesAfter(before)).toEqual([]);
      expect((await service.call(path)).status).toBe(200);
      expect(await service.entriesAfter(before)).toHaveLength(1);
    },
  );

  it('is 503 without a row when it was done and nobody was told: its entry stays and is signed', async () => {
    const { core } = service;
    const before = (await entriesOf(core)).length;
    faulty.breakDown('did it');
    const response = await service.call(path);
    expect(response.headers.get('assent-entry')).toBeNull();
    const problem = await problemIn(response, 503, 'store_unavailable');
    // Saying that nothing was done would be a lie here.
    expect(JSON.stringify(problem)).not.toMatch(/nothing was done|item-/);
    faulty.mend();
    expect((await service.entriesAfter(before)).map(({ row }) => row.outcome)).toEqual(['allowed']);
    const head = await core.publisher.publish();
    expect(head?.size).toBe(core.log.durableSize());
    expect(head?.size).toBeGreaterThan(before);
    await core.publisher.check();
  });

  it('is a page with when to come again for a browser with a session, not a program’s answer', async () => {
    faulty.breakDown('reads fail');
    const response = await service.call('/', {
      authorization: null,
      headers: { cookie: `assent_session=${'a'.repeat(43)}`, accept: 'text/html', 'accept-language': 'zh' },
    });
    expect([
      response.status,
      response.headers.get('content-type'),
      response.headers.get('retry-after'),
    ]).toEqual([503, 'text/html; charset=utf-8', '5']);
    expect(await response.text()).toContain('暂时无法使用');
  });

  it('for a token is 503 too, not an error of the partner’s making', async () => {
    const ask = (): Promise<Response> =>
      service.call('/oidc/token', {
        method: 'POST',
        authorization: null,
        body: new URLSearchParams({
          grant_type: 'client_credentials',
          client_id: service.granted.partner,
          client_secret: 'wrong',
        }),
      });
    faulty.breakDown('reads fail');
    const away = await ask();
    expect([away.status, away.headers.get('retry-after')]).toEqual([503, '5']);
    faulty.mend();
    expect((await ask()).status).toBe(401);
  });

  it('leaves a switch turned off as off, whether the person was told or not', async () => {
    const { core, granted } = service;
    const off = () =>
      setSwitches(core.operations, granted.person, [
        {
          category: 'browsing',
          purpose: 'recommendation',
          recipient: `partner:${granted.partner}`,
          action: 'off',
          noticeHash: null,
        },
      ]);
    faulty.breakDown('did nothing');
    await expect(off()).rejects.toMatchObject({ code: 'store_unavailable' });
    faulty.mend();
    expect((await service.call(path)).status).toBe(200);
    faulty.breakDown('did it');
    await expect(off()).rejects.toMatchObject({ code: 'store_unavailable' });
    faulty.mend();
    await problemIn(await service.call(path), 403, 'consent_required');
    // Asking again changes nothing and fails at nothing.
    await off();
    await problemIn(await service.call(path), 403, 'consent_required');
  });
});

describe('a gateway that was told to stop', () => {
  it('is not ready at once, whatever its parts say, still answers, and ends connections', async () => {
    service.health.startDraining();
    const { status, body } = await readyz();
    expect([status, body['status'], body['parts']]).toEqual([
      503,
      'draining',
      parts('not_asked', 'not_asked'),
    ]);
    const response = await service.call('/healthz', { authorization: null });
    expect([response.status, response.headers.get('connection')]).toEqual([200, 'close']);
  });
});
