import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import cookie from '@fastify/cookie';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../gateway/app.ts';
import type { Core } from '../../gateway/compose.ts';
import { personId } from '../../gateway/demo/history.ts';
import { runDemoPartner } from '../../gateway/demo/partner-client.ts';
import { readKept } from '../../gateway/demo/partner.ts';
import { namedPeople } from '../../gateway/demo/people.ts';
import { demoSurface } from '../../gateway/demo/routes.ts';
import { ensureDemoWorld } from '../../gateway/demo/world.ts';
import { revokeGrants } from '../../gateway/oauth/partners.ts';
import { oauthSurface, type OauthSurface } from '../../gateway/oauth/surface.ts';
import { findSession } from '../../gateway/operations/accounts.ts';
import { viewActivity } from '../../gateway/operations/own.ts';
import { createRecommender } from '../../gateway/operations/recommend.ts';
import { setSwitches } from '../../gateway/operations/set-switch.ts';
import { makeHome } from './home.ts';

/** Cookies and redirects, as far as these pages need them. */
class Browser {
  readonly cookies = new Map<string, string>();

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.#send(path, { headers });
  }

  post(path: string, fields: Record<string, string>): Promise<Answer> {
    return this.#send(path, { method: 'POST', body: new URLSearchParams(fields) });
  }

  async follow(path: string): Promise<Answer> {
    let answer = await this.get(path);
    for (let hop = 0; hop < 10; hop++) {
      const next = answer.location ?? link(answer.text, /http-equiv="refresh" content="0;url=([^"]+)"/);
      if (next === '') return answer;
      answer = await this.get(next);
    }
    return answer;
  }

  async #send(
    path: string,
    request: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> },
  ): Promise<Answer> {
    const sent = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(new URL(path, base), {
      redirect: 'manual',
      ...request,
      headers: { ...request.headers, cookie: sent },
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '' || /expires=Thu, 01 Jan 1970/i.test(line)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    const location = response.headers.get('location') ?? undefined;
    return { status: response.status, location, text: await response.text() };
  }
}

interface Answer {
  readonly status: number;
  readonly location: string | undefined;
  readonly text: string;
}

function tokenIn(text: string): string {
  return /name="_csrf" value="([^"]+)"/.exec(text)?.[1] ?? '';
}

function link(text: string, pattern: RegExp): string {
  return (pattern.exec(text)?.[1] ?? '').replaceAll('&amp;', '&').replaceAll('&#38;', '&');
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((done) => probe.listen(0, '127.0.0.1', done));
  const { port } = probe.address() as { port: number };
  await new Promise((done) => probe.close(done));
  return port;
}

const home = makeHome();
let core: Core;
let fastify: FastifyInstance;
let base: string;
let person: string;

async function serve(of: Core, oauth: OauthSurface): Promise<FastifyInstance> {
  const { operations, gate, config, prover, publisher } = of;
  // The portal's part: who is signed in, and a consent page as data instead of markup.
  const consentSteps = async (app: FastifyInstance): Promise<void> => {
    await app.register(cookie);
    await oauth.interactions(app, {
      currentPerson: async (request) => {
        const session = await findSession(operations, request.cookies['assent_session'] ?? '');
        return session?.kind === 'person' ? { person: session.subject, csrf: session.csrf } : undefined;
      },
      languageOf: () => 'zh',
      renderConsent: (request, reply, view) => reply.send(view),
    });
  };
  const app = await buildApp({
    parts: operations,
    recommender: createRecommender(operations),
    gate,
    config,
    prover,
    publisher,
    proveDpop: oauth.proveDpop,
    identify: oauth.identify,
    logLevel: 'silent',
    surfaces: [(app) => oauth.routes(app), consentSteps, demoSurface(of, oauth)],
  });
  return app.fastify;
}

