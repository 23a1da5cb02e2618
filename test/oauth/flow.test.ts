import { createHash } from 'node:crypto';
import { and, count, desc, eq } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { entryKinds } from '../../gateway/audit/entry.ts';
import { noticeByHash } from '../../gateway/consent/notices.ts';
import { loadPerson, turnSwitch } from '../../gateway/consent/switches.ts';
import { listGrants, revokeGrants, resumePartner, suspendPartner } from '../../gateway/oauth/partners.ts';
import { issueInitialAccessToken } from '../../gateway/oauth/provider.ts';
import { deleteExpired, deletePersonRecords } from '../../gateway/oauth/adapter.ts';
import { recordHash } from '../../gateway/oauth/record.ts';
import { identifyPartner } from '../../gateway/oauth/tokens.ts';
import {
  consentEvent,
  entry,
  oauthGrant,
  oauthRecord,
  person as personTable,
} from '../../gateway/store/tables.ts';
import {
  beginAuthorization,
  callApi,
  clientTokens,
  connectPartner,
  finishAuthorization,
  introspect,
  refreshTokens,
  revokeToken,
  type PartnerClient,
  type PartnerTokens,
} from '../support/partner-client.ts';
import { answerConsent, Browser, openWorld, redirectUri, type World } from './world.ts';

const browsing = 'browsing.recommendation:read';
const location = 'location.marketing:read';
const scopes = [browsing, location];

let world: World;
let shop: PartnerClient;
let shopSecret: string;

beforeAll(async () => {
  world = await openWorld();
  const registered = await world.register({
    id: 'shop',
    scopes: [...scopes, 'profile.service:read', 'dp:query'],
    contact: 'privacy@shop.example',
    company: 'Shop Ltd',
  });
  shopSecret = registered.clientSecret;
  shop = await connectPartner({
    issuer: world.issuer,
    clientId: 'shop',
    clientSecret: shopSecret,
    redirectUri,
  });
});
afterAll(() => world.close());

async function authorise(
  client: PartnerClient,
  person: string,
  asked: readonly string[],
  tick: readonly string[] = asked,
  pushed = true,
): Promise<{ tokens: PartnerTokens; callback: URL; browser: Browser; verifier: string }> {
  const browser = new Browser().signIn(person);
  const pending = await beginAuthorization(client, asked, { pushed });
  const page = await browser.open(pending.url);
  const end = await answerConsent(browser, page, person, { tick });
  if (end.callback === undefined)
    throw new Error(`no callback: ${end.url.href} ${await end.response.text()}`);
  return {
    tokens: await finishAuthorization(client, pending, end.callback),
    callback: end.callback,
    browser,
    verifier: pending.codeVerifier,
  };
}

const whoami = (client: PartnerClient, tokens: Pick<PartnerTokens, 'accessToken'>): Promise<Response> =>
  callApi(client, tokens, new URL(`${world.config.publicUrl}/v1/whoami`));

const looksOfAlice = async (): Promise<number> => {
  const mine = and(eq(entry.holder, 'person:alice'), eq(entry.kind, entryKinds.used));
  return (await world.store.read(async ({ db }) => db.select().from(entry).where(mine))).length;
};

const bearer = (token: string): Promise<Response> =>
  fetch(`${world.config.publicUrl}/v1/whoami`, { headers: { authorization: `Bearer ${token}` } });

function tokenRequest(body: Record<string, string>, secret = shopSecret, id = 'shop'): Promise<Response> {
  return fetch(`${world.issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` },
    body: new URLSearchParams(body),
  });
}

