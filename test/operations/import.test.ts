import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { databaseFile } from '../../gateway/compose.ts';
import { loadPerson } from '../../gateway/consent/switches.ts';
import { importConsents } from '../../gateway/operations/import-consents.ts';
import { expireQuarantine, importData, type ImportOrder } from '../../gateway/operations/import-data.ts';
import { mappedSource } from '../../gateway/operations/import-sources.ts';
import { setSwitches } from '../../gateway/operations/set-switch.ts';
import { attribute, quarantine, setting, source } from '../../gateway/store/tables.ts';
import {
  addPerson,
  closeCores,
  dayMs,
  entriesOf,
  openTestCore,
  rawOf,
  type TestCore,
} from '../support/core.ts';

let core: TestCore;

beforeEach(async () => {
  core = await openTestCore();
});
afterEach(closeCores);

async function* bytesOf(text: string | Uint8Array): AsyncGenerator<Uint8Array> {
  yield typeof text === 'string' ? Buffer.from(text) : text;
}

const eventsMap = {
  mapping: {
    rows: 'events',
    person: 'who',
    item: 'what',
    at: 'when',
    timeFormat: 'iso',
    kind: 'view',
    category: 'browsing',
  },
};

const order = (text: string | Uint8Array, more: Partial<ImportOrder> = {}): ImportOrder => ({
  operator: 'op',
  source: 'shop',
  legalBasis: 'contract',
  open: mappedSource('csv', 'views.csv', eventsMap, () => bytesOf(text)),
  ...more,
});

const count = (table: string): number =>
  Number(rawOf(core).prepare(`SELECT count(*) FROM ${table}`).pluck().get());
const tablesOfImport = ['person', 'event', 'attribute', 'item', 'source', 'quarantine', 'entry'];
const counts = (): Record<string, number> =>
  Object.fromEntries(tablesOfImport.map((table) => [table, count(table)]));

const good = [
  'who,what,when',
  'u1,i1,2026-01-01T00:00:00Z',
  'u1,i2,2026-01-02T00:00:00Z',
  'u2,i1,2026-01-03T00:00:00Z',
].join('\n');

