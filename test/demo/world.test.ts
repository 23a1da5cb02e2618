import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { and, count, eq, gte, inArray } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { leafHash } from '../../gateway/audit/tree.ts';
import { sha256 } from '../../gateway/audit/log.ts';
import type { Core } from '../../gateway/compose.ts';
import { noticeByHash } from '../../gateway/consent/notices.ts';
import { catalogue, shelves, titleOf } from '../../gateway/demo/catalogue.ts';
import { historyDays, personId, planHistory } from '../../gateway/demo/history.ts';
import { generatedPeople, namedPeople } from '../../gateway/demo/people.ts';
import { ensureDemoWorld } from '../../gateway/demo/world.ts';
import { genres } from '../../gateway/operations/dp-query.ts';
import { importData } from '../../gateway/operations/import-data.ts';
import { viewActivity, viewData, viewHome } from '../../gateway/operations/own.ts';
import {
  checkpoint,
  consentEvent,
  dpQuery,
  entry,
  event,
  item,
  model,
  oauthGrant,
  person,
  run,
  session,
  staff,
  switchRow,
} from '../../gateway/store/tables.ts';
import { countEntries, makeHome, tally, type Home } from './home.ts';

const dayMs = 86_400_000;
const quiet = { say: () => undefined };

describe('the demo world of a first start', () => {
  const home = makeHome();
  let core: Core;
  const said: string[] = [];

  beforeAll(async () => {
    core = await home.open();
    expect(await ensureDemoWorld(core, { say: (line) => said.push(line) })).toBe('demo');
  });
  afterAll(async () => {
    await core.close();
    home.remove();
  });
  const rows = async (table: typeof person | typeof item | typeof event | typeof staff | typeof model) => {
    const [counted] = await core.store.read((reader) => reader.db.select({ rows: count() }).from(table));
    return counted?.rows ?? 0;
  };

  it('holds two named people, three hundred without a name, and a catalogue in both languages', async () => {
    expect(await rows(person)).toBe(generatedPeople + 2);
    const people = await core.store.read((reader) => reader.db.select().from(person));
    const references = people.map(({ reference }) => reference ?? '');
    expect(references.filter((reference) => /^shop:p\d{4}$/.test(reference))).toHaveLength(generatedPeople);
    expect(references).toContain(namedPeople.lin.reference);
    expect(await rows(item)).toBe(catalogue.length);
    expect(catalogue.length).toBeGreaterThanOrEqual(65);
    const known: readonly string[] = [...genres, ...shelves];
    for (const one of await core.store.read((reader) => reader.db.select().from(item))) {
      expect(one.title).toMatch(/\p{Script=Han}.* · .*[a-z]/u);
      for (const genre of (JSON.parse(one.attributes) as { genres: string[] }).genres)
        expect(known).toContain(genre);
    }
    expect(new Set(catalogue.map(titleOf)).size).toBe(catalogue.length);
    expect(await rows(event)).toBeGreaterThan(12 * generatedPeople);
  });

  it('has consents for about 85 % and 70 %, each under a notice that was published', async () => {
    const on = async (recipient: string, category: string): Promise<number> => {
      const found = await core.store.read((reader) =>
        reader.db
          .select({ person: switchRow.person })
          .from(switchRow)
          .where(and(eq(switchRow.recipient, recipient), eq(switchRow.category, category))),
      );
      return found.length / (generatedPeople + 2);
    };
    expect(await on('engine:recommend', 'browsing')).toBeCloseTo(0.85, 1);
    expect(await on('engine:privacy', 'profile')).toBeCloseTo(0.7, 1);
    expect(await on('engine:privacy', 'browsing')).toBeCloseTo(0.7, 1);
    const hashes = await core.store.read((reader) =>
      reader.db.selectDistinct({ hash: consentEvent.noticeHash }).from(consentEvent),
    );
    for (const { hash } of hashes) {
      expect(await core.store.read((reader) => noticeByHash(reader, hash ?? ''))).toBeDefined();
    }
  });

  it('was made through the gate: every run, session and query of it has its entry', async () => {
    const made = await tally(core);
    expect(made['import-consents allowed']).toBeGreaterThan(250);
    expect(made['read-data allowed']).toBeGreaterThan(15);
    expect(made['read-data refused']).toBeGreaterThan(8);
    expect(made['authorise-partner allowed']).toBe(2);
    expect(made['train-recommender allowed']).toBe(5);
    expect(made['dp-query allowed']).toBe(2);
    expect(made['open-entry allowed']).toBe(3);
    expect(made['enrol allowed']).toBe(2);
    const queries = await core.store.read((reader) => reader.db.select().from(dpQuery));
    expect(queries.every(({ answer }) => answer !== null)).toBe(true);
    const runs = await core.store.read((reader) => reader.db.select().from(run));
    expect(runs.every(({ state, endedEntry }) => state === 'released' && endedEntry !== null)).toBe(true);
    const trained = runs.filter(({ operation }) => operation === 'train-recommender');
    expect(trained.every(({ people }) => people > 0.75 * generatedPeople)).toBe(true);
    expect(await rows(model)).toBe(1);
    expect(await rows(staff)).toBe(3);
  });

  it('lies in the thirty days before now, in order, and nothing of it is in the future', async () => {
    const entries = await core.store.read((reader) =>
      reader.db.select({ atMs: entry.atMs }).from(entry).orderBy(entry.number),
    );
    const nowMs = core.system.clock.nowMs();
    expect(entries[0]?.atMs).toBeGreaterThan(nowMs - (historyDays + 1.01) * dayMs);
    expect(entries.at(-1)?.atMs).toBeLessThanOrEqual(nowMs);
    for (const [index, one] of entries.entries())
      expect(one.atMs).toBeGreaterThanOrEqual(entries[index - 1]?.atMs ?? 0);
    const sessions = await core.store.read((reader) => reader.db.select().from(session));
    for (const { expiresMs } of sessions) expect(expiresMs).toBeLessThan(nowMs);
  });

  it('gives Lin Xiao a week with uses and refusals, counted right', async () => {
    const lin = await personId(core.operations, namedPeople.lin.reference);
    const { value } = await viewHome(core.operations, lin);
    const partner = value.week.find(({ recipient }) => recipient === 'partner:reading-corner');
    const direct = async (outcome: string) =>
      (
        await core.store.read((reader) =>
          reader.db
            .select({ number: entry.number })
            .from(entry)
            .where(
              and(
                eq(entry.holder, `person:${lin}`),
                eq(entry.recipient, 'partner:reading-corner'),
                eq(entry.outcome, outcome),
                gte(entry.atMs, core.system.clock.nowMs() - 7 * dayMs),
              ),
            ),
        )
      ).length;
    expect(partner?.allowed).toBe(await direct('allowed'));
    expect(partner?.refused).toBe(await direct('refused'));
    expect(partner?.allowed).toBeGreaterThanOrEqual(3);
    expect(partner?.refused).toBeGreaterThanOrEqual(3);
    const { entries } = (await viewActivity(core.operations, lin, { shown: 'refused' }, 0)).value;
    expect(new Set(entries.map(({ reason }) => reason))).toEqual(
      new Set(['switch_off', 'scope_not_granted']),
    );
    const data = await viewData(core.operations, lin, 'profile', 0);
    expect(data.value.attributes.find(({ name }) => name === 'name')?.value).toBe('林晓 Lin Xiao');
  });

  it('made the grants with terms that end, and the switch she turned off is on again', async () => {
    const lin = await personId(core.operations, namedPeople.lin.reference);
    const grants = await core.store.read((reader) => reader.db.select().from(oauthGrant));
    expect(grants).toHaveLength(2);
    expect(grants.every(({ expiresMs, createdMs }) => expiresMs > createdMs)).toBe(true);
    const events = await core.store.read((reader) =>
      reader.db
        .select({ action: consentEvent.action })
        .from(consentEvent)
        .where(and(eq(consentEvent.person, lin), eq(consentEvent.recipient, 'partner:reading-corner')))
        .orderBy(consentEvent.number),
    );
    expect(events.map(({ action }) => action)).toEqual(['on', 'off', 'on']);
  });

  it('verifies: every leaf hashes to its entry and the signed heads rebuild', async () => {
    const entries = await core.store.read((reader) => reader.db.select().from(entry).orderBy(entry.number));
    const tree = await core.log.tree();
    expect(tree.size).toBe(entries.length);
    for (const { leaf, leafHash: stored } of entries)
      expect(Buffer.compare(stored, leafHash(leaf, sha256))).toBe(0);
    const heads = await core.store.read((reader) => reader.db.select().from(checkpoint));
    expect(heads.length).toBeGreaterThan(20);
    for (const { size, root } of heads) expect(Buffer.compare(root, tree.root(size))).toBe(0);
    await core.publisher.check();
  });

  it('keeps the partner’s secrets readable by their owner alone', () => {
    for (const name of ['demo-partner.secret', 'demo-partner.refresh']) {
      expect(statSync(join(home.path, 'keys', name)).mode & 0o777).toBe(0o600);
    }
  });

  it('is built once: a second start adds nothing', async () => {
    const before = await countEntries(core);
    await core.close();
    core = await home.open();
    expect(await ensureDemoWorld(core, { say: (line) => said.push(`again: ${line}`) })).toBe('demo');
    expect(await countEntries(core)).toBe(before);
    expect(said.filter((line) => line.startsWith('again'))).toEqual([]);
  });

  it('takes no other data in', async () => {
    async function* page() {
      yield { items: [{ key: 'x', title: 'X', attributes: {} }], events: [], attributes: [], rejected: [] };
    }
    const order = { operator: 'someone', source: 'real', legalBasis: 'contract', open: page } as const;
    await expect(importData(core.operations, order)).rejects.toMatchObject({ code: 'demo_world' });
  });
});

