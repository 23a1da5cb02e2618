// The local chain across restarts, crashes and unwelcome callers.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { LocalChain } from '../../gateway/chain/local.ts';
import { openLocalChain } from '../../gateway/chain/local.ts';
import { consistencyProof, distinctLeaves } from './oracle.ts';
import {
  anchor,
  clock,
  deploy,
  extend,
  headOf,
  initialDate,
  logId,
  newFolder,
  openSubmitter,
} from './rig.ts';
import { removeFolders, startChain, strangerKey } from './rig.ts';

const open: LocalChain[] = [];
const root = distinctLeaves('a');

async function start(folder: string, port?: number): Promise<LocalChain> {
  const local = await startChain(folder, port);
  open.push(local);
  return local;
}

async function stop(local: LocalChain): Promise<void> {
  open.splice(open.indexOf(local), 1);
  await local.close();
}

afterEach(async () => {
  for (const local of open.splice(0)) await local.close();
  await removeFolders();
});

/** Hash of every block, and every transaction in it. */
async function history(local: LocalChain): Promise<unknown[]> {
  const tip = Number(await local.provider.request({ method: 'eth_blockNumber' }));
  const blocks: unknown[] = [];
  for (let number = 0; number <= tip; number++) {
    const params = [`0x${number.toString(16)}`, false];
    blocks.push(await local.provider.request({ method: 'eth_getBlockByNumber', params }));
  }
  return blocks;
}

describe('a restarted local chain', () => {
  it('has the same blocks, the same contract and the same heads, and goes on', async () => {
    const folder = await newFolder();
    const first = await start(folder);
    const { chain, contract } = await deploy(first);
    await extend(chain, root, 3);
    clock.advance(90_000);
    const anchored = await extend(chain, root, 8);
    const [identity, blocks] = [await chain.identity(), await history(first)];
    await stop(first);

    clock.advance(3_600_000);
    const second = await start(folder);
    const again = await openSubmitter(second, contract);
    expect(await again.identity()).toEqual(identity);
    expect(await history(second)).toEqual(blocks);
    expect(await again.receipt(anchored.hash)).toMatchObject({ blockHash: anchored.blockHash, seq: 2 });
    expect(await extend(again, root, 20)).toMatchObject({ state: 'mined', seq: 3 });
    expect(await deploy(second)).toMatchObject({ contract });
  });

  it('keeps a reverted transaction and the nonce it used', async () => {
    const folder = await newFolder();
    const first = await start(folder);
    const { chain, contract } = await deploy(first);
    await extend(chain, root, 5);
    const reverted = await anchor(chain, headOf(root, 4), []);
    expect(reverted.state).toBe('reverted');
    const blocks = await history(first);
    await stop(first);
    const second = await start(folder);
    expect(await history(second)).toEqual(blocks);
    expect(await (await openSubmitter(second, contract)).receipt(reverted.hash)).toMatchObject({
      state: 'reverted',
    });
  });

  it('gives blocks strictly increasing times, also when the clock stands still or goes back', async () => {
    const local = await start(await newFolder());
    const { chain } = await deploy(local);
    clock.advance(-10_000);
    await extend(chain, root, 2);
    await extend(chain, root, 3);
    clock.advance(10_000);
    const times = (await history(local)).map((block) => Number((block as { timestamp: string }).timestamp));
    expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
  });
});

it('killed in the middle of its work, it keeps every anchor it had acknowledged', async () => {
  const folder = await newFolder();
  const child = fork(join(import.meta.dirname, 'anchor-for-ever.ts'), [folder], { silent: true });
  const exited = once(child, 'exit');
  let said = '';
  for await (const part of child.stdout!) {
    said += String(part);
    if (said.split('\n').length > 25) child.kill('SIGKILL');
  }
  await exited;
  expect(child.signalCode).toBe('SIGKILL');
  const acknowledged = said.split('\n').slice(0, -1);
  expect(acknowledged.length).toBeGreaterThanOrEqual(25);

  // The dead process' lock is still there and does not stop the next one.
  const local = await start(folder);
  const { chain } = await deploy(local);
  for (const line of acknowledged) {
    const [hash, blockHash] = line.split(' ');
    expect(await chain.receipt(hash!)).toMatchObject({ state: 'mined', blockHash });
  }
  const size = (await chain.head(logId))!.size;
  expect(size).toBeGreaterThanOrEqual(acknowledged.length);
  expect(await extend(chain, root, size + 5)).toMatchObject({ state: 'mined' });
});

