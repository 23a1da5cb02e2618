// What is good once is good once over all gateways, and what one of them knows all of them know.
import { createHash } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { closeCores } from '../support/core.ts';
import { describeOnPostgres } from '../support/on-stores.ts';
import {
  beginAuthorization,
  connectPartner,
  finishAuthorization,
  introspect,
  refreshTokens,
  revokeToken,
  type PartnerClient,
} from '../support/partner-client.ts';
import { onServer } from '../support/postgres.ts';
import { Browser, redirectUri } from '../oauth/world.ts';
import { openFleet, OrderError, type Fleet, type Member } from './fleet.ts';

const scope = 'browsing.recommendation:read';
let fleet: Fleet;

const member = (at: number): Member => {
  const one = fleet.members[at % fleet.members.length];
  if (one === undefined) throw new Error('there are three gateways');
  return one;
};

/** What each attempt came to: a value, or the code it was refused with. */
async function outcomes<Value>(attempts: readonly Promise<Value>[]): Promise<(Value | string)[]> {
  return Promise.all(
    attempts.map((attempt) =>
      attempt.catch((error: unknown) => {
        if (error instanceof OrderError) return error.code;
        throw error;
      }),
    ),
  );
}

describeOnPostgres('three gateways behind one address', () => {
  let shop: PartnerClient;
  beforeAll(async () => {
    fleet = await openFleet(3, { requestsPerMinute: 10_000 });
    const { clientSecret } = await member(0).order('register', { id: 'shop', scopes: [scope], redirectUri });
    const issuer = `${fleet.url}/oidc`;
    shop = await connectPartner({ issuer, clientId: 'shop', clientSecret, redirectUri });
  });
  afterAll(async () => {
    await fleet.close();
    await closeCores();
  });

  /** Pushed request, authorization, sign-in, consent page, its form, code: each step at the next gateway. */
  async function authorise(person: string) {
    const session = await member(1).order('session', { person });
    const browser = new Browser().carry('assent_session', session.token);
    const pending = await beginAuthorization(shop, [scope]);
    const page = await browser.open(pending.url);
    const text = await page.response.text();
    const fields = (name: string): string[] =>
      [...text.matchAll(new RegExp(`name="${name}"\\s+value="([^"]*)"`, 'g'))].map(([, value = '']) => value);
    const form = new URLSearchParams({
      _csrf: fields('_csrf')[0] ?? '',
      notice: fields('notice')[0] ?? '',
      answer: 'allow',
      scope,
    });
    const action = /action="([^"]*\/oauth\/interaction[^"]*)"/.exec(text)?.[1] ?? '';
    const { callback } = await browser.open(new URL(action.replaceAll('&amp;', '&'), page.url), form);
    if (callback === undefined) throw new Error(`no code after the consent page: ${page.response.status}`);
    return { pending, callback };
  }

  it('carry an authorization from one to the next, and its tokens end everywhere at once', async () => {
    const { person } = await member(0).order('begin', { partner: 'other' });
    const { pending, callback } = await authorise(person);
    const tokens = await finishAuthorization(shop, pending, callback);
    const call = (at: number): Promise<string> => member(at).order('call', { token: tokens.accessToken });
    expect(await Promise.all([0, 1, 2].map(call))).toEqual(['rows', 'rows', 'rows']);
    const fresh = await refreshTokens(shop, tokens.refreshToken ?? '');
    for (let times = 0; times < 3; times++)
      expect(await introspect(shop, fresh.accessToken)).toMatchObject({ active: true });
    await revokeToken(shop, fresh.refreshToken ?? '');
    expect(await Promise.all([0, 1, 2].map(call))).toEqual(['refused', 'refused', 'refused']);
  });

  it('take a code once at most, when all of them are given it at the same time', async () => {
    const { person } = await member(0).order('begin', { partner: 'another' });
    const { pending, callback } = await authorise(person);
    const all = await Promise.allSettled(
      Array.from({ length: 6 }, () => finishAuthorization(shop, pending, callback)),
    );
    expect(all.filter(({ status }) => status === 'fulfilled').length).toBeLessThanOrEqual(1);
    for (const one of all)
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ error: 'invalid_grant' });
  });

  it('take a refresh token once at most, when all of them are given it at the same time', async () => {
    const { person } = await member(0).order('begin', { partner: 'a-third' });
    const { pending, callback } = await authorise(person);
    const { refreshToken = '' } = await finishAuthorization(shop, pending, callback);
    const all = await Promise.allSettled(Array.from({ length: 6 }, () => refreshTokens(shop, refreshToken)));
    expect(all.filter(({ status }) => status === 'fulfilled').length).toBeLessThanOrEqual(1);
    for (const one of all)
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ error: 'invalid_grant' });
  });

  it('sign with one key, and each offers it', async () => {
    const offered = await Promise.all(
      fleet.members.map(async ({ url }) => (await fetch(`${url}/oidc/jwks`)).json()),
    );
    expect(offered[1]).toEqual(offered[0]);
    expect(offered[2]).toEqual(offered[0]);
  });

  it('take a DPoP proof once, when all of them are shown it at the same time', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const jwk = await exportJWK(publicKey);
    const token = 'a-token-that-is-bound-to-a-key';
    const url = `${fleet.url}/v1/data/browsing`;
    await member(0).order('bind', { token, jkt: await calculateJwkThumbprint(jwk) });
    for (let round = 0; round < 20; round++) {
      const proof = await new SignJWT({
        jti: `proof-${round}`,
        htm: 'GET',
        htu: url,
        iat: Math.floor(Date.now() / 1000),
        ath: createHash('sha256').update(token).digest('base64url'),
      })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
        .sign(privateKey);
      const request = { proof, method: 'GET', url, token };
      const seen = await outcomes([0, 1, 2].map((at) => member(at).order('prove', request)));
      expect(seen.filter((one) => one === 'invalid_token')).toHaveLength(2);
      expect(await outcomes([member(round).order('prove', request)])).toEqual(['invalid_token']);
    }
  });

  it('answer a private query once for each idempotency key, and charge for one', async () => {
    const spent = async (): Promise<number> =>
      Number(
        (
          await onServer<{ spent: string }>(
            fleet.databaseUrl,
            'SELECT sum(spent_micro) AS spent FROM budget_scope',
          )
        )[0]?.spent ?? 0,
      );
    for (let round = 1; round <= 5; round++) {
      const asked = { key: `a-key-of-round-${round}`, epsilon: '0.1' };
      const first = await outcomes([0, 1, 2, 0, 1, 2].map((at) => member(at).order('askPrivately', asked)));
      const answers = first.filter((one) => typeof one !== 'string');
      expect(answers.length).toBeGreaterThanOrEqual(1);
      for (const one of first) expect([answers[0], 'conflict']).toContainEqual(one);
      const later = await Promise.all([0, 1, 2].map((at) => member(at).order('askPrivately', asked)));
      for (const one of later) expect(one).toEqual(answers[0]);
      expect(await outcomes([member(round).order('askPrivately', { ...asked, epsilon: '0.2' })])).toEqual([
        'idempotency_mismatch',
      ]);
      expect(await spent()).toBe(round * 100_000);
    }
  });

  it('count attempts at passwords together', async () => {
    const attempt = async (at: number): Promise<number> => {
      const { url } = member(at);
      const headers = { 'x-forwarded-for': '203.0.113.9' };
      const page = await fetch(`${url}/sign-in`, { headers });
      const csrf = /name="_csrf" value="([^"]+)"/.exec(await page.text())?.[1] ?? '';
      const cookie = page.headers
        .getSetCookie()
        .map((line) => line.split(';')[0])
        .join('; ');
      const answer = await fetch(`${url}/sign-in`, {
        method: 'POST',
        redirect: 'manual',
        headers: { ...headers, cookie, origin: fleet.url },
        body: new URLSearchParams({
          _csrf: csrf,
          user_name: 'nobody',
          password: 'a guess that is long enough',
        }),
      });
      await answer.arrayBuffer();
      return answer.status;
    };
    const statuses = await Promise.all(Array.from({ length: 30 }, (_, at) => attempt(at)));
    expect(statuses.filter((status) => status === 429)).toHaveLength(10);
    expect(
      statuses.filter((status) => status !== 429).every((status) => status >= 400 || status === 200),
    ).toBe(true);
  });
});
