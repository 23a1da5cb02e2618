// A Core on a folder of its own with a clock that is moved by hand, and what tests put into it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { asc, eq } from 'drizzle-orm';
import { openPayload, kindName, type EntryRow } from '../../gateway/audit/payload.ts';
import type { EntryKind, PlainObject } from '../../gateway/audit/entry.ts';
import { databaseFile, openCore, type Core, type CoreOptions } from '../../gateway/compose.ts';
import { loadConfig, type Config } from '../../gateway/config.ts';
import { turnSwitch, type ConsentAction } from '../../gateway/consent/switches.ts';
import type { Extent, GrantState } from '../../gateway/consent/decide.ts';
import {
  scopeOf,
  type Category,
  type Purpose,
  type SwitchRecipient,
} from '../../gateway/consent/vocabulary.ts';
import type { GateRequest } from '../../gateway/gate.ts';
import type { Tx } from '../../gateway/store/store.ts';
import {
  attribute,
  entry,
  event,
  item,
  partner,
  person as personTable,
  source,
} from '../../gateway/store/tables.ts';
import { handClock, realSystem } from '../../gateway/system.ts';
import { currentStore, dropDatabases, newDatabase, type StoreKind } from './postgres.ts';

export const startMs = Date.parse('2026-03-01T12:00:00Z');
export const dayMs = 86_400_000;
export const noticeHash = 'ab'.repeat(32);

const folders: string[] = [];
const opened: Core[] = [];
const readers = new Map<TestCore, Sqlite.Database>();

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'assent-core-'));
  folders.push(folder);
  return folder;
}

