// Durable log entries a second, at 1, 32 and 128 callers, beside what the disk itself does.
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCore } from '../../gateway/compose.ts';
import { loadConfig } from '../../gateway/config.ts';
import type { Tx } from '../../gateway/store/store.ts';
import { newId, realSystem } from '../../gateway/system.ts';
import { person as personTable } from '../../gateway/store/tables.ts';
import { ms, quantile, table, whole } from './figures.ts';

const secondsEach = 4;
const people = 500;

/** No options. */
export async function bench(_options: readonly string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'assent-bench-log-'));
  try {
    process.stdout.write(`${await measureAll(folder)}\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureAll(folder: string): Promise<string> {
  const disk = diskSyncs(join(folder, 'disk'));
  const core = await openCore(loadConfig({ ASSENT_HOME: join(folder, 'home') }), realSystem);
  const ids = await core.store.write(async (tx) => {
    const made: string[] = [];
    for (let at = 0; at < people; at++) made.push(await addPerson(tx));
    return made;
  });
  async function addPerson(tx: Tx): Promise<string> {
    const id = newId(realSystem.random);
    await tx.db.insert(personTable).values({ id, status: 'active', createdMs: realSystem.clock.nowMs() });
    await core.keyring.create(tx, `person:${id}`);
    return id;
  }

  async function append(turn: number): Promise<void> {
    await core.store.write((tx) =>
      core.log.append(tx, {
        kind: 'used',
        concern: { kind: 'person', id: ids[turn % people] ?? '', role: 'subject' },
        operationId: 'bench',
        atMs: realSystem.clock.nowMs(),
        outcome: 'allowed',
        recipient: 'partner:bench',
        keyClass: 'data',
        payload: {
          caller: { kind: 'partner', id: 'bench' },
          operation: 'read-data',
          purpose: 'recommendation',
          categories: ['browsing'],
          recipients: ['partner:bench'],
          decision: 'allowed',
          basis: 'consent',
          counts: { rows: 20 },
        },
      }),
    );
  }

  const rows: string[][] = [];
  await measure(32, append, 1);
  for (const callers of [1, 32, 128]) {
    const before = core.store.figures();
    const { perSecond, sorted } = await measure(callers, append, secondsEach);
    const after = core.store.figures();
    rows.push([
      String(callers),
      whole(perSecond),
      ms(quantile(sorted, 0.5)),
      ms(quantile(sorted, 0.99)),
      ((after.works - before.works) / (after.batches - before.batches)).toFixed(1),
      (perSecond / disk).toFixed(2),
    ]);
  }
  await core.close();
  return [
    `disk: ${whole(disk)} × (write 4 KiB + fdatasync) a second, one after the other`,
    '',
    table(['callers', 'entries/s', 'p50 ms', 'p99 ms', 'entries a batch', '× disk syncs'], rows),
    '',
    'Each entry: leaf, leaf hash and encrypted payload in SQLite; answered after fdatasync.',
  ].join('\n');
}

async function measure(
  callers: number,
  work: (turn: number) => Promise<void>,
  seconds: number,
): Promise<{ perSecond: number; sorted: number[] }> {
  const times: number[] = [];
  const begun = performance.now();
  const end = begun + seconds * 1000;
  let turn = 0;
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (performance.now() < end) {
        const started = performance.now();
        await work(turn++);
        times.push(performance.now() - started);
      }
    }),
  );
  return {
    perSecond: times.length / ((performance.now() - begun) / 1000),
    sorted: times.sort((a, b) => a - b),
  };
}

/** The yardstick: how often a second this disk takes 4 KiB for good. */
function diskSyncs(path: string): number {
  const file = openSync(path, 'w');
  const page = Buffer.alloc(4096, 1);
  const begun = performance.now();
  let times = 0;
  while (performance.now() - begun < 2000) {
    writeSync(file, page, 0, page.length, (times % 1000) * 4096);
    fdatasyncSync(file);
    times += 1;
  }
  closeSync(file);
  return times / ((performance.now() - begun) / 1000);
}
