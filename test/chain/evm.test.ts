// The chain behind JSON-RPC: what is read, signed and believed.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Interface } from 'ethers';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Chain, type FinalityRule, raiseFees } from '../../gateway/chain/chain.ts';
import { type Artifact, loadArtifact } from '../../gateway/chain/compile.ts';
import {
  addressOfKey,
  anchorAbi,
  checkAnchorOnChain,
  codeHashOf,
  deployAnchor,
  openEvmChain,
} from '../../gateway/chain/evm.ts';
import type { LocalChain } from '../../gateway/chain/local.ts';
import { openRpc, type RequestProvider, RpcError } from '../../gateway/chain/rpc.ts';
import { distinctLeaves, sha256Hex } from './oracle.ts';
import { anchor, deploy, extend, headOf, logId, newFolder, openSubmitter, removeFolders } from './rig.ts';
import { startChain, strangerKey, submitterKey } from './rig.ts';

const root = distinctLeaves('a');
let local: LocalChain;
let chain: Chain;
let contract: string;
let artifact: Artifact;

beforeAll(async () => {
  artifact = await loadArtifact();
  local = await startChain(await newFolder(), 0);
  ({ chain, contract } = await deploy(local));
});

afterAll(async () => {
  await local.close();
  await removeFolders();
});

/** The same chain with some answers replaced. */
function disguised(answers: Record<string, (params: readonly unknown[]) => unknown>): RequestProvider {
  return {
    async request({ method, params = [] }) {
      const replaced = answers[method]?.(params);
      return replaced === undefined ? local.provider.request({ method, params }) : replaced;
    },
  };
}

const openAs = (provider: RequestProvider, finality: FinalityRule) =>
  openEvmChain({ provider, contractAddress: contract, submitterKey, finality, timeoutMs: 2_000 });

it('the ABI written here is the one compiled', () => {
  const compiled = new Interface(JSON.stringify(artifact.abi));
  for (const fragment of new Interface(anchorAbi).fragments) {
    const same = compiled.fragments.find((one) => one.format('full') === fragment.format('full'));
    // A struct's name is not part of the human-readable form; its types and names are.
    expect(same?.format('full'), fragment.format('full')).toBe(fragment.format('full'));
  }
});

it('a deployment is found again instead of repeated', async () => {
  const before = await chain.nextNonce();
  const again = await deploy(local);
  expect(again.contract).toBe(contract);
  expect(await chain.nextNonce()).toBe(before);
});

it('the identity names chain, genesis, contract and code', async () => {
  const identity = await chain.identity();
  expect(identity).toEqual({
    chainId: 31337,
    genesisHash: await chain.blockHashAt(0),
    contract,
    codeHash: codeHashOf(artifact),
  });
  expect(await chain.blockHashAt(1_000_000)).toBeUndefined();
});

it('over HTTP the same chain gives the same answers', async () => {
  const remote = await openEvmChain({
    url: local.url!,
    contractAddress: contract,
    submitterKey,
    finality: { kind: 'tag', tag: 'finalized' },
  });
  expect(await remote.identity()).toEqual(await chain.identity());
  expect(await remote.nextNonce()).toBe(await chain.nextNonce());
  expect(await remote.balanceWei()).toBe(await chain.balanceWei());
  expect(await remote.head(logId)).toEqual(await chain.head(logId));
});