describe('authorization', () => {
  test('a person who ticks everything gives a token that names them, and switches, grant and entry say so', async () => {
    const { tokens } = await authorise(shop, 'alice', ['openid', ...scopes], scopes);
    expect(tokens.scopes.toSorted()).toEqual(scopes.toSorted());
    expect(tokens.refreshToken).toBeTypeOf('string');
    const answer = await whoami(shop, tokens);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({
      caller: { kind: 'partner', id: 'shop' },
      person: 'alice',
      grant: { live: true, person: 'alice', scopes: expect.arrayContaining(scopes) },
      scopes: expect.arrayContaining(scopes),
    });
    const state = await world.store.read((reader) => loadPerson(reader, 'alice'));
    expect(state?.switches).toHaveLength(2);
    for (const s of state?.switches ?? []) {
      expect(s).toMatchObject({ recipient: 'partner:shop', state: 'on', noticeCurrent: true });
      expect(s.validUntilMs).toBeGreaterThan(world.clock.nowMs());
      const notice = await world.store.read((reader) => noticeByHash(reader, s.noticeHash ?? ''));
      expect(notice).toMatchObject({ id: 'partner-access', language: 'en' });
    }
    const [grant] = await world.store.read((reader) => listGrants(reader, 'alice', world.clock.nowMs()));
    expect(grant).toMatchObject({ partner: 'shop', scopes: expect.arrayContaining(scopes) });
    const entries = await world.store.read(async ({ db }) =>
      db.select().from(entry).where(eq(entry.holder, 'person:alice')),
    );
    // She looked at the page, then answered.
    expect(entries.map(({ kind }) => kind)).toEqual([entryKinds.used, entryKinds.consent]);
    expect(entries[1]).toMatchObject({ kind: entryKinds.consent, keyClass: 'evidence', outcome: 'allowed' });
  });

  test('the subject a partner sees is not the person id, and another partner sees another one', async () => {
    await world.register({ id: 'bank', scopes });
    const { clientSecret } = await world.register({ id: 'bank-two', scopes });
    const two = await connectPartner({
      issuer: world.issuer,
      clientId: 'bank-two',
      clientSecret,
      redirectUri,
    });
    const first = await authorise(shop, 'bob', ['openid', browsing], [browsing]);
    const second = await authorise(two, 'bob', ['openid', browsing], [browsing], false);
    expect(first.tokens.subject).toBeTypeOf('string');
    expect(new Set(['bob', first.tokens.subject, second.tokens.subject]).size).toBe(3);
  });

  test('a scope left unticked is in no token, turns nothing on, and turns an earlier on off', async () => {
    const { tokens } = await authorise(shop, 'alice', scopes, [browsing]);
    expect(tokens.scopes).toEqual([browsing]);
    const { scopes: known } = (await (await whoami(shop, tokens)).json()) as { scopes: string[] };
    expect(known).toEqual([browsing]);
    const state = await world.store.read((reader) => loadPerson(reader, 'alice', 'marketing'));
    expect(state?.switches).toMatchObject([
      { category: 'location', state: 'off', recipient: 'partner:shop' },
    ]);
    const fresh = await authorise(shop, 'bob', ['profile.service:read', location], ['profile.service:read']);
    expect(fresh.tokens.scopes).toEqual(['profile.service:read']);
    expect((await world.store.read((reader) => loadPerson(reader, 'bob', 'marketing')))?.switches).toEqual(
      [],
    );
  });

  test.each([
    ['nothing ticked', { tick: [] as string[] }],
    ['the answer no', { tick: scopes, answer: 'deny' as const }],
    ['only a scope that was not asked for', { tick: ['profile.service:read'] }],
  ])('%s is access_denied and records no consent', async (_name, choice) => {
    const before = await eventCount();
    const browser = new Browser().signIn('alice');
    const pending = await beginAuthorization(shop, scopes);
    const end = await answerConsent(browser, await browser.open(pending.url), 'alice', choice);
    expect(end.callback?.searchParams.get('error')).toBe('access_denied');
    await expect(finishAuthorization(shop, pending, end.callback as URL)).rejects.toMatchObject({
      error: 'access_denied',
    });
    expect(await eventCount()).toBe(before);
  });

  test('nobody signed in is sent to the sign-in page and comes back', async () => {
    const browser = new Browser();
    const pending = await beginAuthorization(shop, [browsing]);
    const away = await browser.open(pending.url);
    expect(away.url.pathname).toBe('/sign-in');
    const next = away.url.searchParams.get('next') ?? '';
    expect(next).toMatch(/^\/oauth\/interaction\/[\w-]+$/);
    const page = await browser.signIn('alice').open(new URL(next, world.config.publicUrl));
    expect(page.response.status).toBe(200);
    expect(await page.response.json()).toMatchObject({ partner: { clientId: 'shop', company: 'Shop Ltd' } });
  });

  test('what the grant and the switches still cover is not asked again; what was switched off is', async () => {
    const { browser } = await authorise(shop, 'bob', [browsing]);
    const again = await beginAuthorization(shop, [browsing]);
    expect((await browser.open(again.url)).callback?.searchParams.get('code')).toBeTypeOf('string');
    const more = await browser.open((await beginAuthorization(shop, scopes)).url);
    expect(more.callback).toBeUndefined();
    expect(await more.response.json()).toMatchObject({
      scopes: [
        { scope: browsing, isAlreadyOn: true },
        { scope: location, isAlreadyOn: false, needsSeparate: true },
      ],
    });
    await flip('bob', 'browsing', 'recommendation', 'off');
    const asked = await browser.open((await beginAuthorization(shop, [browsing])).url);
    expect(asked.callback).toBeUndefined();
    expect(asked.response.status).toBe(200);
  });

  test('another person at the same browser is asked for themself', async () => {
    const { browser } = await authorise(shop, 'bob', [browsing]);
    browser.signIn('alice');
    const pending = await beginAuthorization(shop, ['profile.service:read']);
    const page = await browser.open(pending.url);
    // The library ends the other session with a form that submits itself.
    const html = await page.response.text();
    const action = /action="([^"]+)"/.exec(html)?.[1] ?? '';
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(html)?.[1] ?? '';
    const consent = await browser.open(action, new URLSearchParams({ xsrf, logout: 'yes' }));
    const end = await answerConsent(browser, consent, 'alice', { tick: ['profile.service:read'] });
    const tokens = await finishAuthorization(shop, pending, end.callback as URL);
    expect(await (await whoami(shop, tokens)).json()).toMatchObject({ person: 'alice' });
  });

  test('a form without the session’s token, or for a notice that is not the current one, turns nothing', async () => {
    const before = await eventCount();
    const looksBefore = await looksOfAlice();
    const browser = new Browser().signIn('alice');
    const page = await browser.open((await beginAuthorization(shop, scopes)).url);
    // The page says which switches are on: a look at her own data.
    expect(await looksOfAlice()).toBe(looksBefore + 1);
    const { action } = (await page.response.json()) as { action: string };
    const post = (fields: Record<string, string>) =>
      browser.open(
        new URL(action, page.url),
        new URLSearchParams({ answer: 'allow', scope: browsing, ...fields }),
      );
    const forged = await post({ _csrf: 'csrf-of-bob', notice: 'partner-access-1-en' });
    expect([forged.response.status, await forged.response.json()]).toEqual([403, { code: 'csrf' }]);
    const stale = await post({ _csrf: 'csrf-of-alice', notice: 'partner-access-0-en' });
    expect(await stale.response.json()).toMatchObject({ notice: { version: 'partner-access-1-en' } });
    const stranger = await new Browser().signIn('alice').open(new URL(action, page.url));
    expect(stranger.response.status).toBe(404);
    expect(await eventCount()).toBe(before);
  });

  test.each([
    ['PKCE missing', { code_challenge: '', code_challenge_method: '' }, 'invalid_request'],
    ['PKCE plain', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['an unknown scope', { scope: `${browsing} browsing.everything:read` }, 'invalid_scope'],
    ['a scope not registered for the partner', { scope: 'sensors.pricing:read' }, 'invalid_scope'],
    ['dp:query for a person', { scope: `${browsing} dp:query` }, 'invalid_scope'],
    ['no data scope at all', { scope: 'openid' }, 'invalid_scope'],
    ['another resource', { resource: 'https://elsewhere.example/' }, 'invalid_target'],
    ['an implicit response', { response_type: 'token' }, 'unsupported_response_type'],
    ['prompt=none', { prompt: 'none' }, 'login_required'],
  ])('%s is refused', async (_name, extra, error) => {
    const pending = await beginAuthorization(shop, [browsing], { pushed: false, extra });
    for (const [name, value] of Object.entries(extra))
      if (value === '') pending.url.searchParams.delete(name);
    const end = await new Browser().signIn('alice').open(pending.url);
    const { searchParams, hash } = end.callback ?? new URL('about:blank');
    expect(searchParams.get('error') ?? new URLSearchParams(hash.slice(1)).get('error')).toBe(error);
  });

  test('a pushed request is good for one authorization', async () => {
    const browser = new Browser().signIn('bob');
    const pending = await beginAuthorization(shop, ['profile.service:read']);
    const page = await browser.open(pending.url);
    const end = await answerConsent(browser, page, 'bob', { tick: ['profile.service:read'] });
    await finishAuthorization(shop, pending, end.callback as URL);
    const again = await browser.open(pending.url);
    expect(again.callback?.searchParams.get('code') ?? null).toBeNull();
  });

  test('a redirect URI that is not registered is never followed', async () => {
    const pending = await beginAuthorization(shop, [browsing], {
      pushed: false,
      extra: { redirect_uri: 'http://127.0.0.1:9/other' },
    });
    const end = await new Browser().signIn('alice').open(pending.url);
    expect([end.response.status, end.callback]).toEqual([400, undefined]);
    expect(await end.response.text()).toContain('invalid_redirect_uri');
  });
});

