import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { beginAuthorization, clientTokens, connectPartner } from '../support/partner-client.ts';
import { signingKey } from '../../gateway/oauth/signing-key.ts';
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { openRecord, sealRecord } from '../../gateway/oauth/record.ts';
import { deleteExpired } from '../../gateway/oauth/adapter.ts';
import { realSystem } from '../../gateway/system.ts';
import { Browser, openWorld, redirectUri, type World } from './world.ts';

const scope = 'browsing.recommendation:read';
let world: World;
let secret: string;

beforeAll(async () => {
  world = await openWorld({ requestsPerMinute: 60 });
  secret = (await world.register({ id: 'shop', scopes: [scope, 'dp:query'] })).clientSecret;
});
afterAll(() => world.close());

/** fetch does not let a caller set Host. */
function discovery(headers: Record<string, string>): Promise<{ headers: object; text: string }> {
  return new Promise((resolve, reject) => {
    httpRequest(`${world.issuer}/.well-known/openid-configuration`, { headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => resolve({ headers: answer.headers, text: Buffer.concat(chunks).toString() }));
    })
      .on('error', reject)
      .end();
  });
}

test('addresses follow the configuration, not the Host or X-Forwarded headers of a caller', async () => {
  const plain = await discovery({});
  const forged = await discovery({
    host: 'evil.example',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'https',
  });
  expect(forged.text).toBe(plain.text);
  expect(plain.headers).toMatchObject({
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'x-app': 'assent',
  });
});

test('a request body beyond the limit is refused before it is read', async () => {
  const answer = await fetch(`${world.issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'x'.repeat(70_000) }),
  });
  expect(answer.status).toBe(413);
});

test('behind TLS every cookie is Secure and every address https, whether or not the proxy says so', async () => {
  const behind = await openWorld({ publicUrl: 'https://gateway.example' });
  try {
    await behind.register({ id: 'shop', scopes: [scope] });
    const query = new URLSearchParams({
      client_id: 'shop',
      response_type: 'code',
      redirect_uri: redirectUri,
      scope,
      code_challenge: 'c'.repeat(43),
      code_challenge_method: 'S256',
    });
    const answer = await fetch(`${behind.localUrl}/oidc/auth?${query}`, { redirect: 'manual' });
    expect([answer.status, answer.headers.get('location')]).toEqual([
      303,
      expect.stringMatching(/^\/oauth\/interaction\//),
    ]);
    const cookies = answer.headers.getSetCookie();
    expect(cookies.length).toBeGreaterThan(1);
    for (const cookie of cookies) expect(cookie).toMatch(/; secure; httponly/i);
    const found = await fetch(`${behind.localUrl}/.well-known/oauth-authorization-server/oidc`);
    expect(await found.json()).toMatchObject({
      issuer: 'https://gateway.example/oidc',
      token_endpoint: 'https://gateway.example/oidc/token',
    });
  } finally {
    await behind.close();
  }
});

test('an error page says what is wrong and repeats nothing of what was sent', async () => {
  const answer = await fetch(`${world.issuer}/auth?client_id=%3Cscript%3Ehush&scope=hush`, {
    headers: { accept: 'text/html' },
  });
  const page = await answer.text();
  expect(answer.status).toBe(400);
  expect(page).toContain('<code>invalid_client</code>');
  expect(page).not.toContain('hush');
});

test('an authorization that waited too long is gone, by the gateway’s clock', async () => {
  const shop = await connectPartner({
    issuer: world.issuer,
    clientId: 'shop',
    clientSecret: secret,
    redirectUri,
  });
  const browser = new Browser();
  const away = await browser.open((await beginAuthorization(shop, [scope])).url);
  world.clock.advance(31 * 60_000);
  const next = away.url.searchParams.get('next') ?? '';
  const late = await browser.signIn('alice').open(new URL(next, world.config.publicUrl));
  expect([late.response.status, await late.response.json()]).toEqual([404, { code: 'not_found' }]);
  expect(await deleteExpired(world.store, world.clock.nowMs())).toBeGreaterThan(0);
});

test('the signing key is the same for the same seed, signs, and is another for another seed', () => {
  const key = signingKey(world.keys['oidc.key']);
  expect(signingKey(world.keys['oidc.key'])).toEqual(key);
  expect(signingKey(new Uint8Array(32)).d).not.toBe(key.d);
  const privateKey = createPrivateKey({ key: key as Record<string, string>, format: 'jwk' });
  const { d: _, ...open } = key;
  const publicKey = createPublicKey({ key: open as Record<string, string>, format: 'jwk' });
  const message = Buffer.from('claims');
  expect(verify('sha256', message, publicKey, sign('sha256', message, privateKey))).toBe(true);
});

test('a sealed record opens with its own id and model only', () => {
  const sealed = sealRecord('AccessToken', 'the-id', { scope: 'x' }, realSystem.random);
  expect(openRecord('AccessToken', 'the-id', sealed)).toEqual({ scope: 'x' });
  expect(openRecord('AccessToken', 'another', sealed)).toBeUndefined();
  expect(openRecord('RefreshToken', 'the-id', sealed)).toBeUndefined();
  expect(openRecord('AccessToken', 'the-id', 'short')).toBeUndefined();
});

test('too many requests a minute from one address are refused', async () => {
  const shop = await connectPartner({ issuer: world.issuer, clientId: 'shop', clientSecret: secret });
  await clientTokens(shop);
  const answers = await Promise.all(Array.from({ length: 70 }, () => fetch(`${world.issuer}/jwks`)));
  expect(answers.some(({ status }) => status === 429)).toBe(true);
  expect(world.failures).toEqual([]);
});