describe('a signed anchor', () => {
  it('is the same bytes every time, and costs what the receipt says', async () => {
    const [head, nonce, fees] = [headOf(root, 2), await chain.nextNonce(), await chain.suggestFees()];
    const signed = await chain.sign(head, [], nonce, fees);
    expect(await chain.sign(head, [], nonce, fees)).toEqual(signed);
    expect(await chain.receipt(signed.hash)).toBeUndefined();
    const before = await chain.balanceWei();
    expect(await chain.broadcast(signed.rawTransaction)).toMatchObject({ result: 'accepted' });
    const receipt = await chain.receipt(signed.hash);
    if (receipt?.state !== 'mined') throw new Error('not mined');
    expect(receipt).toMatchObject({ seq: 1, blockHash: await chain.blockHashAt(receipt.blockNumber) });
    expect(await chain.balanceWei()).toBe(before - receipt.costWei);
    expect(await chain.nextNonce()).toBe(nonce + 1);
  });

  it('sent again is known, not anchored twice', async () => {
    const nonce = await chain.nextNonce();
    const signed = await chain.sign(headOf(root, 9), [], nonce, await chain.suggestFees());
    await chain.broadcast(signed.rawTransaction);
    expect(await chain.broadcast(signed.rawTransaction)).toMatchObject({ result: 'known' });
  });

  it('with a used nonce, or too low a fee, is told apart', async () => {
    const fees = await chain.suggestFees();
    const used = await chain.sign(headOf(root, 10), [], 0, fees);
    expect(await chain.broadcast(used.rawTransaction)).toMatchObject({ result: 'nonce_used' });
    const cheap = await chain.sign(headOf(root, 10), [], await chain.nextNonce(), {
      maxFeePerGasWei: 1n,
      maxPriorityFeePerGasWei: 0n,
    });
    expect(await chain.broadcast(cheap.rawTransaction)).toMatchObject({ result: 'underpriced' });
    const ahead = await chain.sign(headOf(root, 10), [], (await chain.nextNonce()) + 1, fees);
    expect(await chain.broadcast(ahead.rawTransaction)).toMatchObject({ result: 'refused' });
  });

  it('of a malformed head is not signed', async () => {
    const fees = await chain.suggestFees();
    const good = headOf(root, 3);
    for (const head of [
      { ...good, root: '0x12' },
      { ...good, size: 0 },
      { ...good, size: 1.5 },
      { ...good, logId: 'log' },
    ]) {
      await expect(chain.sign(head, [], 0, fees)).rejects.toMatchObject({ code: 'internal' });
    }
    const long = Array.from({ length: 65 }, () => good.root);
    await expect(chain.sign(good, long, 0, fees)).rejects.toMatchObject({ code: 'internal' });
  });
});

describe('finality', () => {
  const real = { web3_clientVersion: () => 'Geth/v1.16.0/linux-amd64' };

  it('never comes on a development node, whatever the rule', async () => {
    const receipt = await extend(chain, root, 12);
    const rules: FinalityRule[] = [
      { kind: 'local' },
      { kind: 'instant' },
      { kind: 'confirmations', blocks: 1 },
      { kind: 'tag', tag: 'finalized' },
    ];
    for (const rule of rules) {
      const here = await openAs(local.provider, rule);
      expect(here.finality).toBe('local');
      expect(await here.isFinal(receipt)).toBe(false);
    }
    expect(await (await openAs(disguised(real), { kind: 'local' })).isFinal(receipt)).toBe(false);
  });

  it('by protocol needs the block to be still there', async () => {
    const receipt = await extend(chain, root, 14);
    const instant = await openAs(disguised(real), { kind: 'instant' });
    expect(instant.finality).toBe('instant');
    expect(await instant.isFinal(receipt)).toBe(true);
    expect(await instant.isFinal({ state: 'pending' })).toBe(false);
    expect(await instant.isFinal({ ...receipt, blockHash: `0x${'00'.repeat(32)}` })).toBe(false);
    expect(await instant.isFinal({ ...receipt, blockNumber: receipt.blockNumber + 1000 })).toBe(false);
  });

  it('by confirmations counts the anchor’s own block', async () => {
    const receipt = await extend(chain, root, 16);
    const three = await openAs(disguised(real), { kind: 'confirmations', blocks: 3 });
    expect(await three.isFinal(receipt)).toBe(false);
    await extend(chain, root, 17);
    expect(await three.isFinal(receipt)).toBe(false);
    await extend(chain, root, 18);
    expect(await three.isFinal(receipt)).toBe(true);
    expect(await three.isFinal({ ...receipt, blockHash: `0x${'00'.repeat(32)}` })).toBe(false);
    await expect(openAs(disguised(real), { kind: 'confirmations', blocks: 0 })).rejects.toMatchObject({
      code: 'config_invalid',
    });
  });

  it('by tag follows the node’s finalized block, and unknown tags are never final', async () => {
    const receipt = await extend(chain, root, 20);
    const finalized = (answer: unknown) =>
      disguised({
        ...real,
        eth_getBlockByNumber: ([tag]) => {
          if (tag !== 'finalized') return undefined;
          if (answer instanceof Error) throw answer;
          return answer;
        },
      });
    const rule: FinalityRule = { kind: 'tag', tag: 'finalized' };
    const at = (number: number) => ({ number: `0x${number.toString(16)}` });
    expect(await (await openAs(finalized(at(receipt.blockNumber - 1)), rule)).isFinal(receipt)).toBe(false);
    expect(await (await openAs(finalized(at(receipt.blockNumber)), rule)).isFinal(receipt)).toBe(true);
    expect(await (await openAs(finalized(null), rule)).isFinal(receipt)).toBe(false);
    // In order: Besu, geth, and a node that knows no tags at all.
    for (const [code, message] of [
      [-39001, 'Unknown block'],
      [-32000, 'finalized block not found'],
      [-32602, 'invalid argument 0: hex string without 0x prefix'],
    ] as const) {
      const refused = await openAs(finalized(new RpcError(code, message)), rule);
      expect(await refused.isFinal(receipt), message).toBe(false);
    }
    // No verdict either way: the anchor stays as it is, and is asked for again.
    const broken = await openAs(finalized('soon'), rule);
    await expect(broken.isFinal(receipt)).rejects.toMatchObject({ code: 'chain_unavailable' });
  });
});

