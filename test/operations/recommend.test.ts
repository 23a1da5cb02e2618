import { eq } from 'drizzle-orm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Refusal } from '../../gateway/gate.ts';
import { createRecommender, type Recommender } from '../../gateway/operations/recommend.ts';
import { setSwitches } from '../../gateway/operations/set-switch.ts';
import { trainRecommender } from '../../gateway/operations/train-recommender.ts';
import { model, runMember } from '../../gateway/store/tables.ts';
import {
  addPartner,
  addPerson,
  closeCores,
  entriesOf,
  grantOf,
  openTestCore,
  turn,
  type TestCore,
} from '../support/core.ts';

let core: TestCore;
let recommender: Recommender;
const system = { kind: 'system', id: 'scheduler' } as const;
const items = Array.from({ length: 30 }, (_, index) => `i${index}`);
const groups = [items.slice(0, 15), items.slice(15)];

beforeEach(async () => {
  core = await openTestCore();
  recommender = createRecommender(core.operations);
  await addPartner(core);
  // Two tastes: each person saw ten of the fifteen items of theirs.
  for (let index = 0; index < 24; index++) {
    const taste = groups[index % 2] ?? [];
    const browsed = taste.filter((_, place) => (place + index) % 3 !== 0);
    await addPerson(core, `p${index}`, { browsed });
    await turn(core, `p${index}`, 'on');
  }
});
afterEach(closeCores);

const forPerson = (person: string) =>
  recommender.recommend(async () => ({ caller: { kind: 'person', id: person }, person, grant: null }));
const forPartner = (person: string) =>
  recommender.recommend(async () => ({
    caller: { kind: 'partner', id: 'shop' },
    person,
    grant: grantOf(person),
  }));
const flip = (person: string, action: 'on' | 'off', recipient = 'engine:recommend') =>
  setSwitches(core.operations, person, [
    { category: 'browsing', purpose: 'recommendation', recipient, action, noticeHash: null },
  ]);
const refused = async (promise: Promise<unknown>): Promise<Refusal> =>
  (await promise.then(
    () => {
      throw new Error('it was allowed');
    },
    (error: unknown) => error,
  )) as Refusal;

it('before any training there is nothing to serve: said so, with a failed entry', async () => {
  await expect(forPerson('p0')).rejects.toMatchObject({ code: 'not_trained', status: 409 });
  expect((await entriesOf(core)).map(({ kind }) => kind)).toEqual(['failed']);
});

it("recommends unseen items of the person's own taste, with titles and reasons from their own rows", async () => {
  const trained = await trainRecommender(core.operations, system);
  expect(trained.value).toMatchObject({ people: 24, items: 30 });
  const { value, decisionId } = await forPerson('p0');
  const seen = new Set(groups[0]?.filter((_, place) => place % 3 !== 0));
  expect(value.recommendations.length).toBe(10);
  for (const { item } of value.recommendations) expect(seen).not.toContain(item);
  expect(value.recommendations.slice(0, 5).every(({ item }) => groups[0]?.includes(item))).toBe(true);
  expect(value.recommendations[0]?.title).toBe(`Title of ${value.recommendations[0]?.item}`);
  for (const { because } of value.recommendations) {
    for (const { item } of because) expect(seen).toContain(item);
  }
  expect(value.run).toBe(trained.run);
  expect((await entriesOf(core, decisionId))[0]?.payload).toMatchObject({
    model_run: trained.run,
    counts: { recommendations: 10 },
  });
});

it('off: refused at once, also with the model in memory; on again: served', async () => {
  await trainRecommender(core.operations, system);
  await forPerson('p0');
  await flip('p0', 'off');
  expect(await refused(forPerson('p0'))).toMatchObject({ code: 'consent_required', reason: 'switch_off' });
  await flip('p0', 'on');
  expect((await forPerson('p0')).value.recommendations).toHaveLength(10);
});

it("a partner needs the engine's switch and its own", async () => {
  await trainRecommender(core.operations, system);
  expect(await refused(forPartner('p0'))).toMatchObject({ reason: 'switch_unset' });
  await flip('p0', 'on', 'partner:shop');
  expect((await forPartner('p0')).value.recommendations).toHaveLength(10);
  await flip('p0', 'off');
  expect(await refused(forPartner('p0'))).toMatchObject({ reason: 'switch_off' });
});

it('somebody who withdrew is not in the next training, and only the newest model is kept', async () => {
  const first = await trainRecommender(core.operations, system);
  await flip('p3', 'off');
  const second = await trainRecommender(core.operations, system);
  expect([first.value.people, second.value.people]).toEqual([24, 23]);
  const members = await core.store.read(async (reader) =>
    reader.db.select().from(runMember).where(eq(runMember.run, second.run)),
  );
  expect(members.map(({ person }) => person)).not.toContain('p3');
  const models = await core.store.read(async (reader) => reader.db.select({ run: model.run }).from(model));
  expect(models).toEqual([{ run: second.run }]);
});

it('rows older than the switch allows are neither trained on nor served from', async () => {
  await trainRecommender(core.operations, system);
  core.clock.advance(10 * 86_400_000);
  await turn(core, 'p0', 'on', { extent: { historyDays: 5 } });
  const { value } = await forPerson('p0');
  expect(value.basedOnRows).toBe(0);
  const again = await trainRecommender(core.operations, system);
  expect([again.value.people, again.value.rows]).toEqual([24, 230]);
});

it('a person whose switch leaves out the item is in no training row', async () => {
  await turn(core, 'p0', 'on', { extent: { fields: ['title'] } });
  const { value } = await trainRecommender(core.operations, system);
  expect(value.rows).toBe(230);
});

it("without anybody's consent a training has 0 rows and says so", async () => {
  for (let index = 0; index < 24; index++) await turn(core, `p${index}`, 'unset');
  const { value, people } = await trainRecommender(core.operations, system);
  expect([people, value.people, value.rows, value.model]).toEqual([0, 0, 0, null]);
});