beforeAll(async () => {
  const port = await freePort();
  base = `http://127.0.0.1:${port}`;
  core = await home.open({ PORT: String(port), ASSENT_REQUESTS_PER_MINUTE: '0' });
  await ensureDemoWorld(core, { say: () => undefined });
  person = await personId(core.operations, namedPeople.lin.reference);
  fastify = await serve(core, oauthSurface(core));
  await fastify.listen({ host: '127.0.0.1', port });
});
afterAll(async () => {
  await fastify.close();
  await core.close();
  home.remove();
});

describe('the doors', () => {
  it('show everybody and open real sessions, one click each', async () => {
    for (const [door, path, kind] of [
      ['lin', '/me', 'person'],
      ['maya', '/me', 'person'],
      ['officer', '/officer', 'staff'],
      ['analyst', '/demo', 'staff'],
      ['partner', '/demo/partner', 'person'],
    ] as const) {
      const browser = new Browser();
      const page = await browser.get('/demo');
      expect(page.status).toBe(200);
      const answer = await browser.post('/demo/enter', { door, _csrf: tokenIn(page.text) });
      expect([door, answer.status, answer.location]).toEqual([door, 303, path]);
      const session = await findSession(core.operations, browser.cookies.get('assent_session') ?? '');
      expect(session).toMatchObject({ kind, role: kind === 'staff' ? door : null });
    }
  });

  it('speak both languages', async () => {
    expect((await new Browser().get('/demo?lang=zh')).text).toContain('林晓');
    expect((await new Browser().get('/demo?lang=en')).text).toContain('Enter as Lin Xiao');
  });

  it('refuse a form without its token, and a door that does not exist', async () => {
    const browser = new Browser();
    const page = await browser.get('/demo');
    expect((await browser.post('/demo/enter', { door: 'lin' })).status).toBe(403);
    expect((await browser.post('/demo/enter', { door: 'lin', _csrf: 'wrong' })).status).toBe(403);
    expect((await browser.post('/demo/enter', { door: 'cellar', _csrf: tokenIn(page.text) })).status).toBe(
      400,
    );
    expect(browser.cookies.has('assent_session')).toBe(false);
  });

  it('are not there under another name, from another machine, or through a proxy', async () => {
    const { host } = new URL(base);
    for (const request of [
      { headers: { host: 'demo.example' } },
      { headers: { host: '127.0.0.1.example.com' } },
      { headers: { host: 'localhost@evil.example' } },
      { headers: { host, 'x-forwarded-for': '203.0.113.9' } },
      { headers: { host, forwarded: 'for=203.0.113.9' } },
      { headers: { host }, remoteAddress: '203.0.113.9' },
      { headers: { host }, remoteAddress: '::ffff:192.0.2.1' },
    ]) {
      for (const url of ['/demo', '/demo/partner', '/demo/partner/callback?code=x&state=y']) {
        const answer = await fastify.inject({ method: 'GET', url, ...request });
        expect([url, request, answer.statusCode]).toEqual([url, request, 404]);
        expect(answer.headers['set-cookie']).toBeUndefined();
      }
      const entered = await fastify.inject({ method: 'POST', url: '/demo/enter', payload: {}, ...request });
      expect(entered.statusCode).toBe(404);
    }
    for (const remoteAddress of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
      const answer = await fastify.inject({ method: 'GET', url: '/demo', headers: { host }, remoteAddress });
      expect(answer.statusCode).toBe(200);
    }
  });

  it('lead a visitor of another loopback name to the one the cookies are for', async () => {
    const headers = { host: 'localhost:1' };
    const answer = await fastify.inject({ method: 'GET', url: '/demo?lang=zh', headers });
    expect([answer.statusCode, answer.headers.location]).toEqual([307, `${base}/demo?lang=zh`]);
  });

  it('are not there at all in a folder with real data', async () => {
    const realHome = makeHome();
    const real = await realHome.open({ ASSENT_EMPTY: '1', PORT: String(new URL(base).port) });
    await ensureDemoWorld(real, { say: () => undefined });
    const app = await serve(real, oauthSurface(real));
    for (const url of ['/demo', '/demo/partner'])
      expect((await app.inject({ url, headers: { host: new URL(base).host } })).statusCode).toBe(404);
    await app.close();
    await real.close();
    realHome.remove();
  });
});