describe('a journal', () => {
  it.each([
    ['half a line', '{"time":1772366400,"par'],
    ['a line of zero bytes, as after a power loss', `${'\0'.repeat(80)}\n`],
    ['a whole line without its end', '{"time":1,"parent":"0x","rawTransaction":"0x00"}'],
  ])('that ends in %s loses only that', async (_, tail) => {
    const folder = await newFolder();
    const first = await start(folder);
    const { chain, contract } = await deploy(first);
    await extend(chain, root, 3);
    const blocks = await history(first);
    await stop(first);
    const path = join(folder, 'journal.jsonl');
    const before = await readFile(path, 'utf8');
    await appendFile(path, tail);

    const second = await start(folder);
    expect(await history(second)).toEqual(blocks);
    expect(await readFile(path, 'utf8')).toBe(before);
    const again = await openSubmitter(second, contract);
    expect(await extend(again, root, 9)).toMatchObject({ state: 'mined', seq: 2 });
    const longer = await history(second);
    await stop(second);
    expect(await history(await start(folder))).toEqual(longer);
  });

  it('that tore before its first line was whole starts a new chain', async () => {
    const folder = await newFolder();
    await writeFile(join(folder, 'journal.jsonl'), '{"version":1,"cha');
    expect(await history(await start(folder))).toHaveLength(1);
  });

  it('whose last transaction was refused before a crash drops it', async () => {
    const folder = await newFolder();
    const first = await start(folder);
    const { chain } = await deploy(first);
    await extend(chain, root, 3);
    const blocks = await history(first);
    await stop(first);
    const path = join(folder, 'journal.jsonl');
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
    const used = JSON.parse(lines.at(-1)!) as { time: number };
    const parent = (blocks.at(-1) as { hash: string }).hash;
    // The same nonce again, and a nonce that is still to come: neither makes a block.
    const ahead = await chain.sign(headOf(root, 4), [], 9, chainFees());
    for (const raw of [JSON.parse(lines.at(-1)!).rawTransaction as string, ahead.rawTransaction]) {
      const line = { time: used.time + 5, parent, rawTransaction: raw };
      await writeFile(path, `${[...lines, JSON.stringify(line)].join('\n')}\n`);
      const second = await start(folder);
      expect(await history(second)).toEqual(blocks);
      expect((await readFile(path, 'utf8')).trimEnd().split('\n')).toEqual(lines);
      await stop(second);
    }
  });

  it('damaged before its last line stops the start', async () => {
    const folder = await newFolder();
    const first = await start(folder);
    await extend((await deploy(first)).chain, root, 3);
    await stop(first);
    const path = join(folder, 'journal.jsonl');
    const lines = (await readFile(path, 'utf8')).split('\n');
    await writeFile(path, lines.with(1, lines[1]!.slice(0, 40)).join('\n'));
    await expect(start(folder)).rejects.toMatchObject({ code: 'chain_unavailable' });
    // A line taken out whole: the next one names another parent.
    await writeFile(path, lines.toSpliced(2, 1).join('\n'));
    await expect(start(folder)).rejects.toThrow(/another block/);
  });

  it('of another account stops the start', async () => {
    const folder = await newFolder();
    await stop(await start(folder));
    const other = openLocalChain({ folder, accountKeys: [strangerKey], initialDate, clock });
    await expect(other).rejects.toThrow(/Block 0/);
    // The failed start let go of the folder.
    await start(folder);
  });
});

