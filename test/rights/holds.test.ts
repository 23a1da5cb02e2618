import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { verifyPack } from '../../gateway/audit/archive.ts';
import { openEntry } from '../../gateway/operations/entries.ts';
import { exportEvidence } from '../../gateway/operations/export-evidence.ts';
import { viewData } from '../../gateway/operations/own.ts';
import { makeEvidencePack } from '../../gateway/portal/evidence-archive.ts';
import { erasePerson, resumeErasures } from '../../gateway/rights/erase.ts';
import {
  confirmHold,
  confirmWithinMs,
  endHold,
  listHolds,
  orderHold,
  unconfirmedRestMs,
} from '../../gateway/rights/holds.ts';
import { fetchErasure } from '../../gateway/rights/receipts.ts';
import { retentionRound } from '../../gateway/rights/retention.ts';
import {
  closeCores,
  dayMs,
  entriesOf,
  openTestCore,
  partnerRead,
  rawOf,
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

const [wei, sam] = ['officer-wei', 'officer-sam'];
const order = (more: Partial<Parameters<typeof orderHold>[2]> = {}) =>
  orderHold(core.operations, wei, {
    person: planted.reference,
    categories: ['browsing'],
    payloads: false,
    reason: 'Case 17, order of a court',
    disclose: false,
    expiresMs: core.clock.nowMs() + 30 * dayMs,
    ...more,
  });
const hold = async (more: Parameters<typeof order>[0] = {}): Promise<string> => {
  const { value: id } = await order(more);
  await confirmHold(core.operations, sam, id);
  return id;
};
const erase = async () => {
  const { value } = await erasePerson(core.operations, { kind: 'person', person: planted.person });
  await resumeErasures(core.operations);
  return value;
};
const stateNow = (): unknown => rawOf(core).prepare('SELECT state FROM erasure').pluck().get();
const found = async (): Promise<string[]> =>
  Object.keys(await searchBytes(core.folder, planted.erased)).sort();
const keptRows = ['event item', 'event kind', 'event value'];
const ownEntries = async (): Promise<number> =>
  (await entriesOf(core)).filter(({ row }) => row.holder === `person:${planted.person}`).length;
const receiptOf = async (code: string) => {
  const { value } = await fetchErasure({ operations: core.operations, sealSigner: core.sealSigner }, code);
  return JSON.parse(value.receipt ?? 'null') as {
    entries: unknown[];
    statement: { holds: unknown[]; text: object };
  };
};

describe('a hold', () => {
  it('is ordered by one officer and confirmed by another', async () => {
    const { value: id } = await order();
    await expect(confirmHold(core.operations, wei, id)).rejects.toMatchObject({ code: 'conflict' });
    expect((await listHolds(core.operations, sam)).value).toMatchObject([{ state: 'ordered' }]);
    await confirmHold(core.operations, sam, id);
    expect((await listHolds(core.operations, sam)).value).toMatchObject([
      { state: 'live', confirmedBy: sam },
    ]);
    await expect(confirmHold(core.operations, sam, id)).rejects.toMatchObject({ code: 'conflict' });
  });

  it('names a person, a reason, known categories and an end within a year', async () => {
    await expect(order({ person: 'marked:nobody' })).rejects.toMatchObject({ code: 'not_found' });
    await expect(order({ reason: ' ' })).rejects.toMatchObject({ code: 'malformed_request' });
    await expect(order({ categories: ['dreams'] })).rejects.toMatchObject({ code: 'unknown_category' });
    for (const expiresMs of [core.clock.nowMs(), core.clock.nowMs() + 367 * dayMs, Number.NaN])
      await expect(order({ expiresMs })).rejects.toMatchObject({ code: 'malformed_request' });
  });

  it('keeps what it names and nothing else; what is kept can be used for nothing', async () => {
    await hold();
    await erase();
    expect(stateNow()).toBe('held');
    expect(await found()).toEqual([...keptRows, 'reference'].sort());
    await expect(viewData(core.operations, planted.person, 'browsing', 0)).rejects.toMatchObject({
      reason: 'person_erased',
    });
    await expect(
      core.gate.run(partnerRead(planted.person), async () => ({ value: 1 })),
    ).rejects.toMatchObject({ reason: 'person_erased' });
    await expect(planted.importAgain()).resolves.toMatchObject({ events: 0, suppressed: 4 });
  });

  it.each([
    ['ends', (id: string) => endHold(core.operations, sam, id)],
    ['expires', async () => core.clock.advance(30 * dayMs)],
  ])('when it %s the rest is deleted and the erasure completes', async (_how, over) => {
    const id = await hold();
    await erase();
    expect(await retentionRound(core.operations)).toEqual({ completed: 0, closed: 0 });
    await over(id);
    expect(await retentionRound(core.operations)).toEqual({ completed: 1, closed: 0 });
    expect(stateNow()).toBe('completed');
    expect(await found()).toEqual([]);
    expect(await retentionRound(core.operations)).toEqual({ completed: 0, closed: 0 });
  });

  it('of payloads keeps the data key; without it that goes although rows are kept', async () => {
    await hold({ categories: [], payloads: true });
    await erase();
    expect(await found()).toEqual(['data key, wrapped', 'payload of a use, encrypted', 'reference']);
    await retentionRound(core.operations);
    expect(await found()).toContain('payload of a use, encrypted');
  });

  it('of payloads opens them for its case alone: for an operation that names it, while it is in force', async () => {
    const uses = (await entriesOf(core)).filter(
      ({ row }) => row.holder === `person:${planted.person}` && row.keyClass === 'data',
    );
    const use = uses[0]?.row.number ?? -1;
    expect(uses[0]?.payload).toMatchObject({ asked: 'Anna-payload-Zq7' });
    const id = await hold({ categories: [], payloads: true });
    const other = await hold({ categories: ['browsing'] });
    const { value: unconfirmed } = await order({ payloads: true });
    await erase();
    await core.publisher.publish();
    core.clock.advance(dayMs / 24);

    const pack = (name?: string, value = planted.person) =>
      exportEvidence(core, wei, { kind: 'person', value, fromMs: null, toMs: null, hold: name ?? null });
    const opens = (text: string): boolean => {
      const { entries } = JSON.parse(text) as { entries: { index: number; disclosure: unknown }[] };
      return entries.find(({ index }) => index === use)?.disclosure !== null;
    };
    expect((await openEntry(core.operations, wei, use)).value.payload).toBeNull();
    expect(JSON.parse(await core.prover.bundle(use, true))).toMatchObject({ disclosure: null });
    expect(await core.prover.person(planted.person)).not.toContain(
      Buffer.from('Anna-payload-Zq7').toString('base64').slice(4, -4),
    );
    expect(opens((await pack()).value.evidence)).toBe(false);
    const period = { kind: 'period', value: '', fromMs: 0, toMs: core.clock.nowMs() - 60_000 } as const;
    expect(opens((await exportEvidence(core, wei, period)).value.evidence)).toBe(false);
    await expect(exportEvidence(core, wei, { ...period, hold: id })).rejects.toMatchObject({
      code: 'malformed_request',
    });
    const { person: someone } = await plantMarkers(core, 'Berta');
    for (const [name, value] of [[other], [unconfirmed], ['ff'.repeat(16)], [id, someone]] as const)
      await expect(pack(name, value)).rejects.toMatchObject({ code: 'not_found' });

    const { value } = await pack(id);
    expect(opens(value.evidence)).toBe(true);
    const order17 = { kind: 'person', value: planted.person, fromMs: null, toMs: null, hold: id } as const;
    const { bytes } = await makeEvidencePack(core, wei, order17);
    const { verdict, members } = verifyPack(bytes, await core.prover.trust());
    expect([verdict, members.filter(({ isWrong }) => isWrong)]).toEqual(['holds', []]);
    const naming = (await entriesOf(core)).filter(
      ({ payload }) => payload?.['operation'] === 'export-evidence' && payload['hold'] === id,
    );
    expect(naming.map(({ row }) => row.holder)).toEqual(['system', 'system']);
    await endHold(core.operations, sam, id);
    await expect(pack(id)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('that is only ordered keeps what it names for 72 hours, and then lapses', async () => {
    const { value: id } = await order();
    await erase();
    expect(stateNow()).toBe('held');
    core.clock.advance(confirmWithinMs - 1);
    await retentionRound(core.operations);
    expect(await found()).toContain('event item');
    core.clock.advance(1);
    await retentionRound(core.operations);
    expect(stateNow()).toBe('completed');
    expect(await found()).toEqual([]);
    await expect(confirmHold(core.operations, sam, id)).rejects.toMatchObject({ code: 'conflict' });
  });

  it.each([
    ['left to lapse', async () => undefined],
    ['taken back before it lapses', (id: string) => endHold(core.operations, wei, id)],
  ])('that was %s is not ordered again by the same officer alone for 30 days', async (_how, over) => {
    const { value: id } = await order();
    core.clock.advance(confirmWithinMs - 1);
    await over(id);
    // Within the 72 hours an order can be corrected.
    await order();
    core.clock.advance(1);
    await expect(order()).rejects.toMatchObject({ code: 'conflict' });
    core.clock.advance(unconfirmedRestMs - confirmWithinMs - 1);
    await expect(order()).rejects.toMatchObject({ code: 'conflict' });
    const { value: others } = await orderHold(core.operations, sam, {
      person: planted.reference,
      categories: [],
      payloads: false,
      reason: 'Case 18',
      disclose: false,
      expiresMs: core.clock.nowMs() + dayMs,
    });
    await confirmHold(core.operations, wei, others);
    core.clock.advance(confirmWithinMs);
    await order();
  });

  it('that replaces one with less lets go of the difference', async () => {
    const id = await hold({ categories: ['browsing', 'location'] });
    await hold({ categories: ['location'] });
    await erase();
    expect(await found()).toEqual([...keptRows, 'event place', 'reference'].sort());
    await endHold(core.operations, sam, id);
    await retentionRound(core.operations);
    expect(stateNow()).toBe('held');
    expect(await found()).toEqual(['event place', 'reference']);
  });

  it('keeps the evidence past its clock, until it ends', async () => {
    await erase();
    core.clock.advance(1095 * dayMs - 1000);
    const id = await hold({ person: planted.person, categories: [] });
    core.clock.advance(2000);
    expect(await retentionRound(core.operations)).toMatchObject({ closed: 0 });
    await endHold(core.operations, wei, id);
    expect(await retentionRound(core.operations)).toMatchObject({ closed: 1 });
    expect(rawOf(core).prepare('SELECT count(*) FROM legal_hold').pluck().get()).toBe(0);
    await expect(order({ person: planted.person })).rejects.toMatchObject({ code: 'conflict' });
  });

  it('cannot be ended twice', async () => {
    const id = await hold();
    await endHold(core.operations, wei, id);
    await expect(endHold(core.operations, sam, id)).rejects.toMatchObject({ code: 'conflict' });
    await expect(endHold(core.operations, sam, 'ff'.repeat(16))).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('what the person learns of a hold', () => {
  it('whose rule says not to tell: nothing in their list, and a receipt like anybody’s', async () => {
    const before = await ownEntries();
    const id = await hold();
    expect(await ownEntries()).toBe(before);
    const held = await receiptOf((await erase()).code);
    const erased = await ownEntries();
    await endHold(core.operations, sam, id);
    expect(await retentionRound(core.operations)).toMatchObject({ completed: 1 });
    expect(stateNow()).toBe('completed');
    expect(await ownEntries()).toBe(erased);

    planted = await plantMarkers(core, 'Berta');
    const free = await receiptOf((await erase()).code);
    expect(held.entries).toHaveLength(2);
    expect(held.statement.text).toEqual(free.statement.text);
    expect(Object.keys(held.statement)).toEqual(Object.keys(free.statement));
    expect(held.statement.holds).toEqual([]);
  });

  it('whose rule says not to tell: what their bundle opens is of the same form as without a hold', async () => {
    const opened = async (): Promise<unknown[]> => {
      const own = (await entriesOf(core)).filter(({ row }) => row.holder === `person:${planted.person}`);
      return own
        .filter(({ kind }) => kind.startsWith('erasure-'))
        .map(({ payload }) => JSON.stringify(payload).replace(/[0-9a-f]{32}/g, 'id'));
    };
    await hold({ payloads: true });
    await erase();
    const held = await opened();
    planted = await plantMarkers(core, 'Berta');
    await erase();
    expect(held).toHaveLength(2);
    expect(held).toEqual(await opened());
  });

  it('whose rule says to tell: each step is an entry of theirs, and the receipt names it', async () => {
    const before = await ownEntries();
    const id = await hold({ disclose: true });
    expect(await ownEntries()).toBe(before + 2);
    const { code } = await erase();
    const told = await receiptOf(code);
    expect(told.statement.holds).toMatchObject([
      { keeps: ['browsing'], reason: 'Case 17, order of a court' },
    ]);
    core.clock.advance(1);
    await endHold(core.operations, sam, id);
    await retentionRound(core.operations);
    expect(await receiptOf(code)).toEqual(told);
  });
});
