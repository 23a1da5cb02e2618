// An officer's list of entries: what each filter gives, and that no filter reads the log from end to end.
import { ne } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { entryKinds, mapHeadKind, type EntryKind } from '../../gateway/audit/entry.ts';
import { listEntries, type EntryFilter } from '../../gateway/operations/entries.ts';
import { entry } from '../../gateway/store/tables.ts';
import { closeCores, openTestCore, rawOf, startMs, type TestCore } from '../support/core.ts';
import { describeOnStores } from '../support/on-stores.ts';

const minuteMs = 60_000;
const kinds = ['used', 'refused', 'failed', 'incident'] as const satisfies readonly EntryKind[];
const outcomes = ['allowed', 'refused', 'failed', 'noted'] as const;

describeOnStores('a list of entries', () => {
  let core: TestCore;
  beforeAll(async () => {
    core = await openTestCore();
    for (let at = 0; at < 60; at++) {
      await core.store.write((tx) =>
        core.log.append(tx, {
          kind: kinds[at % 4] ?? 'used',
          concern: { kind: 'system' },
          operationId: `op-${at}`,
          atMs: core.clock.nowMs(),
          outcome: outcomes[at % 4 === 3 && at % 8 === 3 ? 0 : at % 4] ?? 'noted',
          recipient: null,
          keyClass: 'evidence',
          payload: { operation: 'administer' },
        }),
      );
      core.clock.advance(minuteMs);
      // Map heads lie between them.
      if (at % 7 === 0) await core.publisher.publish();
    }
  });
  afterAll(closeCores);

  const filters: readonly EntryFilter[] = [
    {},
    ...kinds.map((kind) => ({ kind })),
    { kind: 'erasure-completed' },
    ...outcomes.map((outcome) => ({ outcome })),
    ...kinds.flatMap((kind) => outcomes.map((outcome) => ({ kind, outcome }))),
    { fromMs: startMs + 20 * minuteMs },
    { fromMs: startMs + 20 * minuteMs + 1 },
    { toMs: startMs + 20 * minuteMs },
    { toMs: startMs + 20 * minuteMs - 1 },
    { fromMs: startMs + 5 * minuteMs, toMs: startMs + 30 * minuteMs, outcome: 'noted' },
    { fromMs: startMs + 5 * minuteMs, toMs: startMs + 30 * minuteMs, kind: 'refused' },
    { fromMs: startMs + 30 * minuteMs, toMs: startMs },
    { fromMs: startMs + 1e12 },
    { toMs: 0 },
  ];

  it.each(filters)('holds what %j says and nothing else, newest first, and counts it', async (filter) => {
    const all = await core.store.read((reader) =>
      reader.db.select().from(entry).where(ne(entry.kind, mapHeadKind)),
    );
    const wanted = all
      .filter(
        (row) =>
          (filter.kind === undefined || row.kind === entryKinds[filter.kind]) &&
          (filter.outcome === undefined || row.outcome === filter.outcome) &&
          row.atMs >= (filter.fromMs ?? 0) &&
          row.atMs <= (filter.toMs ?? Infinity),
      )
      .map(({ number }) => number)
      .toSorted((a, b) => b - a);
    const first = (await listEntries(core.operations, 'olga', filter, 0)).value;
    const second = (await listEntries(core.operations, 'olga', filter, 50)).value;
    // The first look at the list is an entry of its own by the time of the second.
    const shown = new Set([...first.entries, ...second.entries].map(({ number }) => number));
    expect(first.total).toBe(wanted.length);
    expect(first.entries.map(({ number }) => number)).toEqual(wanted.slice(0, 50));
    for (const number of wanted) if (wanted.length <= 100) expect(shown).toContain(number);
  });
});

describe('the indexes of the entry table', () => {
  it('answer each filter from the matching entries alone', async () => {
    const core = await openTestCore();
    const plan = (where: string): string =>
      rawOf(core)
        .prepare(`EXPLAIN QUERY PLAN SELECT leaf FROM entry WHERE ${where} ORDER BY number DESC LIMIT 50`)
        .all()
        .map((row) => (row as { detail: string }).detail)
        .join('; ');
    for (const where of [
      'kind = 3',
      "outcome = 'failed'",
      "kind = 3 AND outcome = 'refused'",
      'number >= 10 AND number < 20',
    ])
      // Neither from end to end, nor sorted afterwards.
      expect(plan(where)).toMatch(/^SEARCH entry USING [^;]*$/);
    expect(plan("recipient = 'x'")).toMatch(/^SCAN/);
    await closeCores();
  });
});
