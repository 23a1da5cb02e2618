import { eq } from 'drizzle-orm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leafHash, verifyInclusion } from '../../gateway/audit/tree.ts';
import { Permit } from '../../gateway/consent/decide.ts';
import { GatewayError } from '../../gateway/errors.ts';
import {
  createGate,
  leavesPerOperation,
  Refusal,
  type Gate,
  type GateRequest,
  type LongRequest,
  type LongWork,
} from '../../gateway/gate.ts';
import type { Log } from '../../gateway/audit/log.ts';
import { readEvents, readEventsOfMany } from '../../gateway/operations/rows.ts';
import {
  event,
  notice,
  person as personTable,
  run as runTable,
  runMember,
  setting,
} from '../../gateway/store/tables.ts';
import {
  addEvent,
  addPartner,
  addPerson,
  closeCore,
  closeCores,
  entriesOf,
  noticeHash,
  openTestCore,
  partnerRead,
  turn,
  type TestCore,
} from '../support/core.ts';
import { describeOnStores } from '../support/on-stores.ts';

let core: TestCore;

beforeEach(async () => {
  core = await openTestCore();
  await addPartner(core);
  await addPerson(core, 'lin', { browsed: ['i1', 'i2'] });
});
afterEach(closeCores);

const allowLin = () => turn(core, 'lin', 'on', { recipient: 'partner:shop' });
const kinds = async (operationId?: string): Promise<string[]> =>
  (await entriesOf(core, operationId)).map(({ kind }) => kind);
const caught = async (promise: Promise<unknown>): Promise<GatewayError> => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof GatewayError)) throw new Error(`not a GatewayError: ${String(error)}`);
  return error;
};
const setting0 = { name: 'trace', value: 'work was done' };
const traces = () => core.store.read(async (reader) => reader.db.select().from(setting));

/** The gate over a log whose next appends fail. */
function gateWithFailingLog(times: number, failure: () => Error): Gate {
  let left = times;
  const log: Log = {
    ...core.log,
    append: (tx, entry) => (left-- > 0 ? Promise.reject(failure()) : core.log.append(tx, entry)),
  };
  return createGate({ store: core.store, log, keyring: core.keyring, system: core.system });
}

describeOnStores('an allowed use', () => {
  it('answers with its value and an entry whose receipt verifies against the signed tree', async () => {
    await allowLin();
    const released = await core.gate.run(partnerRead('lin'), async (permit, tx) => {
      const rows = await readEvents(permit, tx, 'lin', 'browsing');
      return { value: rows.length, counts: { rows: rows.length }, about: { digest: 'd' } };
    });
    expect(released.value).toBe(2);
    const [entry] = await entriesOf(core, released.decisionId);
    expect(entry?.row).toMatchObject({
      number: released.receipt.number,
      outcome: 'allowed',
      recipient: 'partner:shop',
      holder: 'person:lin',
      keyClass: 'data',
    });
    expect(entry?.payload).toMatchObject({
      caller: { kind: 'partner', id: 'shop' },
      operation: 'read-data',
      purpose: 'recommendation',
      categories: ['browsing'],
      recipients: ['partner:shop'],
      person: 'lin',
      decision: 'allowed',
      basis: 'consent',
      notices: [noticeHash],
      counts: { rows: 2 },
      digest: 'd',
    });
    const head = await core.publisher.publish();
    const tree = await core.log.tree();
    expect(leafHash(entry?.row.leaf as Buffer)).toEqual(new Uint8Array(released.receipt.leafHash));
    expect(
      verifyInclusion({
        index: released.receipt.number,
        size: head?.size ?? 0,
        leafHash: released.receipt.leafHash,
        root: head?.root ?? new Uint8Array(),
        path: tree.inclusionPath(released.receipt.number, head?.size ?? 0),
      }),
    ).toBe(true);
  });

  it('commits work and entry together, and hears of it only when both are durable', async () => {
    await allowLin();
    const released = await core.gate.run(partnerRead('lin'), async (_permit, tx) => {
      await tx.db.insert(setting).values(setting0);
      return { value: core.log.durableSize() };
    });
    expect(released.value).toBe(released.receipt.number);
    expect(core.log.durableSize()).toBe(released.receipt.number + 1);
    expect(await traces()).toContainEqual(setting0);
  });

  it('puts nothing of the person into the leaf', async () => {
    await allowLin();
    const { decisionId } = await core.gate.run(partnerRead('lin'), async () => ({ value: null }));
    const [entry] = await entriesOf(core, decisionId);
    const leaf = (entry?.row.leaf ?? Buffer.alloc(0)).toString('latin1');
    for (const word of ['lin', 'shop', 'browsing', 'recommendation']) expect(leaf).not.toContain(word);
    expect((entry?.row.payload ?? Buffer.alloc(0)).toString('latin1')).not.toContain('recommendation');
  });
});

