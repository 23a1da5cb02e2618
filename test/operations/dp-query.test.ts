import { eq } from 'drizzle-orm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Caller } from '../../gateway/consent/vocabulary.ts';
import { GatewayError } from '../../gateway/errors.ts';
import { ageBands, askPrivately } from '../../gateway/operations/dp-query.ts';
import { setBudget, viewBudget } from '../../gateway/operations/own.ts';
import type { OperationParts } from '../../gateway/operations/parts.ts';
import { budgetPerson, budgetScope, dpQuery, run, runMember, item } from '../../gateway/store/tables.ts';
import {
  addPerson,
  closeCore,
  closeCores,
  entriesOf,
  openTestCore,
  turn,
  type TestCore,
} from '../support/core.ts';

let core: TestCore;
const analyst: Caller = { kind: 'analyst', id: 'ana' };
const people = ['p0', 'p1', 'p2', 'p3', 'p4', 'p5'];
let asked = 0;

beforeEach(async () => {
  core = await openTestCore({ limits: { scopeBudgetMicro: 3_000_000, personBudgetMicro: 2_000_000 } });
  for (const [index, id] of people.entries()) {
    await addPerson(core, id, { age: 20 + index * 5 });
    await turn(core, id, 'on', { category: 'profile', purpose: 'analytics', recipient: 'engine:privacy' });
  }
});
afterEach(closeCores);

const ask = (
  epsilon: string,
  more: { question?: string; key?: string; parts?: OperationParts; caller?: Caller } = {},
) =>
  askPrivately(more.parts ?? core.operations, more.caller ?? analyst, {
    question: more.question ?? 'people_by_age_band',
    epsilon,
    idempotencyKey: more.key ?? `key-${(asked += 1)}`,
  });

const spentBy = async (id: string): Promise<number> =>
  (
    await core.store.read(async (reader) =>
      reader.db.select().from(budgetPerson).where(eq(budgetPerson.person, id)),
    )
  )[0]?.spentMicro ?? 0;
const scopeSpent = async (): Promise<number> =>
  (await core.store.read(async (reader) => reader.db.select().from(budgetScope)))[0]?.spentMicro ?? 0;
const membersOf = async (id: string): Promise<string[]> =>
  (
    await core.store.read(async (reader) => reader.db.select().from(runMember).where(eq(runMember.run, id)))
  ).map(({ person }) => person);
const failing = async (promise: Promise<unknown>): Promise<GatewayError> => {
  const error = await promise.catch((reason: unknown) => reason);
  if (!(error instanceof GatewayError)) throw new Error(`not refused: ${String(error)}`);
  return error;
};

describe('a private count', () => {
  it('answers for every public group, says its noise, and charges scope and people with its entry', async () => {
    const {
      value,
      run: id,
      decisionId,
    } = (await ask('0.5')) as Awaited<ReturnType<typeof ask>> & { run: string };
    expect(value.groups.map(({ group }) => group)).toEqual([...ageBands]);
    expect(value.groups.every(({ count }) => Number.isSafeInteger(count))).toBe(true);
    expect(value).toMatchObject({
      mechanism: 'discrete Laplace',
      scale: { numerator: '2', denominator: '1' },
      unit: 'people',
      groups_per_person: 1,
    });
    // For scale b the two-sided tail beyond h is at most 5 %: 2·e^{-(h+1)/b} / (1 + e^{-1/b}).
    const tail = (h: number): number => (2 * Math.exp(-(h + 1) / 2)) / (1 + Math.exp(-1 / 2));
    expect(tail(value.half_width_95)).toBeLessThanOrEqual(0.05);
    expect(tail(value.half_width_95 - 1)).toBeGreaterThan(0.05);
    expect([await scopeSpent(), await spentBy('p0')]).toEqual([500_000, 500_000]);
    expect(await membersOf(id)).toEqual(people);
    const entries = await entriesOf(core, decisionId);
    expect(entries.map(({ kind }) => kind)).toEqual(['started', 'released']);
    expect(entries[0]?.payload).toMatchObject({ question: 'people_by_age_band', epsilon_micro: 500_000 });
    // The answer lies beside the query; the log keeps its digest.
    expect(JSON.stringify(entries.map(({ payload }) => payload))).not.toContain('"groups":');
  });

  it("without anybody's consent counts a population of 0, and costs the people nothing", async () => {
    for (const id of people) {
      await turn(core, id, 'unset', {
        category: 'profile',
        purpose: 'analytics',
        recipient: 'engine:privacy',
      });
    }
    const { people: counted } = (await ask('1')) as unknown as { people: number };
    expect(counted).toBe(0);
    expect(await core.store.read(async (reader) => reader.db.select().from(budgetPerson))).toEqual([]);
  });
});

