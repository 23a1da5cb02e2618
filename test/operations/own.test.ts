import { beforeEach, afterEach, describe, expect, it } from 'vitest';
import { verifyBundle } from '../../gateway/audit/verify.ts';
import { GatewayError } from '../../gateway/errors.ts';
import { listEntries, openEntry, proveForOfficer, proveForPerson } from '../../gateway/operations/entries.ts';
import { viewActivity, viewData, viewEntry, viewHome, viewSwitches } from '../../gateway/operations/own.ts';
import { readEvents } from '../../gateway/operations/rows.ts';
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

let core: TestCore;

beforeEach(async () => {
  core = await openTestCore();
  await addPartner(core);
  await addPerson(core, 'lin', { browsed: ['i1', 'i2', 'i3'], age: 31 });
  await addPerson(core, 'maya', { browsed: ['i9'] });
  await turn(core, 'lin', 'on', { recipient: 'partner:shop' });
});
afterEach(closeCores);

const read = (person: string) =>
  core.gate.run(partnerRead(person), async (permit, tx) => {
    const rows = await readEvents(permit, tx, person, 'browsing');
    return { value: rows, counts: { rows: rows.length } };
  });
const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  const error = await promise.catch((reason: unknown) => reason);
  return error instanceof GatewayError ? error.code : `not refused: ${String(error)}`;
};

describe('a person sees', () => {
  it('what was done with their data: who, when, what for, allowed or refused', async () => {
    await read('lin');
    core.clock.advance(60_000);
    await turn(core, 'lin', 'off', { recipient: 'partner:shop' });
    await codeOf(read('lin'));
    await codeOf(read('maya'));
    const { value } = await viewActivity(core.operations, 'lin', {}, 0);
    expect(
      value.entries.map(({ operation, outcome, callerId, rows, reason }) => [
        operation,
        outcome,
        callerId,
        rows,
        reason,
      ]),
    ).toEqual([
      ['read-data', 'refused', 'shop', null, 'switch_off'],
      ['read-data', 'allowed', 'shop', 3, null],
    ]);
    expect(value.total).toBe(2);
    expect((value.entries[0]?.atMs ?? 0) - (value.entries[1]?.atMs ?? 0)).toBe(60_000);
  });

  it('true counts of the week on their first page, and nothing of what they did themself', async () => {
    await read('lin');
    await read('lin');
    core.clock.advance(8 * 86_400_000);
    await read('lin');
    await codeOf(read('maya'));
    await turn(core, 'lin', 'off', { recipient: 'partner:shop' });
    await codeOf(read('lin'));
    await viewHome(core.operations, 'lin');
    const { value } = await viewHome(core.operations, 'lin');
    expect(value.week).toEqual([{ recipient: 'partner:shop', allowed: 1, refused: 1 }]);
    expect(value).toMatchObject({ switchesOn: 0, switchesOff: 1 });
    expect(value.latest.every(({ callerKind }) => callerKind === 'partner')).toBe(true);
    expect(value.holdings.filter(({ rows }) => rows > 0)).toEqual([
      { category: 'browsing', rows: 3 },
      { category: 'profile', rows: 1 },
    ]);
  });

  it('their own rows and no others, and each look is an entry', async () => {
    const { value, decisionId } = await viewData(core.operations, 'lin', 'browsing', 0);
    expect(value.events.map(({ item }) => item)).toEqual(['i3', 'i2', 'i1']);
    expect(value.sources.map(({ legalBasis, rows }) => [legalBasis, rows])).toEqual([['contract', 4]]);
    expect((await entriesOf(core, decisionId)).map(({ row }) => row.holder)).toEqual(['person:lin']);
  });

  it('in the switch matrix what the gate decides, with its cause', async () => {
    await turn(core, 'lin', 'off', { recipient: '*' });
    const { value } = await viewSwitches(core.operations, 'lin');
    const shown = value.switches.find(
      (one) => one.recipient === 'partner:shop' && one.purpose === 'recommendation',
    );
    expect(shown?.set?.state).toBe('on');
    expect(shown?.effective).toMatchObject({ effect: 'off', reason: 'switch_off', by: { recipient: '*' } });
  });

  it('nothing of another: foreign entries, and those that are not there, look the same', async () => {
    const { receipt } = await read('lin');
    for (const number of [receipt.number, 9999, -1]) {
      expect(await codeOf(proveForPerson(core.operations, core.prover, 'maya', number))).toBe('not_found');
      expect(await codeOf(viewEntry(core.operations, 'maya', number))).toBe('not_found');
    }
    const { value } = await viewActivity(core.operations, 'maya', {}, 0);
    expect(value.entries.filter(({ operation }) => operation === 'read-data')).toEqual([]);
  });

  it('a person id that is not there is not found', async () => {
    expect(await codeOf(viewActivity(core.operations, 'nobody', {}, 0))).toBe('not_found');
    expect(await codeOf(viewData(core.operations, '', null, 0))).toBe('not_found');
  });

  it('the proof of an entry about them, which verifies without the gateway', async () => {
    const { receipt } = await read('lin');
    const { value: bundle } = await proveForPerson(core.operations, core.prover, 'lin', receipt.number);
    const trust = await core.prover.trust();
    const verified = verifyBundle(bundle, trust);
    expect(verified.verdict).toBe('holds');
    expect([verified.levels.recorded.state, verified.levels.checkpointed.state]).toEqual(['holds', 'holds']);
    expect(verified.payload).toMatchObject({ operation: 'read-data', person: 'lin' });
    const changed = bundle.replace(`"index":${receipt.number}`, `"index":${receipt.number + 1}`);
    expect(changed).not.toBe(bundle);
    expect(verifyBundle(changed, trust).verdict).toBe('does-not-hold');
  });
});

