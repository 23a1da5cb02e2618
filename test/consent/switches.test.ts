import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asc, eq } from 'drizzle-orm';
import { foldEvents, loadPerson, turnSwitch, type ConsentEvent } from '../../gateway/consent/switches.ts';
import type { Category, Purpose, SwitchRecipient } from '../../gateway/consent/vocabulary.ts';
import { allowOnly, setSwitches, type SwitchChange } from '../../gateway/operations/set-switch.ts';
import { consentEvent } from '../../gateway/store/tables.ts';
import {
  addPartner,
  addPerson,
  closeCores,
  entriesOf,
  openTestCore,
  turn,
  type TestCore,
} from '../support/core.ts';

let core: TestCore;
let people = 0;

beforeAll(async () => {
  core = await openTestCore();
  await addPartner(core, 'shop');
  await addPartner(core, 'other');
});
afterAll(closeCores);

const nextPerson = (): Promise<string> => addPerson(core, `person-${(people += 1)}`);

async function storedState(person: string): Promise<Map<string, 'on' | 'off'>> {
  const state = await core.store.read((reader) => loadPerson(reader, person));
  return new Map(
    (state?.switches ?? []).map((s) => [`${s.category}/${s.purpose}/${s.recipient}`, s.state] as const),
  );
}

async function storedEvents(person: string) {
  return core.store.read(async (reader) =>
    reader.db
      .select()
      .from(consentEvent)
      .where(eq(consentEvent.person, person))
      .orderBy(asc(consentEvent.number)),
  );
}

const sorted = (state: Map<string, string>): [string, string][] =>
  [...state].sort(([a], [b]) => (a < b ? -1 : 1));

const step = fc.record({
  category: fc.constantFrom<Category>('browsing', 'profile'),
  purpose: fc.constantFrom<Purpose>('recommendation', 'pricing'),
  recipient: fc.constantFrom<SwitchRecipient>('*', 'partner:shop', 'engine:recommend'),
  action: fc.constantFrom('on', 'off', 'unset'),
});

describe('switches', () => {
  it('are the fold of the consent events, after any history and at every point of it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (history) => {
        const [person, bystander] = [await nextPerson(), await nextPerson()];
        await turn(core, bystander, 'on');
        const done: typeof history = [];
        for (const one of history) {
          await turn(core, person, one.action, one);
          done.push(one);
          if (done.length % 8 === 0)
            expect(sorted(await storedState(person))).toEqual(sorted(foldEvents(done)));
        }
        const events = (await storedEvents(person)) as unknown as ConsentEvent[];
        expect(events.map(({ category, purpose, recipient, action }) => ({ category, purpose, recipient, action }))).toEqual(history); // prettier-ignore
        expect(sorted(await storedState(person))).toEqual(sorted(foldEvents(events)));
        expect(sorted(await storedState(bystander))).toEqual([
          ['browsing/recommendation/engine:recommend', 'on'],
        ]);
      }),
      { numRuns: 40, seed: 7 },
    );
  });

  it('stay the fold when a transaction is undone in the middle', async () => {
    const person = await nextPerson();
    await turn(core, person, 'on');
    const event = (recipient: SwitchRecipient): ConsentEvent => ({
      person,
      category: 'browsing',
      purpose: 'recommendation',
      recipient,
      action: 'off',
      method: 'portal',
      noticeHash: null,
      validUntilMs: null,
      extent: {},
      collectedMs: core.clock.nowMs(),
    });
    const undone = core.store.write(async (tx) => {
      await turnSwitch(tx, event('engine:recommend'), core.clock.nowMs());
      throw new Error('undone');
    });
    const done = core.store.write((tx) => turnSwitch(tx, event('*'), core.clock.nowMs()));
    await expect(undone).rejects.toThrow('undone');
    await done;
    const events = (await storedEvents(person)) as unknown as ConsentEvent[];
    expect(events).toHaveLength(2);
    expect(sorted(await storedState(person))).toEqual(sorted(foldEvents(events)));
  });

  it('number consent events without a gap, whoever turns them at the same time', async () => {
    const many = await Promise.all(Array.from({ length: 20 }, nextPerson));
    const numbers = (await Promise.all(many.map((person) => turn(core, person, 'on')))).sort((a, b) => a - b);
    expect(numbers.map((number) => number - (numbers[0] ?? 0))).toEqual(many.map((_, index) => index));
  });
});