describe('a first start that gets no demo world', () => {
  const homes: Home[] = [];
  const make = (): Home => {
    const home = makeHome();
    homes.push(home);
    return home;
  };
  afterEach(() => homes.splice(0).forEach((home) => home.remove()));

  it('with --empty builds nothing, and stays real when started without it later', async () => {
    const home = make();
    for (const environment of [{ ASSENT_EMPTY: '1' }, {}] as Record<string, string>[]) {
      const core = await home.open(environment);
      expect(await ensureDemoWorld(core, quiet)).toBe('real');
      expect(await countEntries(core)).toBe(0);
      await core.close();
    }
    expect(existsSync(join(home.path, 'keys', 'demo-partner.secret'))).toBe(false);
  });

  it('with people already there builds nothing', async () => {
    const core = await make().open();
    await core.store.write(async (tx) => {
      await tx.db.insert(person).values({ id: 'somebody', status: 'active', createdMs: 1 });
    });
    expect(await ensureDemoWorld(core, quiet)).toBe('real');
    await core.close();
  });
});

describe('a first start that is killed', () => {
  it('goes on where it stopped, however often, to the same history', { timeout: 240_000 }, async () => {
    const whole = makeHome();
    const broken = makeHome();
    try {
      const straight = await whole.open();
      await ensureDemoWorld(straight, quiet);
      const wanted = await tally(straight);
      await straight.close();

      let reached = 0;
      const moments = [after(700), whileTraining(broken.path), after(1200), whileTraining(broken.path)];
      for (const moment of moments) {
        await buildAndKill(broken.path, moment);
        const core = await broken.open();
        // As a start does, before the demo world is looked at: with the real clock.
        await core.gate.closeAbandoned();
        const entries = await countEntries(core);
        expect(entries).toBeGreaterThanOrEqual(reached);
        reached = entries;
        await core.close();
      }
      expect(reached).toBeGreaterThan(0);
      const core = await broken.open();
      expect(await ensureDemoWorld(core, quiet)).toBe('demo');
      const got = await tally(core);
      const once = [
        'read-data allowed',
        'read-data refused',
        'authorise-partner allowed',
        'set-switch allowed',
      ];
      for (const key of [...once, 'import-consents allowed', 'dp-query allowed', 'train-recommender allowed'])
        expect([key, got[key]]).toEqual([key, wanted[key]]);
      const events = await core.store.read((reader) => reader.db.select({ rows: count() }).from(event));
      const shop = planHistory(0).filter(({ about }) => about.includes('browsing comes in'));
      expect(shop).toHaveLength(4);
      expect(events[0]?.rows).toBeGreaterThan(12 * generatedPeople);
      const open = await core.store.read((reader) =>
        reader.db
          .select()
          .from(run)
          .where(inArray(run.state, ['started'])),
      );
      expect(open).toEqual([]);
      const abandoned = await core.store.read((reader) =>
        reader.db.select().from(run).where(eq(run.state, 'abandoned')),
      );
      expect(abandoned.length).toBeGreaterThan(0);
      await core.publisher.check();
      await core.close();
    } finally {
      whole.remove();
      broken.remove();
    }
  });
});

type Moment = () => Promise<unknown>;

function after(ms: number): Moment {
  return () => delay(ms);
}

/** When a training has begun and given nothing yet; after eight seconds in any case. */
function whileTraining(path: string): Moment {
  return async () => {
    const raw = new Sqlite(join(path, 'assent.sqlite'), { readonly: true });
    const open = raw.prepare("SELECT 1 FROM run WHERE state = 'started' AND operation = 'train-recommender'");
    for (let waited = 0; waited < 4000 && open.get() === undefined; waited++) await delay(2);
    raw.close();
  };
}

/** Starts a build in a process of its own and ends that process, without warning, at some moment after its first line. */
async function buildAndKill(path: string, moment: Moment): Promise<void> {
  const script = resolve(import.meta.dirname, 'build-demo.ts');
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((done) => child.once('exit', () => done()));
  await Promise.race([new Promise((first) => child.stdout.once('data', first)), ended]);
  await Promise.race([moment(), ended]);
  child.kill('SIGKILL');
  await ended;
}
