import { createHash } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeEntry } from '../../gateway/audit/entry.ts';
import { findEntry } from '../../gateway/audit/payload.ts';
import { parseReceipt } from '../../gateway/audit/receipt.ts';
import { verifyBundle } from '../../gateway/audit/verify.ts';
import { Refusal } from '../../gateway/gate.ts';
import { enrol, findSession, invite } from '../../gateway/operations/accounts.ts';
import { viewData, viewHome } from '../../gateway/operations/own.ts';
import { erasePerson, resumeErasures } from '../../gateway/rights/erase.ts';
import { consentReceipt, fetchErasure } from '../../gateway/rights/receipts.ts';
import { retentionRound } from '../../gateway/rights/retention.ts';
import { entry, holderKey, suppression } from '../../gateway/store/tables.ts';
import {
  addPerson,
  closeCore,
  closeCores,
  dayMs,
  entriesOf,
  openTestCore,
  partnerRead,
  rawOf,
  turn,
  type TestCore,
} from '../support/core.ts';
import { plantMarkers, searchBytes, type Planted } from './markers.ts';

let core: TestCore;
let planted: Planted;

beforeEach(async () => {
  core = await openTestCore();
  planted = await plantMarkers(core, 'Anna');
});
afterEach(closeCores);

const erase = async () => {
  const released = await erasePerson(core.operations, { kind: 'person', person: planted.person });
  await resumeErasures(core.operations);
  return released;
};
const receipts = () => ({ operations: core.operations, sealSigner: core.sealSigner });

