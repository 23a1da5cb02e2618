// The officer's evidence pack as officers make it: through the portal.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyPack } from '../../gateway/audit/archive.ts';
import { parseEvidence } from '../../gateway/audit/evidence.ts';
import { readZip } from '../../gateway/audit/zip.ts';
import { addStaff, openStaffSession, type StaffRole } from '../../gateway/operations/accounts.ts';
import { openService, password, type Service } from '../http/service.ts';
import { closeCores, entriesOf } from '../support/core.ts';

const minuteMs = 60_000;
let service: Service;
let fromMs = 0;

beforeAll(async () => {
  service = await openService({ limits: { requestsPerMinute: 0 } });
  fromMs = service.core.clock.nowMs();
  await service.call('/v1/data/browsing?purpose=marketing');
  service.core.clock.advance(5 * minuteMs);
});
afterAll(async () => {
  await service.close();
  await closeCores();
});

async function visitor(role: StaffRole) {
  const { operations } = service.core;
  const userName = `${role}-${(await entriesOf(service.core)).length}`;
  const { value: id } = await addStaff(operations, 'op', { userName, role, password });
  const { token } = (await openStaffSession(operations, id, role)).value;
  const cookie = `assent_session=${token}; assent_zone=Asia/Shanghai`;
  return async (path: string, form?: Record<string, string>) => {
    const response = await fetch(`${service.url}${path}`, {
      redirect: 'manual',
      headers: { cookie },
      ...(form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) }),
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    const text = new TextDecoder().decode(bytes);
    return {
      status: response.status,
      headers: response.headers,
      bytes,
      text,
      csrf: /name="_csrf" value="([^"]+)"/.exec(text)?.[1] ?? '',
    };
  };
}

/** As the field of a page in Shanghai holds it. */
const local = (ms: number): string => new Date(ms + 8 * 3_600_000).toISOString().slice(0, 16);

describe('an officer', () => {
  it('makes a pack from the form, in the time zone of the page, and it verifies', async () => {
    const visit = await visitor('officer');
    expect((await visit('/officer/entries?from=2026-01-02T03:04')).text).toContain(
      'href="/officer/evidence?from=2026-01-02T03%3A04"',
    );
    const form = await visit(`/officer/evidence?from=${local(fromMs)}&to=${local(fromMs + minuteMs)}`);
    expect(form.status).toBe(200);
    expect(form.text).toContain(`value="${local(fromMs)}"`);
    const made = await visit('/officer/evidence', {
      _csrf: form.csrf,
      person: '',
      partner: '',
      purpose: '',
      from: local(fromMs),
      to: local(fromMs + minuteMs),
    });
    expect(made.status).toBe(200);
    expect(made.headers.get('content-type')).toBe('application/zip');
    expect(made.headers.get('content-disposition')).toMatch(
      /^attachment; filename="assent-evidence-period-\d{4}-\d\d-\d\d\.zip"$/,
    );
    expect(made.headers.get('cache-control')).toBe('no-store');
    expect(verifyPack(made.bytes, await service.core.prover.trust()).verdict).toBe('holds');
    const { selection } = parseEvidence(readZip(made.bytes).get('evidence.json') ?? '');
    expect(selection.from).toBe(new Date(Math.floor(fromMs / minuteMs) * minuteMs).toISOString());

    const partner = await visit('/officer/evidence', { _csrf: form.csrf, partner: service.granted.partner });
    expect(verifyPack(partner.bytes, await service.core.prover.trust()).verdict).toBe('holds');
    expect(partner.headers.get('content-disposition')).toContain('assent-evidence-partner-');
  });

  it('hears what is wrong beside what was typed, in words', async () => {
    const visit = await visitor('officer');
    const { csrf } = await visit('/officer/evidence');
    const both = await visit('/officer/evidence', { _csrf: csrf, person: 'test:x', purpose: 'analytics' });
    expect([both.status, both.text.includes('Name only one'), both.text.includes('value="test:x"')]).toEqual([
      400,
      true,
      true,
    ]);
    const nobody = await visit('/officer/evidence', { _csrf: csrf, person: 'test:nobody' });
    expect([nobody.status, nobody.text.includes('no such person')]).toEqual([404, true]);
    expect((await visit('/officer/evidence', { _csrf: csrf })).status).toBe(400);
    expect((await visit('/officer/evidence', { _csrf: csrf, from: 'yesterday', to: 'today' })).status).toBe(
      400,
    );
    expect(
      (await visit('/officer/evidence', { _csrf: 'forged', partner: service.granted.partner })).status,
    ).toBe(403);
    expect((await visit('/officer/evidence?lang=zh')).text).toContain('生成并下载');
  });
});

describe('nobody else', () => {
  it.each(['analyst', 'operator'] as const)('makes a pack: a %s is refused, on the record', async (role) => {
    const visit = await visitor(role);
    const officer = await visitor('officer');
    expect((await visit('/officer/evidence')).status).toBe(403);
    const { csrf } = await visit('/me').then(() => visit('/'));
    const before = (await entriesOf(service.core)).length;
    const tried = await visit('/officer/evidence', { _csrf: csrf, partner: service.granted.partner });
    expect(tried.status).toBe(403);
    const payloads = (await entriesOf(service.core)).slice(before).map(({ payload }) => payload);
    if (csrf !== '')
      expect(payloads).toContainEqual(
        expect.objectContaining({ operation: 'export-evidence', decision: 'refused' }),
      );
    expect((await officer('/officer/evidence')).status).toBe(200);
  });

  it('and who is not signed in is led to the sign-in', async () => {
    const response = await fetch(`${service.url}/officer/evidence`, { redirect: 'manual' });
    expect(response.headers.get('location')).toContain('/staff/sign-in');
  });
});