describe('the partner beside the switch', () => {
  const browser = new Browser();
  const flip = (action: 'on' | 'off') =>
    setSwitches(core.operations, person, [
      {
        category: 'browsing',
        purpose: 'recommendation',
        recipient: 'partner:reading-corner',
        action,
        noticeHash: null,
      },
    ]);
  const act = async (wish: string): Promise<Answer> => {
    const page = await browser.get('/demo/partner?lang=en');
    return browser.post('/demo/partner', { do: wish, _csrf: tokenIn(page.text) });
  };

  it('opens her session for whoever comes without one, but not for a link from another site', async () => {
    const elsewhere = await new Browser().get('/demo/partner', { 'sec-fetch-site': 'cross-site' });
    expect([elsewhere.status, elsewhere.location]).toEqual([303, '/demo']);
    const first = await browser.get('/demo/partner');
    expect([first.status, first.location]).toEqual([303, '/demo/partner?entered=1']);
    const page = await browser.get('/demo/partner?lang=en');
    expect(page.status).toBe(200);
    expect(page.text).toContain('aria-checked="true"');
    expect(page.text).toContain('name="back" value="/demo/partner"');
  });

  it('without cookies says so instead of going round', async () => {
    expect((await new Browser().get('/demo/partner?entered=1')).status).toBe(401);
  });

  it('gets rows with one click, through the real API, with a receipt that is an entry', async () => {
    const before = core.log.durableSize();
    expect((await act('ask')).status).toBe(303);
    const { text } = await browser.get('/demo/partner?lang=en');
    expect(text).toContain('200 OK');
    const index = Number(/href="\/me\/entries\/(\d+)"/.exec(text)?.[1]);
    expect(index).toBeGreaterThanOrEqual(before);
    const { entries } = (await viewActivity(core.operations, person, { othersOnly: true }, 0)).value;
    expect(entries[0]).toMatchObject({
      number: index,
      operation: 'read-data',
      outcome: 'allowed',
      callerId: 'reading-corner',
    });
  });

  it('is refused on the very next call after the switch, with the same token, and the refusal is on the timeline', async () => {
    await flip('off');
    const stale = await browser.get('/demo/partner?lang=en');
    expect(stale.text).not.toContain('200 OK');
    expect(stale.text).toContain('aria-checked="false"');
    await act('ask');
    const { text } = await browser.get('/demo/partner?lang=en');
    expect(text).toContain('403');
    expect(text).toContain('consent_required');
    const { entries } = (await viewActivity(core.operations, person, { othersOnly: true }, 0)).value;
    expect(entries[0]).toMatchObject({ outcome: 'refused', reason: 'switch_off' });
    expect(text).toContain(entries[0]?.decisionId);
    expect(text).toContain(`/me/entries/${entries[0]?.number}`);
    expect(text).toMatch(/<li class="refused">/);
    const again = await browser.get(link(text, /href="([^"]*\/demo\/partner\/connect)"/));
    const asked = new URL(again.location ?? '');
    expect(asked.pathname).toBe('/oidc/auth');
    expect(asked.searchParams.get('code_challenge_method')).toBe('S256');
    expect(text).toContain('ask_again');
  });

  it('gets rows again as soon as the switch is on again', async () => {
    await flip('on');
    await act('ask');
    expect((await browser.get('/demo/partner?lang=en')).text).toContain('200 OK');
  });

  it('has nothing to ask with once it is revoked, and comes back only through her consent', async () => {
    await core.store.write((tx) => revokeGrants(tx, person, 'reading-corner', core.system.clock.nowMs()));
    await act('ask');
    expect(readKept(core.config, 'demo-partner.refresh')).toBe('');
    const unconnected = await browser.get('/demo/partner?lang=en');
    expect(unconnected.text).toContain('value="connect"');
    expect(unconnected.text).not.toContain('200 OK');

    const sent = await act('connect');
    expect(sent.location).toMatch(/\/oidc\/auth\?/);
    const consent = await browser.follow(sent.location ?? '');
    const view = JSON.parse(consent.text) as { action: string; notice: { version: string } };
    const session = await findSession(core.operations, browser.cookies.get('assent_session') ?? '');
    const allowed = await browser.post(view.action, {
      _csrf: session?.csrf ?? '',
      notice: view.notice.version,
      answer: 'allow',
      scope: 'browsing.recommendation:read',
    });
    const end = await browser.follow(link(allowed.text, /content="0;url=([^"]+)"/));
    expect(end.text).toContain('200 OK');
    expect(readKept(core.config, 'demo-partner.refresh')).not.toBe('');
  });

  it('takes no return it did not ask for, and not twice', async () => {
    for (const query of ['', '?code=x', '?code=x&state=y', '?error=access_denied&state=y'])
      expect((await browser.get(`/demo/partner/callback${query}`)).status).toBe(400);
  });

  it('refuses forms without the session’s token', async () => {
    expect((await browser.post('/demo/partner', { do: 'ask', _csrf: 'wrong' })).status).toBe(403);
    expect((await act('whatever')).status).toBe(400);
  });
});