describe('tokens', () => {
  test('a code is good once: the second use is refused and takes the tokens of the first with it', async () => {
    const { tokens, callback, verifier } = await authorise(shop, 'alice', [browsing]);
    expect((await whoami(shop, tokens)).status).toBe(200);
    const replay = await tokenRequest({
      grant_type: 'authorization_code',
      code: callback.searchParams.get('code') ?? '',
      redirect_uri: redirectUri,
      code_verifier: verifier,
    });
    expect([replay.status, await replay.json()]).toMatchObject([400, { error: 'invalid_grant' }]);
    expect((await whoami(shop, tokens)).status).toBe(401);
  });

  test('one code presented many times at once gives tokens at most once', async () => {
    const browser = new Browser().signIn('alice');
    const pending = await beginAuthorization(shop, [browsing]);
    const page = await browser.open(pending.url);
    const { callback } = await answerConsent(browser, page, 'alice', { tick: [browsing] });
    const answers = await Promise.all(
      Array.from({ length: 6 }, () =>
        tokenRequest({
          grant_type: 'authorization_code',
          code: callback?.searchParams.get('code') ?? '',
          redirect_uri: redirectUri,
          code_verifier: pending.codeVerifier,
        }),
      ),
    );
    expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
    expect(world.failures).toEqual([]);
  });

  test('a wrong verifier, another partner’s secret or a wrong secret gets no token', async () => {
    const browser = new Browser().signIn('alice');
    const pending = await beginAuthorization(shop, [browsing]);
    const page = await browser.open(pending.url);
    const { callback } = await answerConsent(browser, page, 'alice', { tick: [browsing] });
    const request = {
      grant_type: 'authorization_code',
      code: callback?.searchParams.get('code') ?? '',
      redirect_uri: redirectUri,
      code_verifier: pending.codeVerifier,
    };
    const wrongSecret = await tokenRequest(request, 'x'.repeat(43));
    expect([wrongSecret.status, await wrongSecret.json()]).toMatchObject([401, { error: 'invalid_client' }]);
    const hashAsSecret = await tokenRequest(request, createHash('sha256').update(shopSecret).digest('hex'));
    expect(hashAsSecret.status).toBe(401);
    const wrongVerifier = await tokenRequest({ ...request, code_verifier: 'v'.repeat(43) });
    expect([wrongVerifier.status, await wrongVerifier.json()]).toMatchObject([
      400,
      { error: 'invalid_grant' },
    ]);
    expect((await tokenRequest(request)).status).toBe(200);
  });

  test('a refresh rotates; the old refresh token used again ends the whole grant', async () => {
    const { tokens } = await authorise(shop, 'alice', [browsing]);
    const next = await refreshTokens(shop, tokens.refreshToken ?? '');
    expect(next.refreshToken).not.toBe(tokens.refreshToken);
    expect((await whoami(shop, next)).status).toBe(200);
    await expect(refreshTokens(shop, tokens.refreshToken ?? '')).rejects.toMatchObject({
      error: 'invalid_grant',
    });
    expect((await whoami(shop, next)).status).toBe(401);
    await expect(refreshTokens(shop, next.refreshToken ?? '')).rejects.toMatchObject({
      error: 'invalid_grant',
    });
    // The person finds in their log that the grant has ended.
    await vi.waitFor(async () => {
      const rows = await world.store.read(async ({ db }) =>
        db.select().from(entry).where(eq(entry.holder, 'person:alice')).orderBy(desc(entry.number)).limit(1),
      );
      const keys = await world.store.read((reader) => world.keyring.open(reader, 'person:alice'));
      const { nonce, payload } = rows[0] ?? {};
      const plain = keys.evidence?.open(nonce ?? Buffer.alloc(0), payload ?? Buffer.alloc(0));
      expect(JSON.parse(Buffer.from(plain ?? []).toString())).toMatchObject({
        operation: 'administer',
        partner: 'shop',
        revoked_at: 'token',
      });
    });
  });

  test('expired, tampered, made-up, foreign-kind and empty tokens are 401', async () => {
    const { tokens } = await authorise(shop, 'alice', [browsing]);
    const { accessToken, refreshToken = '' } = tokens;
    const flipped = accessToken.slice(0, -1) + (accessToken.endsWith('A') ? 'B' : 'A');
    const jwt = `${b64('{"alg":"none"}')}.${b64('{"sub":"alice","aud":"x"}')}.`;
    for (const token of [flipped, refreshToken, jwt, 'a'.repeat(4000), '', recordHash(accessToken)]) {
      expect((await bearer(token)).status).toBe(401);
    }
    expect((await bearer(accessToken)).status).toBe(200);
    const lateMs = world.clock.nowMs() + 31 * 60_000;
    await expect(identify(accessToken, lateMs)).rejects.toMatchObject({ code: 'invalid_token' });
    await expect(
      identify(accessToken, world.clock.nowMs(), 'https://elsewhere.example/v1'),
    ).rejects.toMatchObject({
      code: 'invalid_token',
    });
  });

  test('no text but the token itself is the token', async () => {
    const { tokens } = await authorise(shop, 'alice', [browsing]);
    const { accessToken } = tokens;
    await expect(identify(accessToken, world.clock.nowMs())).resolves.toMatchObject({ person: 'alice' });
    const nearly = fc
      .tuple(fc.nat(accessToken.length - 1), fc.string({ minLength: 1, maxLength: 3 }))
      .map(([at, text]) => accessToken.slice(0, at) + text + accessToken.slice(at + 1));
    await fc.assert(
      fc.asyncProperty(fc.oneof(nearly, fc.string({ maxLength: 600 })), async (text) => {
        fc.pre(text !== accessToken);
        await expect(identify(text, world.clock.nowMs())).rejects.toMatchObject({ code: 'invalid_token' });
      }),
      { numRuns: 60 },
    );
  });

  test('revoking a person’s grants makes every token of the partner 401 at once, and refresh fails', async () => {
    const { tokens } = await authorise(shop, 'bob', [browsing]);
    const revoked = await world.gate.run(
      {
        caller: { kind: 'person', id: 'bob' },
        operation: 'revoke-partner',
        purpose: 'service',
        categories: ['profile'],
        recipients: ['self'],
        person: 'bob',
        grant: null,
      },
      async (_permit, tx) => ({ value: await revokeGrants(tx, 'bob', 'shop', world.clock.nowMs()) }),
    );
    expect(revoked.value).toBeGreaterThan(0);
    expect((await whoami(shop, tokens)).status).toBe(401);
    expect(await introspect(shop, tokens.accessToken)).toEqual({ active: false });
    await expect(refreshTokens(shop, tokens.refreshToken ?? '')).rejects.toMatchObject({
      error: 'invalid_grant',
    });
    const left = await world.store.read((reader) => listGrants(reader, 'bob', world.clock.nowMs()));
    expect(left.filter(({ partner }) => partner === 'shop')).toEqual([]);
  });

  test('a token is refused when only our grant, or only the library’s, is gone', async () => {
    const first = await authorise(shop, 'alice', [browsing]);
    const ours = await grantHashOf(first.tokens.accessToken);
    await world.store.write(async ({ db }) => {
      await db.update(oauthGrant).set({ revokedMs: 1 }).where(eq(oauthGrant.id, ours));
    });
    expect((await whoami(shop, first.tokens)).status).toBe(401);
    const second = await authorise(shop, 'alice', [browsing]);
    const theirs = await grantHashOf(second.tokens.accessToken);
    await world.store.write(async ({ db }) => {
      await db.delete(oauthRecord).where(and(eq(oauthRecord.model, 'Grant'), eq(oauthRecord.hash, theirs)));
    });
    // The library itself still finds the token (R3).
    expect((await world.provider.AccessToken.find(second.tokens.accessToken))?.isValid).toBe(true);
    expect((await whoami(shop, second.tokens)).status).toBe(401);
  });

  test('a suspended partner is refused at once and gets no new token until it is resumed', async () => {
    const { tokens } = await authorise(shop, 'alice', [browsing]);
    await world.store.write((tx) => suspendPartner(tx, 'shop'));
    expect((await whoami(shop, tokens)).status).toBe(401);
    await expect(clientTokens(shop)).rejects.toMatchObject({ status: 401 });
    await world.store.write((tx) => resumePartner(tx, 'shop'));
    expect((await whoami(shop, tokens)).status).toBe(200);
  });

  test('a partner’s own token is for dp:query alone and names no person', async () => {
    const tokens = await clientTokens(shop);
    expect(await (await whoami(shop, tokens)).json()).toEqual({
      caller: { kind: 'partner', id: 'shop' },
      person: null,
      grant: null,
      scopes: ['dp:query'],
    });
    for (const scope of [browsing, '', 'openid', 'dp:query everything']) {
      const refused = await tokenRequest({ grant_type: 'client_credentials', scope });
      expect([refused.status, await refused.json()]).toMatchObject([400, { error: 'invalid_scope' }]);
    }
  });

  test('revoking at the revocation endpoint works for the token’s partner only', async () => {
    const { tokens } = await authorise(shop, 'alice', [browsing]);
    const other = await otherPartner('thief');
    await revokeToken(other, tokens.accessToken);
    expect((await whoami(shop, tokens)).status).toBe(200);
    await revokeToken(shop, tokens.accessToken);
    expect((await whoami(shop, tokens)).status).toBe(401);
  });
});

