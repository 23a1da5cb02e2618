// What the portal refuses to those who are signed in is an entry, and no address leads away from this site.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  addStaff,
  openStaffSession,
  signInPerson,
  type NewSession,
} from '../../gateway/operations/accounts.ts';
import { localPath } from '../../gateway/portal/local-path.ts';
import { oauthGrant } from '../../gateway/store/tables.ts';
import { addPerson, closeCores, entriesOf } from '../support/core.ts';
import { openService, password, type Service } from '../http/service.ts';

let service: Service;
let person: NewSession;

beforeAll(async () => {
  service = await openService({ limits: { requestsPerMinute: 0 } });
  person = (await signInPerson(service.core.operations, service.granted.person)).value;
});
afterAll(async () => {
  await service.close();
  await closeCores();
});

async function visit(session: NewSession, path: string, form?: Record<string, string>) {
  const before = (await entriesOf(service.core)).length;
  const response = await fetch(`${service.url}${path}`, {
    redirect: 'manual',
    headers: { cookie: `assent_session=${session.token}` },
    ...(form === undefined
      ? {}
      : { method: 'POST', body: new URLSearchParams({ _csrf: session.csrf, ...form }) }),
  });
  return { response, entries: await service.entriesAfter(before) };
}

describe('a refusal to somebody signed in is an entry', () => {
  it.each(['analyst', 'operator'] as const)('of the officer’s pages and proofs to an %s', async (role) => {
    const { operations } = service.core;
    const { value: id } = await addStaff(operations, 'test', { userName: `an ${role}`, role, password });
    const { value: session } = await openStaffSession(operations, id, role);
    for (const path of ['/officer', '/officer/entries', '/officer/entries/1', '/proofs/1.json']) {
      const { response, entries } = await visit(session, path);
      expect(response.status).toBe(403);
      expect(entries).toMatchObject([
        { kind: 'refused', payload: { reason: 'role_not_allowed', caller: { kind: role, id } } },
      ]);
      expect(response.headers.get('assent-entry')).toBe(String(entries[0]?.row.number));
    }
  });

  it('of ending another person’s grant, which stays', async () => {
    const { core, granted } = service;
    const other = await addPerson(core, 'other', {});
    const session = (await signInPerson(core.operations, other)).value;
    const [grant] = await core.store.read(async ({ db }) => db.select().from(oauthGrant));
    const { response, entries } = await visit(session, '/me/partners/revoke', { grant: grant?.id ?? '' });
    expect(response.status).toBe(404);
    expect(entries).toMatchObject([{ kind: 'failed', payload: { code: 'not_found', person: other } }]);
    const [after] = await core.store.read(async ({ db }) => db.select().from(oauthGrant));
    expect(after).toMatchObject({ person: granted.person, revokedMs: null });
  });
});

describe('turning a switch on', () => {
  const place = { category: 'profile', purpose: 'analytics', recipient: 'engine:privacy', to: 'on' };

  it.each([
    ['no notice', {}],
    ['a notice of something else', { notice: 'recommendation-1-en' }],
    ['a notice that never was', { notice: 'analytics-99-en' }],
  ])('is refused with %s, and nothing is turned', async (_name, notice) => {
    const { response, entries } = await visit(person, '/me/switches', { ...place, ...notice });
    expect([response.status, entries]).toEqual([409, []]);
  });

  it('records the very notice that was beside the switch, in its language', async () => {
    const page = await (await visit(person, '/me/switches?lang=zh')).response.text();
    expect(page).toContain('href="/notices/analytics-1-zh"');
    const { response, entries } = await visit(person, '/me/switches', { ...place, notice: 'analytics-1-zh' });
    expect(response.status).toBe(303);
    const shown = await (await visit(person, '/notices/analytics-1-zh')).response.text();
    const recorded = /"notice":"([0-9a-f]{64})"/.exec(JSON.stringify(entries[0]?.payload))?.[1];
    expect(recorded).toBeDefined();
    expect(shown).toContain(recorded);
  });
});

it('a parameter named twice is a bad request, not a failure', async () => {
  for (const path of [
    '/me/activity?recipient=a&recipient=b',
    '/sign-in?next=/me&next=/me',
    '/?lang=en&lang=zh',
  ]) {
    const { response, entries } = await visit(person, path);
    expect([path, response.status, entries]).toEqual([path, 400, []]);
  }
});

describe('where a form leads afterwards', () => {
  it.each(['/me', '/me/activity?outcome=refused#top', '/oauth/interaction/abc'])('is %s', (path) => {
    expect(localPath(path)).toBe(path);
  });

  it.each([
    '/.//evil.example',
    '/a/..//evil.example',
    '/%2e//evil.example',
    '/./\n/evil.example',
    '//evil.example',
    '/\\evil.example',
    '/\t/evil.example',
    'https://evil.example/',
    'me',
    '',
  ])('is never %j', (path) => {
    expect(localPath(path)).toBeNull();
  });

  it('is this site when a signed-in person follows a link to the sign-in page', async () => {
    const { response } = await visit(person, '/sign-in?next=/.//evil.example');
    expect(response.headers.get('location')).toBe('/me');
  });
});
