// A fresh EVM for each test, mined by hand: a transaction waits until a block is asked for, base fees are set, and
// history can be taken back. Offered as another chain would be: with a name that is not a development node's.
import { createHardhatRuntimeEnvironment } from 'hardhat/hre';
import { type Chain, type FinalityRule } from '../../gateway/chain/chain.ts';
import { loadArtifact, projectRoot } from '../../gateway/chain/compile.ts';
import { addressOfKey, deployAnchor, openEvmChain } from '../../gateway/chain/evm.ts';
import type { RequestProvider } from '../../gateway/chain/rpc.ts';
import { strangerKey, submitterKey } from './rig.ts';

export interface FreeEvmOptions {
  readonly chainId?: number;
  /** Each transaction makes its block at once. */
  readonly mineAtOnce?: boolean;
  /** Time of block 0: another time is another genesis. */
  readonly initialDate?: string;
}

export interface FreeEvm {
  /** Answers as a node of a public network would. */
  readonly provider: RequestProvider;
  /** With everything Hardhat knows. */
  ask(method: string, ...params: unknown[]): Promise<unknown>;
  /** Blocks with what waits; the next ones are empty. */
  mine(blocks?: number): Promise<void>;
  mineAtOnce(on: boolean): Promise<void>;
  setBaseFee(wei: bigint): Promise<void>;
  /** Remembers this state; the returned function goes back to it and mines another history of `blocks` blocks. */
  fork(): Promise<(blocks: number) => Promise<void>>;
  height(): Promise<number>;
  close(): Promise<void>;
}

export async function startFreeEvm(options: FreeEvmOptions = {}): Promise<FreeEvm> {
  const hre = await createHardhatRuntimeEnvironment(
    {
      networks: {
        free: {
          type: 'edr-simulated',
          chainType: 'l1',
          chainId: options.chainId ?? 4242,
          hardfork: 'osaka',
          initialDate: options.initialDate ?? '2026-01-01T00:00:00.000Z',
          mining: { auto: options.mineAtOnce ?? false, interval: 0 },
          accounts: [submitterKey, strangerKey].map((privateKey) => ({ privateKey, balance: 10n ** 24n })),
          throwOnTransactionFailures: false,
        },
      },
    },
    {},
    projectRoot,
  );
  const network = await hre.network.create('free');
  const ask = (method: string, ...params: unknown[]): Promise<unknown> =>
    network.provider.request({ method, params });
  const mine = async (blocks = 1): Promise<void> => void (await ask('hardhat_mine', hexOf(blocks)));
  return {
    provider: {
      request: ({ method, params = [] }) =>
        method === 'web3_clientVersion'
          ? Promise.resolve('Geth/v1.16.0/linux-amd64')
          : network.provider.request({ method, params }),
    },
    ask,
    mine,
    mineAtOnce: async (on) => void (await ask('evm_setAutomine', on)),
    setBaseFee: async (wei) => void (await ask('hardhat_setNextBlockBaseFeePerGas', hexOf(wei))),
    async fork() {
      const snapshot = await ask('evm_snapshot');
      return async (blocks) => {
        if ((await ask('evm_revert', snapshot)) !== true) throw new Error('the state was not kept');
        // Another time makes other blocks of the same transactions.
        await ask('evm_increaseTime', 7);
        await mine(blocks);
      };
    },
    height: async () => Number(await ask('eth_blockNumber')),
    close: () => network.close(),
  };
}

/** The contract on such a chain, and the chain as the gateway opens it. */
export async function openOn(
  evm: FreeEvm,
  logId: string,
  finality: FinalityRule = { kind: 'confirmations', blocks: 64 },
  provider: RequestProvider = evm.provider,
): Promise<{ contract: string; chain: Chain }> {
  await evm.mineAtOnce(true);
  const { contract } = await deployAnchor({
    provider: evm.provider,
    adminKey: submitterKey,
    artifact: await loadArtifact(),
    logId,
    submitter: addressOfKey(submitterKey),
  });
  await evm.mineAtOnce(false);
  const chain = await openEvmChain({
    provider,
    contractAddress: contract,
    submitterKey,
    finality,
    timeoutMs: 300,
  });
  return { contract, chain };
}

const hexOf = (number: number | bigint): string => `0x${number.toString(16)}`;
