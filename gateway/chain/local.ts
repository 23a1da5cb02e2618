// The local Hardhat chain that survives restarts. Hardhat keeps its chain in memory only; this file keeps a
// journal of signed transactions and block times, and replays it at start to the same blocks, hashes included.
//
// It is for trying things out and for single machines. Whoever owns the folder can rebuild it, so nothing on
// it is ever called final.
import { mkdir } from 'node:fs/promises';
import type { Clock } from '../system.ts';
import { projectRoot } from './compile.ts';
import { type Journal, type JournalBlock, type JournalStart, openJournal } from './journal.ts';
import { lockFolder } from './lock.ts';
import { isRecord, type RequestProvider, RpcError, unavailable } from './rpc.ts';
import { serveRpc } from './rpc-server.ts';

export interface LocalChainOptions {
  /** Holds the journal and the lock; created when missing. */
  folder: string;
  /** Private keys (0x text) of the accounts that have money from the start. Part of block 0: never change them. */
  accountKeys: readonly string[];
  /** Time of block 0, ISO 8601. Read on the first start only; afterwards the journal knows it. */
  initialDate: string;
  clock: Clock;
  /** Port of the JSON-RPC server on loopback; 0 takes any, undefined opens none. */
  port?: number;
}

export interface LocalChain {
  /** EIP-1193, with the same methods and the same queue as the server. */
  readonly provider: RequestProvider;
  readonly url: string | undefined;
  close(): Promise<void>;
}

const chainId = 31337;
// Fixed, so that a newer Hardhat does not replay an old journal under newer rules.
const hardfork = 'osaka';
const balanceWei = 10n ** 24n;
const maxWaiting = 256;

const readMethods: ReadonlySet<string> = new Set([
  'eth_blockNumber',
  'eth_call',
  'eth_chainId',
  'eth_estimateGas',
  'eth_feeHistory',
  'eth_gasPrice',
  'eth_getBalance',
  'eth_getBlockByHash',
  'eth_getBlockByNumber',
  'eth_getCode',
  'eth_getLogs',
  'eth_getProof',
  'eth_getStorageAt',
  'eth_getTransactionByHash',
  'eth_getTransactionCount',
  'eth_getTransactionReceipt',
  'eth_maxPriorityFeePerGas',
  'net_version',
  'web3_clientVersion',
]);

/**
 * Starts the chain, rebuilt from its journal. One process owns it.
 *
 * @throws GatewayError `chain_unavailable` when another process owns the folder, when the journal is damaged
 *   before its last line, or when it does not replay to the same blocks
 */
