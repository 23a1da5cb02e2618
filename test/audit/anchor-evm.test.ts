// Anchors on an EVM that is mined by hand: reorganisations, transactions that are stuck or replaced, and nodes
// that are dead, late or repeat themselves. Every block here was made by a real EVM; doubles only break the wire.
import { like } from 'drizzle-orm';
import { Wallet } from 'ethers';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Anchorer, type AnchorerParts, createAnchorer } from '../../gateway/audit/anchor.ts';
import { logIdOf } from '../../gateway/audit/log-id.ts';
import { feesOf } from '../../gateway/audit/signed-fees.ts';
import type { Chain, FinalityRule } from '../../gateway/chain/chain.ts';
import { openEvmChain } from '../../gateway/chain/evm.ts';
import type { RequestProvider } from '../../gateway/chain/rpc.ts';
import { entry } from '../../gateway/store/tables.ts';
import { type FreeEvm, openOn, startFreeEvm } from '../chain/free-evm.ts';
import { newFolder, removeFolders, strangerKey, submitterKey } from '../chain/rig.ts';
import { clock, type Ledger, openLedger, origin } from './ledger.ts';

const logId = logIdOf(origin);
const minuteMs = 60_000;
const weiPerGwei = 10n ** 9n;
let evm: FreeEvm;
let chain: Chain;
let contract: string;
let ledger: Ledger;

beforeEach(async () => {
  evm = await startFreeEvm();
  ({ chain, contract } = await openOn(evm, logId));
  ledger = await openLedger(await newFolder());
});

afterEach(async () => {
  await ledger.close();
  await evm.close();
});

afterAll(removeFolders);

function anchorerOn(on: Chain, more: Partial<AnchorerParts> = {}): Anchorer {
  const { store, log, publisher } = ledger;
  return createAnchorer({ store, log, publisher, chain: on, origin, clock, ...more });
}

/** Adds entries, anchors them and mines the block. */
async function anchored(anchorer: Anchorer, entries = 2) {
  await ledger.add(entries);
  const sent = await anchorer.anchor();
  await evm.mine();
  await anchorer.anchor();
  return (await ledger.anchors()).find(({ id }) => id === sent!.id)!;
}

const newest = async (): Promise<number> => (await ledger.publisher.latest())!.size;

/** Sizes of all heads the contract announced, in order. */
async function announced(): Promise<number[]> {
  const logs = (await evm.ask('eth_getLogs', { fromBlock: '0x0', toBlock: 'latest', address: contract })) as {
    data: string;
    topics: string[];
  }[];
  // SubmitterSet has no data; Anchored begins with the size.
  return logs.filter(({ data }) => data.length > 2).map(({ data }) => Number(BigInt(data.slice(0, 66))));
}

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

