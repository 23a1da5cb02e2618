// A person's bundle made by the real parts holds for the verifier, and shows exactly what concerns the person.
import { afterAll, afterEach, expect, it } from 'vitest';
import { eq } from 'drizzle-orm';
import { encodeEntry, entryKinds } from '../../gateway/audit/entry.ts';
import { leafHash } from '../../gateway/audit/tree.ts';
import { verifyFile, type PersonSubject, type Verification } from '../../gateway/audit/verify.ts';
import { proveAllForOfficer, proveAllForPerson } from '../../gateway/operations/entries.ts';
import { setSwitches } from '../../gateway/operations/set-switch.ts';
import { trainRecommender } from '../../gateway/operations/train-recommender.ts';
import { subjectText } from '../../gateway/commands/verify-subject.ts';
import { erasePerson } from '../../gateway/rights/erase.ts';
import { leavesPerOperation } from '../../gateway/gate.ts';
import { entry, holderKey } from '../../gateway/store/tables.ts';
import { addPerson, closeCores, noticeHash, openTestCore, type TestCore } from '../support/core.ts';
import { describeOnStores } from '../support/on-stores.ts';

afterEach(closeCores);
afterAll(closeCores);

const training = 'recommendation/browsing/engine:recommend';

function subjectOf(found: Verification): PersonSubject {
  expect([found.firstFailing, found.checks.filter(({ ok }) => !ok)]).toEqual([undefined, []]);
  if (found.subject?.kind !== 'person') throw new Error('not about a person');
  return found.subject;
}

const allow = (core: TestCore, person: string, action: 'on' | 'off' = 'on') =>
  setSwitches(core.operations, person, [
    { category: 'browsing', purpose: 'recommendation', recipient: 'engine:recommend', action, noticeHash },
  ]);

async function entriesAbout(core: TestCore, holder: string): Promise<number[]> {
  const rows = await core.store.read(async (reader) =>
    reader.db.select({ number: entry.number }).from(entry).where(eq(entry.holder, holder)),
  );
  return rows.map(({ number }) => number).sort((a, b) => a - b);
}