export async function openLocalChain(options: LocalChainOptions): Promise<LocalChain> {
  await mkdir(options.folder, { recursive: true, mode: 0o700 });
  const lock = await lockFolder(options.folder);
  const closers: (() => Promise<unknown>)[] = [() => lock.release()];
  const close = async (): Promise<void> => {
    // Newest first: no request may reach a closed journal, and the lock goes last.
    for (let closer = closers.pop(); closer !== undefined; closer = closers.pop()) await closer();
  };
  try {
    const journal = await openJournal(options.folder);
    closers.push(() => journal.close());
    const network = await startNetwork(
      journal.start?.initialDate ?? options.initialDate,
      options.accountKeys,
    );
    closers.push(() => network.close());
    const tip = await replay(network.provider, journal, options);
    const queue = openQueue(network.provider, journal, tip, options.clock);
    closers.push(() => queue.close());
    const server = options.port === undefined ? undefined : await serveRpc(queue.provider, options.port);
    if (server !== undefined) closers.push(() => server.close());
    return { provider: queue.provider, url: server?.url, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startNetwork(initialDate: string, accountKeys: readonly string[]) {
  if (Number.isNaN(Date.parse(initialDate))) throw unavailable('initialDate is not an ISO 8601 time');
  const { createHardhatRuntimeEnvironment } = await import('hardhat/hre');
  const hre = await createHardhatRuntimeEnvironment(
    {
      networks: {
        local: {
          type: 'edr-simulated',
          chainType: 'l1',
          chainId,
          hardfork,
          initialDate,
          accounts: accountKeys.map((privateKey) => ({ privateKey, balance: balanceWei })),
          // As on other chains: a reverted transaction is mined, and its receipt says so.
          throwOnTransactionFailures: false,
        },
      },
    },
    {},
    projectRoot,
  );
  return hre.network.create('local');
}

interface Tip {
  hash: string;
  number: number;
  /** Seconds since 1970 UTC. */
  time: number;
}

/** Rebuilds the chain and checks every block's parent on the way. */
async function replay(provider: RequestProvider, journal: Journal, options: LocalChainOptions): Promise<Tip> {
  let tip = await readTip(provider);
  const expected: JournalStart = journal.start ?? {
    version: 1,
    chainId,
    initialDate: options.initialDate,
    hardfork,
    genesisHash: tip.hash,
  };
  if (expected.genesisHash !== tip.hash) {
    throw unavailable(
      'Block 0 of the local chain differs from its journal: another account key or Hardhat version',
    );
  }
  if (journal.start === undefined) await journal.begin(expected);
  for (const [index, block] of journal.blocks.entries()) {
    if (block.parent !== tip.hash)
      throw unavailable(`The local chain's journal replays to another block ${tip.number}`);
    const outcome = await mine(provider, block, tip);
    if (outcome.tip !== undefined) tip = outcome.tip;
    // Journalled, then refused, then a crash before the line was taken off: possible for the last line only.
    else if (index === journal.blocks.length - 1) await journal.dropLast();
    else throw unavailable(`Line ${index + 2} of the local chain's journal makes no block`);
  }
  return tip;
}

/** Sends one transaction as one block of the given time; no tip in the answer means that no block came of it. */
async function mine(
  provider: RequestProvider,
  block: JournalBlock,
  before: Tip,
): Promise<{ tip: Tip; hash: unknown } | { tip: undefined; error: RpcError }> {
  await provider.request({ method: 'evm_setNextBlockTimestamp', params: [block.time] });
  let hash: unknown;
  let error: unknown;
  try {
    hash = await provider.request({ method: 'eth_sendRawTransaction', params: [block.rawTransaction] });
  } catch (cause) {
    error = cause;
  }
  const tip = await readTip(provider);
  if (tip.number === before.number + 1) return { tip, hash };
  if (tip.number !== before.number) throw unavailable('One transaction made more than one block');
  if (error !== undefined) return { tip: undefined, error: toRpcError(error) };
  // Taken but not mined: its nonce is ahead. It must not wait here, or it would share a later line's block.
  await provider.request({ method: 'hardhat_dropTransaction', params: [hash] });
  return {
    tip: undefined,
    error: new RpcError(-32003, 'Nonce too high: this chain mines at once and keeps none waiting'),
  };
}

/** All requests one after another, so that none comes between a block's journal line, its time and its mining. */
function openQueue(provider: RequestProvider, journal: Journal, first: Tip, clock: Clock) {
  let tip = first;
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  let closed = false;
  /** Set when journal and chain may differ; only a restart, with its replay, can tell. */
  let broken = false;

  const run = async (method: string, params: readonly unknown[]): Promise<unknown> => {
    if (method !== 'eth_sendRawTransaction') return provider.request({ method, params });
    const [text] = params;
    if (typeof text !== 'string' || !/^0x[0-9a-f]+$/i.test(text))
      throw new RpcError(-32602, 'Expected raw bytes as 0x text');
    if (broken) throw new RpcError(-32603, 'The journal could not be written; restart the local chain');
    const time = Math.max(Math.floor(clock.nowMs() / 1000), tip.time + 1);
    const block = { time, parent: tip.hash, rawTransaction: text.toLowerCase() };
    try {
      await journal.append(block);
      const outcome = await mine(provider, block, tip);
      if (outcome.tip !== undefined) {
        tip = outcome.tip;
        return outcome.hash;
      }
      await journal.dropLast();
      throw outcome.error;
    } catch (error) {
      if (!(error instanceof RpcError)) broken = true;
      throw error;
    }
  };

  const queued: RequestProvider = {
    async request({ method, params = [] }) {
      if (method !== 'eth_sendRawTransaction' && !readMethods.has(method)) {
        throw new RpcError(-32601, `This chain does not offer ${method.slice(0, 60)}`);
      }
      if (closed) throw new RpcError(-32603, 'The local chain is closed');
      if (waiting >= maxWaiting) throw new RpcError(-32005, 'Too many requests are waiting');
      waiting += 1;
      const mineAfter = last;
      const { promise, resolve } = Promise.withResolvers<void>();
      last = promise;
      await mineAfter;
      try {
        return await run(method, params);
      } finally {
        waiting -= 1;
        resolve();
      }
    },
  };
  return {
    provider: queued,
    async close(): Promise<void> {
      closed = true;
      await last;
    },
  };
}

async function readTip(provider: RequestProvider): Promise<Tip> {
  const block = await provider.request({ method: 'eth_getBlockByNumber', params: ['latest', false] });
  if (!isRecord(block)) throw unavailable('The local chain has no newest block');
  return { hash: String(block['hash']), number: Number(block['number']), time: Number(block['timestamp']) };
}

function toRpcError(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  const { code, message, data } = isRecord(error) ? error : {};
  return new RpcError(
    typeof code === 'number' ? code : -32603,
    typeof message === 'string' ? message : 'error',
    data,
  );
}