describe('importing data', () => {
  it('makes people, rows and one entry per person touched, and names source and legal basis', async () => {
    const report = await importData(core.operations, order(good));
    expect(report).toMatchObject({ people: 2, events: 3, repeated: 0, rejected: {}, entries: 1 });
    const entries = await entriesOf(core);
    expect(entries.map(({ kind }) => kind)).toEqual(['imported', 'imported']);
    for (const { payload } of entries) {
      expect(payload).toMatchObject({
        operation: 'import-data',
        source: report.source,
        legal_basis: 'contract',
        basis: 'declared',
        caller: { kind: 'operator', id: 'op' },
      });
    }
    const [row] = await core.store.read(async (reader) => reader.db.select().from(source));
    expect(row).toMatchObject({ legalBasis: 'contract', accepted: 3, rejected: 0 });
  });

  it("gives nobody's consent", async () => {
    await importData(core.operations, order(good));
    expect([count('switch'), count('consent_event')]).toEqual([0, 0]);
  });

  it('a second time repeats nothing', async () => {
    await importData(core.operations, order(good));
    const before = counts();
    const again = await importData(core.operations, order(good));
    expect(again).toMatchObject({ people: 0, events: 0, repeated: 3 });
    const after = counts();
    expect({ ...after, entry: 0, source: 0 }).toEqual({ ...before, entry: 0, source: 0 });
  });

  it('keeps bad rows aside, encrypted: their text is nowhere in the database files', async () => {
    const marker = 'Zs93-leaky-street-9';
    const text = [good, `u3,i1,${marker}`, `,i1,2026-01-03T00:00:00Z`, `u4,${marker}`].join('\n');
    const report = await importData(core.operations, order(text));
    expect(report).toMatchObject({ events: 3, people: 2 });
    expect(Object.values(report.rejected).reduce((sum, times) => sum + times, 0)).toBe(3);
    expect(report.rejected).toMatchObject({ invalid_time: 1, missing_value: 1 });
    const kept = await core.store.read(async (reader) => reader.db.select().from(quarantine));
    expect(kept.map(({ line }) => line)).toEqual([5, 6, 7]);
    const { data } = await core.store.read((reader) => core.keyring.open(reader, 'quarantine'));
    expect(kept.map(({ nonce, raw }) => Buffer.from(data?.open(nonce, raw) ?? []).toString())).toContainEqual(
      expect.stringContaining(marker),
    );
    // In a process of its own: closing a database file here would drop SQLite's locks on it.
    for (const file of [databaseFile, `${databaseFile}-wal`]) {
      const found = execFileSync(
        process.execPath,
        [
          '-e',
          'const b=require("fs").readFileSync(process.argv[1]);process.stdout.write(b.length+" "+b.includes(process.argv[2])+" "+b.includes("views"))',
          join(core.folder, file),
          marker,
        ],
        { encoding: 'utf8' },
      );
      expect(found).toMatch(/^[1-9]\d+ false/);
    }
  });

  it('drops what was kept aside after 30 days, with an entry', async () => {
    await importData(core.operations, order(`${good}\nu3,i1,never`));
    core.clock.advance(30 * dayMs - 1);
    expect(await expireQuarantine(core.operations)).toBe(0);
    core.clock.advance(2);
    expect(await expireQuarantine(core.operations)).toBe(1);
    expect(count('quarantine')).toBe(0);
    expect((await entriesOf(core)).at(-1)?.payload).toMatchObject({
      retention: 'quarantine',
      counts: { rows: 1 },
    });
  });

  const lateProblem = Buffer.concat([
    Buffer.from(`${good}\n`),
    Buffer.from(Array.from({ length: 3000 }, (_, i) => `u${i},i1,2026-01-01T00:00:00Z\n`).join('')),
    Buffer.from([0x75, 0xff, 0xfe, 0x0a]),
  ]);
  it.each<[string, Partial<ImportOrder> | string | Uint8Array, string]>([
    ['missing columns', 'a,b\n1,2', 'import_format'],
    ['only bad rows', 'who,what,when\nu1,i1,never', 'import_format'],
    ['nothing in it', '', 'import_format'],
    ['bytes that are not UTF-8, far behind good rows', lateProblem, 'import_encoding'],
    ['a source name with blanks', { source: 'My Shop' }, 'malformed_request'],
    ['no legal basis', { legalBasis: 'because' as never }, 'malformed_request'],
  ])('%s: refused, and nothing changed', async (_name, wrong, code) => {
    await importData(core.operations, order(good));
    const before = counts();
    const isFile = typeof wrong === 'string' || wrong instanceof Uint8Array;
    const importing = importData(core.operations, isFile ? order(wrong) : order(good, wrong));
    await expect(importing).rejects.toMatchObject({ code, status: 400 });
    expect(counts()).toEqual(before);
  });

  it('a map without a mapping is malformed', () => {
    for (const map of [null, {}, { mapping: { rows: 'people' } }, 'events']) {
      expect(() => mappedSource('csv', 'x', map, () => bytesOf(''))).toThrow(
        expect.objectContaining({ code: 'malformed_request' }),
      );
    }
  });

  it('real data never goes into a demo world', async () => {
    await core.store.write(async (tx) => {
      await tx.db.insert(setting).values({ name: 'world', value: 'demo' });
    });
    const before = counts();
    await expect(importData(core.operations, order(good))).rejects.toMatchObject({
      code: 'demo_world',
      status: 409,
    });
    expect(counts()).toEqual(before);
    await importData(core.operations, order(good, { demo: true }));
  });

  it('reads attributes and items from NDJSON', async () => {
    const lines = ['{"id":"u1","years":"30","town":"Gent"}', '{"id":"u2","years":"41"}', '{broken'].join(
      '\n',
    );
    const map = {
      mapping: {
        rows: 'attributes',
        person: 'id',
        attributes: { age: 'years', town: 'town' },
        category: 'profile',
      },
    };
    const open = mappedSource('ndjson', 'people.ndjson', map, () => bytesOf(lines));
    const report = await importData(core.operations, { ...order(''), open });
    expect(report).toMatchObject({ people: 2, attributes: 3, rejected: { invalid_json: 1 } });
    const rows = await core.store.read(async (reader) => reader.db.select().from(attribute));
    expect(rows.map(({ name, value }) => `${name}=${value}`).sort((a, b) => (a < b ? -1 : 1))).toEqual([
      'age=30',
      'age=41',
      'town=Gent',
    ]);
  });
});

