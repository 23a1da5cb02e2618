// Heads reach a real chain once each, whatever fails on the way. Doubles only inject faults.
import { like } from 'drizzle-orm';
import { Transaction, Wallet } from 'ethers';
import fc from 'fast-check';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Anchorer, type ChainLoss, createAnchorer } from '../../gateway/audit/anchor.ts';
import { sha256 } from '../../gateway/audit/log.ts';
import { openOutbox } from '../../gateway/audit/outbox.ts';
import { logIdOf } from '../../gateway/audit/log-id.ts';
import { epochOf } from '../../gateway/audit/proof.ts';
import { feesOf } from '../../gateway/audit/signed-fees.ts';
import type { AnchorReceipt, Chain } from '../../gateway/chain/chain.ts';
import { openEvmChain } from '../../gateway/chain/evm.ts';
import { type LocalChain, openLocalChain } from '../../gateway/chain/local.ts';
import { GatewayError } from '../../gateway/errors.ts';
import { entry } from '../../gateway/store/tables.ts';
import {
  clock as chainClock,
  newFolder,
  openLog,
  openSubmitter,
  removeFolders,
  startChain,
  submitterKey,
} from '../chain/rig.ts';
import { clock, entryOf, type Ledger, openLedger, origin } from './ledger.ts';

const logId = logIdOf(origin);
const minuteMs = 60_000;
let local: LocalChain;
let chain: Chain;
let contract: string;
let ledger: Ledger;
let folder: string;
let losses: ChainLoss[];

async function freshChain(): Promise<void> {
  local = await startChain(await newFolder());
  ({ contract } = await openLog(local, logId));
  chain = await openSubmitter(local, contract);
}

beforeEach(async () => {
  await freshChain();
  folder = await newFolder();
  ledger = await openLedger(folder);
  losses = [];
});

afterEach(async () => {
  await ledger.close();
  await local.close();
});

afterAll(removeFolders);

function anchorerOn(on: Chain): Anchorer {
  const { store, log, publisher } = ledger;
  const onChainLost = (loss: ChainLoss) => void losses.push(loss);
  return createAnchorer({ store, log, publisher, chain: on, origin, clock, onChainLost });
}

async function restart(): Promise<void> {
  await ledger.close();
  ledger = await openLedger(folder);
}

/** Entries under the newest checkpoint; the last of them is its map head. */
const newest = async (): Promise<number> => (await ledger.publisher.latest())!.size;

/** Names of the recorded incidents, oldest first. */
const incidents = (): Promise<string[]> =>
  ledger.store.read(async (reader) => {
    const rows = await reader.db
      .select({ operationId: entry.operationId })
      .from(entry)
      .where(like(entry.operationId, '%-%-%'))
      .orderBy(entry.number);
    return rows.flatMap(
      ({ operationId }) => /^(chain-lost|nonce-taken|final-undone)-/.exec(operationId)?.[1] ?? [],
    );
  });

