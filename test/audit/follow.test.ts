// What a process hands out whose log another process signs.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { openOutbox } from '../../gateway/audit/outbox.ts';
import { openCore, type Core } from '../../gateway/compose.ts';
import { loadConfig } from '../../gateway/config.ts';
import { staffRequest } from '../../gateway/operations/accounts.ts';
import { person as personTable, run as runTable } from '../../gateway/store/tables.ts';
import { realSystem } from '../../gateway/system.ts';
import { newFolder } from '../support/core.ts';
import { describeOnPostgres } from '../support/on-stores.ts';
import { dropDatabases, newDatabase } from '../support/postgres.ts';

const opened: Core[] = [];
let database = '';
let first: Core;
let second: Core;

async function open(folder: string, role: 'gateway' | 'command' = 'gateway'): Promise<Core> {
  const config = loadConfig({
    ASSENT_HOME: folder,
    ASSENT_STORE: database,
    // Never asked here: it only says that the chain is not a local one of one process.
    ASSENT_CHAIN_URL: 'http://127.0.0.1:1',
    ASSENT_ORIGIN: 'follow.example/log',
  });
  const core = await openCore(config, realSystem, { role });
  opened.push(core);
  return core;
}

function withKeysOf(core: Core): string {
  const folder = newFolder();
  cpSync(join(core.config.home, 'keys'), join(folder, 'keys'), { recursive: true });
  return folder;
}

const record = async (core: Core): Promise<number> =>
  (
    await core.gate.run(staffRequest({ kind: 'operator', id: 'test' }, 'administer'), async () => ({
      value: undefined,
      kind: 'configured',
      keyClass: 'evidence',
    }))
  ).receipt.number;

/** What the leader's rounds do. */
async function signing<Result>(leader: Core, work: () => Promise<Result>): Promise<Result> {
  const timer = setInterval(() => void leader.publisher.publish().catch(() => undefined), 100);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

describeOnPostgres('a process that does not lead', () => {
  beforeAll(async () => {
    database = await newDatabase();
    first = await open(newFolder());
    second = await open(withKeysOf(first));
    await first.store.write(async (tx) => {
      await tx.db
        .insert(personTable)
        .values({ id: 'ann', reference: 'ann', status: 'active', createdMs: realSystem.clock.nowMs() });
      await first.keyring.create(tx, 'person:ann');
    });
  });
  afterAll(async () => {
    for (const core of opened.splice(0)) await core.close();
    await dropDatabases();
  });

  it('hands out what the leader signed, of entries that either recorded, and signs nothing', async () => {
    expect([first, second].map(({ leadership }) => leadership.isLeader())).toEqual([true, false]);
    for (const core of [first, second, first]) {
      const number = await record(core);
      const bundle = JSON.parse(await signing(first, () => second.prover.bundle(number, true))) as {
        entry: { index: number };
        checkpoint: string;
      };
      expect(bundle.entry.index).toBe(number);
      const head = await first.publisher.latest();
      expect(bundle.checkpoint.split('\n')[1]).toBe(String(head?.size));
    }
  });

  it("takes its map exactly to the leader's head, again and again", async () => {
    await signing(first, async () => {
      for (let turn = 0; turn < 5; turn++) {
        await record(turn % 2 === 0 ? first : second);
        const { own } = JSON.parse(await second.prover.person('ann')) as { own: { indices: number[] } };
        expect(own.indices).toEqual([]);
      }
    });
  });

  it('says that it is not signed yet when the leader signs nothing', async () => {
    const number = await record(second);
    await expect(second.prover.bundle(number, true)).rejects.toMatchObject({
      code: 'store_unavailable',
      status: 503,
      message: expect.stringContaining('not signed yet'),
    });
  });

  it('knows the chain that the leader moved to', async () => {
    const chain = {
      chainId: 7,
      genesisHash: `0x${'1'.repeat(64)}`,
      contract: `0x${'2'.repeat(40)}`,
      codeHash: `0x${'3'.repeat(64)}`,
      finality: 'local' as const,
    };
    expect(await second.chain()).toBeNull();
    await first.setChain(chain);
    expect(await second.chain()).toEqual(chain);
  });

  it('stores no second transaction at a nonce for which another process stored one', async () => {
    const order = (size: number) => ({
      epoch: '7/genesis/contract',
      size,
      root: Buffer.alloc(32),
      checkpointHash: Buffer.alloc(32),
      signed: { rawTransaction: `raw ${size}`, hash: `hash ${size}`, nonce: 0 },
    });
    const [ours, theirs] = [first, second].map(({ store }) => openOutbox(store, realSystem.clock));
    const [one, other] = await Promise.all([ours!.store(order(1)), theirs!.store(order(2))]);
    expect(one).toEqual(other);
    // Who knows of it may replace it.
    const replaced = await ours!.store(order(3), one);
    expect([replaced.size, replaced.id > one.id]).toEqual([3, true]);
    expect((await theirs!.store(order(4), one)).id).toBe(replaced.id);
  });

  it('does not start with other keys, and is told which file differs', async () => {
    const folder = withKeysOf(first);
    writeFileSync(join(folder, 'keys', 'oidc.key'), `${'ab'.repeat(32)}\n`, { mode: 0o600 });
    await expect(open(folder)).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining(join(folder, 'keys', 'oidc.key')),
    });
    await expect(open(newFolder())).rejects.toMatchObject({ code: 'config_invalid' });
  });

  it('keeps the work of living processes open, and closes that of one that is gone', async () => {
    const third = await open(withKeysOf(first), 'command');
    let finish = (): void => undefined;
    let began = (): void => undefined;
    const begun = new Promise<void>((resolve) => (began = resolve));
    const computing = third.gate.runLong(
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
          new Promise<void>((resolve) => {
            finish = resolve;
            began();
          }),
        finish: async () => ({ value: undefined }),
      },
    );
    await begun;
    expect(await first.gate.closeAbandoned('gone')).toBe(0);
    // As if its process had died: the lock of its number is free.
    await third.store.write((tx) =>
      tx.db.update(runTable).set({ process: 4711 }).where(eq(runTable.state, 'started')),
    );
    expect(await first.gate.closeAbandoned('gone')).toBe(1);
    finish();
    await expect(computing).rejects.toMatchObject({ code: 'conflict' });
    expect(await first.gate.closeAbandoned('gone')).toBe(0);
  });

  it('finds the work of a killed process gone by itself, and not before it was killed', async () => {
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, '..', 'crash', 'run-child.ts'), withKeysOf(first), database],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const ended = once(child, 'exit');
    try {
      await once(child.stdout, 'data');
      expect(await first.gate.closeAbandoned('gone')).toBe(0);
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
    // The server takes a moment to notice that the line is cut.
    await vi.waitFor(async () => expect(await first.gate.closeAbandoned('gone')).toBe(1), {
      timeout: 20_000,
    });
  });

  it('leads and signs once the leader is gone', async () => {
    const number = await record(second);
    await first.close();
    opened.splice(opened.indexOf(first), 1);
    const bundle = JSON.parse(await second.prover.bundle(number, false)) as { entry: { index: number } };
    expect(bundle.entry.index).toBe(number);
    expect(second.leadership.isLeader()).toBe(true);
  });
});
