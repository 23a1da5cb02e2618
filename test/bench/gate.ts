// A partner's read through the gate, against the same app, hooks, token read and rows without gate and entry.
import autocannon from 'autocannon';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { ms, quantile, table, whole } from './figures.ts';

const connections = 64;
const secondsEach = 8;
const fixedRate = 2000;

interface Ready {
  readonly url: string;
  readonly token: string;
}

/** No options. */
export async function bench(_options: readonly string[]): Promise<void> {
  // The server has a process, and so a core, of its own.
  const server = fork(new URL('./gate-server.ts', import.meta.url), {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  try {
    const [ready] = (await once(server, 'message')) as [Ready];
    process.stdout.write(`${await measureAll(ready)}\n`);
  } finally {
    server.kill('SIGTERM');
    await once(server, 'exit');
  }
}

async function measureAll({ url, token }: Ready): Promise<string> {
  const gated = `${url}/v1/data/browsing?purpose=recommendation&limit=20`;
  const bare = `${url}/bare/data/browsing?purpose=recommendation&limit=20`;
  const shoot = (target: string, seconds: number, rate?: number): Promise<autocannon.Result> =>
    autocannon({
      url: target,
      connections,
      duration: seconds,
      headers: { authorization: `Bearer ${token}` },
      ...(rate === undefined ? {} : { overallRate: rate }),
    });

  for (const target of [bare, gated]) await shoot(target, 3);
  // Alternating, so that a slow minute of the machine hits both.
  const saturated = { bare: [] as autocannon.Result[], gated: [] as autocannon.Result[] };
  for (let round = 0; round < 3; round++) {
    saturated.bare.push(await shoot(bare, secondsEach));
    saturated.gated.push(await shoot(gated, secondsEach));
  }
  const fixed = {
    bare: await shoot(bare, secondsEach, fixedRate),
    gated: await shoot(gated, secondsEach, fixedRate),
  };

  const best = (results: readonly autocannon.Result[]): autocannon.Result =>
    results.reduce((a, b) => (b.requests.average > a.requests.average ? b : a));
  const row = (name: string, result: autocannon.Result): string[] => [
    name,
    whole(result.requests.average),
    ms(result.latency.p50),
    ms(result.latency.p99),
    String(result.non2xx + result.errors),
  ];
  const [bestBare, bestGated] = [best(saturated.bare), best(saturated.gated)];
  const ratios = saturated.bare.map(
    (one, at) => (saturated.gated[at]?.requests.average ?? 0) / one.requests.average,
  );
  const median = quantile(
    ratios.toSorted((a, b) => a - b),
    0.5,
  );
  return [
    table(
      ['', 'requests/s', 'p50 ms', 'p99 ms', 'failed'],
      [
        row('saturated, bare', bestBare),
        row('saturated, gate', bestGated),
        row(`${fixedRate}/s, bare`, fixed.bare),
        row(`${fixedRate}/s, gate`, fixed.gated),
      ],
    ),
    '',
    `requests/s through the gate ÷ bare: ${median.toFixed(2)} (median of rounds: ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')})`,
    `p99 added at ${fixedRate}/s: ${ms(fixed.gated.latency.p99 - fixed.bare.latency.p99)} ms`,
    '',
    'Both read token, grant and 20 rows; the gate adds decision, encrypted entry and fdatasync. Server and load share two cores.',
  ].join('\n');
}