describe('after an erasure', () => {
  it('no planted marker is left in any file, also after a restart; each was found before', async () => {
    const names = Object.keys(planted.erased);
    expect(names.length).toBeGreaterThanOrEqual(20);
    const before = await searchBytes(core.folder, { ...planted.erased, ...planted.evidence });
    expect(Object.keys(before).sort()).toEqual([...names, ...Object.keys(planted.evidence)].sort());

    await erase();
    expect(await searchBytes(core.folder, planted.erased)).toEqual({});
    expect(Object.keys(await searchBytes(core.folder, planted.evidence)).sort()).toEqual(
      Object.keys(planted.evidence).sort(),
    );

    const { folder, clock } = core;
    await closeCore(core);
    expect(await searchBytes(folder, planted.erased)).toEqual({});
    core = await openTestCore({ folder, startMs: clock.nowMs() });
    expect(await searchBytes(folder, planted.erased)).toEqual({});
  });

  it('importing the same files again brings nothing back, and neither does a row that could not be read', async () => {
    await erase();
    const report = await planted.importAgain();
    expect(report).toMatchObject({ people: 0, events: 0, attributes: 0, rejected: {}, suppressed: 4 });
    expect(await planted.importConsentsAgain()).toEqual({
      people: 0,
      consents: 0,
      suppressed: 1,
      rejected: [],
    });
    expect(await searchBytes(core.folder, planted.erased)).toEqual({});
    const imported = (await entriesOf(core)).filter(({ kind }) => kind === 'imported');
    expect(imported.slice(-2).map(({ payload }) => payload?.['counts'])).toMatchObject([
      { suppressed: 4 },
      { suppressed: 1 },
    ]);
  });

  it('somebody who was not erased is imported as before', async () => {
    const other = await plantMarkers(core, 'Berta');
    await erase();
    const found = await searchBytes(core.folder, other.erased);
    expect(Object.keys(other.erased).filter((name) => !(name in found))).toEqual([]);
    expect(await other.importAgain()).toMatchObject({ suppressed: 0, rejected: { missing_value: 1 } });
    expect((await viewData(core.operations, other.person, 'browsing', 0)).value.events).toHaveLength(1);
  });

  it('nothing is decided for them: no page, no partner, no session, no invitation', async () => {
    const session = await enrolOther();
    await turn(core, session.person, 'on', { recipient: 'partner:shop' });
    expect((await core.gate.run(partnerRead(session.person), async () => ({ value: 1 }))).value).toBe(1);
    expect(await findSession(core.operations, session.token)).toBeDefined();
    const { value: code } = await invite(core.operations, 'op', `test:${session.person}`);

    await erasePerson(core.operations, { kind: 'person', person: session.person });
    await expect(viewHome(core.operations, session.person)).rejects.toMatchObject({
      reason: 'person_erased',
    });
    await expect(core.gate.run(partnerRead(session.person), async () => ({ value: 1 }))).rejects.toThrow(
      Refusal,
    );
    expect(await findSession(core.operations, session.token)).toBeUndefined();
    await expect(
      enrol(core.operations, { code, userName: 'again', password: 'correct horse battery' }),
    ).rejects.toMatchObject({ code: 'invitation_invalid' });
  });

  it('what was proven before still verifies and reads erased; consent can still be shown', async () => {
    const mine = (await entriesOf(core)).filter(({ row }) => row.holder === `person:${planted.person}`);
    const use = mine.find(({ row }) => row.keyClass === 'data');
    const consent = mine.find(({ kind }) => kind === 'consent');
    expect(use?.payload).toBeDefined();
    await core.publisher.publish();
    const old = await core.prover.bundle(use?.row.number ?? -1, true);
    expect(JSON.parse(old)).toMatchObject({ disclosure: { opening: expect.any(String) as string } });

    await erase();
    await core.publisher.publish();
    const trust = await core.prover.trust();
    expect(verifyBundle(old, trust)).toMatchObject({ verdict: 'holds' });
    const now = await core.prover.bundle(use?.row.number ?? -1, true);
    expect(JSON.parse(now)).toMatchObject({ disclosure: null });
    expect(verifyBundle(now, trust)).toMatchObject({ verdict: 'holds' });
    expect(JSON.parse(await core.prover.bundle(consent?.row.number ?? -1, true))).toMatchObject({
      disclosure: { payload: expect.any(String) as string },
    });
  });

  it('two entries say so, the second refers to the first; what went is counted beside the log alone', async () => {
    const { receipt } = await erase();
    const both = (await entriesOf(core)).filter(({ kind }) => kind.startsWith('erasure-'));
    expect(both.map(({ kind }) => kind)).toEqual(['erasure-requested', 'erasure-completed']);
    const [asked, completed] = both;
    expect(asked?.row.number).toBe(receipt.number);
    expect(asked?.row.holder).toBe(`person:${planted.person}`);
    expect(completed?.row.holder).toBe(`person:${planted.person}`);
    for (const one of both) expect(one.payload).not.toHaveProperty('counts');
    const counts = rawOf(core).prepare('SELECT counts FROM erasure').pluck().get() as string;
    expect(JSON.parse(counts)).toEqual({
      events: 2,
      attributes: 1,
      quarantine: 2,
      accounts: 1,
      invitations: 2,
      sessions: 1,
      grants: 1,
      tokens: 5,
      switches: 2,
      budgets: 1,
      models: 1,
      memberships: 1,
      payloads: 1,
    });
    const row = await core.store.read((reader) => findEntry(reader, completed?.row.number ?? -1));
    expect(decodeEntry(row?.leaf ?? new Uint8Array()).startedIndex).toBe(receipt.number);
  });

  it('a second erasure is refused, and so is one of nobody', async () => {
    await erase();
    await expect(erase()).rejects.toMatchObject({ code: 'conflict' });
    const nobody = { kind: 'operator', id: 'op', reference: planted.reference } as const;
    await expect(erasePerson(core.operations, nobody)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('the operator erases by reference for a request that came by letter', async () => {
    await erasePerson(core.operations, { kind: 'operator', id: 'op', reference: planted.reference });
    await resumeErasures(core.operations);
    expect(await searchBytes(core.folder, planted.erased)).toEqual({});
  });

  it('the suppression list holds a keyed hash and nothing that can be guessed without the key', async () => {
    await erase();
    const rows = await core.store.read((reader) => reader.db.select().from(suppression));
    expect(rows).toHaveLength(1);
    expect(rows[0]?.hash).not.toBe(createHash('sha256').update(planted.reference).digest('hex'));
  });
});

describe('the receipt', () => {
  it('names both entries, is the same each time, and opens with the code alone', async () => {
    const { value } = await erase();
    const first = (await fetchErasure(receipts(), value.code)).value;
    expect(first.evidenceUntilMs).toBe(core.clock.nowMs() + 1095 * dayMs);
    const receipt = JSON.parse(first.receipt ?? '{}') as { entries: { index: number }[]; kind: string };
    const entries = (await entriesOf(core)).filter(({ kind }) => kind.startsWith('erasure-'));
    expect(receipt.kind).toBe('erasure');
    expect(receipt.entries.map(({ index }) => index)).toEqual(entries.map(({ row }) => row.number));
    expect((await fetchErasure(receipts(), value.code)).value.receipt).toBe(first.receipt);
    expect(parseReceipt(first.receipt ?? '').tag).toBe(
      Buffer.from((await tagNow()) ?? []).toString('base64'),
    );
    await expect(fetchErasure(receipts(), `${value.code}x`)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('is not there before the files are clean', async () => {
    const { value } = await erasePerson(core.operations, { kind: 'person', person: planted.person });
    expect((await fetchErasure(receipts(), value.code)).value).toMatchObject({
      completedMs: null,
      receipt: null,
    });
    await resumeErasures(core.operations);
    expect((await fetchErasure(receipts(), value.code)).value.receipt).not.toBeNull();
  });
});

describe('a receipt of a choice', () => {
  it('says what was turned and is sealed; other entries and other people’s have none', async () => {
    const mine = (await entriesOf(core)).filter(({ row }) => row.holder === `person:${planted.person}`);
    const chosen = mine.find(({ kind }) => kind === 'consent')?.row.number ?? -1;
    const other = mine.find(({ kind }) => kind !== 'consent')?.row.number ?? -1;
    const { value } = await consentReceipt(receipts(), planted.person, chosen);
    const receipt = parseReceipt(value);
    expect(receipt.entries.map(({ index }) => index)).toEqual([chosen]);
    expect(receipt.statement).toMatchObject({ switches: [{ category: 'browsing', action: 'on' }] });
    await expect(consentReceipt(receipts(), planted.person, other)).rejects.toMatchObject({
      code: 'not_found',
    });
    await addPerson(core, 'ce');
    await expect(consentReceipt(receipts(), 'ce', chosen)).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('when the evidence clock runs out', () => {
  it('evidence, tag and consent events go, the leaves stay and the log still checks', async () => {
    const { value } = await erase();
    const leavesBefore = await leaves();
    core.clock.advance(1095 * dayMs - 1);
    expect(await retentionRound(core.operations)).toMatchObject({ closed: 0 });
    core.clock.advance(1);
    // A newer consent event of somebody else, so that no number is given out twice.
    await addPerson(core, 'ce');
    await turn(core, 'ce', 'on');
    expect(await retentionRound(core.operations)).toMatchObject({ closed: 1 });
    // Not even which entries were about an erased person.
    expect(rawOf(core).prepare('SELECT count(*) FROM erasure').pluck().get()).toBe(0);
    const theirs = 'SELECT count(*) FROM consent_event WHERE person = ?';
    expect(rawOf(core).prepare(theirs).pluck().get(planted.person)).toBe(0);
    expect(await searchBytes(core.folder, { ...planted.erased, ...planted.evidence })).toEqual({});
    expect((await leaves()).slice(0, leavesBefore.length)).toEqual(leavesBefore);
    await core.publisher.publish();
    await core.publisher.check();
    await expect(fetchErasure(receipts(), value.code)).rejects.toMatchObject({ code: 'not_found' });
    const left = await core.store.read((reader) =>
      reader.db
        .select()
        .from(entry)
        .where(eq(entry.holder, `person:${planted.person}`)),
    );
    expect(left).toEqual([]);
    const [keys] = await core.store.read((reader) =>
      reader.db
        .select()
        .from(holderKey)
        .where(eq(holderKey.holder, `person:${planted.person}`)),
    );
    expect(keys).toMatchObject({ data: null, evidence: null, tag: null });
    // Their rows still may not come back.
    expect(await planted.importAgain()).toMatchObject({ suppressed: 4 });
  });

  it('a consent event that is the newest of all stays until there is a newer one', async () => {
    await erase();
    core.clock.advance(1095 * dayMs);
    await retentionRound(core.operations);
    const last = (): unknown => rawOf(core).prepare('SELECT max(number) FROM consent_event').pluck().get();
    const before = last();
    await addPerson(core, 'ce');
    await turn(core, 'ce', 'on');
    expect(last()).toBe(Number(before) + 1);
  });
});

async function enrolOther(): Promise<{ person: string; token: string }> {
  const person = await addPerson(core, 'cd', { browsed: ['i1'] });
  const { value: code } = await invite(core.operations, 'op', 'test:cd');
  const { value } = await enrol(core.operations, { code, userName: 'cd', password: 'correct horse battery' });
  return { person, token: value.token };
}

const tagNow = () =>
  core.store.read(async (reader) => (await core.keyring.open(reader, `person:${planted.person}`)).tag);

async function leaves(): Promise<string[]> {
  const rows = await core.store.read((reader) => reader.db.select().from(entry).orderBy(entry.number));
  return rows.map(({ leaf }) => leaf.toString('hex'));
}
