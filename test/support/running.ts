// The real program as a child process: started on a folder of its own and a free port, stopped at the end.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..', '..');
const startMs = 90_000;
const stopMs = 15_000;

export interface Running {
  /** `http://127.0.0.1:<port>`. */
  readonly url: string;
  /** The data folder. */
  readonly home: string;
  /** Everything it wrote so far. */
  output(): string;
  /** Runs `assent <arguments>` on the same folder and returns what it printed. */
  command(...given: readonly string[]): Promise<string>;
  /** Ends it as Ctrl-C does, and removes the folder. */
  stop(): Promise<void>;
}

export interface RunningOptions {
  readonly environment?: Readonly<Record<string, string>>;
}

/** Starts the gateway with its demo world and waits until it says that it is ready. */
export async function startProgram({ environment = {} }: RunningOptions = {}): Promise<Running> {
  const home = mkdtempSync(join(tmpdir(), 'assent-running-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = {
    ...process.env,
    ASSENT_HOME: home,
    PORT: String(port),
    ASSENT_CHAIN_PORT: '0',
    ASSENT_REQUESTS_PER_MINUTE: '0',
    ...environment,
  };
  const node = (file: string, given: readonly string[]) =>
    spawn(process.execPath, ['--disable-warning=ExperimentalWarning', join(root, file), ...given], {
      cwd: root,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });

  const child = node('gateway/main.ts', []);
  let text = '';
  const ended = new Promise<number | null>((done) => child.once('exit', done));
  await new Promise<void>((ready, failed) => {
    const late = setTimeout(() => {
      child.kill('SIGKILL');
      failed(new Error(`the program was not ready after ${startMs} ms:\n${text}`));
    }, startMs);
    const hear = (part: Buffer): void => {
      text += part.toString();
      if (!text.includes('Assent is ready')) return;
      clearTimeout(late);
      ready();
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    void ended.then((code) => {
      clearTimeout(late);
      failed(new Error(`the program ended with ${code}:\n${text}`));
    });
  });

  return {
    url,
    home,
    output: () => text,
    command: (...given) =>
      new Promise((done, failed) => {
        const one = node('gateway/cli.ts', given);
        let out = '';
        let wrong = '';
        one.stdout.on('data', (part: Buffer) => (out += part.toString()));
        one.stderr.on('data', (part: Buffer) => (wrong += part.toString()));
        one.once('exit', (code) => {
          if (code === 0) done(out);
          else failed(new Error(`assent ${given.join(' ')} ended with ${code}:\n${wrong}`));
        });
      }),
    async stop() {
      child.kill('SIGINT');
      const late = setTimeout(() => child.kill('SIGKILL'), stopMs);
      await ended;
      clearTimeout(late);
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** A port nobody listens on; taken a moment later by the program that is told of it. */
function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const probe = createServer();
    probe.once('error', failed);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => {
        if (address === null || typeof address === 'string') failed(new Error('no port'));
        else done(address.port);
      });
    });
  });
}