describe('an officer', () => {
  it('lists what is in the leaves, and no payload', async () => {
    await read('lin');
    const { value, decisionId } = await listEntries(core.operations, 'olga', {}, 0);
    expect(value.entries.map(({ kind, concern }) => [kind, concern])).toContainEqual(['used', 'person']);
    expect(JSON.stringify(value)).not.toMatch(/lin|browsing/);
    expect((await entriesOf(core, decisionId))[0]?.payload).toMatchObject({ operation: 'list-entries' });
  });

  it('opens an entry, and whom it concerns sees that they did', async () => {
    const { receipt } = await read('lin');
    const { value } = await openEntry(core.operations, 'olga', receipt.number);
    expect(value.payload).toMatchObject({ person: 'lin', operation: 'read-data' });
    await proveForOfficer(core.operations, core.prover, 'olga', receipt.number);
    const seen = (await viewActivity(core.operations, 'lin', {}, 0)).value.entries;
    expect(
      seen.map(({ operation, callerKind, callerId }) => [operation, callerKind, callerId]).slice(0, 3),
    ).toEqual([
      ['open-entry', 'officer', 'olga'],
      ['open-entry', 'officer', 'olga'],
      ['read-data', 'partner', 'shop'],
    ]);
    expect((await viewActivity(core.operations, 'maya', {}, 0)).value.total).toBe(0);
  });

  it('finds nothing under a number that is not there', async () => {
    expect(await codeOf(openEntry(core.operations, 'olga', 9999))).toBe('not_found');
    expect(await codeOf(proveForOfficer(core.operations, core.prover, 'olga', 9999))).toBe('not_found');
  });
});

describe('separation of duties', () => {
  it.each(['analyst', 'operator', 'partner', 'person'] as const)('%s cannot open entries', async (kind) => {
    const { receipt } = await read('lin');
    let opened = false;
    const calling = core.gate.run(
      {
        caller: { kind, id: kind === 'person' ? 'lin' : 'someone' },
        operation: 'open-entry',
        purpose: 'service',
        categories: ['profile'],
        recipients: ['officer'],
        person: 'lin',
        grant: null,
        about: { entry: receipt.number },
      },
      async () => {
        opened = true;
        return { value: null };
      },
    );
    expect(await codeOf(calling)).toBe('forbidden');
    expect(opened).toBe(false);
    expect((await entriesOf(core)).at(-1)?.kind).toBe('refused');
  });
});
