import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT, type JWK } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { deleteExpired } from '../../gateway/oauth/adapter.ts';
import { checkDpop } from '../../gateway/oauth/dpop.ts';
import { recordHash, sealRecord } from '../../gateway/oauth/record.ts';
import type { Store } from '../../gateway/store/store.ts';
import { oauthRecord } from '../../gateway/store/tables.ts';
import { handClock, realSystem } from '../../gateway/system.ts';
import { openDataStore } from '../support/data-store.ts';

const token = 'kcZhK2Ff0Lgt0HNQ2ZRfNnWbU6Wg';
const url = 'https://gateway.example/v1/data/browsing';
const clock = handClock(0);
const startMs = 1_800_000_000_000;
const folder = mkdtempSync(join(tmpdir(), 'assent-dpop-'));
let store: Store;

let privateKey: CryptoKey;
let jwk: JWK;

beforeAll(async () => {
  store = await openDataStore(join(folder, 'gateway.db'));
  const pair = await generateKeyPair('ES256', { extractable: true });
  privateKey = pair.privateKey;
  jwk = await exportJWK(pair.publicKey);
  await bind(token, jwk);
});

/** A token as the library would have stored it. */
async function bind(bound: string, key: JWK): Promise<void> {
  const payload = { kind: 'AccessToken', jkt: await calculateJwkThumbprint(key) };
  await store.write(async ({ db }) => {
    await db.insert(oauthRecord).values({
      model: 'AccessToken',
      hash: recordHash(bound),
      payload: sealRecord('AccessToken', bound, payload, realSystem.random),
    });
  });
}
beforeEach(() => clock.set(startMs));
afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

let count = 0;
async function proofOf(
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): Promise<string> {
  const body = {
    jti: `proof-${++count}`,
    htm: 'GET',
    htu: url,
    iat: Math.floor(startMs / 1000),
    ath: createHash('sha256').update(token).digest('base64url'),
    ...claims,
  };
  return new SignJWT(body)
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk, ...header })
    .sign(privateKey);
}

const check = (proof: string, change: { method?: string; url?: string; token?: string } = {}) =>
  checkDpop({ store, system: { clock } }, { proof, method: 'GET', url, token, ...change });

describe('a DPoP proof', () => {
  test('for this request and token gives the thumbprint of its key; the query does not matter', async () => {
    const jkt = await calculateJwkThumbprint(jwk);
    expect(await check(await proofOf())).toEqual({ jkt });
    expect(await check(await proofOf(), { url: `${url}?purpose=analytics#x` })).toEqual({ jkt });
  });

  test('is good once, also when sent twice at the same time, and the memory of it is swept', async () => {
    const proof = await proofOf();
    const twice = await Promise.allSettled([check(proof), check(proof)]);
    expect(twice.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    await expect(check(proof)).rejects.toMatchObject({ code: 'invalid_token', message: /used before/ });
    expect(await deleteExpired(store, startMs)).toBe(0);
    expect(await deleteExpired(store, startMs + 120_000)).toBeGreaterThan(0);
  });

  test('with the same jti from another key is another proof', async () => {
    const other = await generateKeyPair('ES256', { extractable: true });
    const otherKey = await exportJWK(other.publicKey);
    const otherToken = 'dZ8wVQhVbRkqYh3lqFz7t0Pq';
    await bind(otherToken, otherKey);
    await check(await proofOf({ jti: 'same' }));
    const claims = {
      jti: 'same',
      htm: 'GET',
      htu: url,
      iat: startMs / 1000,
      ath: createHash('sha256').update(otherToken).digest('base64url'),
    };
    const proof = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: otherKey })
      .sign(other.privateKey);
    expect(await check(proof, { token: otherToken })).toEqual({
      jkt: await calculateJwkThumbprint(otherKey),
    });
  });

  test('for a token that is not bound to its key, or for none, is refused and leaves no trace', async () => {
    const stranger = await generateKeyPair('ES256', { extractable: true });
    const remembered = () =>
      store.read((reader) => reader.db.select().from(oauthRecord).where(eq(oauthRecord.model, 'DpopReplay')));
    const before = await remembered();
    for (const target of [token, 'no-such-token']) {
      const ath = createHash('sha256').update(target).digest('base64url');
      const proof = await new SignJWT({ jti: 'x', htm: 'GET', htu: url, iat: startMs / 1000, ath })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: await exportJWK(stranger.publicKey) })
        .sign(stranger.privateKey);
      await expect(check(proof, { token: target })).rejects.toMatchObject({ code: 'invalid_token' });
    }
    expect(await remembered()).toEqual(before);
  });

  test.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ['another method', { htm: 'POST' }, {}],
    ['another path', { htu: `${url}/more` }, {}],
    ['another host', { htu: 'https://elsewhere.example/v1/data/browsing' }, {}],
    ['no URL', { htu: 'nonsense' }, {}],
    ['another token', { ath: createHash('sha256').update('other').digest('base64url') }, {}],
    ['no token', { ath: undefined }, {}],
    ['two minutes ago', { iat: startMs / 1000 - 120 }, {}],
    ['two minutes ahead', { iat: startMs / 1000 + 120 }, {}],
    ['no time', { iat: undefined }, {}],
    ['no jti', { jti: undefined }, {}],
    ['an endless jti', { jti: 'x'.repeat(300) }, {}],
    ['another type', {}, { typ: 'JWT' }],
    ['no key', {}, { jwk: undefined }],
  ])('with %s is refused', async (_name, claims, header) => {
    await expect(check(await proofOf(claims, header))).rejects.toMatchObject({ code: 'invalid_token' });
  });

  test('signed by another key than the one it names, carrying a private key, or no JWT at all is refused', async () => {
    const other = await generateKeyPair('ES256', { extractable: true });
    const named = await proofOf({}, { jwk: await exportJWK(other.publicKey) });
    const leaked = await proofOf({}, { jwk: await exportJWK(privateKey) });
    for (const proof of [named, leaked, '', 'a.b.c', 'x'.repeat(5000)]) {
      await expect(check(proof)).rejects.toMatchObject({ code: 'invalid_token' });
    }
  });
});