describe('a reorganisation', () => {
  it('takes an anchor back; it waits, is sent again and mined again, and no row is lost', async () => {
    const anchorer = anchorerOn(chain);
    const reorganise = await evm.fork();
    const before = await anchored(anchorer);
    expect(before).toMatchObject({ state: 'mined', sequence: 1 });
    await reorganise(3);
    expect(await chain.head(logId)).toBeUndefined();
    await anchorer.anchor();
    expect(await ledger.anchors()).toMatchObject([
      { id: before.id, state: 'broadcast', blockHash: null, blockNumber: null, gasUsed: null, costWei: null },
    ]);
    await evm.mine();
    await anchorer.anchor();
    const [after, ...others] = await ledger.anchors();
    expect(others).toEqual([]);
    expect(after).toMatchObject({ id: before.id, raw: before.raw, state: 'mined', sequence: 1 });
    expect(after!.blockHash).not.toBe(before.blockHash);
    expect(await announced()).toEqual([before.size]);
  });

  it('of other blocks leaves an anchor alone', async () => {
    const anchorer = anchorerOn(chain);
    const before = await anchored(anchorer);
    const reorganise = await evm.fork();
    await evm.mine(3);
    await reorganise(5);
    await anchorer.anchor();
    expect(await ledger.anchors()).toEqual([before]);
  });

  it('deeper than one anchor takes back exactly those above it, and all come again', async () => {
    const anchorer = anchorerOn(chain);
    const first = await anchored(anchorer);
    const reorganise = await evm.fork();
    const rows = [await anchored(anchorer), await anchored(anchorer), await anchored(anchorer)];
    expect(await ledger.states()).toEqual(['mined', 'mined', 'mined', 'mined']);
    await reorganise(6);
    expect(await chain.head(logId)).toMatchObject({ size: first.size, seq: 1 });
    await anchorer.anchor();
    expect(await ledger.states()).toEqual(['mined', 'broadcast', 'broadcast', 'broadcast']);
    for (let round = 0; round < 4; round++) {
      await evm.mine();
      await anchorer.anchor();
    }
    expect(await ledger.states()).toEqual(['mined', 'mined', 'mined', 'mined']);
    expect((await ledger.anchors())[0]).toEqual(first);
    expect(await announced()).toEqual([first.size, ...rows.map(({ size }) => size)]);
  });

  it('that brings the displaced one of two is told apart from the one it displaced', async () => {
    const anchorer = anchorerOn(chain);
    await ledger.add(2);
    const old = await anchorer.anchor();
    const reorganise = await evm.fork();
    await ledger.add(1);
    clock.advance(10 * minuteMs);
    const replacement = await anchorer.anchor();
    expect(replacement!.nonce).toBe(old!.nonce);
    await evm.mine();
    await anchorer.anchor();
    expect(await ledger.states()).toEqual(['failed', 'mined']);
    // The other history begins before the replacement came: its first block holds the older transaction.
    await reorganise(2);
    await anchorer.anchor();
    expect((await ledger.states()).slice(0, 2)).toEqual(['mined', 'failed']);
    expect(await incidents()).toEqual([]);
    await evm.mine();
    await anchorer.anchor();
    expect(await chain.head(logId)).toMatchObject({ size: await newest(), seq: 2 });
  });

  it('between mined and final is never shown as final', async () => {
    const rule: FinalityRule = { kind: 'confirmations', blocks: 3 };
    const { chain: slow } = await openOn(evm, logId, rule);
    const anchorer = anchorerOn(slow);
    const reorganise = await evm.fork();
    const row = await anchored(anchorer);
    await evm.mine();
    await anchorer.anchor();
    expect(await ledger.states()).toEqual(['mined']);
    // High enough for the old block, had it stayed.
    await reorganise(9);
    await anchorer.anchor();
    expect(await ledger.states()).toEqual(['broadcast']);
    await evm.mine();
    await anchorer.anchor();
    expect(await ledger.states()).toEqual(['mined']);
    await evm.mine(2);
    await anchorer.anchor();
    expect(await ledger.anchors()).toMatchObject([{ id: row.id, state: 'final' }]);
  });

  it('in the moment finality is asked is not taken for final', async () => {
    let reorganise: ((blocks: number) => Promise<void>) | undefined;
    const provider: RequestProvider = {
      async request(call) {
        const answer = await evm.provider.request(call);
        if (call.method === 'eth_blockNumber' && reorganise !== undefined) {
          const go = reorganise;
          reorganise = undefined;
          await go(9);
        }
        return answer;
      },
    };
    const { chain: watched } = await openOn(evm, logId, { kind: 'confirmations', blocks: 2 }, provider);
    const anchorer = anchorerOn(watched);
    const back = await evm.fork();
    await anchored(anchorer);
    await evm.mine(5);
    reorganise = back;
    await anchorer.anchor();
    expect(await ledger.states()).toEqual(['mined']);
    await anchorer.anchor();
    expect(await ledger.states()).toEqual(['broadcast']);
  });

  it('deeper than the rule for final is recorded as an incident, and the anchor comes again', async () => {
    const { chain: hasty } = await openOn(evm, logId, { kind: 'confirmations', blocks: 2 });
    const anchorer = anchorerOn(hasty);
    const reorganise = await evm.fork();
    await anchored(anchorer);
    await evm.mine(2);
    await anchorer.anchor();
    expect(await ledger.states()).toEqual(['final']);
    await reorganise(9);
    await anchorer.anchor();
    expect((await ledger.states())[0]).toBe('broadcast');
    expect(await incidents()).toEqual(['final-undone']);
    await evm.mine();
    await anchorer.anchor();
    await evm.mine();
    await anchorer.anchor();
    expect(await hasty.head(logId)).toMatchObject({ size: await newest() });
    expect(await incidents()).toEqual(['final-undone']);
  });
});