describe('introspection', () => {
  test('answers what the switches allow now, and nothing at all to another partner', async () => {
    const { tokens } = await authorise(shop, 'bob', scopes);
    const full = await introspect(shop, tokens.accessToken);
    expect(full).toMatchObject({ active: true, client_id: 'shop', aud: world.audience });
    expect(full.sub).not.toBe('bob');
    expect(full.scope?.split(' ').toSorted()).toEqual(scopes.toSorted());
    await flip('bob', 'location', 'marketing', 'off');
    expect((await introspect(shop, tokens.accessToken)).scope).toBe(browsing);
    await flip('bob', 'browsing', 'recommendation', 'unset');
    expect(await introspect(shop, tokens.accessToken)).toEqual({ active: false });
    await flip('bob', 'browsing', 'recommendation', 'on');
    expect((await introspect(shop, tokens.accessToken)).scope).toBe(browsing);
    expect(await introspect(await otherPartner('curious'), tokens.accessToken)).toEqual({ active: false });
  });
});

describe('at rest', () => {
  test('no token, code, session, request or secret is readable in the database', async () => {
    const { tokens, callback, browser } = await authorise(shop, 'alice', ['openid', ...scopes], scopes);
    const own = await clientTokens(shop);
    const pending = await beginAuthorization(shop, [browsing]);
    const page = await browser.open((await beginAuthorization(shop, ['profile.service:read'])).url);
    const secrets = [
      tokens.accessToken,
      tokens.refreshToken ?? '',
      own.accessToken,
      callback.searchParams.get('code') ?? '',
      (pending.url.searchParams.get('request_uri') ?? '').split(':').at(-1) ?? '',
      page.url.pathname.split('/').at(-1) ?? '',
      shopSecret,
      ...browser.cookieValues.filter((value) => value.length > 20 && !value.includes('%')),
    ];
    expect(secrets.length).toBeGreaterThan(8);
    for (const secret of secrets) expect(secret.length).toBeGreaterThan(16);
    const dump = (await world.everyRow())
      .flatMap((row) => Object.values(row))
      .map((value) => (Buffer.isBuffer(value) ? value.toString('latin1') : String(value)))
      .join('\n');
    expect(dump).toContain(recordHash(tokens.accessToken));
    for (const secret of secrets) expect(dump.includes(secret)).toBe(false);
    expect(dump).not.toContain('"grantId"');
  });

  test('what has run out is swept, what has not stays, and a person’s records can be deleted', async () => {
    const { tokens } = await authorise(shop, 'alice', [browsing]);
    const count = async (): Promise<number> =>
      (await world.store.read(async ({ db }) => db.select({ h: oauthRecord.hash }).from(oauthRecord))).length;
    const before = await count();
    expect(await deleteExpired(world.store, world.clock.nowMs() - 3_600_000)).toBe(0);
    expect(await deleteExpired(world.store, world.clock.nowMs() + 2 * 60_000, 3)).toBe(3);
    expect(await count()).toBe(before - 3);
    expect((await whoami(shop, tokens)).status).toBe(200);
    await world.store.write((tx) => deletePersonRecords(tx, 'alice'));
    expect((await whoami(shop, tokens)).status).toBe(401);
  });
});