function chainFees() {
  return { maxFeePerGasWei: 10n ** 10n, maxPriorityFeePerGasWei: 0n };
}

describe('a folder', () => {
  it('is owned by one opening at a time', async () => {
    const folder = await newFolder();
    await start(folder);
    await expect(start(folder)).rejects.toMatchObject({ code: 'chain_unavailable' });
  });

  it('held by a living process is refused, by a dead one taken over', async () => {
    const folder = await newFolder();
    await writeFile(join(folder, 'lock'), JSON.stringify({ pid: process.ppid }));
    await expect(start(folder)).rejects.toThrow(/in use by process/);
    // Process numbers end at 2^22 on Linux.
    await writeFile(join(folder, 'lock'), JSON.stringify({ pid: 2 ** 22 + 1 }));
    await start(folder);
  });

  it('held by a process whose number went to another one is taken over', async () => {
    const folder = await newFolder();
    await writeFile(join(folder, 'lock'), JSON.stringify({ pid: process.ppid, startedAt: '1' }));
    if (process.platform === 'linux') await start(folder);
    else await expect(start(folder)).rejects.toThrow(/in use by process/);
  });
});

describe('the JSON-RPC server', () => {
  interface Reply {
    status: number;
    headers: Record<string, unknown>;
    body: { result?: unknown; error?: { code: number } };
  }

  /** With node:http, because fetch does not let a caller choose the Host header. */
  function post(
    url: string,
    payload: unknown,
    headers: Record<string, string> = {},
    method = 'POST',
  ): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const sent = request(
        url,
        { method, headers: { 'content-type': 'application/json', ...headers } },
        (reply) => {
          let text = '';
          reply.on('data', (part) => (text += String(part)));
          reply.on('end', () =>
            resolve({
              status: reply.statusCode ?? 0,
              headers: reply.headers,
              body: JSON.parse(text) as Reply['body'],
            }),
          );
        },
      );
      sent.on('error', reject);
      sent.end(typeof payload === 'string' ? payload : JSON.stringify(payload));
    });
  }

  const call = (method: string, params: unknown[] = []) => ({ jsonrpc: '2.0', id: 1, method, params });

  it('answers reads and takes signed transactions', async () => {
    const local = await start(await newFolder(), 0);
    const { contract } = await deploy(local);
    expect((await post(local.url!, call('eth_chainId'))).body.result).toBe('0x7a69');
    expect((await post(local.url!, call('eth_blockNumber'), { host: 'localhost' })).body.result).toBe('0x2');
    const chain = await openSubmitter(local, contract);
    const proof = consistencyProof(root, 0, 3);
    const signed = await chain.sign(
      headOf(root, 3),
      proof,
      await chain.nextNonce(),
      await chain.suggestFees(),
    );
    const sent = await post(local.url!, call('eth_sendRawTransaction', [signed.rawTransaction]));
    expect(sent.body.result).toBe(signed.hash);
    expect(await chain.head(logId)).toMatchObject({ size: 3 });
    const batch = (await post(local.url!, [call('eth_chainId'), call('evm_mine')]))
      .body as unknown as Reply['body'][];
    expect(batch.map((one) => one.error?.code ?? one.result)).toEqual(['0x7a69', -32601]);
  });

  it('does not know cheat codes, accounts or node methods', async () => {
    const local = await start(await newFolder(), 0);
    const before = await history(local);
    const account = '0x7e5f4552091a69125d5dfcb7b8c2659029395bdf';
    for (const [method, params] of [
      ['hardhat_setBalance', [account, '0x1']],
      ['hardhat_impersonateAccount', [account]],
      ['hardhat_dropTransaction', [`0x${'00'.repeat(32)}`]],
      ['evm_mine', []],
      ['evm_revert', ['0x1']],
      ['evm_setNextBlockTimestamp', [1]],
      ['eth_sendTransaction', [{ from: account, to: account }]],
      ['eth_sign', [account, '0x00']],
      ['eth_accounts', []],
      ['debug_traceTransaction', [`0x${'00'.repeat(32)}`]],
      ['__proto__', []],
    ] as const) {
      expect((await post(local.url!, call(method, [...params]))).body.error?.code, method).toBe(-32601);
      await expect(local.provider.request({ method, params }), method).rejects.toMatchObject({
        code: -32601,
      });
    }
    expect(await history(local)).toEqual(before);
  });

  it('refuses foreign hosts and web pages, and sends no CORS header', async () => {
    const local = await start(await newFolder(), 0);
    for (const host of [
      'evil.example',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      '10.0.0.1:8545',
    ]) {
      expect((await post(local.url!, call('eth_chainId'), { host })).status, host).not.toBe(200);
    }
    const page = await post(local.url!, call('eth_chainId'), { origin: 'http://localhost:3000' });
    expect(page.status).toBe(403);
    expect((await post(local.url!, call('eth_chainId'), { 'content-type': 'text/plain' })).status).toBe(415);
    expect((await post(local.url!, '', {}, 'OPTIONS')).status).toBe(405);
    const reply = await post(local.url!, call('eth_chainId'));
    expect(Object.keys(reply.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  });

  it('refuses too much and too odd', async () => {
    const local = await start(await newFolder(), 0);
    expect((await post(local.url!, 'x'.repeat(300 * 1024)).catch(() => ({ status: 413 }))).status).toBe(413);
    expect((await post(local.url!, '{')).body.error?.code).toBe(-32700);
    expect((await post(local.url!, '"eth_chainId"')).body.error?.code).toBe(-32600);
    expect(
      (
        await post(
          local.url!,
          Array.from({ length: 101 }, () => call('eth_chainId')),
        )
      ).body.error?.code,
    ).toBe(-32600);
    expect((await post(local.url!, call('eth_sendRawTransaction', ['0x01']))).body.error).toBeDefined();
    expect(await history(local)).toHaveLength(1);
  });

  it('says when its port is taken, and lets go of the folder', async () => {
    const first = await start(await newFolder(), 0);
    const folder = await newFolder();
    const port = Number(new URL(first.url!).port);
    await expect(start(folder, port)).rejects.toMatchObject({ code: 'chain_unavailable' });
    await start(folder, 0);
  });

  it('refuses a transaction whose nonce is ahead, and leaves no trace of it', async () => {
    const folder = await newFolder();
    const local = await start(folder, 0);
    const { chain } = await deploy(local);
    const journal = await readFile(join(folder, 'journal.jsonl'), 'utf8');
    const ahead = await chain.sign(headOf(root, 4), [], 9, chainFees());
    expect(await chain.broadcast(ahead.rawTransaction)).toMatchObject({ result: 'refused' });
    expect(await readFile(join(folder, 'journal.jsonl'), 'utf8')).toBe(journal);
    expect(await chain.receipt(ahead.hash)).toBeUndefined();
    expect(await extend(chain, root, 3)).toMatchObject({ state: 'mined' });
  });
});

it('many senders at once give one block each, in an order that replays', async () => {
  const folder = await newFolder();
  const local = await start(folder);
  const { chain } = await deploy(local);
  const nonce = await chain.nextNonce();
  const fees = await chain.suggestFees();
  const signed = await Promise.all(
    Array.from({ length: 12 }, (_, i) =>
      chain.sign(headOf(root, i + 1), consistencyProof(root, i, i + 1), nonce + i, fees),
    ),
  );
  const answers = await Promise.all(signed.map(({ rawTransaction }) => chain.broadcast(rawTransaction)));
  expect(answers.map(({ result }) => result)).toEqual(signed.map(() => 'accepted'));
  expect(await chain.head(logId)).toMatchObject({ size: 12, seq: 12 });
  const blocks = await history(local);
  await stop(local);
  expect(await history(await start(folder))).toEqual(blocks);
});