it('counts items whose source gives one genre as text, and passes over what is no genre', async () => {
  const viewers = Array.from({ length: 60 }, (_, index) => `viewer-${index}`);
  for (const id of viewers) {
    await addPerson(core, id, { browsed: ['one-text', 'a-number'] });
    await turn(core, id, 'on', { category: 'browsing', purpose: 'analytics', recipient: 'engine:privacy' });
  }
  await core.store.write(async (tx) => {
    for (const [key, genres] of [
      ['one-text', 'War'],
      ['a-number', 7],
    ] as const)
      await tx.db
        .update(item)
        .set({ attributes: JSON.stringify({ genres }) })
        .where(eq(item.key, key));
  });
  const { value } = await ask('1', { question: 'people_by_genre' });
  // Noise of scale 3 is beyond 45 once in seven million runs.
  expect(value.groups.find(({ group }) => group === 'War')?.count).toBeGreaterThan(15);
  expect(value.groups.find(({ group }) => group === 'Drama')?.count).toBeLessThan(45);
});

describe('a bad question', () => {
  it.each([
    '0',
    '-1',
    '-0.5',
    'NaN',
    'Infinity',
    '1e9',
    '1000000',
    '1.0000001',
    '',
    ' ',
    'one',
    '0x1',
    '1,5',
    '0.0000000001',
  ])('ε of %j is refused with 400, charges nothing', async (epsilon) => {
    const error = await failing(ask(epsilon));
    expect([error.code, error.status]).toEqual(['epsilon_out_of_range', 400]);
    expect(await scopeSpent()).toBe(0);
    expect(await core.store.read(async (reader) => reader.db.select().from(dpQuery))).toEqual([]);
  });

  it.each(['', 'people_by_salary', '__proto__', 'constructor', 'toString'])(
    'the question %j is unknown, and the error says what is offered',
    async (question) => {
      const error = await failing(ask('1', { question }));
      expect(error).toMatchObject({ code: 'unknown_query', status: 400 });
      expect(error.details['offered']).toEqual(['people_by_age_band', 'people_by_genre']);
    },
  );

  it('of a caller without the role is refused with an entry, and charges nothing', async () => {
    const error = await failing(ask('1', { caller: { kind: 'person', id: 'p0' } }));
    expect(error).toMatchObject({ code: 'forbidden', reason: 'role_not_allowed' });
    expect((await entriesOf(core)).map(({ kind }) => kind)).toEqual(['refused']);
    expect(await scopeSpent()).toBe(0);
  });
});

describe('the same query again', () => {
  it('gets the stored answer, an entry, and no new charge', async () => {
    const first = await ask('1', { key: 'k' });
    const second = await ask('1', { key: 'k' });
    expect(second.value).toEqual(first.value);
    expect(second.decisionId).not.toBe(first.decisionId);
    expect((await entriesOf(core, second.decisionId))[0]?.payload).toMatchObject({ operation: 'dp-answer' });
    expect([await scopeSpent(), await spentBy('p0')]).toEqual([1_000_000, 1_000_000]);
  });

  it("of a partner gets it too, without any person's grant", async () => {
    const caller: Caller = { kind: 'partner', id: 'shop' };
    const first = await ask('1', { key: 'k', caller });
    expect((await ask('1', { key: 'k', caller })).value).toEqual(first.value);
  });

  it('with another question or ε under the same key is a mismatch', async () => {
    await ask('1', { key: 'k' });
    expect((await failing(ask('0.5', { key: 'k' }))).code).toBe('idempotency_mismatch');
    expect((await failing(ask('1', { key: 'k', question: 'people_by_genre' }))).code).toBe(
      'idempotency_mismatch',
    );
    expect(await scopeSpent()).toBe(1_000_000);
    const refused = (await entriesOf(core)).slice(-2);
    expect(refused.map(({ kind, payload }) => [kind, payload?.['code']])).toEqual([
      ['failed', 'idempotency_mismatch'],
      ['failed', 'idempotency_mismatch'],
    ]);
  });

  it('of another caller is another query', async () => {
    await ask('0.5', { key: 'k' });
    await ask('0.5', { key: 'k', caller: { kind: 'analyst', id: 'other' } });
    expect(await scopeSpent()).toBe(1_000_000);
  });

  it('at the same moment is answered once and charged once', async () => {
    const results = await Promise.allSettled(Array.from({ length: 4 }, () => ask('0.5', { key: 'k' })));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const result of results) {
      if (result.status === 'rejected')
        expect(result.reason).toMatchObject({ code: 'conflict', status: 409 });
    }
    expect(await scopeSpent()).toBe(500_000);
    expect(await spentBy('p0')).toBe(500_000);
  });
});

