// The gateway and its commands as a user runs them: child processes on a folder of their own.
import { spawn, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..', '..');
const startLimitMs = 90_000;

export interface Ended {
  /** Exit code; null where a signal ended it. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface GatewayProcess {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** JSON-RPC of the local chain. */
  readonly chainUrl: string;
  /** What it printed until it was ready. */
  readonly greeting: string;
  stop(signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL'): Promise<Ended>;
}

export interface Run {
  readonly arguments?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
}

const children = new Set<ChildProcess>();

/** For `afterAll`: nothing a test started outlives it. */
export function killChildren(): void {
  for (const child of children) child.kill('SIGKILL');
}

/** Runs a program of the gateway to its end. */
export function run(program: 'main' | 'cli', { input = '', ...order }: Run): Promise<Ended> {
  const { child, ended } = launch(program, order);
  child.stdin?.end(input);
  return ended;
}

/** Starts the gateway on a free port and waits until it says that it is ready. */
export async function startGateway(home: string, order: Run = {}): Promise<GatewayProcess> {
  const port = await freePort();
  const { child, ended, printed } = launch('main', {
    ...order,
    environment: {
      ASSENT_HOME: home,
      PORT: String(port),
      ASSENT_CHAIN_PORT: '0',
      ASSENT_REQUESTS_PER_MINUTE: '0',
      ...order.environment,
    },
  });
  child.stdin?.end();
  await new Promise<void>((ready, fail) => {
    const timer = setTimeout(() => fail(new Error(`not ready in time:\n${printed()}`)), startLimitMs);
    child.stdout?.on('data', () => {
      if (!printed().includes('Ctrl-C stops it')) return;
      clearTimeout(timer);
      ready();
    });
    void ended.then(({ code, out, err }) => {
      clearTimeout(timer);
      fail(new Error(`ended with ${code} before it was ready:\n${out}${err}`));
    });
  });
  const greeting = printed();
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    pid: child.pid ?? 0,
    chainUrl: /chain \(JSON-RPC\)\s+(\S+)/.exec(greeting)?.[1] ?? '',
    greeting,
    stop(signal) {
      child.kill(signal);
      return ended;
    },
  };
}

export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((done) => probe.listen(0, '127.0.0.1', done));
  const { port } = probe.address() as { port: number };
  await new Promise((done) => probe.close(done));
  return port;
}

function launch(program: 'main' | 'cli', { arguments: given = [], environment = {} }: Run) {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(ASSENT_|PORT$|HOST$|NODE_OPTIONS$|VITEST)/.test(name),
  );
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', resolve(root, 'gateway', `${program}.ts`), ...given],
    { cwd: root, env: { ...Object.fromEntries(inherited), ...environment }, stdio: 'pipe' },
  );
  children.add(child);
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const ended = new Promise<Ended>((done) => {
    child.on('close', (code) => {
      children.delete(child);
      done({ code, out, err });
    });
  });
  return { child, ended, printed: () => out };
}
