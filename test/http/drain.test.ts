// How the gateway stops: the real program, real connections, and what each of them sees.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSigner } from '../../gateway/audit/publish.ts';
import { startWitness } from '../../gateway/commands/witness.ts';
import { loadConfig } from '../../gateway/config.ts';
import { realSystem } from '../../gateway/system.ts';
import { addPerson, closeCores, entriesOf, openTestCore, turn } from '../support/core.ts';
import { killChildren, startGateway, type GatewayProcess } from '../support/gateway-process.ts';

const parent = mkdtempSync(join(tmpdir(), 'assent-drain-'));
afterAll(async () => {
  killChildren();
  await closeCores();
  rmSync(parent, { recursive: true, force: true });
});

const start = (
  home: string,
  drainSeconds: number,
  stopSeconds: number,
  more: Readonly<Record<string, string>> = {},
): Promise<GatewayProcess> =>
  startGateway(join(parent, home), {
    environment: {
      ASSENT_EMPTY: '1',
      ASSENT_DRAIN_SECONDS: String(drainSeconds),
      ASSENT_STOP_SECONDS: String(stopSeconds),
      ...more,
    },
  });

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** How many entries the log holds, and how many of them are under a signed head. */
function logIn(home: string): { entries: number; signed: number } {
  const raw = new Sqlite(join(parent, home, 'assent.sqlite'), { readonly: true });
  try {
    const number = (sql: string): number => Number(raw.prepare(sql).pluck().get() ?? 0);
    return {
      entries: number('SELECT count(*) FROM entry'),
      signed: number('SELECT max(size) FROM checkpoint'),
    };
  } finally {
    raw.close();
  }
}

const body = JSON.stringify({ question: 'people_by_genre' });

/** A query whose body is held back after its first half. */
function halfRequest(port: number): Promise<{ socket: Socket; answered: Promise<string>; finish(): void }> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(
        [
          'POST /v1/dp/query HTTP/1.1',
          'host: 127.0.0.1',
          'content-type: application/json',
          `content-length: ${body.length}`,
          '',
          body.slice(0, 10),
        ].join('\r\n'),
      );
      // The headers have arrived when the process has had a moment to read them.
      setTimeout(() => resolve({ socket, answered, finish: () => socket.write(body.slice(10)) }), 300);
    });
    socket.on('error', reject);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    const answered = new Promise<string>((done) =>
      socket.on('close', () => done(Buffer.concat(chunks).toString())),
    );
  });
}

describe('a gateway with time to drain', () => {
  let running: GatewayProcess;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  beforeAll(async () => {
    running = await start('drained', 3, 20);
  });
  afterAll(() => agent.destroy());

  const keptAlive = (path: string): Promise<{ status: number; connection: string | undefined }> =>
    new Promise((resolve, reject) => {
      request(`${running.url}${path}`, { agent }, (answer) => {
        answer.resume();
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, connection: answer.headers.connection }),
        );
      })
        .on('error', reject)
        .end();
    });

  it('says 503 at once and goes on answering, then answers what is in flight and exits with 0', async () => {
    expect(await keptAlive('/readyz')).toEqual({ status: 200, connection: 'keep-alive' });
    const early = await halfRequest(running.port);
    // A browser opens connections it may never use.
    const unused = connect(running.port, '127.0.0.1');
    const begun = performance.now();
    const ending = running.stop('SIGTERM');
    await pause(300);
    expect(await keptAlive('/readyz')).toEqual({ status: 503, connection: 'close' });
    expect((await fetch(`${running.url}/healthz`)).status).toBe(200);
    // Repeating it cuts nothing short.
    process.kill(running.pid, 'SIGTERM');
    process.kill(running.pid, 'SIGINT');
    const unknown = await fetch(`${running.url}/v1/recommendations`);
    expect(unknown.status).toBe(401);
    await pause(3500 - (performance.now() - begun));
    // The grace is over: nobody new, but the old request still gets its answer.
    await expect(fetch(`${running.url}/healthz`)).rejects.toThrow('fetch failed');
    early.finish();
    expect(await early.answered).toMatch(/^HTTP\/1\.1 400 /);
    const ended = await ending;
    expect({ code: ended.code, err: ended.err }).toEqual({ code: 0, err: '' });
    expect(performance.now() - begun).toBeGreaterThan(3000);
    expect(performance.now() - begun).toBeLessThan(12_000);
    unused.destroy();
    // The refused request was counted while draining; its entry lies under the last signature.
    const { entries, signed } = logIn('drained');
    expect(entries).toBeGreaterThan(0);
    expect(signed).toBe(entries);
  });
});

