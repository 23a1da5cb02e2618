// Erasing and holding as people and officers do it: through the portal.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parseReceipt } from '../../gateway/audit/receipt.ts';
import {
  addStaff,
  enrol,
  invite,
  openStaffSession,
  type NewSession,
} from '../../gateway/operations/accounts.ts';
import { setSwitches } from '../../gateway/operations/set-switch.ts';
import { retentionRound } from '../../gateway/rights/retention.ts';
import { legalHold } from '../../gateway/store/tables.ts';
import { openService, password, type Service } from '../http/service.ts';
import { addPerson, closeCores, entriesOf } from '../support/core.ts';

let service: Service;

beforeAll(async () => {
  service = await openService({ limits: { requestsPerMinute: 0 } });
});
afterAll(async () => {
  await service.close();
  await closeCores();
});

/** A browser that keeps its cookies. */
function browser(session?: NewSession) {
  const jar = new Map<string, string>(session === undefined ? [] : [['assent_session', session.token]]);
  return async (path: string, form?: Record<string, string>) => {
    const response = await fetch(`${service.url}${path}`, {
      redirect: 'manual',
      headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) }),
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '') jar.delete(name);
      else jar.set(name, value);
    }
    const text = await response.text();
    const csrf = /name="_csrf" value="([^"]+)"/.exec(text)?.[1] ?? '';
    return { status: response.status, headers: response.headers, text, csrf };
  };
}

async function person(name: string): Promise<{ id: string; session: NewSession }> {
  const { operations } = service.core;
  const id = await addPerson(service.core, name, { browsed: ['i1'] });
  const { value: code } = await invite(operations, 'op', `test:${name}`);
  const { value } = await enrol(operations, { code, userName: name, password });
  return { id, session: value };
}

async function officer(name: string): Promise<NewSession> {
  const { operations } = service.core;
  const { value: id } = await addStaff(operations, 'op', { userName: name, role: 'officer', password });
  return (await openStaffSession(operations, id, 'officer')).value;
}

describe('a person in the portal', () => {
  it('is told what goes and what stays until when, and a wrong password deletes nothing', async () => {
    const { id, session } = await person('ann');
    const visit = browser(session);
    expect((await visit('/me/data')).text).toContain('href="/me/erase"');
    const page = await visit('/me/erase');
    expect(page.status).toBe(200);
    expect(page.text).toContain('2029');
    const refused = await visit('/me/erase', { _csrf: page.csrf, password: 'not the password' });
    expect([refused.status, refused.text.includes('Nothing was deleted')]).toEqual([400, true]);
    const forged = await visit('/me/erase', { _csrf: 'forged', password });
    expect(forged.status).toBe(403);
    expect((await visit('/me')).status).toBe(200);
    const kinds = (await entriesOf(service.core)).filter(({ row }) => row.holder === `person:${id}`);
    expect(kinds.map(({ kind }) => kind)).not.toContain('erasure-requested');
    expect(kinds.some(({ payload }) => payload?.['view'] === 'erase')).toBe(true);
  });

  it('deletes everything, is signed out, and fetches the receipt with the code once the files are clean', async () => {
    const { session } = await person('bea');
    const visit = browser(session);
    const { csrf } = await visit('/me/erase');
    const cleaning = vi.spyOn(service.core.store, 'clean');
    const done = await visit('/me/erase', { _csrf: csrf, password });
    expect(done.status).toBe(200);
    expect(done.text).toContain('cleaned afterwards');
    // Rewriting the files stops everybody: no request may do that.
    expect(cleaning).not.toHaveBeenCalled();
    const code = /<code class="whole">([^<]+)<\/code>/.exec(done.text)?.[1] ?? '';
    expect(code).toMatch(/^[\w-]{27}$/);
    expect((await visit('/me')).headers.get('location')).toContain('/sign-in');
    const waiting = await visit('/erasure', { _csrf: done.csrf, code });
    expect([waiting.status, waiting.text.includes('still going on')]).toEqual([200, true]);
    expect(cleaning).not.toHaveBeenCalled();
    expect(await retentionRound(service.core.operations)).toMatchObject({ completed: 1 });
    expect(cleaning).toHaveBeenCalledOnce();
    const now = await visit('/erasure', { _csrf: done.csrf, code, download: '1' });
    expect(now.headers.get('content-disposition')).toContain('assent-erasure-receipt.json');
    expect(parseReceipt(now.text)).toMatchObject({ kind: 'erasure' });

    const later = browser();
    const form = await later('/erasure');
    const shown = await later('/erasure', { _csrf: form.csrf, code });
    expect(shown.status).toBe(200);
    const again = await later('/erasure', { _csrf: shown.csrf, code, download: '1' });
    expect(again.text).toBe(now.text);
    expect((await later('/erasure', { _csrf: shown.csrf, code: 'wrong', download: '1' })).status).toBe(404);
    const signIn = await later('/sign-in');
    expect((await later('/sign-in', { _csrf: signIn.csrf, name: 'bea', password })).status).toBe(401);
  });

  it('downloads a receipt of a choice from its entry, and of nothing else', async () => {
    const { id, session } = await person('cas');
    const { receipt } = await setSwitches(service.core.operations, id, [
      {
        category: 'browsing',
        purpose: 'analytics',
        recipient: 'engine:privacy',
        action: 'off',
        noticeHash: null,
      },
    ]);
    const visit = browser(session);
    const entry = await visit(`/me/entries/${receipt.number}`);
    expect(entry.text).toContain(`href="/me/entries/${receipt.number}/receipt"`);
    const file = await visit(`/me/entries/${receipt.number}/receipt`);
    expect(parseReceipt(file.text)).toMatchObject({ kind: 'consent', entries: [{ index: receipt.number }] });
    expect((await visit('/me/entries/1/receipt')).status).toBe(404);
  });
});