describe('importing consents', () => {
  const header = 'person,category,purpose,recipient,notice_hash,method,collected_at';
  const hash = 'cd'.repeat(32);
  const line = (person: string, change: Partial<Record<string, string>> = {}): string =>
    Object.values({
      person: `test:${person}`,
      category: 'browsing',
      purpose: 'recommendation',
      recipient: 'engine:recommend',
      notice_hash: hash,
      method: 'web-form',
      collected_at: '2025-06-01T10:00:00Z',
      ...change,
    }).join(',');

  beforeEach(async () => {
    for (const id of ['ada', 'ben']) await addPerson(core, id);
  });

  const load = (lines: readonly string[]) =>
    importConsents(core.operations, 'op', bytesOf([header, ...lines].join('\n')), 'csv');
  const switchesOf = async (person: string) =>
    (await core.store.read((reader) => loadPerson(reader, person)))?.switches ?? [];

  it("become consent events with method migrated, in each person's own part of the log", async () => {
    expect(
      await load([
        line('ada'),
        line('ada', { purpose: 'analytics', recipient: 'engine:privacy' }),
        line('ben'),
      ]),
    ).toEqual({
      people: 2,
      consents: 3,
      suppressed: 0,
      rejected: [],
    });
    expect(await switchesOf('ada')).toHaveLength(2);
    const methods = rawOf(core).prepare('SELECT DISTINCT method FROM consent_event').pluck().all();
    expect(methods).toEqual(['migrated']);
    const entries = await entriesOf(core);
    expect(entries.map(({ row, kind }) => `${kind} ${row.holder}`).sort((a, b) => (a < b ? -1 : 1))).toEqual([
      'consent person:ada',
      'consent person:ben',
    ]);
    expect(entries[0]?.payload).toMatchObject({
      switches: [{ method: 'migrated', collected_by: 'web-form' }, {}],
    });
  });

  it('names every bad line and why, and takes the others', async () => {
    const report = await load([
      line('ada'),
      line('ada', { category: 'dreams' }),
      line('ada', { purpose: 'surveillance' }),
      line('ada', { recipient: 'engine:spy' }),
      line('ada', { recipient: 'self' }),
      line('ada', { notice_hash: 'short' }),
      line('ada', { collected_at: 'yesterday' }),
      line('ada', { collected_at: '2030-01-01T00:00:00Z' }),
      line('nobody'),
      line('ben', { method: '' }),
      line('ben', { person: '' }),
    ]);
    expect(report).toEqual({
      people: 1,
      consents: 1,
      suppressed: 0,
      rejected: [
        { line: 3, code: 'unknown_category' },
        { line: 4, code: 'unknown_purpose' },
        { line: 5, code: 'unknown_recipient' },
        { line: 6, code: 'unknown_recipient' },
        { line: 7, code: 'invalid_notice_hash' },
        { line: 8, code: 'invalid_time' },
        { line: 9, code: 'time_in_future' },
        { line: 10, code: 'unknown_person' },
        { line: 11, code: 'missing_value' },
        { line: 12, code: 'missing_value' },
      ],
    });
    expect(await switchesOf('ada')).toHaveLength(1);
    expect(await switchesOf('ben')).toEqual([]);
    expect(count('person')).toBe(2);
  });

  it('missing columns and foreign bytes change nothing', async () => {
    const wrong: [string | Uint8Array, string][] = [
      ['person,category\ntest:ada,browsing', 'import_format'],
      [
        Buffer.concat([Buffer.from(`${header}\n${line('ada')}\n`), Buffer.from([0xff, 0xfe, 0x0a])]),
        'import_encoding',
      ],
    ];
    for (const [bytes, code] of wrong) {
      await expect(importConsents(core.operations, 'op', bytesOf(bytes), 'csv')).rejects.toMatchObject({
        code,
      });
    }
    expect([count('consent_event'), count('entry')]).toEqual([0, 0]);
  });

  it("a person's newer choice is not undone by an older consent; an older one is replaced", async () => {
    const change = {
      category: 'browsing',
      purpose: 'recommendation',
      recipient: 'engine:recommend',
      noticeHash: null,
    };
    await setSwitches(core.operations, 'ada', [{ ...change, action: 'off' }]);
    await setSwitches(core.operations, 'ben', [{ ...change, action: 'unset' }]);
    expect(await load([line('ada'), line('ada', { purpose: 'pricing' }), line('ben')])).toEqual({
      people: 1,
      consents: 1,
      suppressed: 0,
      rejected: [
        { line: 2, code: 'newer_choice' },
        { line: 4, code: 'newer_choice' },
      ],
    });
    expect((await switchesOf('ada')).map(({ purpose, state }) => [purpose, state])).toEqual([
      ['pricing', 'on'],
      ['recommendation', 'off'],
    ]);
    expect(await switchesOf('ben')).toEqual([]);
    core.clock.advance(dayMs);
    const newer = new Date(core.clock.nowMs() - 1000).toISOString();
    expect(await load([line('ada', { collected_at: newer })])).toMatchObject({ consents: 1 });
    expect((await switchesOf('ada')).map(({ state }) => state)).toEqual(['on', 'on']);
  });

  it('NDJSON says the same', async () => {
    const record = { person: 'test:ada', category: 'browsing', purpose: 'pricing', recipient: '*', notice_hash: hash, method: 'paper', collected_at: '2025-01-01T00:00:00Z' }; // prettier-ignore
    const text = [JSON.stringify(record), '', '[1]', '{', JSON.stringify({ ...record, category: 7 })].join(
      '\n',
    );
    const report = await importConsents(core.operations, 'op', bytesOf(text), 'ndjson');
    expect(report).toEqual({
      people: 1,
      consents: 1,
      suppressed: 0,
      rejected: [
        { line: 3, code: 'invalid_json' },
        { line: 4, code: 'invalid_json' },
        { line: 5, code: 'unknown_category' },
      ],
    });
  });
});