describe('DPoP', () => {
  test('a bound token works with its key, and with nothing else', async () => {
    const options = { issuer: world.issuer, clientId: 'shop', clientSecret: shopSecret, redirectUri };
    const bound = await connectPartner({ ...options, dpop: true });
    const { tokens } = await authorise(bound, 'alice', [browsing]);
    expect(tokens.tokenType).toBe('dpop');
    expect((await whoami(bound, tokens)).status).toBe(200);
    expect((await whoami(bound, tokens)).status).toBe(200);
    expect((await bearer(tokens.accessToken)).status).toBe(401);
    expect((await whoami(await connectPartner({ ...options, dpop: true }), tokens)).status).toBe(401);
    const renewed = await refreshTokens(bound, tokens.refreshToken ?? '');
    expect((await whoami(bound, renewed)).status).toBe(200);
    const unbound = await authorise(shop, 'alice', [browsing]);
    expect((await whoami(bound, unbound.tokens)).status).toBe(401);
  });
});

describe('registration', () => {
  const metadata = {
    client_name: 'Newcomer',
    redirect_uris: ['https://new.example/back'],
    data_scopes: browsing,
  };
  const register = (body: object, token?: string): Promise<Response> =>
    fetch(`${world.issuer}/reg`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
    });

  test('needs an initial access token, which is good for one partner', async () => {
    expect((await register(metadata)).status).toBe(401);
    expect((await register(metadata, 'made-up')).status).toBe(401);
    const token = await issueInitialAccessToken(world.provider);
    const made = await register(metadata, token);
    expect(made.status).toBe(201);
    const { client_id: clientId, client_secret: clientSecret } = (await made.json()) as Record<
      string,
      string
    >;
    const client = await connectPartner({
      issuer: world.issuer,
      clientId: clientId ?? '',
      clientSecret: clientSecret ?? '',
      redirectUri: 'https://new.example/back',
    });
    expect((await beginAuthorization(client, [browsing])).url.searchParams.has('request_uri')).toBe(true);
    expect((await register(metadata, token)).status).toBe(401);
  });

  test('refuses scopes and redirects it does not know', async () => {
    for (const wrong of [
      { data_scopes: 'everything' },
      { data_scopes: '' },
      { redirect_uris: ['http://new.example/back'] },
      { redirect_uris: ['https://a.example/', 'https://b.example/'] },
    ]) {
      const answer = await register({ ...metadata, ...wrong }, await issueInitialAccessToken(world.provider));
      expect(answer.status).toBe(400);
    }
  });

  test.each([
    ['an id with capitals', { id: 'Shop' }],
    ['an unknown scope', { scopes: ['browsing.integration:read'] }],
    ['a redirect over plain http', { redirectUris: ['http://shop.example/'] }],
    ['no redirect', { redirectUris: [] }],
    ['a contact that is no address', { contact: 'write me' }],
    ['an id that is taken', { id: 'shop' }],
  ])('%s is refused', async (_name, wrong) => {
    await expect(world.register({ id: 'another', scopes: [browsing], ...wrong })).rejects.toMatchObject({
      name: 'GatewayError',
    });
  });
});

