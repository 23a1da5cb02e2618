import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { asc } from 'drizzle-orm';
import { afterAll, describe, expect, it } from 'vitest';
import { createAnchorer } from '../../gateway/audit/anchor.ts';
import { leafHash, MerkleTree } from '../../gateway/audit/tree.ts';
import { openChain, openCore } from '../../gateway/compose.ts';
import { loadConfig } from '../../gateway/config.ts';
import { anchor as anchorTable, checkpoint, entry } from '../../gateway/store/tables.ts';
import { realSystem } from '../../gateway/system.ts';
import { closeCores, newFolder } from '../support/core.ts';

// `kill -9` keeps the page cache, so this shows that nothing is acknowledged before it is committed, and that every
// start finds a whole log. That commits are synced before they are acknowledged is shown in test/store.

// oxlint-disable-next-line node/no-process-env -- how long to go on is the caller's to say
const rounds = Number(process.env['ASSENT_CRASH_ROUNDS'] ?? 15);
const child = join(import.meta.dirname, 'child.ts');
const configOf = (folder: string) => loadConfig({ ASSENT_HOME: folder, ASSENT_CHAIN_PORT: '0' });

afterAll(closeCores);

interface Said {
  readonly entries: Map<number, string>;
  readonly signed: Map<number, string>;
  readonly anchored: Map<number, string>;
}

/** Runs a child and kills it `afterMs` after the line that starts with `from`; returns what it had said by then. */
async function runAndKill(folder: string, afterMs: number, from: string, more: string[] = []): Promise<Said> {
  const said: Said = { entries: new Map(), signed: new Map(), anchored: new Map() };
  const running = spawn(process.execPath, [child, folder, '8', ...more], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(running, 'exit');
  let complaint = '';
  running.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
  let timer: NodeJS.Timeout | undefined;
  for await (const line of createInterface({ input: running.stdout })) {
    if (line.startsWith(from)) timer ??= setTimeout(() => running.kill('SIGKILL'), afterMs);
    const signed = /^signed (\d+) ([0-9a-f]{64})$/.exec(line);
    const anchored = /^anchored (\d+) (0x[0-9a-f]{64})$/.exec(line);
    const one = /^(\d+) ([0-9a-f]{64})$/.exec(line);
    if (signed !== null) said.signed.set(Number(signed[1]), String(signed[2]));
    if (anchored !== null) said.anchored.set(Number(anchored[1]), String(anchored[2]));
    if (one !== null) said.entries.set(Number(one[1]), String(one[2]));
  }
  await ended;
  // It must have been killed, not have ended.
  expect([running.signalCode, complaint]).toEqual(['SIGKILL', '']);
  return said;
}

/** Opens what is left and compares it with everything that was ever acknowledged. */
async function checkFolder(folder: string, all: Said): Promise<number> {
  // Opening compares the tree with the newest checkpoint and refuses a log that contradicts it.
  const core = await openCore(configOf(folder), realSystem);
  try {
    const { rows, heads } = await core.store.read(async (reader) => ({
      rows: await reader.db.select().from(entry).orderBy(asc(entry.number)),
      heads: await reader.db.select().from(checkpoint).orderBy(asc(checkpoint.size)),
    }));
    expect(rows.map(({ number }) => number)).toEqual(rows.map((_, index) => index));
    const hashes = rows.map(({ leaf }) => Buffer.from(leafHash(leaf)).toString('hex'));
    const lost = [...all.entries].filter(([number, hash]) => hashes[number] !== hash);
    expect(lost).toEqual([]);
    const tree = new MerkleTree();
    for (const { leaf } of rows) tree.append(leafHash(leaf));
    const roots = new Map(heads.map(({ size, root }) => [size, root.toString('hex')]));
    for (const [size, root] of all.signed) expect(roots.get(size)).toBe(root);
    for (const [size, root] of roots) expect(Buffer.from(tree.root(size)).toString('hex')).toBe(root);
    expect(core.log.durableSize()).toBe(rows.length);
    return rows.length;
  } finally {
    await core.close();
  }
}

function merge(all: Said, said: Said): void {
  for (const key of ['entries', 'signed', 'anchored'] as const) {
    for (const [number, text] of said[key]) {
      // No number is ever given twice to different bytes.
      expect(all[key].get(number) ?? text).toBe(text);
      all[key].set(number, text);
    }
  }
}

describe('kill -9 under load', () => {
  it(
    `${rounds} times: every acknowledged entry is there, the tree leads to every signed head, numbers go on`,
    async () => {
      const folder = newFolder();
      const all: Said = { entries: new Map(), signed: new Map(), anchored: new Map() };
      let size = 0;
      for (let round = 0; round < rounds; round++) {
        // Some rounds die while they start, the others under load.
        const said = await runAndKill(
          folder,
          round % 5 === 4 ? randomInt(0, 15) : randomInt(20, 400),
          'ready',
        );
        for (const number of said.entries.keys()) expect(number).toBeGreaterThanOrEqual(size);
        merge(all, said);
        size = await checkFolder(folder, all);
      }
      expect(all.entries.size).toBeGreaterThan(rounds * 20);
      expect(all.signed.size).toBeGreaterThan(rounds / 2);
    },
    60_000 + rounds * 5_000,
  );

  it('with a chain: the outbox goes on where it was and the chain takes the next anchor', async () => {
    const folder = newFolder();
    const all: Said = { entries: new Map(), signed: new Map(), anchored: new Map() };
    for (let round = 0; round < 3; round++) {
      merge(all, await runAndKill(folder, randomInt(50, 600), 'anchored', ['chain']));
      await checkFolder(folder, all);
    }
    const core = await openCore(configOf(folder), realSystem);
    const { chain, close } = await openChain(core);
    try {
      const { store, log, publisher, config } = core;
      const anchorer = createAnchorer({
        store,
        log,
        publisher,
        chain,
        origin: config.origin,
        clock: realSystem.clock,
      });
      await anchorer.check();
      // A new entry, so that there is something to anchor whatever the last round got done.
      await core.gate.run(
        {
          caller: { kind: 'operator', id: 'after' },
          operation: 'administer',
          purpose: 'service',
          categories: ['profile'],
          recipients: ['operator'],
          person: null,
          grant: null,
        },
        async () => ({ value: null }),
      );
      const row = await anchorer.anchor();
      expect(row).toMatchObject({ state: 'mined', size: log.durableSize() });
      const rows = await store.read(async (reader) =>
        reader.db.select().from(anchorTable).orderBy(asc(anchorTable.id)),
      );
      // One chain all the time: what was anchored is there under its transaction, and nothing is left waiting.
      expect(new Set(rows.map(({ epoch }) => epoch)).size).toBe(1);
      for (const [size, transactionHash] of all.anchored) {
        expect(rows.find((one) => one.transactionHash === transactionHash)).toMatchObject({
          size,
          state: 'mined',
        });
      }
      expect(rows.filter(({ state }) => state === 'signed' || state === 'broadcast')).toEqual([]);
      const sizes = rows.filter(({ state }) => state === 'mined').map(({ size }) => size);
      expect(sizes).toEqual(sizes.toSorted((a, b) => a - b));
      expect(new Set(sizes).size).toBe(sizes.length);
    } finally {
      await close();
      await core.close();
    }
  }, 120_000);
});
