// The officer's evidence pack from a real log: what is in it, who hears of it, and that nothing can be exchanged.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packEvidence, verifyPack, type Member } from '../../gateway/audit/archive.ts';
import { fromUtf8, toUtf8 } from '../../gateway/audit/bytes.ts';
import { parseEvidence } from '../../gateway/audit/evidence.ts';
import { parsePersonBundle } from '../../gateway/audit/person-bundle.ts';
import { packZip, readZip } from '../../gateway/audit/zip.ts';
import { verifyAny } from '../../gateway/commands/verify-archive.ts';
import { currentNotice } from '../../gateway/consent/notices.ts';
import { addStaff } from '../../gateway/operations/accounts.ts';
import type { EvidenceOrder } from '../../gateway/operations/export-evidence.ts';
import { viewActivity } from '../../gateway/operations/own.ts';
import { setSwitches } from '../../gateway/operations/set-switch.ts';
import { makeEvidencePack } from '../../gateway/portal/evidence-archive.ts';
import { erasePerson, resumeErasures } from '../../gateway/rights/erase.ts';
import {
  addPartner,
  addPerson,
  closeCores,
  entriesOf,
  openTestCore,
  partnerRead,
  turn,
  type TestCore,
} from '../support/core.ts';

const minuteMs = 60_000;
let core: TestCore;
let officer = '';
let noticeHash = '';
let noticeBody = '';
let beginMs = 0;
let endMs = 0;

async function read(person: string): Promise<void> {
  await core.gate
    .run(partnerRead(person), async () => ({ value: null, counts: { rows: 1 } }))
    .catch(() => null);
}

async function allow(person: string): Promise<void> {
  await setSwitches(core.operations, person, [
    {
      category: 'browsing',
      purpose: 'recommendation',
      recipient: 'partner:shop',
      action: 'on',
      noticeHash,
    },
  ]);
}

beforeAll(async () => {
  core = await openTestCore();
  officer = (
    await addStaff(core.operations, 'op', {
      userName: 'He Yan',
      role: 'officer',
      password: 'a long enough password',
    })
  ).value;
  await addPartner(core);
  await addPartner(core, 'other');
  const notice = await core.store.read((reader) => currentNotice(reader, 'recommendation', 'en'));
  ({ hash: noticeHash, body: noticeBody } = notice);
  core.clock.advance(10 * minuteMs);
  beginMs = core.clock.nowMs();
  for (const name of ['ann', 'bea', 'cas']) {
    await addPerson(core, name, { browsed: ['i1'] });
    core.clock.advance(minuteMs);
    await allow(name);
    core.clock.advance(minuteMs);
    await read(name);
    await core.publisher.publish();
  }
  await turn(core, 'bea', 'off', { recipient: 'partner:shop' });
  await read('bea');
  endMs = core.clock.nowMs();
  core.clock.advance(3 * minuteMs);
});
afterAll(closeCores);

const orders: Record<string, () => EvidenceOrder> = {
  person: () => ({ kind: 'person', value: 'test:ann', fromMs: null, toMs: null }),
  partner: () => ({ kind: 'partner', value: 'shop', fromMs: null, toMs: null }),
  purpose: () => ({ kind: 'purpose', value: 'recommendation', fromMs: beginMs, toMs: endMs }),
  period: () => ({ kind: 'period', value: '', fromMs: beginMs, toMs: endMs }),
};
const pack = async (order: EvidenceOrder) => {
  core.clock.advance(minuteMs);
  return makeEvidencePack(core, officer, order);
};
const wrongIn = (members: readonly Member[]) =>
  members.filter(({ isWrong }) => isWrong).map(({ name, state }) => `${name}: ${state}`);
const verdictOf = async (bytes: Uint8Array) => {
  const { verdict, members } = verifyPack(bytes, await core.prover.trust());
  return { verdict, wrong: wrongIn(members) };
};
/** The archive with some of its files changed, added (new names) or dropped (undefined). */
const changed = (bytes: Uint8Array, change: Record<string, string | undefined>) => {
  const files = new Map(readZip(bytes));
  for (const [name, text] of Object.entries(change)) {
    if (text === undefined) files.delete(name);
    else files.set(name, toUtf8(text));
  }
  return packZip(files, 0);
};
const textIn = (bytes: Uint8Array, name: string) =>
  fromUtf8(readZip(bytes).get(name) ?? new Uint8Array(), 'format');

describe('an evidence pack', () => {
  it.each(Object.keys(orders))('for a %s verifies from the archive alone', async (kind) => {
    const made = await pack(orders[kind]!());
    expect(made.name).toMatch(new RegExp(`^assent-evidence-${kind}-2026-03-01\\.zip$`));
    const trustText = await core.prover.trust();
    const { exitCode, lines } = await verifyAny({ bundleText: made.bytes, trustText });
    expect(lines.join('\n')).toContain('The pack holds.');
    expect(exitCode).toBe(0);
    expect(lines).toContain('  README.txt  not proven: made for reading');
    const names = [...readZip(made.bytes).keys()];
    expect(names).toEqual(
      expect.arrayContaining(['README.txt', 'summary.en.html', 'summary.zh.html', 'evidence.json']),
    );
    expect(names.includes('person.json')).toBe(kind === 'person');
    expect(names.filter((name) => /trust/.test(name))).toEqual([]);
    expect(textIn(made.bytes, 'notices/recommendation-1-en.txt')).toBe(noticeBody);
    expect(names).toContain('receipts/1.json');
  });
});