/** For `afterEach` or `afterAll`. */
export async function closeCores(): Promise<void> {
  for (const reader of readers.values()) reader.close();
  readers.clear();
  for (const core of opened.splice(0)) await core.close();
  databases.clear();
  await dropDatabases();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

export interface TestCore extends Core {
  readonly folder: string;
  readonly clock: ReturnType<typeof handClock>;
}

export interface TestCoreOptions extends CoreOptions {
  readonly folder?: string;
  readonly startMs?: number;
  readonly limits?: Partial<Config['limits']>;
  /** The one the tests are about. On PostgreSQL a core has a database of its own; the same folder means the same. */
  readonly store?: StoreKind;
}

const databases = new Map<string, string>();

export async function openTestCore(options: TestCoreOptions = {}): Promise<TestCore> {
  const {
    folder = newFolder(),
    startMs: from = startMs,
    limits,
    store = currentStore(),
    ...coreOptions
  } = options;
  const url = store === 'postgres' ? (databases.get(folder) ?? (await newDatabase())) : undefined;
  if (url !== undefined) databases.set(folder, url);
  const base = loadConfig({ ASSENT_HOME: folder, ...(url === undefined ? {} : { ASSENT_STORE: url }) });
  const clock = handClock(from);
  const core = await openCore(
    { ...base, limits: { ...base.limits, ...limits } },
    { clock, random: realSystem.random },
    {
      onFatal: (cause) => {
        throw cause;
      },
      ...coreOptions,
    },
  );
  opened.push(core);
  return { ...core, folder, clock };
}

/** Closes a core before the test ends, so that its folder can be opened again. */
export async function closeCore(core: Core): Promise<void> {
  const index = opened.findIndex((one) => one.store === core.store);
  if (index >= 0) opened.splice(index, 1);
  await core.close();
}

/** A second connection that only reads, for looking at tables as they lie on the disk; on SQLite. */
export function rawOf(core: TestCore): Sqlite.Database {
  let raw = readers.get(core);
  if (raw === undefined) {
    raw = new Sqlite(join(core.folder, databaseFile), { readonly: true });
    readers.set(core, raw);
  }
  return raw;
}

export interface PersonRows {
  /** Items looked at, one a minute, the last one a minute before now. */
  readonly browsed?: readonly string[];
  readonly age?: number;
}

/** A person with keys and, where given, rows. */
export async function addPerson(core: TestCore, id: string, rows: PersonRows = {}): Promise<string> {
  const nowMs = core.clock.nowMs();
  await core.store.write(async (tx) => {
    await tx.db
      .insert(personTable)
      .values({ id, reference: `test:${id}`, status: 'active', createdMs: nowMs });
    await core.keyring.create(tx, `person:${id}`);
    await ensureSource(tx, nowMs);
    const browsed = rows.browsed ?? [];
    for (const [index, key] of browsed.entries()) {
      await addEvent(tx, id, key, nowMs - (browsed.length - index) * 60_000);
    }
    if (rows.age !== undefined) {
      await tx.db
        .insert(attribute)
        .values({ person: id, name: 'age', value: String(rows.age), category: 'profile', source: 'test' });
    }
  });
  return id;
}

export async function addEvent(tx: Tx, person: string, key: string, atMs: number): Promise<void> {
  await ensureItem(tx, key);
  await tx.db
    .insert(event)
    .values({ person, category: 'browsing', kind: 'view', item: key, value: null, atMs, source: 'test' });
}

async function ensureItem(tx: Tx, key: string): Promise<void> {
  await tx.db
    .insert(item)
    .values({ key, title: `Title of ${key}`, attributes: '{"genres":["Drama"]}', source: 'test' })
    .onConflictDoNothing();
}

async function ensureSource(tx: Tx, nowMs: number): Promise<void> {
  await tx.db
    .insert(source)
    .values({
      id: 'test',
      name: 'test',
      legalBasis: 'contract',
      importedMs: nowMs,
      accepted: 0,
      rejected: 0,
    })
    .onConflictDoNothing();
}

export async function addPartner(core: TestCore, id = 'shop'): Promise<string> {
  await core.store.write(async (tx) => {
    await tx.db
      .insert(partner)
      .values({ id, name: `Partner ${id}`, status: 'active', client: '{}', createdMs: core.clock.nowMs() });
  });
  return id;
}

export interface Turn {
  readonly category?: Category;
  readonly purpose?: Purpose;
  readonly recipient?: SwitchRecipient;
  readonly validUntilMs?: number;
  readonly extent?: Extent;
}

/** Turns a switch as the store keeps it, beside the gate; browsing for recommendation by the engine where nothing is said. */
export async function turn(
  core: TestCore,
  person: string,
  action: ConsentAction,
  more: Turn = {},
): Promise<number> {
  return core.store.write((tx) =>
    turnSwitch(
      tx,
      {
        person,
        category: more.category ?? 'browsing',
        purpose: more.purpose ?? 'recommendation',
        recipient: more.recipient ?? 'engine:recommend',
        action,
        method: 'portal',
        noticeHash,
        validUntilMs: more.validUntilMs ?? null,
        extent: more.extent ?? {},
        collectedMs: core.clock.nowMs(),
      },
      core.clock.nowMs(),
    ),
  );
}

export function grantOf(
  person: string,
  scopes: readonly string[] = [scopeOf('browsing', 'recommendation')],
): GrantState {
  return { live: true, person, scopes };
}

/** A partner's read of one person's browsing for recommendation. */
export function partnerRead(person: string, more: Partial<GateRequest> = {}): GateRequest {
  return {
    caller: { kind: 'partner', id: 'shop' },
    operation: 'read-data',
    purpose: 'recommendation',
    categories: ['browsing'],
    recipients: ['partner:shop'],
    person,
    grant: grantOf(person),
    ...more,
  };
}

export interface ReadEntry {
  readonly row: EntryRow;
  readonly kind: EntryKind;
  readonly payload: PlainObject | undefined;
}

/** Every entry, oldest first, with its payload opened. */
export async function entriesOf(core: Core, operationId?: string): Promise<ReadEntry[]> {
  return core.store.read(async (reader) => {
    const rows = await reader.db
      .select()
      .from(entry)
      .where(operationId === undefined ? undefined : eq(entry.operationId, operationId))
      .orderBy(asc(entry.number));
    const found: ReadEntry[] = [];
    for (const row of rows) {
      const disclosure = await openPayload(core.keyring, reader, row);
      found.push({ row, kind: kindName(row.kind), payload: disclosure?.payload });
    }
    return found;
  });
}
