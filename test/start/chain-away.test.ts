// The gateway as a process, on a chain of somebody else that is away, comes back, and knows better.
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterAll, expect, it } from 'vitest';
import { type RpcServer, serveRpc } from '../../gateway/chain/rpc-server.ts';
import { type FreeEvm, startFreeEvm } from '../chain/free-evm.ts';
import { submitterKey } from '../chain/rig.ts';
import { freePort, killChildren, run, startGateway } from '../support/gateway-process.ts';

const parent = mkdtempSync(join(tmpdir(), 'assent-away-'));
let evm: FreeEvm | undefined;
let server: RpcServer | undefined;

afterAll(async () => {
  killChildren();
  await server?.close();
  await evm?.close();
  rmSync(parent, { recursive: true, force: true });
});

const anchorsIn = (home: string): { size: number; state: string }[] => {
  const raw = new Sqlite(join(home, 'assent.sqlite'), { readonly: true });
  try {
    return raw.prepare('SELECT size, state FROM anchor ORDER BY id').all() as {
      size: number;
      state: string;
    }[];
  } finally {
    raw.close();
  }
};

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let look = 0; look < 300; look++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('not in time');
}

it('starts without it and says so, anchors when it answers, and stops when it knows a longer log', async () => {
  const home = join(parent, 'home');
  const keyFile = join(parent, 'submitter');
  writeFileSync(keyFile, `${submitterKey}\n`, { mode: 0o600 });
  const port = await freePort();
  const environment = {
    ASSENT_EMPTY: '1',
    ASSENT_CHAIN_URL: `http://127.0.0.1:${port}`,
    ASSENT_CHAIN_KEY_FILE: keyFile,
    ASSENT_CHAIN_FINALITY: '64',
    ASSENT_ANCHOR_EVERY_SECONDS: '1',
    ASSENT_ORIGIN: 'away.example/log',
  };
  evm = await startFreeEvm({ mineAtOnce: true });
  /** One more entry, made while no gateway has the folder. */
  const addStaff = async (name: string): Promise<void> => {
    const added = await run('cli', {
      arguments: ['staff', 'add', 'officer', name],
      environment: { ASSENT_HOME: home, ASSENT_ORIGIN: environment.ASSENT_ORIGIN },
      input: 'a long enough password\n',
    });
    expect(added.code, added.err).toBe(0);
  };
  await addStaff('ada');

  const first = await startGateway(home, { environment });
  expect(first.greeting).toContain('does not answer');
  expect((await fetch(`${first.url}/log/checkpoint`)).status).toBe(200);
  expect(anchorsIn(home)).toEqual([]);
  server = await serveRpc(evm.provider, port);
  await until(() => anchorsIn(home).some(({ state }) => state === 'mined'));
  const ended = await first.stop('SIGTERM');
  expect(ended.code).toBe(0);
  expect(ended.err).toContain('THE CHAIN CANNOT BE USED');
  expect(ended.err).toContain('answers again');
  expect(`${ended.out}${ended.err}`).not.toContain(submitterKey.slice(2));

  // A copy is kept, the log grows and is anchored, and the copy is started while the chain is away.
  const older = join(parent, 'older');
  cpSync(home, older, { recursive: true });
  await addStaff('bo');
  const before = anchorsIn(home).length;
  const second = await startGateway(home, { environment });
  await until(() => anchorsIn(home).length > before);
  expect((await second.stop('SIGTERM')).code).toBe(0);

  await server.close();
  server = undefined;
  const third = await startGateway(older, { environment });
  server = await serveRpc(evm.provider, port);
  await until(() =>
    fetch(third.url).then(
      () => false,
      () => true,
    ),
  );
  const fork = await third.stop('SIGTERM');
  expect(fork.code).toBe(1);
  expect(fork.err).toContain('log_fork');
  // And with the chain there, it does not start at all.
  const refused = await run('main', {
    environment: { ...environment, ASSENT_HOME: older, PORT: String(third.port) },
  });
  expect(refused.code).toBe(1);
  expect(refused.err).toContain('did not start (log_fork)');
}, 240_000);