test('an erased person can neither authorise nor be read', async () => {
  await world.store.write(async ({ db }) => {
    await db.insert(personTable).values({ id: 'carol', status: 'active', createdMs: 0 });
  });
  const { tokens } = await authorise(shop, 'carol', [browsing]);
  await world.store.write(async ({ db }) => {
    await db.update(personTable).set({ status: 'erased' }).where(eq(personTable.id, 'carol'));
  });
  expect(await introspect(shop, tokens.accessToken)).toEqual({ active: false });
  await expect(refreshTokens(shop, tokens.refreshToken ?? '')).rejects.toMatchObject({
    error: 'invalid_grant',
  });
  const end = await new Browser().signIn('carol').open((await beginAuthorization(shop, [browsing])).url);
  expect(end.callback?.searchParams.get('error')).toBe('access_denied');
});

test('the server’s metadata is found at both well-known places and offers nothing that is off', async () => {
  const { publicUrl } = world.config;
  const read = async (url: string): Promise<Record<string, unknown>> =>
    (await (await fetch(url)).json()) as Record<string, unknown>;
  const metadata = await read(`${world.issuer}/.well-known/openid-configuration`);
  expect(await read(`${publicUrl}/.well-known/oauth-authorization-server/oidc`)).toEqual(metadata);
  expect(metadata).toMatchObject({
    issuer: world.issuer,
    code_challenge_methods_supported: ['S256'],
    response_types_supported: ['code'],
    token_endpoint: `${world.issuer}/token`,
    subject_types_supported: ['pairwise'],
  });
  expect(metadata['userinfo_endpoint']).toBeUndefined();
  expect(await read(`${publicUrl}/.well-known/oauth-protected-resource/v1`)).toMatchObject({
    resource: world.audience,
    authorization_servers: [world.issuer],
  });
});