it('the safe tag is asked for by its own name', async () => {
  const receipt = await extend(chain, root, 24);
  const asked: unknown[] = [];
  const provider = disguised({
    web3_clientVersion: () => 'Geth/v1.16.0/linux-amd64',
    eth_getBlockByNumber: ([tag]) => {
      if (tag !== 'safe' && tag !== 'finalized') return undefined;
      asked.push(tag);
      return { number: tag === 'safe' ? '0xffff' : '0x0' };
    },
  });
  expect(await (await openAs(provider, { kind: 'tag', tag: 'safe' })).isFinal(receipt)).toBe(true);
  expect(await (await openAs(provider, { kind: 'tag', tag: 'finalized' })).isFinal(receipt)).toBe(false);
  expect(asked).toEqual(['safe', 'finalized']);
});

describe('a node that fails', () => {
  const unavailable = { name: 'GatewayError', code: 'chain_unavailable' };

  it('is reported within the time limit', async () => {
    const silent: RequestProvider = { request: () => new Promise(() => {}) };
    await expect(openRpc({ provider: silent }, 50).call('eth_chainId')).rejects.toMatchObject(unavailable);
    const server = createServer(() => {}).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret-key`;
    const failure = await openRpc({ url }, 100)
      .call('eth_chainId')
      .catch((error: Error) => error);
    expect(failure).toMatchObject(unavailable);
    expect(String(failure)).not.toContain('secret-key');
    server.closeAllConnections();
    server.close();
  });

  it('by its own error, or by nonsense, gives chain_unavailable', async () => {
    const broken = await openAs(
      disguised({
        eth_getBalance: () => 'much',
        eth_getTransactionCount: () => {
          throw new RpcError(-32000, 'header not found');
        },
        eth_call: () => '0x',
        eth_getTransactionReceipt: () => 'yes',
      }),
      { kind: 'local' },
    );
    await expect(broken.balanceWei()).rejects.toMatchObject(unavailable);
    await expect(broken.nextNonce()).rejects.toMatchObject(unavailable);
    await expect(broken.head(logId)).rejects.toMatchObject(unavailable);
    await expect(broken.receipt(`0x${'00'.repeat(32)}`)).rejects.toMatchObject(unavailable);
  });

  it('without our contract, or with unusable settings, is refused at opening', async () => {
    const finality: FinalityRule = { kind: 'local' };
    const nobody = `0x${'99'.repeat(20)}`;
    const openWith = (contractAddress: string, key: string) =>
      openEvmChain({ provider: local.provider, contractAddress, submitterKey: key, finality });
    await expect(openWith(nobody, submitterKey)).rejects.toMatchObject(unavailable);
    await expect(openWith('0x12', submitterKey)).rejects.toMatchObject({ code: 'config_invalid' });
    const failure = await openWith(contract, '0xfeedbeef').catch((error: Error) => error);
    expect(failure).toMatchObject({ code: 'config_invalid' });
    expect(JSON.stringify(failure) + String((failure as Error).stack)).not.toContain('feedbeef');
    expect(() => openRpc({ url: 'file:///etc/passwd' }, 100)).toThrow(
      expect.objectContaining({ code: 'config_invalid' }),
    );
  });
});

describe('a checked anchor', () => {
  async function anchored() {
    const id = sha256Hex('a log to be checked');
    await deployAnchor({
      provider: local.provider,
      adminKey: submitterKey,
      artifact,
      logId: id,
      submitter: addressOfKey(submitterKey),
    });
    const stored = await chain.head(id);
    const size = (stored?.size ?? 0) + 3;
    const receipt = await extend(chain, root, size, id);
    const { root: rootHash, checkpointHash } = headOf(root, size, id);
    const { chainId, genesisHash } = await chain.identity();
    return {
      provider: local.provider,
      trust: { chainId, genesisHash, contract },
      logId: id,
      anchor: { transactionHash: receipt.hash, size, root: rootHash, seq: receipt.seq!, checkpointHash },
      receipt,
    };
  }

  it('holds when chain, contract and event say the same', async () => {
    const { receipt, ...claim } = await anchored();
    const block = { number: receipt.blockNumber, hash: receipt.blockHash };
    expect(await checkAnchorOnChain(claim)).toMatchObject({ ok: true, check: 'event', block });
    const { provider, ...rest } = claim;
    expect(provider).toBe(local.provider);
    expect(await checkAnchorOnChain({ url: local.url!, ...rest })).toMatchObject({ ok: true });
  });

  it('fails, with the name of the check, when anything differs', async () => {
    const claim = await anchored();
    const other = sha256Hex('something else');
    const withTrust = (trust: object) => ({ ...claim, trust: { ...claim.trust, ...trust } });
    const withAnchor = (change: object) => ({ ...claim, anchor: { ...claim.anchor, ...change } });
    const [first] = [await anchor(chain, headOf(root, 1, claim.logId), [])];
    const cases = [
      [withTrust({ chainId: 1 }), 'chain id'],
      [withTrust({ genesisHash: other }), 'genesis'],
      [withTrust({ contract: `0x${'99'.repeat(20)}` }), 'contract'],
      [withTrust({ contract: 'nowhere' }), 'contract'],
      [withAnchor({ transactionHash: other }), 'transaction'],
      [withAnchor({ transactionHash: '0x12' }), 'transaction'],
      [withAnchor({ transactionHash: first.hash }), 'transaction'],
      [withAnchor({ size: claim.anchor.size + 1 }), 'event'],
      [withAnchor({ root: other }), 'event'],
      [withAnchor({ seq: claim.anchor.seq + 1 }), 'event'],
      [withAnchor({ checkpointHash: other }), 'event'],
      [{ ...claim, logId: other }, 'event'],
    ] as const;
    for (const [changed, check] of cases) {
      const verdict = await checkAnchorOnChain(changed);
      expect(verdict, JSON.stringify(verdict)).toMatchObject({ ok: false, check });
    }
  });

  it('fails when another contract of the same code announced it', async () => {
    const claim = await anchored();
    const { contract: impostor } = await deployAnchor({
      provider: local.provider,
      adminKey: strangerKey,
      artifact,
      logId: claim.logId,
      submitter: addressOfKey(strangerKey),
    });
    const stranger = await openSubmitter(local, impostor, strangerKey);
    const receipt = await extend(stranger, root, claim.anchor.size, claim.logId);
    const forged = { ...claim.anchor, transactionHash: receipt.hash, seq: receipt.seq! };
    expect(await checkAnchorOnChain({ ...claim, anchor: forged })).toMatchObject({
      ok: false,
      check: 'event',
    });
  });

  it('has no verdict when the chain cannot be asked', async () => {
    const { provider: _, ...claim } = await anchored();
    const check = checkAnchorOnChain({ ...claim, url: 'http://127.0.0.1:9', timeoutMs: 500 });
    await expect(check).rejects.toMatchObject({ code: 'chain_unavailable' });
  });
});

it('raised fees are always enough for a replacement, and never below what is suggested', () => {
  const fees = fc.record({
    maxFeePerGasWei: fc.bigInt(0n, 10n ** 15n),
    maxPriorityFeePerGasWei: fc.bigInt(0n, 10n ** 15n),
  });
  fc.assert(
    fc.property(fees, fees, (old, suggested) => {
      const raised = raiseFees(old, suggested);
      for (const name of ['maxFeePerGasWei', 'maxPriorityFeePerGasWei'] as const) {
        expect(raised[name] * 10n >= old[name] * 11n).toBe(true);
        expect(raised[name] > old[name]).toBe(true);
        expect(raised[name] >= suggested[name]).toBe(true);
      }
    }),
  );
});