describeOnStores("a person's bundle", () => {
  it('shows every entry about the person and none about another, opened, and holds', async () => {
    const core = await openTestCore();
    await addPerson(core, 'lin', { browsed: ['i1', 'i2'] });
    await addPerson(core, 'mei', { browsed: ['i1'] });
    await allow(core, 'lin');
    await allow(core, 'mei');
    await core.publisher.publish();
    await allow(core, 'lin', 'off');
    const { value } = await proveAllForPerson(core.operations, core.prover, 'lin', null);
    const subject = subjectOf(verifyFile(value, await core.prover.trust()));
    expect(subject.indices).toEqual(await entriesAbout(core, 'person:lin'));
    expect(subject.entries.map(({ payload }) => payload?.['operation'])).toEqual([
      'set-switch',
      'set-switch',
      'export-proof',
    ]);
    expect(subject.changes.map(({ joined, left }) => [joined, left])).toEqual([
      [[training], []],
      [[], [training]],
    ]);
  });

  it('holds for a person about whom there is nothing: their absence is proven', async () => {
    const core = await openTestCore();
    await addPerson(core, 'lin');
    await addPerson(core, 'mei');
    await allow(core, 'mei');
    const text = await core.prover.person('lin');
    expect(subjectOf(verifyFile(text, await core.prover.trust())).count).toBe(0);
  });

  it('shows the trainings they were in, and those of others as such', async () => {
    const core = await openTestCore();
    for (const id of ['lin', 'mei', 'bo']) await addPerson(core, id, { browsed: ['i1', 'i2'] });
    for (const id of ['lin', 'mei']) await allow(core, id);
    await trainRecommender(core.operations, { kind: 'operator', id: 'cli' });
    const trust = await core.prover.trust();
    const sections = async (person: string) =>
      subjectOf(verifyFile(await core.prover.person(person), trust)).populations?.find(
        ({ name }) => name === training,
      );
    const ofLin = await sections('lin');
    expect(ofLin?.count).toBe(2);
    expect(ofLin?.members).toEqual(await entriesAbout(core, `population:${training}`));
    expect((await sections('bo'))?.members).toEqual([]);
  });

  it('extends an earlier one with what is new, and holds with it and without', async () => {
    const core = await openTestCore();
    await addPerson(core, 'lin');
    await addPerson(core, 'mei');
    await allow(core, 'lin');
    const first = await core.prover.person('lin');
    const { head } = verifyFile(first, await core.prover.trust());
    await allow(core, 'mei');
    await allow(core, 'lin', 'off');
    const second = await core.prover.person('lin', head?.size);
    const trust = await core.prover.trust();
    const subject = subjectOf(verifyFile(second, trust, { earlier: first }));
    expect([subject.count, subject.newCount, subject.earlier]).toEqual([
      2,
      1,
      { size: head?.size, isCompared: true },
    ]);
    expect(subjectOf(verifyFile(second, trust)).earlier?.isCompared).toBe(false);
    const ofMei = await core.prover.person('mei');
    expect(verifyFile(second, trust, { earlier: ofMei }).firstFailing).toBe('earlier bundle');
  });

  it('holds in a log begun before map heads, whose populations had other keys', async () => {
    const core = await openTestCore();
    await addPerson(core, 'lin');
    const leaf = encodeEntry({
      kind: 'imported',
      atSeconds: Math.floor(core.clock.nowMs() / 60_000) * 60,
      commitment: new Uint8Array(32),
      startedIndex: null,
      about: { concern: 'population', population: new Uint8Array(32).fill(7), cohort: new Uint8Array(32) },
    });
    await allow(core, 'lin');
    await core.store.write(async (tx) => {
      await tx.db.insert(entry).values({
        number: 1,
        leaf: Buffer.from(leaf),
        leafHash: Buffer.from(leafHash(leaf)),
        holder: 'population:import',
        sequence: 0,
        operationId: 'old',
        kind: entryKinds.imported,
        atMs: core.clock.nowMs(),
        outcome: 'noted',
        keyClass: 'evidence',
      });
    });
    await core.log.refresh();
    const subject = subjectOf(verifyFile(await core.prover.person('lin'), await core.prover.trust()));
    expect(subject.count).toBe(1);
    expect(subject.populations?.find(({ name }) => name === 'import')?.count).toBe(0);
  });

  it('is refused for a size the log never had', async () => {
    const core = await openTestCore();
    await addPerson(core, 'lin');
    await allow(core, 'lin');
    await expect(core.prover.person('lin', 1_000_000)).rejects.toMatchObject({ code: 'conflict' });
  });

  it('reads "erased" where the data key is gone, and still holds', async () => {
    const core = await openTestCore();
    await addPerson(core, 'lin');
    await allow(core, 'lin');
    await core.gate.run(
      {
        caller: { kind: 'person', id: 'lin' },
        operation: 'view-own',
        purpose: 'service',
        categories: ['profile'],
        recipients: ['self'],
        person: 'lin',
        grant: null,
      },
      async () => ({ value: null, keyClass: 'data' }),
    );
    await core.store.write(async (tx) => {
      await tx.db.update(holderKey).set({ data: null }).where(eq(holderKey.holder, 'person:lin'));
    });
    const subject = subjectOf(verifyFile(await core.prover.person('lin'), await core.prover.trust()));
    expect(subject.entries.map(({ erased }) => erased)).toEqual([false, true]);
  });

  it('after an erasure says that nobody knows any more which groups held the person', async () => {
    const core = await openTestCore();
    for (const id of ['lin', 'mei']) await addPerson(core, id, { browsed: ['i1', 'i2'] });
    for (const id of ['lin', 'mei']) await allow(core, id);
    await trainRecommender(core.operations, { kind: 'operator', id: 'cli' });
    const trust = await core.prover.trust();
    expect(subjectOf(verifyFile(await core.prover.person('lin'), trust)).isErased).toBe(false);
    await erasePerson(core.operations, { kind: 'person', person: 'lin' });
    const found = verifyFile(await core.prover.person('lin'), trust);
    expect(subjectOf(found).isErased).toBe(true);
    const { further } = subjectText('en', subjectOf(found), found.head?.size ?? 0);
    expect(further.join(' ')).toContain('does not know which of these uses they were in');
  });

  it('made by an officer shows that an officer made it', async () => {
    const core = await openTestCore();
    await addPerson(core, 'lin');
    const { value } = await proveAllForOfficer(core.operations, core.prover, 'ada', 'lin', null);
    const { entries } = subjectOf(verifyFile(value, await core.prover.trust()));
    expect(entries.map(({ payload }) => payload?.['caller'])).toEqual([{ kind: 'officer', id: 'ada' }]);
    await expect(
      proveAllForOfficer(core.operations, core.prover, 'ada', 'nobody', null),
    ).rejects.toMatchObject({ code: 'not_found' });
  });

  it('holds while others write and sign', async () => {
    const core = await openTestCore();
    const people = Array.from({ length: leavesPerOperation }, (_, n) => `p${n}`);
    for (const id of people) await addPerson(core, id);
    await allow(core, 'p0');
    let isDone = false;
    const signing = (async () => {
      while (!isDone) {
        await core.publisher.publish();
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    })();
    const writing = (async () => {
      for (const id of people) await allow(core, id);
    })();
    const texts: string[] = [];
    for (let n = 0; n < 8; n++) texts.push(await core.prover.person('p0'));
    await writing;
    isDone = true;
    await signing;
    const trust = await core.prover.trust();
    for (const text of texts) subjectOf(verifyFile(text, trust));
  });
});
