// A partner's calls as they go over the wire: token, switch, entry and proof.
import { and, eq, isNull } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { verifyBundle } from '../../gateway/audit/verify.ts';
import { revokePartner } from '../../gateway/operations/revoke-partner.ts';
import { setSwitches } from '../../gateway/operations/set-switch.ts';
import { suspendPartner } from '../../gateway/oauth/partners.ts';
import { oauthGrant } from '../../gateway/store/tables.ts';
import { closeCores, entriesOf } from '../support/core.ts';
import { openService, problemIn, type Service } from './service.ts';

const path = '/v1/data/browsing?purpose=recommendation';
let service: Service;

async function turnSwitch(action: 'on' | 'off'): Promise<void> {
  const { core, granted } = service;
  await setSwitches(core.operations, granted.person, [
    {
      category: 'browsing',
      purpose: 'recommendation',
      recipient: `partner:${granted.partner}`,
      action,
      noticeHash: null,
    },
  ]);
}

describe('a partner with a live token', () => {
  beforeEach(async () => {
    service = await openService({ rows: 130 });
  });
  afterEach(async () => {
    await service.close();
    await closeCores();
  });

  it('gets the rows and a receipt whose proof verifies without the gateway', async () => {
    const response = await service.call(path);
    expect(response.status).toBe(200);
    const body = (await response.json()) as { events: { title: string; at: string }[] };
    expect(body.events).toHaveLength(100);
    expect(body.events[0]).toMatchObject({ item: 'item-0', title: 'Item number 0', kind: 'view' });
    expect(response.headers.get('cache-control')).toBe('no-store');
    const number = Number(response.headers.get('assent-entry'));
    const bundle = await service.core.prover.bundle(number, true);
    const found = verifyBundle(bundle, await service.core.prover.trust());
    expect(found).toMatchObject({
      verdict: 'holds',
      levels: {
        recorded: { state: 'holds' },
        checkpointed: { state: 'holds' },
        anchored: { state: 'absent' },
      },
      payload: {
        decision: 'allowed',
        operation: 'read-data',
        caller: { kind: 'partner', id: service.granted.partner },
        person: service.granted.person,
        counts: { rows: 100 },
      },
    });
    const entries = await entriesOf(service.core, response.headers.get('assent-decision') ?? '');
    expect(entries.map(({ row }) => row.number)).toEqual([number]);
    expect(Buffer.from(entries[0]?.row.leafHash ?? []).toString('hex')).toBe(
      response.headers.get('assent-leaf'),
    );
  });

  it('is refused on the very next call after the switch went off, and served again after it went on', async () => {
    expect((await service.call(path)).status).toBe(200);
    for (let times = 0; times < 3; times++) {
      await turnSwitch('off');
      const refused = await service.call(path);
      const receipt = {
        entry: Number(refused.headers.get('assent-entry')),
        leaf_hash: refused.headers.get('assent-leaf'),
        decision: refused.headers.get('assent-decision'),
      };
      const problem = await problemIn(refused, 403, 'consent_required');
      expect(problem).toMatchObject(receipt);
      expect(problem['leaf_hash']).toMatch(/^[0-9a-f]{64}$/);
      expect(JSON.stringify(problem)).not.toContain('switch_off');
      const again = new URL(String(problem['ask_again']));
      expect(`${again.origin}${again.pathname}`).toBe(`${service.core.config.publicUrl}/oidc/auth`);
      expect(Object.fromEntries(again.searchParams)).toEqual({
        client_id: service.granted.partner,
        scope: 'openid browsing.recommendation:read',
        response_type: 'code',
        prompt: 'consent',
      });
      expect(problem['ask_again_needs']).toContain('code_challenge');
      const found = verifyBundle(
        await service.core.prover.bundle(receipt.entry, true),
        await service.core.prover.trust(),
      );
      expect(found).toMatchObject({
        verdict: 'holds',
        payload: { decision: 'refused', reason: 'switch_off' },
      });
      await turnSwitch('on');
      expect((await service.call(path)).status).toBe(200);
    }
  });

  it('has a token worth nothing from the moment the person ends the partnership', async () => {
    const { core, granted } = service;
    expect((await service.call(path)).status).toBe(200);
    const [grant] = await core.store.read((reader) =>
      reader.db
        .select({ id: oauthGrant.id })
        .from(oauthGrant)
        .where(and(eq(oauthGrant.person, granted.person), isNull(oauthGrant.revokedMs))),
    );
    await revokePartner(core.operations, granted.person, grant?.id ?? '');
    const refused = await service.call(path);
    expect(refused.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"');
    await problemIn(refused, 401, 'invalid_token');
    await turnSwitch('on');
    await problemIn(await service.call(path), 401, 'invalid_token');
  });

  it('has a token worth nothing from the moment the operator suspends it', async () => {
    await service.core.store.write((tx) => suspendPartner(tx, service.granted.partner));
    await problemIn(await service.call(path), 401, 'invalid_token');
  });
});

describe('what a partner may ask for', () => {
  beforeAll(async () => {
    service = await openService({ rows: 130 });
  });
  afterAll(async () => {
    await service.close();
    await closeCores();
  });

  it('comes in pages with a stated limit', async () => {
    const page = async (query: string): Promise<string[]> => {
      const response = await service.call(`${path}${query}`);
      expect(response.status).toBe(200);
      return ((await response.json()) as { events: { item: string }[] }).events.map(({ item }) => item);
    };
    expect(await page('&limit=2&offset=1')).toEqual(['item-1', 'item-2']);
    expect(await page('&offset=100')).toHaveLength(30);
    expect(await page('&offset=500')).toEqual([]);
    for (const query of [
      '&limit=101',
      '&limit=-1',
      '&limit=1.5',
      '&limit=',
      '&offset=1e3',
      '&offset=1000001',
    ])
      await problemIn(await service.call(`${path}${query}`), 400, 'malformed_request');
    await problemIn(await service.call(`${path}&limit=1&limit=2`), 400, 'malformed_request');
  });

  it.each([
    ['/v1/data/genome?purpose=recommendation', 'unknown_category'],
    ['/v1/data/__proto__?purpose=recommendation', 'unknown_category'],
    ['/v1/data/toString?purpose=recommendation', 'unknown_category'],
    ['/v1/data/browsing?purpose=resale', 'unknown_purpose'],
    ['/v1/data/browsing?purpose=constructor', 'unknown_purpose'],
    ['/v1/data/browsing', 'unknown_purpose'],
    ['/v1/data/browsing?purpose=recommendation&purpose=marketing', 'unknown_purpose'],
    ['/v1/data/browsing?purpose=integration', 'unknown_scope'],
    [`${path}&person=somebody-else`, 'unknown_field'],
    ['/v1/recommendations?person=somebody-else', 'unknown_field'],
  ])('is only what the closed lists name: %s', async (asked, code) => {
    const before = (await entriesOf(service.core)).length;
    await problemIn(await service.call(asked), 400, code);
    expect(await service.entriesAfter(before)).toEqual([]);
  });

  it('is what the token covers; a refusal for its scope is an entry about the person', async () => {
    const before = (await entriesOf(service.core)).length;
    const refused = await service.call('/v1/data/browsing?purpose=marketing');
    const number = Number(refused.headers.get('assent-entry'));
    await problemIn(refused, 403, 'insufficient_scope');
    const [entry, ...more] = await service.entriesAfter(before);
    expect(more).toEqual([]);
    expect(entry).toMatchObject({
      row: { number },
      kind: 'refused',
      payload: { reason: 'scope_not_granted', person: service.granted.person, purpose: 'marketing' },
    });
  });

  it('needs the engine’s switch too for recommendations, and the refusal says where to ask', async () => {
    const refused = await problemIn(await service.call('/v1/recommendations'), 403, 'consent_required');
    expect(refused['ask_again']).toContain('/oidc/auth');
  });

  it('is no person’s rows with a token of the partner’s own, and that refusal is an entry', async () => {
    const authorization = `Bearer ${await service.partnerOwnToken('browsing.recommendation:read')}`;
    const before = (await entriesOf(service.core)).length;
    for (const asked of [path, '/v1/recommendations']) {
      const response = await service.call(asked, { authorization });
      expect(response.status).toBeGreaterThanOrEqual(401);
      expect(response.status).toBeLessThan(404);
      expect(await response.text()).not.toContain('Item number');
    }
    expect((await service.entriesAfter(before)).map(({ kind }) => kind)).toEqual(['refused', 'refused']);
  });

  it('is no aggregate without the scope for it, and that refusal is an entry', async () => {
    const before = (await entriesOf(service.core)).length;
    const ask = (question: string) =>
      service.call('/v1/dp/query', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ question, epsilon: '0.5', idempotency_key: 'without-scope' }),
      });
    const refused = await ask('people_by_genre');
    expect(refused.headers.get('assent-entry')).toMatch(/^\d+$/);
    await problemIn(refused, 403, 'insufficient_scope');
    await problemIn(await ask('<b>made up</b>'), 403, 'insufficient_scope');
    expect(
      (await service.entriesAfter(before)).map(({ kind, payload }) => [kind, payload?.['question']]),
    ).toEqual([
      ['refused', 'people_by_genre'],
      ['refused', undefined],
    ]);
  });

  it('gets a receipt for an aggregate that the spent budget refuses', async () => {
    const authorization = `Bearer ${await service.staffToken('analyst')}`;
    const ask = (key: string) =>
      service.call('/v1/dp/query', {
        authorization,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ question: 'people_by_age_band', epsilon: '1', idempotency_key: key }),
      });
    for (let at = 0; at < 10; at++) expect((await ask(`query-number-${at}`)).status).toBe(200);
    const refused = await ask('query-number-10');
    const entry = refused.headers.get('assent-entry');
    expect(entry).toMatch(/^\d+$/);
    expect(await problemIn(refused, 429, 'budget_exhausted')).toMatchObject({ entry: Number(entry) });
  });

  it('is counted, not logged one by one, when nobody we know asks', async () => {
    await service.app.rejected.flush();
    const before = (await entriesOf(service.core)).length;
    for (let times = 0; times < 5; times++)
      await problemIn(await service.call(path, { authorization: null }), 401, 'unauthenticated');
    for (const authorization of [
      'Bearer made-up',
      'Basic dXNlcjpwYXNz',
      'Bearer',
      `Bearer ${'x'.repeat(600)}`,
    ])
      await problemIn(await service.call(path, { authorization }), 401, 'invalid_token');
    await problemIn(await service.call('/v1/nothing'), 404, 'not_found');
    await problemIn(await service.call('/v1/data/browsing?purpose=marketing'), 403, 'insufficient_scope');
    expect((await service.entriesAfter(before)).map(({ kind }) => kind)).toEqual(['refused']);
    await service.app.rejected.flush();
    await service.app.rejected.flush();
    const [, counted, ...more] = await service.entriesAfter(before);
    expect(more).toEqual([]);
    expect(counted).toMatchObject({ kind: 'rejected-requests', payload: { counts: { 401: 9, 404: 1 } } });
  });
});