test('the server itself had no failure in all of this', () => {
  expect(world.failures).toEqual([]);
});

async function otherPartner(id: string): Promise<PartnerClient> {
  const { clientSecret } = await world.register({ id, scopes });
  return connectPartner({ issuer: world.issuer, clientId: id, clientSecret, redirectUri });
}

async function flip(
  person: string,
  category: 'browsing' | 'location',
  purpose: 'recommendation' | 'marketing',
  action: 'on' | 'off' | 'unset',
): Promise<void> {
  const nowMs = world.clock.nowMs();
  await world.store.write((tx) =>
    turnSwitch(
      tx,
      {
        person,
        category,
        purpose,
        recipient: 'partner:shop',
        action,
        method: 'portal',
        noticeHash: null,
        validUntilMs: null,
        extent: {},
        collectedMs: nowMs,
      },
      nowMs,
    ),
  );
}

async function eventCount(): Promise<number> {
  const [row] = await world.store.read((reader) => reader.db.select({ times: count() }).from(consentEvent));
  return row?.times ?? 0;
}

function identify(token: string, nowMs: number, audience = world.audience) {
  return world.store.read((reader) => identifyPartner(reader, { scheme: 'Bearer', token }, nowMs, audience));
}

async function grantHashOf(token: string): Promise<string> {
  const [row] = await world.store.read(async ({ db }) =>
    db
      .select({ grantHash: oauthRecord.grantHash })
      .from(oauthRecord)
      .where(and(eq(oauthRecord.model, 'AccessToken'), eq(oauthRecord.hash, recordHash(token)))),
  );
  return row?.grantHash ?? '';
}

function b64(text: string): string {
  return Buffer.from(text).toString('base64url');
}
