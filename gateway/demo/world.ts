// The invented world of a first start: a small shop, its people, a partner, and thirty days made through the gate.
import { desc, eq, max, ne } from 'drizzle-orm';
import { entryKinds } from '../audit/entry.ts';
import { createPublisher } from '../audit/publish.ts';
import type { Core } from '../compose.ts';
import { createGate } from '../gate.ts';
import { createProvider } from '../oauth/provider.ts';
import type { OperationParts } from '../operations/parts.ts';
import { entry, person as personTable, setting } from '../store/tables.ts';
import { handClock, type System } from '../system.ts';
import { createStage, historyDays, planHistory } from './history.ts';

export type World = 'demo' | 'real';

export interface WorldOptions {
  /** Hears one line for each part that is done. */
  readonly say: (line: string) => void;
}

const dayMs = 86_400_000;
const settings = { world: 'world', start: 'demo-start', built: 'demo-built', done: 'demo-done' } as const;

/**
 * Builds the demo world on the first start of an empty data folder, or goes on where a crash stopped it. A folder that
 * began without it, or holds anything else, stays real for good.
 */
export async function ensureDemoWorld(core: Core, { say }: WorldOptions): Promise<World> {
  const settled = await settledWorld(core);
  if (settled !== undefined) return settled;
  const known = await readSettings(core);
  if (known.world === undefined && (core.config.empty || (await isInUse(core)))) {
    await writeSettings(core, { [settings.world]: 'real' });
    return 'real';
  }
  let startMs = Number(known.start);
  if (known.world === undefined) {
    startMs = midnightBefore(core.system.clock.nowMs() - historyDays * dayMs);
    await writeSettings(core, { [settings.world]: 'demo', [settings.start]: String(startMs) });
    say('building the demo world: a shop, 302 invented people, 30 days of history (once, some seconds)');
  } else {
    say('going on with the demo world where the last start was interrupted');
  }
  await makeHistory(core, startMs, say);
  await writeSettings(core, { [settings.built]: String(core.system.clock.nowMs()) });
  say(`the demo world is ready: ${core.log.durableSize()} log entries`);
  return 'demo';
}

/** Which world it is, once that is settled: by another process that leads. */
export async function settledWorld(core: Core): Promise<World | undefined> {
  const { world, built } = await readSettings(core);
  if (world === 'real') return 'real';
  return world === 'demo' && built !== undefined ? 'demo' : undefined;
}

/** Midnight where the shop is (UTC+8), so that the hours of the history are hours people are awake. */
function midnightBefore(atMs: number): number {
  const aheadMs = 8 * 3_600_000;
  return Math.floor((atMs + aheadMs) / dayMs) * dayMs - aheadMs;
}

/** Runs what has not happened yet. The log's last entry says how far the history came. */
async function makeHistory(core: Core, startMs: number, say: (line: string) => void): Promise<void> {
  const clock = handClock(startMs);
  const system: System = { clock, random: core.system.random };
  const { store, log, keyring } = core;
  const gate = createGate({ store, log, keyring, system });
  const parts: OperationParts = { ...core.operations, gate, system };
  const publisher = createPublisher({ store, log, signer: core.logSigner, clock });
  // Its records live from the day of the first start, not from the day the history tells of.
  const stage = createStage(parts, createProvider(core), startMs);

  const plan = planHistory(startMs);
  const { doneMs, lastMs } = await progress(core);
  // Something was written with the real clock meanwhile, such as the end of a training that a crash had cut short: what
  // is left then happens at that time, and how far it came must be noted apart.
  const isLate = lastMs > (plan.at(-1)?.atMs ?? Infinity);
  clock.set(Math.max(startMs, lastMs));
  await gate.closeAbandoned();
  let day = 0;
  for (const { atMs, isLong, run } of plan) {
    const isDone = atMs < doneMs || (atMs === doneMs && isLong !== true);
    if (isDone) continue;
    clock.set(Math.max(atMs, lastMs));
    await run(stage);
    if (isLate) await writeSettings(core, { [settings.done]: String(atMs) });
    const reached = Math.floor((atMs - startMs) / dayMs);
    if (reached === day) continue;
    day = reached;
    await publisher.publish();
    if (day % 7 === 0) say(`  day ${day} of ${historyDays}`);
  }
  await publisher.publish();
}

/** @returns time of the last entry of the history, and of the last entry at all */
async function progress(core: Core): Promise<{ doneMs: number; lastMs: number }> {
  const newest = (ofHistory: boolean) =>
    core.store.read((reader) =>
      reader.db
        .select({ atMs: max(entry.atMs) })
        .from(entry)
        .where(ofHistory ? ne(entry.kind, entryKinds.abandoned) : undefined),
    );
  const [[done], [last]] = await Promise.all([newest(true), newest(false)]);
  const noted = (await readSettings(core)).done;
  return {
    doneMs: noted === undefined ? (done?.atMs ?? -Infinity) : Number(noted),
    lastMs: last?.atMs ?? -Infinity,
  };
}

/** Anything at all in the log means that this folder is somebody's. */
async function isInUse(core: Core): Promise<boolean> {
  const people = await core.store.read((reader) =>
    reader.db.select({ id: personTable.id }).from(personTable).limit(1),
  );
  const entries = await core.store.read((reader) =>
    reader.db.select({ number: entry.number }).from(entry).orderBy(desc(entry.number)).limit(1),
  );
  return people.length > 0 || entries.length > 0;
}

async function readSettings(
  core: Pick<Core, 'store'>,
): Promise<Partial<Record<keyof typeof settings, string>>> {
  const rows = await core.store.read((reader) => reader.db.select().from(setting));
  const value = (name: string): string | undefined => rows.find((row) => row.name === name)?.value;
  const found: Partial<Record<keyof typeof settings, string>> = {};
  for (const [key, name] of Object.entries(settings)) {
    const text = value(name);
    if (text !== undefined) found[key as keyof typeof settings] = text;
  }
  return found;
}

async function writeSettings(
  core: Pick<Core, 'store'>,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  await core.store.write(async (tx) => {
    for (const [name, value] of Object.entries(values)) {
      await tx.db
        .insert(setting)
        .values({ name, value })
        .onConflictDoUpdate({ target: setting.name, set: { value } });
    }
  });
}

/** Whether this data folder holds the demo world. */
export async function isDemoWorld(core: Pick<Core, 'store'>): Promise<boolean> {
  const [row] = await core.store.read((reader) =>
    reader.db.select().from(setting).where(eq(setting.name, settings.world)),
  );
  return row?.value === 'demo';
}