describe('an entry whose sync hangs', () => {
  it('is not answered, not counted and not signed', async () => {
    let isHeld = false;
    let release: () => void = () => undefined;
    const held = await openTestCore({
      openSync: () => ({
        sync: () => (isHeld ? new Promise<void>((resolve) => (release = resolve)) : Promise.resolve()),
        close: async () => undefined,
      }),
    });
    await addPartner(held);
    await addPerson(held, 'lin', { browsed: ['i1'] });
    isHeld = true;
    let answered = false;
    const calling = held.gate
      .run(partnerRead('lin'), async () => ({ value: null }))
      .catch((error: unknown) => error)
      .finally(() => (answered = true));
    await new Promise((resolve) => setTimeout(resolve, 30));
    // The row is committed and can be seen; nobody is told of it.
    expect(await entriesOf(held)).toHaveLength(1);
    expect([answered, held.log.durableSize(), (await held.log.tree()).size]).toEqual([false, 0, 0]);
    isHeld = false;
    release();
    expect(await calling).toBeInstanceOf(Refusal);
    expect(held.log.durableSize()).toBe(1);
    // The entry, and the map head over it.
    expect((await held.publisher.publish())?.size).toBe(2);
  });
});

describeOnStores('an entry that is not durable', () => {
  it('is not counted when its transaction is undone', async () => {
    await allowLin();
    const undone = core.store.write(async (tx) => {
      await core.log.append(tx, {
        kind: 'used',
        concern: { kind: 'system' },
        operationId: 'o',
        atMs: core.clock.nowMs(),
        outcome: 'allowed',
        recipient: null,
        keyClass: 'data',
        payload: {},
      });
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    expect(core.log.durableSize()).toBe(0);
    const { receipt } = await core.gate.run(partnerRead('lin'), async () => ({ value: null }));
    expect(receipt.number).toBe(0);
  });
});

describeOnStores('a refused use', () => {
  it('does no work, and its entry is there', async () => {
    let worked = false;
    const refusal = (await caught(
      core.gate.run(partnerRead('lin'), async () => {
        worked = true;
        return { value: null };
      }),
    )) as Refusal;
    expect(refusal).toBeInstanceOf(Refusal);
    expect(refusal).toMatchObject({ code: 'consent_required', reason: 'switch_unset', status: 403 });
    expect(worked).toBe(false);
    const [entry] = await entriesOf(core, refusal.decisionId);
    expect(entry?.kind).toBe('refused');
    expect(entry?.row).toMatchObject({ number: refusal.receipt.number, holder: 'person:lin' });
    expect(entry?.payload).toMatchObject({ decision: 'refused', reason: 'switch_unset', person: 'lin' });
    expect(refusal.details).toMatchObject({ decision: refusal.decisionId, entry: refusal.receipt.number });
  });

  it('tells the partner less than the person and the officer read', async () => {
    await allowLin();
    await core.store.write(async (tx) => {
      await tx.db.update(personTable).set({ status: 'restricted' }).where(eq(personTable.id, 'lin'));
    });
    const refusal = (await caught(
      core.gate.run(partnerRead('lin'), async () => ({ value: null })),
    )) as Refusal;
    expect(refusal.code).toBe('not_available');
    expect(JSON.stringify([refusal.message, refusal.details])).not.toMatch(/restrict/);
    expect((await entriesOf(core, refusal.decisionId))[0]?.payload).toMatchObject({
      reason: 'person_restricted',
    });
  });

  it.each<[string, Partial<GateRequest>, string]>([
    ['whose grant is gone', { grant: null }, 'grant_gone'],
    ['for an unknown purpose', { purpose: 'surveillance' as never }, 'unknown_term'],
    [
      'for a foreign person',
      { caller: { kind: 'person', id: 'maya' }, operation: 'view-own' },
      'not_own_data',
    ],
    ['outside a role', { caller: { kind: 'analyst', id: 'a' }, operation: 'open-entry' }, 'role_not_allowed'],
  ])('to an authenticated caller %s is an entry', async (_name, change, reason) => {
    await allowLin();
    const refusal = (await caught(
      core.gate.run(partnerRead('lin', change), async () => ({ value: null })),
    )) as Refusal;
    expect(refusal.reason).toBe(reason);
    expect((await entriesOf(core, refusal.decisionId))[0]?.payload).toMatchObject({ reason });
  });
});

describeOnStores('work that fails', () => {
  it('is undone, and that it failed is an entry', async () => {
    await allowLin();
    const failing = core.gate.run(partnerRead('lin'), async (_permit, tx) => {
      await tx.db.insert(setting).values(setting0);
      throw new Error('the work broke');
    });
    await expect(failing).rejects.toThrow('the work broke');
    expect(await traces()).not.toContainEqual(setting0);
    const all = await entriesOf(core);
    expect(all.map(({ kind }) => kind)).toEqual(['failed']);
    expect(all[0]?.payload).toMatchObject({ decision: 'failed', code: 'internal', operation: 'read-data' });
  });

  it('keeps its own error code in the entry', async () => {
    await allowLin();
    const failing = core.gate.run(partnerRead('lin'), async () => {
      throw new GatewayError('not_trained');
    });
    expect((await caught(failing)).code).toBe('not_trained');
    expect((await entriesOf(core))[0]?.payload).toMatchObject({ code: 'not_trained' });
  });

  it('its permit is ended all the same', async () => {
    await allowLin();
    let kept: Permit | undefined;
    const failing = core.gate.run(partnerRead('lin'), async (permit) => {
      kept = permit;
      throw new Error('broke');
    });
    await expect(failing).rejects.toThrow('broke');
    expect(() => Permit.check(kept as Permit, 'lin', 'browsing')).toThrow('ended');
  });
});

describeOnStores('a caller that cannot be identified', () => {
  it('gets its error and leaves no entry', async () => {
    await allowLin();
    const calling = core.gate.run(
      async () => {
        throw new GatewayError('invalid_token');
      },
      async () => ({ value: null }),
    );
    expect((await caught(calling)).code).toBe('invalid_token');
    expect(await kinds()).toEqual([]);
  });
});

describeOnStores('when the log cannot be written', () => {
  it.each([
    ['an allowed use', true],
    ['a refusal', false],
  ])('%s is 503 and nothing was done', async (_name, isAllowed) => {
    if (isAllowed) await allowLin();
    const gate = gateWithFailingLog(Infinity, () => new Error('the disk is gone'));
    let answered: unknown;
    const calling = gate.run(partnerRead('lin'), async (permit, tx) => {
      await tx.db.insert(setting).values(setting0);
      return { value: await readEvents(permit, tx, 'lin', 'browsing') };
    });
    calling.then(
      (value) => (answered = value),
      () => undefined,
    );
    expect(await caught(calling)).toMatchObject({ code: 'log_unavailable', status: 503 });
    expect(answered).toBeUndefined();
    expect(await traces()).not.toContainEqual(setting0);
    expect(await kinds()).toEqual([]);
  });

  it('long work does not start', async () => {
    await turn(core, 'lin', 'on');
    const gate = gateWithFailingLog(Infinity, () => new Error('the disk is gone'));
    let computed = 0;
    const calling = gate.runLong(training, {
      ...plainWork,
      compute: async () => (computed += 1),
    });
    expect(await caught(calling)).toMatchObject({ code: 'log_unavailable', status: 503 });
    expect(computed).toBe(0);
    expect(await core.store.read(async (reader) => reader.db.select().from(runTable))).toEqual([]);
  });

  it('a clock that went back an hour stops everything and changes nothing', async () => {
    await allowLin();
    await core.gate.run(partnerRead('lin'), async () => ({ value: null }));
    core.clock.advance(-3_600_000);
    const calling = core.gate.run(partnerRead('lin'), async () => ({ value: null }));
    expect(await caught(calling)).toMatchObject({ status: 503 });
    expect(await kinds()).toEqual(['used']);
  });
});

describeOnStores('an operation on many people', () => {
  const touching = (people: string[]) =>
    core.gate.run(
      {
        caller: { kind: 'operator', id: 'op' },
        operation: 'import-data',
        purpose: 'service',
        categories: ['profile'],
        recipients: ['operator'],
        person: null,
        grant: null,
      },
      async () => ({ value: null, kind: 'imported', touched: { people, population: 'import' } }),
    );
  const manyPeople = async (count: number): Promise<string[]> => {
    const names = Array.from({ length: count }, (_, index) => `p${String(index).padStart(3, '0')}`);
    await Promise.all(names.map((name) => addPerson(core, name)));
    return names;
  };

  it('writes one leaf each up to 64, under one operation id', async () => {
    const people = await manyPeople(leavesPerOperation);
    const { decisionId } = await touching(people);
    const entries = await entriesOf(core, decisionId);
    expect(entries.map(({ row }) => row.holder)).toEqual(people.map((id) => `person:${id}`));
    expect(entries.map(({ payload }) => payload?.['person'])).toEqual(people);
  });

  it('writes one leaf for the population above 64, and each of them is a member', async () => {
    const people = await manyPeople(leavesPerOperation + 1);
    const { decisionId, receipt } = await touching(people);
    const entries = await entriesOf(core, decisionId);
    expect(entries.map(({ row }) => row.holder)).toEqual(['population:import']);
    const members = await core.store.read(async (reader) =>
      reader.db.select().from(runMember).where(eq(runMember.run, decisionId)),
    );
    expect(members.map(({ person }) => person)).toEqual(people);
    const [run] = await core.store.read(async (reader) =>
      reader.db.select().from(runTable).where(eq(runTable.id, decisionId)),
    );
    expect(run).toMatchObject({ state: 'released', people: 65, startedEntry: receipt.number });
  });

  it('on nobody concerns the system', async () => {
    const { decisionId } = await touching([]);
    expect((await entriesOf(core, decisionId)).map(({ row }) => row.holder)).toEqual(['system']);
  });
});

// ---- long operations ----

const training: LongRequest = {
  caller: { kind: 'system', id: 'scheduler' },
  operation: 'train-recommender',
  purpose: 'recommendation',
  categories: ['browsing'],
  recipients: ['engine:recommend'],
  population: 'recommendation/browsing/engine:recommend',
};
const plainWork: LongWork<undefined, unknown, unknown> = {
  start: async () => undefined,
  compute: async (permits) => [...permits.keys()],
  finish: async (_tx, result) => ({ value: result }),
};

describeOnStores('long work', () => {
  beforeEach(async () => {
    for (const id of ['ada', 'ben', 'cyd']) {
      await addPerson(core, id, { browsed: ['i1'] });
      await turn(core, id, 'on');
    }
  });

  const runOf = async (id: string) =>
    (
      await core.store.read(async (reader) => reader.db.select().from(runTable).where(eq(runTable.id, id)))
    )[0];
  const membersOf = async (id: string): Promise<string[]> =>
    (
      await core.store.read(async (reader) => reader.db.select().from(runMember).where(eq(runMember.run, id)))
    ).map(({ person }) => person);

  it('reads exactly the people who allow it, and all its entries are under one id', async () => {
    const released = await core.gate.runLong(training, {
      ...plainWork,
      compute: async (permits) =>
        (await core.store.read((reader) => readEventsOfMany(permits, reader, 'browsing'))).map(
          ({ person }) => person,
        ),
    });
    expect(released.value).toEqual(['ada', 'ben', 'cyd']);
    expect(await membersOf(released.run)).toEqual(['ada', 'ben', 'cyd']);
    const entries = await entriesOf(core, released.decisionId);
    expect(entries.map(({ kind }) => kind)).toEqual(['started', 'released']);
    expect(entries[1]?.row.number).toBe(released.receipt.number);
    expect(await runOf(released.run)).toMatchObject({
      state: 'released',
      people: 3,
      startedEntry: entries[0]?.row.number,
      endedEntry: entries[1]?.row.number,
    });
    expect(entries[0]?.payload).toMatchObject({ consent_event: 3, operation: 'train-recommender' });
  });

  const endings: [string, () => Promise<unknown>][] = [
    ['turned it off', () => turn(core, 'ben', 'off')],
    ['unset it', () => turn(core, 'ben', 'unset')],
    ['turned everything off', () => turn(core, 'ben', 'off', { recipient: '*' })],
    [
      'was restricted',
      () =>
        core.store.write(async (tx) => {
          await tx.db.update(personTable).set({ status: 'restricted' }).where(eq(personTable.id, 'ben'));
        }),
    ],
    [
      'agreed until a moment that passed',
      async () => {
        core.clock.advance(120_000);
      },
    ],
    [
      'agreed under a notice that asks again now',
      () =>
        core.store.write(async (tx) => {
          await tx.db
            .update(notice)
            .set({ replacedAsksAgain: 1 })
            .where(eq(notice.hash, 'ee'.repeat(32)));
        }),
    ],
  ];

  it.each(endings)(
    'someone who %s meanwhile is dropped and the result computed again',
    async (name, leave) => {
      if (name.includes('moment'))
        await turn(core, 'ben', 'on', { validUntilMs: core.clock.nowMs() + 60_000 });
      if (name.includes('notice')) {
        await core.store.write(async (tx) => {
          const hash = 'ee'.repeat(32);
          await tx.db
            .insert(notice)
            .values({ id: 'n', version: 1, language: 'en', body: 'b', hash, publishedMs: 0 });
        });
        await turnUnder('ben', 'ee'.repeat(32));
      }
      const seen: string[][] = [];
      const released = await core.gate.runLong(training, {
        ...plainWork,
        async compute(permits) {
          seen.push([...permits.keys()]);
          if (seen.length === 1) await leave();
          return [...permits.keys()];
        },
      });
      expect(seen).toEqual([
        ['ada', 'ben', 'cyd'],
        ['ada', 'cyd'],
      ]);
      expect(released.value).toEqual(['ada', 'cyd']);
      expect(released.people).toBe(2);
      expect(await membersOf(released.run)).toEqual(['ada', 'cyd']);
      expect(await runOf(released.run)).toMatchObject({ state: 'released', people: 2 });
      expect(await kinds(released.decisionId)).toEqual(['started', 'released']);
    },
  );

  async function turnUnder(person: string, hash: string): Promise<void> {
    const { turnSwitch } = await import('../../gateway/consent/switches.ts');
    await core.store.write((tx) =>
      turnSwitch(
        tx,
        {
          person,
          category: 'browsing',
          purpose: 'recommendation',
          recipient: 'engine:recommend',
          action: 'on',
          method: 'portal',
          noticeHash: hash,
          validUntilMs: null,
          extent: {},
          collectedMs: core.clock.nowMs(),
        },
        core.clock.nowMs(),
      ),
    );
  }

  it('when more people leave during the second computation the result is withheld, with an entry', async () => {
    const leaving = ['ada', 'ben', 'cyd'];
    let finished = false;
    const calling = core.gate.runLong(training, {
      ...plainWork,
      async compute() {
        await turn(core, leaving.shift() ?? '', 'off');
        return 'a result nobody may see';
      },
      async finish() {
        finished = true;
        return { value: null };
      },
    });
    const error = await caught(calling);
    expect(error).toMatchObject({ code: 'consent_withdrawn', status: 409 });
    expect(finished).toBe(false);
    expect(leaving).toEqual(['cyd']);
    const id = String(error.details['decision']);
    const entries = await entriesOf(core, id);
    expect(entries.map(({ kind }) => kind)).toEqual(['started', 'withheld']);
    expect(entries[1]?.row.outcome).toBe('refused');
    expect(entries[1]?.payload).toMatchObject({ left: 1 });
    expect(await runOf(id)).toMatchObject({ state: 'withheld' });
  });

  it('someone who joins meanwhile is not in it', async () => {
    const released = await core.gate.runLong(training, {
      ...plainWork,
      async compute(permits) {
        await turn(core, 'lin', 'on');
        return [...permits.keys()];
      },
    });
    expect(released.value).toEqual(['ada', 'ben', 'cyd']);
    expect(await membersOf(released.run)).not.toContain('lin');
  });

  it('its permits are ended when the computation is', async () => {
    let kept: ReadonlyMap<string, Permit> = new Map();
    await core.gate.runLong(training, { ...plainWork, compute: async (permits) => (kept = permits) });
    expect(kept.size).toBe(3);
    for (const [person, permit] of kept) {
      expect(() => Permit.check(permit, person, 'browsing')).toThrow('ended');
    }
  });

  it('what cannot be reserved is a refusal with an entry, and nothing of it stays', async () => {
    const calling = core.gate.runLong(training, {
      ...plainWork,
      async start(tx) {
        await tx.db.insert(setting).values(setting0);
        throw new GatewayError('budget_exhausted');
      },
    });
    expect((await caught(calling)).code).toBe('budget_exhausted');
    const entries = await entriesOf(core);
    expect(entries.map(({ kind }) => kind)).toEqual(['refused']);
    expect(entries[0]?.payload).toMatchObject({ reason: 'budget_exhausted' });
    expect(await traces()).not.toContainEqual(setting0);
    expect(await core.store.read(async (reader) => reader.db.select().from(runTable))).toEqual([]);
  });

  it('a start that breaks is a failed entry, and nothing of it stays', async () => {
    const calling = core.gate.runLong(training, {
      ...plainWork,
      start: async () => {
        throw new Error('broke');
      },
    });
    await expect(calling).rejects.toThrow('broke');
    expect(await kinds()).toEqual(['failed']);
    expect(await core.store.read(async (reader) => reader.db.select().from(runTable))).toEqual([]);
  });

  it.each(['compute', 'finish'] as const)('a %s that breaks ends the run as failed', async (step) => {
    const calling = core.gate.runLong(training, {
      ...plainWork,
      [step]: async () => {
        throw new Error('broke');
      },
    });
    await expect(calling).rejects.toThrow('broke');
    const entries = await entriesOf(core);
    expect(entries.map(({ kind }) => kind)).toEqual(['started', 'failed']);
    expect(entries[0]?.row.operationId).toBe(entries[1]?.row.operationId);
    expect(await runOf(entries[0]?.row.operationId ?? '')).toMatchObject({ state: 'failed' });
  });

  it('a caller without the role is refused before anybody is looked at', async () => {
    let looked = false;
    const refusal = await caught(
      core.gate.runLong(
        { ...training, caller: { kind: 'analyst', id: 'a' } },
        {
          ...plainWork,
          eligible: async (_reader, people) => {
            looked = true;
            return people;
          },
        },
      ),
    );
    expect(refusal).toMatchObject({ code: 'forbidden', reason: 'role_not_allowed' });
    expect(looked).toBe(false);
    expect(await kinds()).toEqual(['refused']);
  });

  it('what a crash left open is closed as abandoned on the next start, and what was reserved stays spent', async () => {
    let isStarted: () => void = () => undefined;
    const started = new Promise<void>((resolve) => (isStarted = resolve));
    void core.gate
      .runLong(training, {
        ...plainWork,
        async start(tx) {
          await tx.db.insert(setting).values(setting0);
          return undefined;
        },
        compute: () => {
          isStarted();
          return new Promise(() => undefined);
        },
      })
      .catch(() => undefined);
    await started;
    const { folder } = core;
    await closeCore(core);
    core = await openTestCore({ folder });
    expect(await core.gate.closeAbandoned()).toBe(1);
    const entries = await entriesOf(core);
    expect(entries.map(({ kind }) => kind)).toEqual(['started', 'abandoned']);
    expect(entries[0]?.row.operationId).toBe(entries[1]?.row.operationId);
    expect(await runOf(entries[0]?.row.operationId ?? '')).toMatchObject({
      state: 'abandoned',
      endedEntry: entries[1]?.row.number,
    });
    expect(await traces()).toContainEqual(setting0);
    expect(await core.gate.closeAbandoned()).toBe(0);
  });

  it('a person with an on and no rows is counted as a person, and reads as none', async () => {
    await core.store.write(async (tx) => {
      await tx.db.delete(event).where(eq(event.person, 'ada'));
      await addEvent(tx, 'ben', 'i9', core.clock.nowMs());
    });
    const released = await core.gate.runLong(training, {
      ...plainWork,
      compute: async (permits) =>
        (await core.store.read((reader) => readEventsOfMany(permits, reader, 'browsing'))).map(
          ({ person, item }) => `${person}:${item}`,
        ),
    });
    expect(released.people).toBe(3);
    expect(released.value).toEqual(['ben:i1', 'ben:i9', 'cyd:i1']);
  });
});