describe('set-switch', () => {
  const good: SwitchChange = {
    category: 'browsing',
    purpose: 'recommendation',
    recipient: 'partner:shop',
    action: 'on',
    noticeHash: null,
  };
  const bad: [string, SwitchChange[], string][] = [
    ['an unknown category', [good, { ...good, category: 'dreams' }], 'unknown_category'],
    ['an unknown purpose', [good, { ...good, purpose: 'surveillance' }], 'unknown_purpose'],
    ['an unknown engine part', [good, { ...good, recipient: 'engine:spy' }], 'unknown_recipient'],
    ['a partner not registered', [good, { ...good, recipient: 'partner:nobody' }], 'unknown_recipient'],
    ['the person as recipient', [good, { ...good, recipient: 'self' }], 'unknown_recipient'],
    ['an inherited word', [good, { ...good, category: 'constructor' }], 'unknown_category'],
    ['an unknown action', [good, { ...good, action: 'maybe' as never }], 'malformed_request'],
    ['nothing', [], 'malformed_request'],
    ['too many', Array.from({ length: 201 }, () => good), 'malformed_request'],
  ];

  it.each(bad)('%s is refused and nothing is turned', async (_name, changes, code) => {
    const person = await nextPerson();
    await expect(setSwitches(core.operations, person, changes)).rejects.toMatchObject({ code });
    expect(await storedState(person)).toEqual(new Map());
    expect(await storedEvents(person)).toEqual([]);
  });

  it('an off for a partner that is gone is still taken', async () => {
    const person = await nextPerson();
    await setSwitches(core.operations, person, [{ ...good, recipient: 'partner:nobody', action: 'off' }]);
    expect(sorted(await storedState(person))).toEqual([['browsing/recommendation/partner:nobody', 'off']]);
  });

  it('leaves one entry that names what was turned, opened by the evidence key', async () => {
    const person = await nextPerson();
    const { receipt, decisionId } = await setSwitches(core.operations, person, [
      good,
      { ...good, recipient: '*', action: 'off', noticeHash: 'cd'.repeat(32) },
    ]);
    const [only, ...more] = await entriesOf(core, decisionId);
    expect(more).toEqual([]);
    expect(only?.row.number).toBe(receipt.number);
    expect(only?.row.keyClass).toBe('evidence');
    expect(only?.payload).toMatchObject({
      operation: 'set-switch',
      switches: [
        { recipient: 'partner:shop', action: 'on' },
        { recipient: '*', action: 'off', notice: 'cd'.repeat(32) },
      ],
    });
  });
});

describe('allow only this one', () => {
  const only = {
    category: 'browsing',
    purpose: 'recommendation',
    recipient: 'partner:shop',
    noticeHash: null,
  };

  it('replaces a general off by unset and turns every other one explicitly off, in one entry', async () => {
    const person = await nextPerson();
    await turn(core, person, 'off', { recipient: '*' });
    await turn(core, person, 'on', { recipient: 'partner:other' });
    await turn(core, person, 'on', { recipient: 'engine:recommend' });
    await turn(core, person, 'on', { recipient: '*', purpose: 'pricing' });
    const { decisionId, value } = await allowOnly(core.operations, person, only);
    expect(value).toHaveLength(4);
    expect(await entriesOf(core, decisionId)).toHaveLength(1);
    expect(sorted(await storedState(person))).toEqual([
      ['browsing/pricing/*', 'on'],
      ['browsing/recommendation/engine:recommend', 'off'],
      ['browsing/recommendation/partner:other', 'off'],
      ['browsing/recommendation/partner:shop', 'on'],
    ]);
  });

  it('also covers a switch that is turned on at the same moment', async () => {
    for (let round = 0; round < 10; round++) {
      const person = await nextPerson();
      const on: SwitchChange = { ...only, recipient: 'partner:other', action: 'on' };
      await Promise.all([
        setSwitches(core.operations, person, [on]),
        allowOnly(core.operations, person, only),
      ]);
      // The on came first, so "only" was decided with it in view.
      expect((await storedState(person)).get('browsing/recommendation/partner:other')).toBe('off');
    }
  });

  it.each([
    [{ ...only, category: 'dreams' }, 'unknown_category'],
    [{ ...only, purpose: 'surveillance' }, 'unknown_purpose'],
    [{ ...only, recipient: 'partner:nobody' }, 'unknown_recipient'],
  ])('bad terms turn nothing: %o', async (wrong, code) => {
    const person = await nextPerson();
    await turn(core, person, 'off', { recipient: '*' });
    await expect(allowOnly(core.operations, person, wrong)).rejects.toMatchObject({ code });
    expect(sorted(await storedState(person))).toEqual([['browsing/recommendation/*', 'off']]);
  });
});