describe('the budget', () => {
  it('of the scope is never overspent, however many ask at once', async () => {
    const results = await Promise.allSettled(Array.from({ length: 12 }, () => ask('0.5')));
    const answered = results.filter(({ status }) => status === 'fulfilled').length;
    // Six fit the scope, four a person: after four everybody is left out and the scope pays alone.
    expect(answered).toBeLessThanOrEqual(6);
    expect(answered).toBeGreaterThan(0);
    for (const result of results) {
      if (result.status === 'rejected')
        expect(['budget_exhausted', 'conflict']).toContain((result.reason as GatewayError).code);
    }
    expect(await scopeSpent()).toBe(answered * 500_000);
    for (const id of people) expect(await spentBy(id)).toBeLessThanOrEqual(2_000_000);
  });

  it('once spent refuses with 429, and each refusal is an entry', async () => {
    for (let round = 0; round < 3; round++) await ask('1');
    const error = await failing(ask('1'));
    expect([error.code, error.status]).toEqual(['budget_exhausted', 429]);
    expect((await entriesOf(core)).at(-1)?.payload).toMatchObject({ reason: 'budget_exhausted' });
    expect(await scopeSpent()).toBe(3_000_000);
  });

  it('of a person leaves them out silently, and nobody can see who', async () => {
    await setBudget(core.operations, 'p0', 400_000);
    const answer = await ask('0.5');
    const { run: id } = answer as unknown as { run: string };
    expect(await membersOf(id)).toEqual(people.slice(1));
    expect(await spentBy('p0')).toBe(0);
    expect(JSON.stringify(answer.value)).not.toMatch(/p0|exhaust|left/);
    const { value } = await viewBudget(core.operations, 'p0');
    expect(value).toMatchObject({ spentMicro: 0, limitMicro: 400_000, charges: [] });
    expect((await viewBudget(core.operations, 'p1')).value).toMatchObject({
      spentMicro: 500_000,
      charges: [{ costMicro: 500_000 }],
    });
  });

  it('a limit below what was spent takes the person out, and undoes nothing', async () => {
    await ask('0.5');
    await setBudget(core.operations, 'p0', 0);
    expect(await spentBy('p0')).toBe(500_000);
    const { run: id } = (await ask('0.001')) as unknown as { run: string };
    expect(await membersOf(id)).not.toContain('p0');
    for (const wrong of [-1, 0.5, NaN, 1e12]) {
      expect(() => setBudget(core.operations, 'p0', wrong)).toThrow(GatewayError);
    }
  });

  it.each(['before it is computed', 'while it is computed'])(
    'stays spent when the process dies %s',
    async (when) => {
      let reading = 0;
      let reached: () => void = () => undefined;
      const atDeath = new Promise<void>((resolve) => (reached = resolve));
      const parts: OperationParts = {
        ...core.operations,
        // The first read looks for an earlier answer; the one after "started" never ends.
        read: (work) => {
          reading += 1;
          if (reading < 2) return core.operations.read(work);
          if (when.startsWith('while')) void core.operations.read(work);
          reached();
          return new Promise(() => undefined);
        },
      };
      void ask('0.5', { parts, key: 'dying' }).catch(() => undefined);
      await atDeath;
      const { folder } = core;
      await closeCore(core);
      core = await openTestCore({ folder });
      expect(await core.gate.closeAbandoned()).toBe(1);
      expect([await scopeSpent(), await spentBy('p0')]).toEqual([500_000, 500_000]);
      expect((await entriesOf(core)).map(({ kind }) => kind)).toEqual(['started', 'abandoned']);
      expect((await core.store.read(async (reader) => reader.db.select().from(run)))[0]?.state).toBe(
        'abandoned',
      );
      // The key was used for a query that gave no answer: it never will.
      expect((await failing(ask('0.5', { key: 'dying' }))).code).toBe('conflict');
    },
  );

  it('is spent also when the answer is withheld because people left', async () => {
    const leaving = ['p0', 'p1'];
    const parts: OperationParts = {
      ...core.operations,
      read: async (work) => {
        const found = await core.operations.read(work);
        if ((await scopeSpent()) > 0) {
          const person = leaving.shift();
          if (person !== undefined)
            await turn(core, person, 'off', {
              category: 'profile',
              purpose: 'analytics',
              recipient: 'engine:privacy',
            });
        }
        return found;
      },
    };
    expect((await failing(ask('0.5', { parts, key: 'w' }))).code).toBe('consent_withdrawn');
    expect(await scopeSpent()).toBe(500_000);
    expect((await failing(ask('0.5', { key: 'w' }))).code).toBe('conflict');
  });
});