describe('a transaction that is stuck', () => {
  it('below the base fee is replaced at its nonce with the newest head, both fees a tenth higher', async () => {
    const anchorer = anchorerOn(chain);
    await ledger.add(2);
    const stuck = await anchorer.anchor();
    const fees = feesOf(stuck!.raw);
    await evm.setBaseFee(fees.maxFeePerGasWei + 1n);
    await evm.mine();
    await ledger.add(3);
    clock.advance(9 * minuteMs);
    expect(await anchorer.anchor()).toMatchObject({ id: stuck!.id, state: 'broadcast' });
    expect(await ledger.anchors()).toHaveLength(1);
    clock.advance(minuteMs);
    const second = await anchorer.anchor();
    expect(second).toMatchObject({ state: 'broadcast', size: await newest(), nonce: stuck!.nonce });
    const raised = feesOf(second!.raw);
    expect(raised.maxFeePerGasWei * 10n).toBeGreaterThanOrEqual(fees.maxFeePerGasWei * 11n);
    expect(raised.maxPriorityFeePerGasWei * 10n).toBeGreaterThanOrEqual(fees.maxPriorityFeePerGasWei * 11n);
    await evm.mine();
    await anchorer.anchor();
    expect(await ledger.states()).toEqual(['failed', 'mined']);
    expect(await announced()).toEqual([second!.size]);
    expect(await incidents()).toEqual([]);
  });

  it('may be mined before its replacement is heard of, and the newest head follows', async () => {
    // A node that swallows the replacement: the old transaction is what gets mined.
    let swallow = false;
    const deaf: Chain = {
      ...chain,
      broadcast: (raw) =>
        swallow ? Promise.resolve({ result: 'accepted', message: '' }) : chain.broadcast(raw),
    };
    const anchorer = anchorerOn(deaf);
    await ledger.add(2);
    const old = await anchorer.anchor();
    await ledger.add(3);
    clock.advance(10 * minuteMs);
    swallow = true;
    const replacement = await anchorer.anchor();
    expect(replacement!.nonce).toBe(old!.nonce);
    swallow = false;
    await evm.mine();
    const third = await anchorer.anchor();
    expect(await ledger.states()).toEqual(['mined', 'failed', 'broadcast']);
    expect(third).toMatchObject({ nonce: old!.nonce + 1, size: await newest() });
    await evm.mine();
    await anchorer.anchor();
    expect(await ledger.states()).toEqual(['mined', 'failed', 'mined']);
    expect(await announced()).toEqual([old!.size, third!.size]);
    expect(await incidents()).toEqual([]);
  });

  it('is never raised above the ceiling, and is mined when fees fall below it', async () => {
    const ceiling = 20n * weiPerGwei;
    const anchorer = anchorerOn(chain, { mostFeePerGasWei: ceiling });
    await evm.setBaseFee(50n * weiPerGwei);
    await evm.mine();
    await ledger.add(2);
    const waiting = await anchorer.anchor();
    expect(feesOf(waiting!.raw).maxFeePerGasWei).toBe(ceiling);
    for (let round = 0; round < 4; round++) {
      await evm.setBaseFee(50n * weiPerGwei);
      await evm.mine();
      await ledger.add(1);
      clock.advance(15 * minuteMs);
      await anchorer.anchor();
    }
    expect(await ledger.anchors()).toMatchObject([{ id: waiting!.id, state: 'broadcast' }]);
    expect(await announced()).toEqual([]);
    await evm.setBaseFee(3n * weiPerGwei);
    await evm.mine();
    const next = await anchorer.anchor();
    expect(await announced()).toEqual([waiting!.size]);
    expect(feesOf(next!.raw).maxFeePerGasWei).toBeLessThanOrEqual(ceiling);
  });

  it('without a ceiling pays what the chain asks', async () => {
    await evm.setBaseFee(50n * weiPerGwei);
    await evm.mine();
    expect(await anchored(anchorerOn(chain))).toMatchObject({ state: 'mined' });
  });
});

describe('a transaction from the same key that the gateway did not send', () => {
  async function sendForeign(key: string, nonce: number): Promise<void> {
    const raw = await new Wallet(key).signTransaction({
      type: 2,
      chainId: 4242,
      nonce,
      to: chain.submitter,
      gasLimit: 21_000n,
      maxFeePerGas: 500n * weiPerGwei,
      maxPriorityFeePerGas: 50n * weiPerGwei,
    });
    await evm.ask('eth_sendRawTransaction', raw);
  }

  it('and that takes an anchor’s nonce is recorded as an incident, and the anchor goes out anew', async () => {
    const anchorer = anchorerOn(chain);
    await ledger.add(2);
    const robbed = await anchorer.anchor();
    await sendForeign(submitterKey, robbed!.nonce);
    await evm.mine();
    await anchorer.anchor();
    await evm.mine();
    await anchorer.anchor();
    const rows = await ledger.anchors();
    expect(rows[0]).toMatchObject({ id: robbed!.id, state: 'failed', blockHash: null });
    expect(rows[1]).toMatchObject({ state: 'mined', nonce: robbed!.nonce + 1, sequence: 1 });
    expect(await incidents()).toEqual(['nonce-taken']);
    await evm.mine();
    await anchorer.anchor();
    expect(await incidents()).toEqual(['nonce-taken']);
  });

  it('is not suspected where another key sent it, or where a node is a moment behind', async () => {
    let isBehind = true;
    const lagging: Chain = {
      ...chain,
      receipt: (hash) => (isBehind ? Promise.resolve(undefined) : chain.receipt(hash)),
    };
    const anchorer = anchorerOn(lagging);
    await ledger.add(2);
    const row = await anchorer.anchor();
    await sendForeign(strangerKey, 0);
    await evm.mine();
    await anchorer.anchor();
    expect(await ledger.states()).toEqual(['broadcast']);
    isBehind = false;
    await anchorer.anchor();
    expect(await ledger.anchors()).toMatchObject([{ id: row!.id, state: 'mined' }]);
    expect(await incidents()).toEqual([]);
  });
});

