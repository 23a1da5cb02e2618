// A partner's read through the gate, against the same app, hooks, token read and rows without gate and entry.
import autocannon from 'autocannon';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { StoreFigures } from '../../gateway/store/store.ts';
import { newDatabase, ownServer } from '../support/postgres.ts';
import { ms, quantile, table, whole } from './figures.ts';

const connections = 64;

/** One store, with the gateways that serve it. */
interface Setting {
  readonly name: string;
  readonly gateways: readonly Gateway[];
  /** PostgreSQL's. */
  readonly databaseUrl?: string;
}

interface Gateway {
  readonly url: string;
  readonly token: string;
  figures(): Promise<StoreFigures>;
}

interface Plan {
  readonly rounds: number;
  readonly secondsEach: number;
  /** Requests a second at which delays are measured. */
  readonly fixedRate: number;
}

/** `--store postgres`: SQLite, then PostgreSQL with one gateway and with two. */
export async function bench(options: readonly string[]): Promise<void> {
  const [option, store = 'sqlite', ...rest] = options;
  const isKnown = option === undefined || option === '--store';
  if (!isKnown || rest.length > 0 || !['sqlite', 'postgres'].includes(store)) {
    process.stderr.write('the one option is --store sqlite or --store postgres\n');
    process.exitCode = 2;
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'assent-bench-gate-'));
  try {
    const say = (text: string): void => void process.stdout.write(`${text}\n`);
    if (store === 'sqlite') {
      const plan = { rounds: 3, secondsEach: 8, fixedRate: 2000 };
      await onSqlite(folder, async (setting) => say(reportOf([await measure(setting, plan)], plan)));
      return;
    }
    // The server has fsync on: what is acknowledged is on its disk, as with SQLite.
    const plan = { rounds: 2, secondsEach: 6, fixedRate: 100 };
    const measured = [await onSqlite(folder, (setting) => measure(setting, plan))];
    for (const gateways of [1, 2])
      measured.push(await onPostgres(folder, gateways, (setting) => measure(setting, plan)));
    say(reportOf(measured, plan));
    say(`Load average before and after: ${measured[0]?.load ?? ''}, ${loadNow()}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function onSqlite<Result>(
  folder: string,
  work: (setting: Setting) => Promise<Result>,
): Promise<Result> {
  return withServers(async (start) =>
    work({ name: 'SQLite', gateways: [await start([join(folder, 'sqlite')])] }),
  );
}

async function onPostgres<Result>(
  folder: string,
  count: number,
  work: (setting: Setting) => Promise<Result>,
): Promise<Result> {
  const databaseUrl = await newDatabase(await ownServer());
  return withServers(async (start) => {
    const home = join(folder, `postgres-${count}`);
    const first = await start([home, databaseUrl]);
    const gateways = [first];
    for (let at = 1; at < count; at++) {
      cpSync(join(home, 'keys'), join(`${home}-${at}`, 'keys'), { recursive: true });
      gateways.push(await start([`${home}-${at}`, databaseUrl, first.url], first.token));
    }
    return work({ name: `PostgreSQL, ${count} gateway${count > 1 ? 's' : ''}`, gateways, databaseUrl });
  });
}

type Start = (given: readonly string[], token?: string) => Promise<Gateway>;

/** Each server has a process of its own, and all are gone afterwards. */
async function withServers<Result>(work: (start: Start) => Promise<Result>): Promise<Result> {
  const servers: ChildProcess[] = [];
  const start: Start = async (given, known) => {
    const server = fork(new URL('./gate-server.ts', import.meta.url), given, {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    servers.push(server);
    const [{ url, token = known ?? '' }] = (await once(server, 'message')) as [
      { url: string; token?: string },
    ];
    return {
      url,
      token,
      async figures() {
        server.send('figures');
        return ((await once(server, 'message')) as [StoreFigures])[0];
      },
    };
  };
  try {
    return await work(start);
  } finally {
    for (const server of servers) {
      if (server.exitCode !== null) continue;
      server.kill('SIGTERM');
      await once(server, 'exit');
    }
  }
}

interface Measured {
  readonly name: string;
  readonly load: string;
  readonly bare: autocannon.Result;
  readonly gated: autocannon.Result;
  /** Of the rounds, requests/s through the gate ÷ bare. */
  readonly ratios: readonly number[];
  readonly fixedBare: autocannon.Result;
  readonly fixedGated: autocannon.Result;
  /** Of the rounds through the gate at full speed. */
  readonly worksPerBatch: number;
  readonly waitMs: number;
  /** How much of the time a gateway's batch waited for another's; undefined: there is no such lock. */
  readonly lockShare: number | undefined;
}

async function measure({ name, gateways, databaseUrl }: Setting, plan: Plan): Promise<Measured> {
  const query = 'data/browsing?purpose=recommendation&limit=20';
  const urls = (prefix: string): string[] => gateways.map(({ url }) => `${url}/${prefix}/${query}`);
  const [gated, bare] = [urls('v1'), urls('bare')];
  const shoot = (target: string[], seconds: number, rate?: number): Promise<autocannon.Result> =>
    autocannon({
      url: target as unknown as string,
      connections,
      duration: seconds,
      headers: { authorization: `Bearer ${gateways[0]?.token ?? ''}` },
      ...(rate === undefined ? {} : { overallRate: rate }),
    });
  const load = loadNow();

  for (const target of [bare, gated]) await shoot(target, 3);
  // Alternating, so that a slow minute of the machine hits both.
  const saturated = { bare: [] as autocannon.Result[], gated: [] as autocannon.Result[] };
  const waits = { batches: 0, works: 0, waitedMs: 0, samples: 0, waiting: 0 };
  for (let round = 0; round < plan.rounds; round++) {
    saturated.bare.push(await shoot(bare, plan.secondsEach));
    const before = await Promise.all(gateways.map((gateway) => gateway.figures()));
    const locks = databaseUrl === undefined ? undefined : await watchLocks(databaseUrl);
    saturated.gated.push(await shoot(gated, plan.secondsEach));
    const seen = await locks?.stop();
    waits.samples += seen?.samples ?? 0;
    waits.waiting += seen?.waiting ?? 0;
    for (const [at, gateway] of gateways.entries()) {
      const after = await gateway.figures();
      const from = before[at];
      waits.batches += after.batches - (from?.batches ?? 0);
      waits.works += after.works - (from?.works ?? 0);
      waits.waitedMs += after.waitedMs - (from?.waitedMs ?? 0);
    }
  }
  const best = (results: readonly autocannon.Result[]): autocannon.Result =>
    results.reduce((a, b) => (b.requests.average > a.requests.average ? b : a));
  return {
    name,
    load,
    bare: best(saturated.bare),
    gated: best(saturated.gated),
    ratios: saturated.bare.map(
      (one, at) => (saturated.gated[at]?.requests.average ?? 0) / one.requests.average,
    ),
    fixedBare: await shoot(bare, plan.secondsEach, plan.fixedRate),
    fixedGated: await shoot(gated, plan.secondsEach, plan.fixedRate),
    worksPerBatch: waits.works / waits.batches,
    waitMs: waits.waitedMs / waits.works,
    lockShare: databaseUrl === undefined ? undefined : waits.waiting / (waits.samples * gateways.length),
  };
}

/** Looks every 20 ms at how many writers wait for the lock that all gateways share. */
async function watchLocks(url: string): Promise<{ stop(): Promise<{ samples: number; waiting: number }> }> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const seen = { samples: 0, waiting: 0 };
  let stopped = false;
  async function watch(): Promise<void> {
    while (!stopped) {
      const { rows } = await client.query<{ waiting: number }>(
        "SELECT count(*)::int AS waiting FROM pg_locks WHERE mode = 'ExclusiveLock' AND relation = 'schema_version'::regclass AND NOT granted",
      );
      seen.samples += 1;
      seen.waiting += rows[0]?.waiting ?? 0;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  const watching = watch();
  return {
    async stop() {
      stopped = true;
      await watching;
      await client.end();
      return seen;
    },
  };
}

const loadNow = (): string => (loadavg()[0] ?? NaN).toFixed(1);

function reportOf(measured: readonly Measured[], { fixedRate }: Plan): string {
  const row = (name: string, result: autocannon.Result): string[] => [
    name,
    whole(result.requests.average),
    ms(result.latency.p50),
    ms(result.latency.p99),
    String(result.non2xx + result.errors),
  ];
  const rows = measured.flatMap((one) => [
    row(`${one.name}: saturated, bare`, one.bare),
    row(`${one.name}: saturated, gate`, one.gated),
    row(`${one.name}: ${fixedRate}/s, bare`, one.fixedBare),
    row(`${one.name}: ${fixedRate}/s, gate`, one.fixedGated),
  ]);
  const lines = measured.map(({ name, ratios, fixedBare, fixedGated, worksPerBatch, waitMs, lockShare }) => {
    const median = quantile(
      ratios.toSorted((a, b) => a - b),
      0.5,
    );
    const lock =
      lockShare === undefined
        ? ''
        : `; a gateway stands ${whole(lockShare * 100)} % of the time behind another's batch`;
    return [
      `${name}:`,
      `  requests/s through the gate ÷ bare: ${median.toFixed(2)} (median of rounds: ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')})`,
      `  p99 added at ${fixedRate}/s: ${ms(fixedGated.latency.p99 - fixedBare.latency.p99)} ms`,
      `  saturated: ${worksPerBatch.toFixed(1)} works a batch; a work waits ${ms(waitMs)} ms for its batch${lock}`,
    ].join('\n');
  });
  return [
    table(['', 'requests/s', 'p50 ms', 'p99 ms', 'failed'], rows),
    '',
    ...lines,
    '',
    'All read token, grant and 20 rows; the gate adds decision, encrypted entry and a sync. Servers, database and load share this machine.',
  ].join('\n');
}