describe('the partner in a terminal', () => {
  const lin = new Browser();
  const said: string[] = [];
  const typed = new PassThrough();
  const heard = async (pattern: RegExp): Promise<string> => {
    await expect.poll(() => said.some((line) => pattern.test(line)), { timeout: 10_000 }).toBe(true);
    return said.find((line) => pattern.test(line)) ?? '';
  };
  const run = (lines = createInterface({ input: typed })): Promise<number> =>
    runDemoPartner({ home: home.path, url: base, say: (line) => said.push(line), lines });
  const answer = async (choice: Record<string, string>): Promise<void> => {
    const url = link(await heard(/oidc\/auth/), /(http\S+oidc\S+)/);
    const page = await lin.follow(url);
    const view = JSON.parse(page.text) as { action: string; notice: { version: string } };
    const session = await findSession(core.operations, lin.cookies.get('assent_session') ?? '');
    const fields = { _csrf: session?.csrf ?? '', notice: view.notice.version, ...choice };
    const next = await lin.post(view.action, fields);
    expect((await lin.follow(link(next.text, /content="0;url=([^"]+)"/))).text).toContain(
      'Go back to the terminal',
    );
  };

  it('asks her, gets rows, and is refused and revoked like any other', async () => {
    await lin.get('/demo/partner');
    const ended = run();
    await answer({ answer: 'allow', scope: 'browsing.recommendation:read' });
    await heard(/^200 · \d+ rows · entry \d+/);
    const recipient = 'partner:reading-corner-terminal';
    const change = { category: 'browsing', purpose: 'recommendation', recipient, noticeHash: null } as const;
    await setSwitches(core.operations, person, [{ ...change, action: 'off' }]);
    typed.write('\n');
    await heard(/^403 · consent_required · decision [0-9a-f]{32}/);
    await core.store.write((tx) =>
      revokeGrants(tx, person, 'reading-corner-terminal', core.system.clock.nowMs()),
    );
    typed.write('\n');
    await heard(/^401 · invalid_token/);
    typed.end();
    expect(await ended).toBe(0);
  });

  it('goes away when she says no', async () => {
    said.length = 0;
    const ended = run();
    await answer({ answer: 'deny' });
    expect(await ended).toBe(1);
    expect(said.at(-1)).toBe('not allowed: access_denied');
  });

  it('says what is wrong with a folder, an address or a gateway that is not there', async () => {
    const say = (): void => undefined;
    expect(await runDemoPartner({ home: '/nowhere', url: base, say })).toBe(2);
    expect(await runDemoPartner({ home: home.path, url: 'https://example.com', say })).toBe(2);
    expect(await runDemoPartner({ home: home.path, url: 'http://127.0.0.1:9', say })).toBe(2);
  });
});