describe('a node', () => {
  /** Breaks the wire at one request of a round: `before` it reaches the node, `after` it did its work. */
  function brokenAt(request: number, when: 'before' | 'after') {
    let asked = 0;
    const provider: RequestProvider = {
      async request(call) {
        asked += 1;
        if (asked !== request) return evm.provider.request(call);
        if (when === 'before') throw new Error('connection refused');
        await evm.provider.request(call);
        throw new Error('connection reset');
      },
    };
    return { provider, asked: () => asked };
  }

  it.each(['before', 'after'] as const)(
    'that breaks off %s any request of a round leaves one anchor for the head and no wrong state',
    async (when) => {
      const anchorer = anchorerOn(chain);
      let request = 1;
      for (let isOver = false; !isOver; request++) {
        const wire = brokenAt(request, when);
        const broken = await rewired(contract, wire.provider);
        await ledger.add(1);
        const failure = await anchorerOn(broken)
          .anchor()
          .catch((error: unknown) => error);
        isOver = wire.asked() < request;
        if (!isOver && failure instanceof Error)
          expect(failure, `request ${request}`).toMatchObject({ code: 'chain_unavailable' });
        // The log goes on, and the next round needs no restart.
        await ledger.add(1);
        await anchorer.anchor();
        await evm.mine();
        await anchorer.anchor();
        await evm.mine();
        await anchorer.anchor();
        const sizes = await announced();
        expect(new Set(sizes).size, `request ${request}`).toBe(sizes.length);
        expect(sizes.at(-1)).toBe(await newest());
        const rows = await ledger.anchors();
        expect(
          rows.filter(({ state }) => state === 'mined' || state === 'final').map(({ size }) => size),
        ).toEqual(sizes);
        expect(
          rows.every(({ state }) => ['mined', 'final'].includes(state)),
          `request ${request}`,
        ).toBe(true);
      }
      // A round asks for the identity, the nonce, the head, the fees, sends, and looks for its receipt.
      expect(request).toBeGreaterThan(10);
      expect(await incidents()).toEqual([]);
    },
  );

  async function rewired(address: string, provider: RequestProvider): Promise<Chain> {
    let isOpen = false;
    const switched: RequestProvider = {
      request: (call) => (isOpen ? provider : evm.provider).request(call),
    };
    const opened = await openEvmChain({
      provider: switched,
      contractAddress: address,
      submitterKey,
      finality: { kind: 'confirmations', blocks: 64 },
      timeoutMs: 60,
    });
    isOpen = true;
    return opened;
  }

  it('that takes the transaction but answers too late has it once', async () => {
    await ledger.add(2);
    let heard = 0;
    const provider: RequestProvider = {
      async request(call) {
        if (call.method !== 'eth_sendRawTransaction') return evm.provider.request(call);
        heard += 1;
        await evm.provider.request(call);
        return new Promise(() => {});
      },
    };
    const late = await rewired(contract, provider);
    await expect(anchorerOn(late).anchor()).rejects.toMatchObject({ code: 'chain_unavailable' });
    expect(heard).toBe(1);
    expect(await ledger.states()).toEqual(['signed']);
    await evm.mine();
    expect(await anchorerOn(late).anchor()).toMatchObject({ state: 'mined', sequence: 1 });
    expect(heard).toBe(1);
    expect(await announced()).toEqual([await newest()]);
  });

  it('that hangs for ever fails in time, and did nothing', async () => {
    await ledger.add(2);
    const silent = await rewired(contract, { request: () => new Promise(() => {}) });
    await expect(anchorerOn(silent).anchor()).rejects.toMatchObject({ code: 'chain_unavailable' });
    expect(await ledger.anchors()).toEqual([]);
    await ledger.add(1);
    expect((await ledger.publisher.publish())?.size).toBe(ledger.log.durableSize());
    expect(await anchored(anchorerOn(chain))).toMatchObject({ state: 'mined' });
  });

  it('that says “already known” to what was sent before is believed, and shows the receipt later', async () => {
    await ledger.add(2);
    const anchorer = anchorerOn(chain);
    const sent = await anchorer.anchor();
    expect(await chain.broadcast(sent!.raw)).toMatchObject({ result: 'known' });
    for (let again = 0; again < 3; again++) await anchorer.anchor();
    expect(await ledger.anchors()).toMatchObject([{ id: sent!.id, state: 'broadcast' }]);
    await evm.mine();
    await anchorer.anchor();
    expect(await ledger.anchors()).toMatchObject([{ id: sent!.id, state: 'mined', sequence: 1 }]);
    expect(await announced()).toEqual([sent!.size]);
  });
});