describe('officers in the portal', () => {
  it('order, confirm by another, and end a hold', async () => {
    const { id } = await person('dee');
    const one = browser(await officer('He Yan'));
    const two = browser(await officer('Chen Rui'));
    const { csrf } = await one('/officer/holds');
    const order = { do: 'order', person: 'test:dee', reason: 'Case 1', days: '30', 'keep-browsing': '1' };
    expect((await one('/officer/holds', { _csrf: csrf, ...order, days: '400' })).status).toBe(400);
    expect((await one('/officer/holds', { _csrf: csrf, ...order, person: 'nobody' })).status).toBe(404);
    expect((await one('/officer/holds', { _csrf: csrf, ...order })).status).toBe(303);
    const [hold] = await service.core.store.read((reader) => reader.db.select().from(legalHold));
    expect(hold).toMatchObject({ person: id, categories: '["browsing"]', payloads: 0, disclose: 0 });
    const own = await one('/officer/holds');
    expect(own.text).not.toContain('value="confirm"');
    const confirm = { do: 'confirm', hold: hold?.id ?? '' };
    expect((await one('/officer/holds', { _csrf: own.csrf, ...confirm })).status).toBe(409);
    const seen = await two('/officer/holds');
    expect(seen.text).toContain('value="confirm"');
    expect((await two('/officer/holds', { _csrf: seen.csrf, ...confirm })).status).toBe(303);
    const end = { do: 'end', hold: hold?.id ?? '' };
    expect((await one('/officer/holds', { _csrf: own.csrf, ...end })).status).toBe(303);
  });

  it('alone see holds: an analyst and a person do not', async () => {
    const { operations } = service.core;
    const { value: id } = await addStaff(operations, 'op', { userName: 'an', role: 'analyst', password });
    const analyst = browser((await openStaffSession(operations, id, 'analyst')).value);
    expect((await analyst('/officer/holds')).status).toBe(403);
    const { session } = await person('eve');
    expect((await browser(session)('/officer/holds')).headers.get('location')).toContain('/staff/sign-in');
  });
});
