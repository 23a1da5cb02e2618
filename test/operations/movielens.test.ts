import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { afterAll, expect, it } from 'vitest';
import { askPrivately } from '../../gateway/operations/dp-query.ts';
import { importConsents } from '../../gateway/operations/import-consents.ts';
import { importData } from '../../gateway/operations/import-data.ts';
import { movieLensSource } from '../../gateway/operations/import-sources.ts';
import { viewData } from '../../gateway/operations/own.ts';
import { createRecommender } from '../../gateway/operations/recommend.ts';
import { setSwitches } from '../../gateway/operations/set-switch.ts';
import { trainRecommender } from '../../gateway/operations/train-recommender.ts';
import { item, person as personTable, run, runMember } from '../../gateway/store/tables.ts';
import { closeCores, dayMs, entriesOf, openTestCore, type TestCore } from '../support/core.ts';
import { describeWithShared } from '../support/shared.ts';

const system = { kind: 'system', id: 'scheduler' } as const;
const analyst = { kind: 'analyst', id: 'ana' } as const;
// People 1 to 600 of 943, as a store's own consent records would name them.
const consenting = Array.from({ length: 600 }, (_, index) => `movielens-100k:${index + 1}`);

async function* consentFile(): AsyncGenerator<Uint8Array> {
  const columns = 'person,category,purpose,recipient,notice_hash,method,collected_at\n';
  yield Buffer.from(columns);
  for (const person of consenting) {
    const rest = `${'ab'.repeat(32)},web-form,2025-05-01T00:00:00Z\n`;
    yield Buffer.from(`${person},browsing,recommendation,engine:recommend,${rest}`);
    yield Buffer.from(`${person},profile,analytics,engine:privacy,${rest}`);
  }
}

describeWithShared('data', 'MovieLens-100K through the public import', (data) => {
  let core: TestCore;
  afterAll(closeCores);

  const membersOf = async (id: string): Promise<Set<string>> => {
    const rows = await core.store.read(async (reader) =>
      reader.db
        .select({ reference: personTable.reference })
        .from(runMember)
        .innerJoin(personTable, eq(personTable.id, runMember.person))
        .where(eq(runMember.run, id)),
    );
    return new Set(rows.map(({ reference }) => reference ?? ''));
  };
  const idOf = async (reference: string): Promise<string> =>
    (
      await core.store.read(async (reader) =>
        reader.db.select().from(personTable).where(eq(personTable.reference, reference)),
      )
    )[0]?.id ?? '';
  const load = () =>
    importData(core.operations, {
      operator: 'op',
      source: 'movielens-100k',
      legalBasis: 'contract',
      open: movieLensSource((file) => createReadStream(join(data, 'movielens-100k', file))),
    });

  it('loads every rating, person and film, and leaves entries', async () => {
    core = await openTestCore();
    const report = await load();
    expect(report).toMatchObject({
      people: 943,
      items: 1682,
      events: 100_000,
      attributes: 943 * 4,
      repeated: 0,
      rejected: {},
    });
    const titles = await core.store.read(async (reader) =>
      reader.db.select({ title: item.title }).from(item).where(eq(item.key, '543')),
    );
    expect(titles).toEqual([{ title: 'Misérables, Les (1995)' }]);
    const entries = await entriesOf(core);
    expect(entries.length).toBeGreaterThanOrEqual(report.entries);
    expect(new Set(entries.map(({ kind }) => kind))).toEqual(new Set(['imported']));
  }, 120_000);

  it("gives nobody's consent: a training has 0 rows, a private count a population of 0, and both say so", async () => {
    const trained = await trainRecommender(core.operations, system);
    expect(trained.value).toMatchObject({ people: 0, rows: 0, model: null });
    expect(trained.people).toBe(0);
    const counted = await askPrivately(core.operations, analyst, {
      question: 'people_by_age_band',
      epsilon: '1',
      idempotencyKey: 'nobody',
    });
    const runs = await core.store.read(async (reader) =>
      reader.db.select().from(run).where(eq(run.id, counted.decisionId)),
    );
    expect(runs[0]).toMatchObject({ people: 0, state: 'released' });
    // Noise alone: ε = 1 leaves |noise| < 60 but for one time in 10^26.
    for (const { count } of counted.value.groups) expect(Math.abs(count)).toBeLessThan(60);
  }, 60_000);

  it('with migrated consents for 600 exactly those 600 are trained on and counted', async () => {
    expect(await importConsents(core.operations, 'op', consentFile(), 'csv')).toEqual({
      people: 600,
      consents: 1200,
      suppressed: 0,
      rejected: [],
    });
    const trained = await trainRecommender(core.operations, system);
    expect(trained.value.people).toBe(600);
    expect(trained.value.rows).toBeGreaterThan(50_000);
    expect(await membersOf(trained.run)).toEqual(new Set(consenting));
    const counted = await askPrivately(core.operations, analyst, {
      question: 'people_by_age_band',
      epsilon: '1',
      idempotencyKey: 'six hundred',
    });
    expect(await membersOf(counted.decisionId)).toEqual(new Set(consenting));
    const sum = counted.value.groups.reduce((total, { count }) => total + count, 0);
    expect(Math.abs(sum - 600)).toBeLessThan(120);
  }, 180_000);

  it('one withdrawal is refused at once, and the next training has 599', async () => {
    const recommender = createRecommender(core.operations);
    const person = await idOf('movielens-100k:7');
    const stranger = await idOf('movielens-100k:900');
    const recommend = (id: string) =>
      recommender.recommend(async () => ({ caller: { kind: 'person', id }, person: id, grant: null }));
    core.clock.advance(dayMs);
    const { value } = await recommend(person);
    expect(value.recommendations).toHaveLength(10);
    const held = await viewData(core.operations, person, 'browsing', 0);
    const seen = new Set(held.value.events.map(({ item: key }) => key));
    for (const one of value.recommendations) {
      expect(seen).not.toContain(one.item);
      expect(one.title).not.toBe(one.item);
      expect(one.because.length).toBeGreaterThan(0);
    }
    await expect(recommend(stranger)).rejects.toMatchObject({ reason: 'switch_unset' });
    await setSwitches(core.operations, person, [
      {
        category: 'browsing',
        purpose: 'recommendation',
        recipient: 'engine:recommend',
        action: 'off',
        noticeHash: null,
      },
    ]);
    await expect(recommend(person)).rejects.toMatchObject({ code: 'consent_required', reason: 'switch_off' });
    const trained = await trainRecommender(core.operations, system);
    expect(trained.value.people).toBe(599);
    expect(await membersOf(trained.run)).toEqual(
      new Set(consenting.filter((reference) => reference !== 'movielens-100k:7')),
    );
  }, 180_000);
});