describe('a gateway without time to drain', () => {
  it('cuts a request that never ends at its limit, says so with code 1, and signs the log all the same', async () => {
    const running = await start('cut', 0, 4);
    expect((await fetch(`${running.url}/v1/recommendations`)).status).toBe(401);
    const stuck = await halfRequest(running.port);
    const begun = performance.now();
    const ended = await running.stop('SIGTERM');
    expect(ended.code).toBe(1);
    expect(ended.err).toBe('cut: 1 request(s) without their answer\n');
    expect(performance.now() - begun).toBeLessThan(8000);
    expect(await stuck.answered).toBe('');
    const { entries, signed } = logIn('cut');
    expect(entries).toBeGreaterThan(0);
    expect(signed).toBe(entries);
  });

  it('ends at its limit with code 1 and names what it waited for, and its log goes on from there', async () => {
    // It takes connections and never says a word.
    const held: Socket[] = [];
    const silent = createServer((socket) => void held.push(socket));
    await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done));
    const logKey = createSigner('gateway.example/log', new Uint8Array(32).fill(10)).verifierKey;
    const known = await startWitness(
      {
        home: join(parent, 'witness'),
        name: 'silent',
        logs: [logKey],
        logsFile: undefined,
        host: '127.0.0.1',
        port: 0,
      },
      realSystem,
      () => undefined,
    );
    await known.close();
    const { port } = silent.address() as { port: number };
    const policy = join(parent, 'policy');
    writeFileSync(policy, `witness silent ${known.verifierKey} http://127.0.0.1:${port}\nquorum silent\n`);
    const running = await start('hanging', 0, 3, { ASSENT_WITNESS_POLICY: policy });
    expect((await fetch(`${running.url}/v1/recommendations`)).status).toBe(401);
    const begun = performance.now();
    const ended = await running.stop('SIGTERM');
    expect(ended.code).toBe(1);
    expect(ended.err).toMatch(
      /^cut: not stopped after 3 s, waiting for the (witnesses|rounds in the background)\n$/m,
    );
    expect(performance.now() - begun).toBeLessThan(5000);
    for (const socket of held) socket.destroy();
    silent.close();
    // What was cut was no loss: the same folder starts and signs the rest.
    const again = await start('hanging', 0, 30);
    expect((await again.stop('SIGTERM')).code).toBe(0);
    const { entries, signed } = logIn('hanging');
    expect(signed).toBe(entries);
  });

  it('is quick when nothing is in flight, idle connections or not', async () => {
    const running = await start('quick', 0, 30);
    const agent = new Agent({ keepAlive: true });
    await new Promise<void>((done, failed) => {
      request(`${running.url}/healthz`, { agent }, (answer) => answer.resume().on('end', done))
        .on('error', failed)
        .end();
    });
    const begun = performance.now();
    const ended = await running.stop('SIGINT');
    expect({ code: ended.code, err: ended.err }).toEqual({ code: 0, err: '' });
    expect(performance.now() - begun).toBeLessThan(5000);
    agent.destroy();
  });
});

describe('long work when the gateway must stop', () => {
  it('is closed as abandoned when it is this process that computes it, and releases nothing', async () => {
    const core = await openTestCore();
    for (const name of ['one', 'two']) {
      await addPerson(core, name, { browsed: ['book'] });
      await turn(core, name, 'on');
    }
    let goOn = (): void => undefined;
    let begun = (): void => undefined;
    const computing = new Promise<void>((done) => (begun = done));
    const released = core.gate.runLong(
      {
        caller: { kind: 'operator', id: 'test' },
        operation: 'train-recommender',
        purpose: 'recommendation',
        categories: ['browsing'],
        recipients: ['engine:recommend'],
        population: 'recommendation/browsing/engine:recommend',
      },
      {
        start: async () => undefined,
        compute: () =>
          new Promise((done) => {
            goOn = () => done('a model');
            begun();
          }),
        finish: async () => ({ value: 'a model' }),
      },
    );
    await computing;
    expect(await core.gate.closeAbandoned('own')).toBe(1);
    expect(await core.gate.closeAbandoned('own')).toBe(0);
    goOn();
    await expect(released).rejects.toBeInstanceOf(Error);
    const kinds = (await entriesOf(core)).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'abandoned')).toHaveLength(1);
    expect(kinds).not.toContain('released');
  });
});

describe('the limits of a stop', () => {
  it('are whole seconds within bounds', () => {
    expect(loadConfig({})).toMatchObject({ drainMs: 0, stopMs: 30_000 });
    expect(loadConfig({ ASSENT_DRAIN_SECONDS: '60' }).drainMs).toBe(60_000);
    for (const wrong of ['61', '-1', '1.5', 'soon'])
      expect(() => loadConfig({ ASSENT_DRAIN_SECONDS: wrong })).toThrow('ASSENT_DRAIN_SECONDS must be');
    expect(() => loadConfig({ ASSENT_STOP_SECONDS: '0' })).toThrow('ASSENT_STOP_SECONDS must be');
  });
});
