// What was computed from an erased person: models go, running work leaves them out, what was published stays.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { trainRecommender } from '../../gateway/operations/train-recommender.ts';
import { createRecommender } from '../../gateway/operations/recommend.ts';
import { erasePerson, resumeErasures } from '../../gateway/rights/erase.ts';
import {
  addPerson,
  closeCores,
  entriesOf,
  openTestCore,
  rawOf,
  turn,
  type TestCore,
} from '../support/core.ts';

let core: TestCore;
const system = { kind: 'system', id: 'test' } as const;
const people = ['aa', 'bb', 'cc', 'dd'];

beforeEach(async () => {
  core = await openTestCore();
  for (const id of people) {
    await addPerson(core, id, { browsed: ['i1', 'i2', 'i3'] });
    await turn(core, id, 'on');
  }
});
afterEach(closeCores);

const erase = async (person: string): Promise<void> => {
  await erasePerson(core.operations, { kind: 'person', person });
  await resumeErasures(core.operations);
};
const ask = (person: string) =>
  createRecommender(core.operations).recommend(async () => ({
    caller: { kind: 'person', id: person },
    person,
    grant: null,
  }));

it('a model that learned from them is gone for everybody, and the next is trained without them', async () => {
  expect((await trainRecommender(core.operations, system)).value.people).toBe(4);
  expect((await ask('bb')).value.basedOnRows).toBe(3);
  await erase('aa');
  await expect(ask('bb')).rejects.toMatchObject({ code: 'not_trained' });
  expect((await trainRecommender(core.operations, system)).value).toMatchObject({ people: 3, rows: 9 });
  expect((await ask('bb')).value.basedOnRows).toBe(3);
});

it('a model that did not learn from them stays', async () => {
  await turn(core, 'aa', 'off');
  const { run } = await trainRecommender(core.operations, system);
  await erase('aa');
  expect((await ask('bb')).value.run).toBe(run);
});

it('work that was running when they were erased is done again without them', async () => {
  const computed: number[] = [];
  const { people: counted } = await core.gate.runLong(
    {
      caller: system,
      operation: 'train-recommender',
      purpose: 'recommendation',
      categories: ['browsing'],
      recipients: ['engine:recommend'],
      population: 'recommendation/browsing/engine:recommend',
    },
    {
      start: async () => undefined,
      async compute(permits) {
        computed.push(permits.size);
        if (computed.length === 1) await erase('aa');
        return permits.size;
      },
      finish: async (_tx, size) => ({ value: size }),
    },
  );
  expect([computed, counted]).toEqual([[4, 3], 3]);
  expect(rawOf(core).prepare("SELECT count(*) FROM run_member WHERE person = 'aa'").pluck().get()).toBe(0);
});

it('leaving the populations they were in is told by the entry that asks for the erasure', async () => {
  await erase('aa');
  const asked = (await entriesOf(core)).find(({ kind }) => kind === 'erasure-requested');
  expect(asked?.payload).toMatchObject({
    populations: { joined: [], left: ['recommendation/browsing/engine:recommend'] },
  });
});