const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`;

const unavailable = (): GatewayError => new GatewayError('chain_unavailable', 'injected');

/** The chain with one method that fails on its first call. */
function failingOnce(method: 'broadcast' | 'receipt', when: 'before' | 'after'): Chain {
  let failed = false;
  return {
    ...chain,
    async [method](argument: string) {
      if (failed) return chain[method](argument);
      failed = true;
      if (when === 'after') await chain[method](argument);
      throw unavailable();
    },
  } as Chain;
}

/** The chain with a waiting room: nothing is mined before it is let in. */
function withMempool(limitMaxFeeWei = 0n) {
  const waiting = new Map<string, string>();
  const sent: string[] = [];
  const double: Chain = {
    ...chain,
    async broadcast(raw) {
      sent.push(raw);
      if (feesOf(raw).maxFeePerGasWei < limitMaxFeeWei) return { result: 'underpriced', message: 'too low' };
      const { nonce, hash } = Transaction.from(raw);
      if (hash === null || nonce < (await chain.nextNonce()))
        return { result: 'nonce_used', message: 'nonce too low' };
      waiting.set(hash, raw);
      return { result: 'accepted', message: '' };
    },
    async receipt(hash): Promise<AnchorReceipt | undefined> {
      return (await chain.receipt(hash)) ?? (waiting.has(hash) ? { state: 'pending' } : undefined);
    },
  };
  return {
    chain: double,
    sent,
    async letIn(hash: string): Promise<void> {
      const raw = waiting.get(hash);
      if (raw === undefined) throw new Error('not waiting');
      waiting.clear();
      await chain.broadcast(raw);
    },
  };
}

describe('anchoring', () => {
  it('puts the newest checkpoint on the chain and stores what that cost', async () => {
    await ledger.add(3);
    const row = await anchorerOn(chain).anchor();
    const head = await ledger.publisher.latest();
    expect(row).toMatchObject({
      state: 'mined',
      size: 4,
      sequence: 1,
      epoch: epochOf(await chain.identity()),
    });
    expect(await chain.blockHashAt(row!.blockNumber!)).toBe(row!.blockHash);
    expect(row!.gasUsed).toBeGreaterThan(40_000);
    expect(BigInt(row!.costWei!)).toBeGreaterThan(0n);
    expect(row!.checkpointHash).toEqual(Buffer.from(sha256(Buffer.from(head!.note))));
    expect(await chain.head(logId)).toMatchObject({
      size: 4,
      seq: 1,
      root: hex(head!.root),
    });
  });

  it('of further heads gives the contract a proof it accepts', async () => {
    const anchorer = anchorerOn(chain);
    for (const count of [3, 1, 7, 2]) {
      await ledger.add(count);
      const row = await anchorer.anchor();
      expect(row).toMatchObject({ state: 'mined', size: await newest() });
    }
    expect(await chain.head(logId)).toMatchObject({ size: 17, seq: 4 });
    expect(await ledger.states()).toEqual(['mined', 'mined', 'mined', 'mined']);
    await anchorer.check();
  });

  it('does nothing for an empty log, or when the chain has the head already', async () => {
    const anchorer = anchorerOn(chain);
    expect(await anchorer.anchor()).toBeUndefined();
    await ledger.add(2);
    await anchorer.anchor();
    expect(await anchorer.anchor()).toBeUndefined();
    await restart();
    expect(await anchorerOn(chain).anchor()).toBeUndefined();
    expect(await ledger.anchors()).toHaveLength(1);
  });

  it('runs one round at a time: calls during a round join it', async () => {
    await ledger.add(2);
    const anchorer = anchorerOn(chain);
    const rows = await Promise.all([anchorer.anchor(), anchorer.anchor()]);
    expect(new Set(rows.map((row) => row?.id)).size).toBe(1);
    expect(await ledger.anchors()).toHaveLength(1);
    expect(await chain.head(logId)).toMatchObject({ seq: 1 });
  });

  it('becomes final by the chain’s rule, and never on a local chain', async () => {
    await ledger.add(2);
    expect(await anchorerOn(chain).anchor()).toMatchObject({ state: 'mined' });
    expect(await ledger.states()).toEqual(['mined']);
    const provider = {
      request: (call: { method: string; params?: readonly unknown[] }) =>
        call.method === 'web3_clientVersion' ? Promise.resolve('besu/v26') : local.provider.request(call),
    };
    const finality = { kind: 'instant' } as const;
    const besu = await openEvmChain({ provider, contractAddress: contract, submitterKey, finality });
    await ledger.add(1);
    await anchorerOn(besu).anchor();
    expect(await ledger.states()).toEqual(['final', 'final']);
  });
});

describe('a crash or a failure between storing and hearing', () => {
  const faults = [
    ['broadcast', 'before'],
    ['broadcast', 'after'],
    ['receipt', 'before'],
    ['receipt', 'after'],
  ] as const;
  it.each(faults)('%s failing %s the deed: the same bytes, anchored once', async (method, when) => {
    await ledger.add(3);
    await expect(anchorerOn(failingOnce(method, when)).anchor()).rejects.toMatchObject({
      code: 'chain_unavailable',
    });
    const [stored] = await ledger.anchors();
    expect(stored?.state).toBe(method === 'broadcast' ? 'signed' : 'broadcast');
    await restart();
    const row = await anchorerOn(chain).anchor();
    expect(row).toMatchObject({ id: stored!.id, raw: stored!.raw, state: 'mined', sequence: 1 });
    expect(await ledger.anchors()).toHaveLength(1);
    expect(await chain.head(logId)).toMatchObject({ size: await newest(), seq: 1 });
    expect(await anchorerOn(chain).anchor()).toBeUndefined();
  });

  it('is settled before entries that came meanwhile are anchored', async () => {
    await ledger.add(3);
    await expect(anchorerOn(failingOnce('broadcast', 'after')).anchor()).rejects.toThrow();
    await restart();
    await ledger.add(2);
    await anchorerOn(chain).anchor();
    expect(await ledger.states()).toEqual(['mined', 'mined']);
    expect(await chain.head(logId)).toMatchObject({ size: await newest(), seq: 2 });
  });

  it('nothing is sent that was not stored durably before', async () => {
    await ledger.add(3);
    let rowsAtBroadcast: string[] = [];
    const watched: Chain = {
      ...chain,
      async broadcast(raw) {
        rowsAtBroadcast = (await ledger.anchors()).map((row) => `${row.state} ${row.raw === raw}`);
        return chain.broadcast(raw);
      },
    };
    await anchorerOn(watched).anchor();
    expect(rowsAtBroadcast).toEqual(['signed true']);
  });

  it('a chain that cannot be reached leaves the log alone, and the next round makes up for it', async () => {
    await ledger.add(1);
    let isUp = false;
    const identity = () => (isUp ? chain.identity() : Promise.reject(unavailable()));
    const anchorer = anchorerOn({ ...chain, identity });
    await expect(anchorer.anchor()).rejects.toMatchObject({ code: 'chain_unavailable' });
    await ledger.add(1);
    const head = await ledger.publisher.publish();
    expect(head?.size).toBe(ledger.log.durableSize());
    isUp = true;
    expect(await anchorer.anchor()).toMatchObject({ state: 'mined', size: head!.size });
  });
});

describe('a transaction that waits', () => {
  it('is left alone at first, then replaced at its nonce with the newest head and higher fees', async () => {
    const pool = withMempool();
    const anchorer = anchorerOn(pool.chain);
    await ledger.add(3);
    const first = await anchorer.anchor();
    expect(first).toMatchObject({ state: 'broadcast', size: await newest() });
    await ledger.add(2);
    clock.advance(9 * minuteMs);
    expect(await anchorer.anchor()).toMatchObject({ id: first!.id });
    expect(await ledger.anchors()).toHaveLength(1);
    clock.advance(minuteMs);
    const second = await anchorer.anchor();
    expect(second).toMatchObject({ state: 'broadcast', size: await newest(), nonce: first!.nonce });
    const [before, after] = [feesOf(first!.raw), feesOf(second!.raw)];
    expect(after.maxFeePerGasWei * 10n).toBeGreaterThan(before.maxFeePerGasWei * 11n);
    expect(after.maxPriorityFeePerGasWei * 10n).toBeGreaterThan(before.maxPriorityFeePerGasWei * 11n);
    await pool.letIn(second!.transactionHash);
    expect(await anchorer.anchor()).toMatchObject({ id: second!.id, state: 'mined', sequence: 1 });
    expect(await ledger.states()).toEqual(['failed', 'mined']);
    expect(await chain.head(logId)).toMatchObject({ size: await newest(), seq: 1 });
  });

  it('may still win over its replacement, and the newer head follows', async () => {
    const pool = withMempool();
    const anchorer = anchorerOn(pool.chain);
    await ledger.add(3);
    const first = await anchorer.anchor();
    await ledger.add(2);
    clock.advance(10 * minuteMs);
    await anchorer.anchor();
    await pool.letIn(first!.transactionHash);
    const third = await anchorer.anchor();
    expect(third).toMatchObject({ state: 'broadcast', size: await newest(), nonce: first!.nonce + 1 });
    await pool.letIn(third!.transactionHash);
    await anchorer.anchor();
    expect(await ledger.states()).toEqual(['mined', 'failed', 'mined']);
    expect(await chain.head(logId)).toMatchObject({ size: await newest(), seq: 2 });
  });

  it('for a head that the chain has outgrown is replaced without waiting', async () => {
    await ledger.add(3);
    const { note, root } = (await ledger.publisher.publish())!;
    const checkpointHash = Buffer.from(sha256(Buffer.from(note)));
    await ledger.add(2);
    await anchorerOn(chain).anchor();
    const useless = await chain.sign(
      { logId, size: 4, root: hex(root), checkpointHash: hex(checkpointHash) },
      [],
      await chain.nextNonce(),
      await chain.suggestFees(),
    );
    const epoch = epochOf(await chain.identity());
    const head = { epoch, size: 4, root: Buffer.from(root), checkpointHash };
    await openOutbox(ledger.store, clock).store({ ...head, signed: useless });
    await ledger.add(1);
    expect(await anchorerOn(chain).anchor()).toMatchObject({
      state: 'mined',
      size: await newest(),
      nonce: useless.nonce,
    });
    await anchorerOn(chain).anchor();
    expect(await ledger.states()).toEqual(['mined', 'failed', 'mined']);
  });

  it('whose fees the chain finds too low is raised at once', async () => {
    const { maxFeePerGasWei } = await chain.suggestFees();
    const pool = withMempool(maxFeePerGasWei + maxFeePerGasWei / 5n);
    await ledger.add(1);
    const row = await anchorerOn(pool.chain).anchor();
    expect(row).toMatchObject({ state: 'broadcast' });
    expect(pool.sent).toHaveLength(3);
    expect(new Set((await ledger.anchors()).map(({ nonce }) => nonce)).size).toBe(1);
  });

  it('is never bid up without end', async () => {
    const pool = withMempool(2n ** 200n);
    const anchorer = anchorerOn(pool.chain);
    await ledger.add(1);
    for (let day = 0; day < 12; day++) {
      clock.advance(24 * 60 * minuteMs);
      await expect(anchorer.anchor()).rejects.toMatchObject({ code: 'chain_unavailable' });
    }
    const { maxFeePerGasWei } = await chain.suggestFees();
    for (const { raw } of await ledger.anchors()) {
      expect(feesOf(raw).maxFeePerGasWei).toBeLessThanOrEqual(maxFeePerGasWei * 10n + 1_000_000_000n);
    }
  });

  it('and is refused stays stored and goes out again', async () => {
    await ledger.add(1);
    const poor: Chain = { ...chain, broadcast: async () => ({ result: 'refused', message: 'no funds' }) };
    await expect(anchorerOn(poor).anchor()).rejects.toThrow('no funds');
    const [stored] = await ledger.anchors();
    expect(await anchorerOn(chain).anchor()).toMatchObject({ id: stored!.id, state: 'mined' });
  });
});

describe('a chain that changes its mind', () => {
  it('a revert is a failed anchor, and the next round makes a fresh one from the head on the chain', async () => {
    await ledger.add(2);
    await anchorerOn(chain).anchor();
    await ledger.add(2);
    // The head read here is older than the chain's: the proof starts at the wrong size.
    const behind: Chain = { ...chain, head: async () => undefined };
    expect(await anchorerOn(behind).anchor()).toMatchObject({ state: 'failed', size: 6, sequence: null });
    expect(await anchorerOn(chain).anchor()).toMatchObject({ state: 'mined', size: 6, sequence: 2 });
    expect(await ledger.states()).toEqual(['mined', 'failed', 'mined']);
  });

  it('an anchor whose block is gone waits again, is sent again, and is mined again', async () => {
    await ledger.add(2);
    const row = await anchorerOn(chain).anchor();
    const nonce = row!.nonce;
    // Another history: the block at that height is another, the transaction in none.
    const reorganised: Chain = {
      ...chain,
      blockHashAt: async () => `0x${'00'.repeat(32)}`,
      receipt: async () => undefined,
      head: async () => undefined,
      nextNonce: async () => nonce,
      broadcast: async () => ({ result: 'accepted', message: '' }),
    };
    const waiting = await anchorerOn(reorganised).anchor();
    expect(waiting).toMatchObject({ id: row!.id, state: 'broadcast', blockHash: null, sequence: null });
    expect(await anchorerOn(chain).anchor()).toMatchObject({ id: row!.id, state: 'mined', sequence: 1 });
    expect(await ledger.anchors()).toHaveLength(1);
  });

  it('an anchor may be displaced by the one it had replaced', async () => {
    const pool = withMempool();
    await ledger.add(3);
    const first = await anchorerOn(pool.chain).anchor();
    await ledger.add(2);
    clock.advance(10 * minuteMs);
    const second = await anchorerOn(pool.chain).anchor();
    await pool.letIn(second!.transactionHash);
    const mined = await anchorerOn(pool.chain).anchor();
    expect(await ledger.states()).toEqual(['failed', 'mined']);
    const otherHash = `0x${'0d'.repeat(32)}`;
    const receipt = {
      state: 'mined',
      blockHash: otherHash,
      blockNumber: mined!.blockNumber!,
      seq: 1,
    } as const;
    const reorganised: Chain = {
      ...chain,
      blockHashAt: async () => otherHash,
      receipt: async (hash) =>
        hash === first!.transactionHash ? { ...receipt, gasUsed: 1, costWei: 1n } : undefined,
    };
    await anchorerOn(reorganised).anchor();
    expect(await ledger.states()).toEqual(['mined', 'failed']);
  });

  it('a reset chain starts a new epoch: the old anchors are lost, and that is recorded once', async () => {
    await ledger.add(3);
    await anchorerOn(chain).anchor();
    const oldEpoch = epochOf(await chain.identity());
    await local.close();
    local = await openLocalChain({
      folder: await newFolder(),
      accountKeys: [submitterKey],
      initialDate: '2026-02-02T00:00:00.000Z',
      clock,
    });
    ({ contract } = await openLog(local, logId));
    chain = await openSubmitter(local, contract);
    await restart();
    const anchorer = anchorerOn(chain);
    await anchorer.check();
    const newEpoch = epochOf(await chain.identity());
    expect(newEpoch).not.toBe(oldEpoch);
    // The incident follows the first map head, and is under the first head of the new epoch with its own.
    expect(await anchorer.anchor()).toMatchObject({ epoch: newEpoch, state: 'mined', sequence: 1, size: 6 });
    await ledger.add(1);
    await anchorer.anchor();
    expect(losses).toEqual([{ epochs: [oldEpoch], newEpoch, anchors: 1 }]);
    expect(await ledger.states()).toEqual(['lost', 'mined', 'mined']);
    expect(await incidents()).toEqual(['chain-lost']);
  });

  it('a local chain that lost its journal but kept its names gets the same anchors again, in order', async () => {
    await ledger.add(2);
    await anchorerOn(chain).anchor();
    await ledger.add(3);
    await anchorerOn(chain).anchor();
    const before = await ledger.anchors();
    await local.close();
    chainClock.advance(60_000);
    const oldContract = contract;
    await freshChain();
    expect(contract).toBe(oldContract);
    const anchorer = anchorerOn(chain);
    await anchorer.anchor();
    await anchorer.anchor();
    const after = await ledger.anchors();
    expect(after.map(({ raw, state, sequence }) => ({ raw, state, sequence }))).toEqual(
      before.map(({ raw, state, sequence }) => ({ raw, state, sequence })),
    );
    expect(after[1]!.blockHash).not.toBe(before[1]!.blockHash);
    expect(await chain.head(logId)).toMatchObject({ size: 7, seq: 2 });
  });

  it('a loss that cannot be recorded is not forgotten', async () => {
    await ledger.add(1);
    await anchorerOn(chain).anchor();
    const identity = async () => ({ ...(await chain.identity()), genesisHash: `0x${'ee'.repeat(32)}` });
    const { store, log, publisher } = ledger;
    const append = () => Promise.reject(new GatewayError('log_unavailable'));
    const anchorer = createAnchorer({
      store,
      log: { ...log, append },
      publisher,
      chain: { ...chain, identity },
      origin,
      clock,
    });
    await expect(anchorer.anchor()).rejects.toMatchObject({ code: 'log_unavailable' });
    expect(await ledger.states()).toEqual(['mined']);
  });
});

describe('the start-up check', () => {
  it('passes for a log that the chain knows, or does not know yet', async () => {
    const anchorer = anchorerOn(chain);
    await anchorer.check();
    await ledger.add(4);
    await anchorer.check();
    await anchorer.anchor();
    await ledger.add(1);
    await restart();
    await anchorerOn(chain).check();
  });

  it('finds a log that was rolled back, and names both sizes', async () => {
    await ledger.add(4);
    await anchorerOn(chain).anchor();
    await ledger.close();
    ledger = await openLedger(folder, 1, 'earlier-copy.db');
    await ledger.add(2);
    await expect(anchorerOn(chain).check()).rejects.toMatchObject({
      code: 'log_fork',
      message: expect.stringMatching(/holds 2 entries.*head of 5/),
    });
    await expect(anchorerOn(chain).anchor()).rejects.toMatchObject({ code: 'log_fork' });
  });

  it('finds a log that was rebuilt with other entries, even when it is longer', async () => {
    await ledger.add(4);
    await anchorerOn(chain).anchor();
    await ledger.close();
    ledger = await openLedger(folder, 1, 'rebuilt.db');
    await ledger.store.write((tx) => ledger.log.append(tx, entryOf(77)));
    await ledger.add(6);
    const fork = { code: 'log_fork', message: expect.stringMatching(/first 5 of the log's/) };
    await expect(anchorerOn(chain).check()).rejects.toMatchObject(fork);
    await expect(anchorerOn(chain).anchor()).rejects.toMatchObject(fork);
    expect(await ledger.anchors()).toHaveLength(0);
    expect(await chain.head(logId)).toMatchObject({ size: 5 });
  });

  it('says that a chain which does not answer is no verdict', async () => {
    const silent: Chain = { ...chain, head: () => Promise.reject(unavailable()) };
    await expect(anchorerOn(silent).check()).rejects.toMatchObject({ code: 'chain_unavailable' });
  });
});

describe('the fees of a stored transaction', () => {
  it('are those it was signed with', async () => {
    const wallet = new Wallet(submitterKey);
    const wei = fc.bigInt({ min: 0n, max: 2n ** 90n });
    await fc.assert(
      fc.asyncProperty(wei, wei, fc.nat(), fc.nat(300), async (a, b, nonce, dataBytes) => {
        const [maxPriorityFeePerGas, maxFeePerGas] = a < b ? [a, b] : [b, a];
        const data = `0x${'5a'.repeat(dataBytes)}`;
        const fees = { maxFeePerGas, maxPriorityFeePerGas };
        const raw = await wallet.signTransaction({
          type: 2,
          chainId: 31337,
          nonce,
          data,
          gasLimit: 1n,
          ...fees,
        });
        expect(feesOf(raw)).toEqual({
          maxFeePerGasWei: maxFeePerGas,
          maxPriorityFeePerGasWei: maxPriorityFeePerGas,
        });
      }),
      { numRuns: 40 },
    );
  });

  it('are not guessed from other bytes', () => {
    for (const raw of ['', '0x', '0x02', '0x01f86b', '0x02f86bffff', '02f86b8080', '0x02c3808088']) {
      expect(() => feesOf(raw), raw).toThrow(GatewayError);
    }
  });
});
