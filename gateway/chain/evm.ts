// The Chain over Ethereum JSON-RPC. The only file that imports ethers, and of ethers only what computes:
// keys, signatures, transaction and ABI encoding. Requests go through rpc.ts, so that nothing is cached,
// retried or numbered behind our back (no provider, no NonceManager).
import { getBytes, getCreateAddress, Interface, isAddress, isHexString, keccak256, Wallet } from 'ethers';
import { GatewayError } from '../errors.ts';
import type {
  AnchorReceipt,
  BroadcastAnswer,
  Chain,
  ChainIdentity,
  Fees,
  FinalityRule,
  HeadToAnchor,
  MinedReceipt,
  SignedTransaction,
} from './chain.ts';
import type { Artifact } from './compile.ts';
import { isRecord, openRpc, type Rpc, RpcError, type RpcTarget, unavailable } from './rpc.ts';

/** What this file uses of the contract; a test compares it with the compiled one. */
export const anchorAbi = [
  'constructor(address firstAdmin)',
  'function anchor(bytes32 logId, uint64 size, bytes32 root, bytes32 checkpointHash, bytes32[] proof)',
  'function setSubmitter(bytes32 logId, address submitter)',
  'function head(bytes32 logId) view returns ((bytes32 root, uint64 size, uint64 seq, uint64 anchoredAt))',
  'function submitterOf(bytes32 logId) view returns (address)',
  'function admin() view returns (address)',
  'event Anchored(bytes32 indexed logId, uint64 indexed seq, uint64 size, bytes32 root, bytes32 prevRoot, bytes32 checkpointHash)',
] as const;

const contractInterface = new Interface(anchorAbi);

// Node names that belong to chains whose operator can rebuild, rewind or edit them.
const developmentNode = /hardhat|anvil|ganache/i;

export type EvmTarget = RpcTarget & {
  /** How long to wait for one answer. */
  timeoutMs?: number;
};

export type EvmChainOptions = EvmTarget & {
  contractAddress: string;
  /** Private key of the submitter, 32 bytes as 0x text. */
  submitterKey: string;
  finality: FinalityRule;
};

const defaultTimeoutMs = 10_000;

/**
 * Connects to a chain and checks that the contract is there. A development node (Hardhat, anvil, ganache)
 * is treated as local whatever `finality` says.
 *
 * @throws GatewayError `chain_unavailable` when the node does not answer or has no contract at this address
 * @throws GatewayError `config_invalid` when key, address or finality rule are not usable
 */
export async function openEvmChain(options: EvmChainOptions): Promise<Chain> {
  const rpc = openRpc(options, options.timeoutMs ?? defaultTimeoutMs);
  const wallet = readKey(options.submitterKey);
  const contract = checkAddress(options.contractAddress);
  const submitter = wallet.address.toLowerCase();
  const identity = await readIdentity(rpc, contract);
  if (identity === undefined) throw unavailable(`There is no contract at ${contract} on this chain`);
  const chainId = identity.chainId;
  const client = await rpc.call('web3_clientVersion').catch((error: unknown) => {
    if (error instanceof RpcError) return '';
    throw error;
  });
  const finality: FinalityRule = developmentNode.test(String(client)) ? { kind: 'local' } : options.finality;
  if (finality.kind === 'confirmations' && !(Number.isInteger(finality.blocks) && finality.blocks >= 1)) {
    throw new GatewayError('config_invalid', 'confirmations must be a whole number of at least 1');
  }

  const chain: Chain = {
    finality: finality.kind,
    submitter,
    async identity() {
      const now = await readIdentity(rpc, contract);
      if (now === undefined) throw unavailable(`There is no contract at ${contract} on this chain`);
      // Behind one address there may be another node now. Its epoch would not be a new one of this chain.
      if (now.chainId !== chainId)
        throw unavailable(`The chain answers as chain ${now.chainId}; it was chain ${chainId}`);
      return now;
    },
    async head(logId) {
      const head = await readHead(rpc, contract, logId);
      return head.size === 0 ? undefined : head;
    },
    sign: (head, consistencyProof, nonce, fees) =>
      signAnchor({ wallet, contract, chainId, head, consistencyProof, nonce, fees }),
    broadcast: (rawTransaction) => broadcast(rpc, rawTransaction),
    receipt: (hash) => answer(() => readReceipt(rpc, hash, contract)),
    nextNonce: () => askNumber(rpc, 'eth_getTransactionCount', [submitter, 'latest']),
    suggestFees: () => answer(() => suggestFees(rpc)),
    balanceWei: () => askBigInt(rpc, 'eth_getBalance', [submitter, 'latest']),
    blockHashAt: (blockNumber) => answer(() => readBlockHash(rpc, blockNumber)),
    isFinal: (receipt) => answer(() => isFinal(rpc, finality, receipt)),
  };
  return chain;
}

// -- anchoring ------------------------------------------------------------------------------------------------

// An anchor with 40 proof hashes needs about 95,000, a log's first about 55,000. The rest is room for dearer
// rules (EIP-8037 would charge about 100,000 for the first anchor's slot); gas that is not used is not paid.
const anchorGasLimit = 400_000n;

// A tree has at most 64 levels, so has a proof.
const maxProofHashes = 64;

async function signAnchor(order: {
  wallet: Wallet;
  contract: string;
  chainId: number;
  head: HeadToAnchor;
  consistencyProof: readonly string[];
  nonce: number;
  fees: Fees;
}): Promise<SignedTransaction> {
  const { wallet, contract, chainId, head, consistencyProof, nonce, fees } = order;
  const hashes = [head.logId, head.root, head.checkpointHash, ...consistencyProof];
  if (!hashes.every((hash) => isHexString(hash, 32)) || !Number.isSafeInteger(head.size) || head.size < 1) {
    throw new GatewayError('internal', 'A head to be anchored has hashes of 32 bytes and at least one leaf');
  }
  if (consistencyProof.length > maxProofHashes) {
    throw new GatewayError('internal', `A consistency proof has at most ${maxProofHashes} hashes`);
  }
  const data = contractInterface.encodeFunctionData('anchor', [
    head.logId,
    head.size,
    head.root,
    head.checkpointHash,
    consistencyProof,
  ]);
  return signTransaction(wallet, { chainId, nonce, to: contract, data, gasLimit: anchorGasLimit, fees });
}

async function signTransaction(
  wallet: Wallet,
  order: { chainId: number; nonce: number; to?: string; data: string; gasLimit: bigint; fees: Fees },
): Promise<SignedTransaction> {
  const rawTransaction = await wallet.signTransaction({
    type: 2,
    chainId: order.chainId,
    nonce: order.nonce,
    ...(order.to === undefined ? {} : { to: order.to }),
    data: order.data,
    gasLimit: order.gasLimit,
    maxFeePerGas: order.fees.maxFeePerGasWei,
    maxPriorityFeePerGas: order.fees.maxPriorityFeePerGasWei,
  });
  return { rawTransaction, hash: keccak256(rawTransaction), nonce: order.nonce };
}

async function broadcast(rpc: Rpc, rawTransaction: string): Promise<BroadcastAnswer> {
  try {
    await rpc.call('eth_sendRawTransaction', [rawTransaction]);
    return { result: 'accepted', message: '' };
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    // Some nodes answer an error for bytes they have taken or mined already: ask before believing it.
    const found = await answer(() => rpc.call('eth_getTransactionByHash', [keccak256(rawTransaction)]));
    const result = found === null ? readRefusal(error.message) : 'known';
    return { result, message: error.message };
  }
}

// Nodes share no codes for these, only wordings (geth, Besu, Nethermind, reth, Hardhat).
function readRefusal(message: string): BroadcastAnswer['result'] {
  if (/already known|known transaction|already imported|alreadyknown/i.test(message)) return 'known';
  if (
    /underpriced|fee too low|less than (the )?(block )?base ?fee|max fee per gas less|too low for the next block/i.test(
      message,
    )
  )
    return 'underpriced';
  if (/nonce.{0,40}too low|nonce below|oldnonce/i.test(message)) return 'nonce_used';
  return 'refused';
}

async function readReceipt(rpc: Rpc, hash: string, contract: string): Promise<AnchorReceipt | undefined> {
  const receipt = await rpc.call('eth_getTransactionReceipt', [hash]);
  if (receipt === null) {
    const transaction = await rpc.call('eth_getTransactionByHash', [hash]);
    return transaction === null ? undefined : { state: 'pending' };
  }
  const fields = toRecord(receipt);
  const gasUsed = toBigInt(fields['gasUsed']);
  const mined: MinedReceipt = {
    state: toBigInt(fields['status']) === 1n ? 'mined' : 'reverted',
    blockNumber: toNumber(fields['blockNumber']),
    blockHash: toHash(fields['blockHash']),
    gasUsed: Number(gasUsed),
    costWei: gasUsed * toBigInt(fields['effectiveGasPrice']),
  };
  const event = readAnchored(fields, contract)[0];
  return event === undefined ? mined : { ...mined, seq: event.seq };
}

interface AnchoredEvent {
  logId: string;
  seq: number;
  size: number;
  root: string;
  prevRoot: string;
  checkpointHash: string;
}

/** The Anchored events of a receipt, from this contract only. */
function readAnchored(receipt: Record<string, unknown>, contract: string): AnchoredEvent[] {
  const logs = Array.isArray(receipt['logs']) ? receipt['logs'].map(toRecord) : [];
  return logs.flatMap((log) => {
    if (String(log['address']).toLowerCase() !== contract) return [];
    const topics = Array.isArray(log['topics']) ? log['topics'].map(String) : [];
    const parsed = contractInterface.parseLog({ topics, data: String(log['data']) });
    if (parsed?.name !== 'Anchored') return [];
    const args = parsed.args;
    return [
      {
        logId: toHash(args['logId']),
        seq: Number(args['seq']),
        size: Number(args['size']),
        root: toHash(args['root']),
        prevRoot: toHash(args['prevRoot']),
        checkpointHash: toHash(args['checkpointHash']),
      },
    ];
  });
}

async function suggestFees(rpc: Rpc): Promise<Fees> {
  const block = toRecord(await rpc.call('eth_getBlockByNumber', ['latest', false]));
  const baseFeeWei = block['baseFeePerGas'] === undefined ? 0n : toBigInt(block['baseFeePerGas']);
  // Free-gas networks and some nodes do not offer this method: then nothing is added for the miner.
  const tipWei = await rpc.call('eth_maxPriorityFeePerGas').then(toBigInt, (error: unknown) => {
    if (error instanceof RpcError) return 0n;
    throw error;
  });
  // The base fee rises by at most an eighth a block: twice is room for six full blocks.
  return { maxFeePerGasWei: baseFeeWei * 2n + tipWei, maxPriorityFeePerGasWei: tipWei };
}

async function isFinal(rpc: Rpc, rule: FinalityRule, receipt: AnchorReceipt): Promise<boolean> {
  if (rule.kind === 'local' || receipt.state === 'pending') return false;
  if (!(await isOldEnough(rpc, rule, receipt.blockNumber))) return false;
  // Asked last: a block that was reorganised away while its age was read is then not taken for a final one.
  return (await readBlockHash(rpc, receipt.blockNumber)) === receipt.blockHash;
}

async function isOldEnough(
  rpc: Rpc,
  rule: Exclude<FinalityRule, { kind: 'local' }>,
  blockNumber: number,
): Promise<boolean> {
  switch (rule.kind) {
    case 'instant':
      return true;
    case 'confirmations':
      return toNumber(await rpc.call('eth_blockNumber')) - blockNumber + 1 >= rule.blocks;
    case 'tag': {
      // Nodes that do not know the tag answer null or an error of their own choice: not final.
      const block = await rpc.call('eth_getBlockByNumber', [rule.tag, false]).catch((error: unknown) => {
        if (error instanceof RpcError) return null;
        throw error;
      });
      return block !== null && toNumber(toRecord(block)['number']) >= blockNumber;
    }
  }
}

// -- reading --------------------------------------------------------------------------------------------------

async function readIdentity(rpc: Rpc, contract: string): Promise<ChainIdentity | undefined> {
  const chainId = await askNumber(rpc, 'eth_chainId');
  const genesisHash = await answer(() => readBlockHash(rpc, 0));
  if (genesisHash === undefined) throw unavailable('The chain has no block 0');
  const code = await askCode(rpc, contract);
  return code === '0x' ? undefined : { chainId, genesisHash, contract, codeHash: keccak256(code) };
}

async function readHead(rpc: Rpc, contract: string, logId: string) {
  const [head] = await callContract(rpc, contract, 'head', [logId]);
  return {
    root: toHash(head.root),
    size: Number(head.size),
    seq: Number(head.seq),
    anchoredAtMs: Number(head.anchoredAt) * 1000,
  };
}

async function callContract(rpc: Rpc, contract: string, name: string, args: readonly unknown[]) {
  const data = contractInterface.encodeFunctionData(name, args);
  return answer(async () =>
    contractInterface.decodeFunctionResult(
      name,
      String(await rpc.call('eth_call', [{ to: contract, data }, 'latest'])),
    ),
  );
}

async function readBlockHash(rpc: Rpc, blockNumber: number): Promise<string | undefined> {
  const block = await rpc.call('eth_getBlockByNumber', [`0x${blockNumber.toString(16)}`, false]);
  return block === null ? undefined : toHash(toRecord(block)['hash']);
}

/** Turns the node's errors, and answers of the wrong form, into `chain_unavailable`. */
async function answer<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    const message =
      error instanceof RpcError ? `The chain answered: ${error.message}` : 'The chain answered nonsense';
    throw unavailable(message, error);
  }
}

const askNumber = (rpc: Rpc, method: string, params: readonly unknown[] = []): Promise<number> =>
  answer(async () => toNumber(await rpc.call(method, params)));

const askBigInt = (rpc: Rpc, method: string, params: readonly unknown[] = []): Promise<bigint> =>
  answer(async () => toBigInt(await rpc.call(method, params)));

/** Runtime code at an address, `0x` where there is none. */
function askCode(rpc: Rpc, address: string): Promise<string> {
  return answer(async () => {
    const code = await rpc.call('eth_getCode', [address, 'latest']);
    if (!isHexString(code)) throw new TypeError('expected code as 0x text');
    return code.toLowerCase();
  });
}

function toRecord(value: unknown): Record<string, unknown> {
  if (!isRecord(value)) throw new TypeError('expected an object');
  return value;
}

function toBigInt(value: unknown): bigint {
  if (typeof value !== 'string' || !/^0x[0-9a-f]{1,64}$/i.test(value))
    throw new TypeError('expected a number as 0x text');
  return BigInt(value);
}

function toNumber(value: unknown): number {
  const number = Number(toBigInt(value));
  if (!Number.isSafeInteger(number)) throw new TypeError('expected a smaller number');
  return number;
}

function toHash(value: unknown): string {
  if (!isHexString(value, 32)) throw new TypeError('expected a hash of 32 bytes');
  return value.toLowerCase();
}

function readKey(text: string): Wallet {
  try {
    return new Wallet(text);
  } catch {
    // The cause would quote the key.
    throw new GatewayError(
      'config_invalid',
      'The submitter key is not a secp256k1 private key of 32 bytes in hex',
    );
  }
}

function checkAddress(text: string): string {
  if (!isAddress(text))
    throw new GatewayError('config_invalid', 'The contract address is not an EVM address');
  return text.toLowerCase();
}

/** Address of the account behind a private key. */
export function addressOfKey(key: string): string {
  return readKey(key).address.toLowerCase();
}

/** Which chain answers, before anything is opened or paid for. */
export async function nameChain(target: EvmTarget): Promise<Pick<ChainIdentity, 'chainId' | 'genesisHash'>> {
  const rpc = openRpc(target, target.timeoutMs ?? defaultTimeoutMs);
  const chainId = await askNumber(rpc, 'eth_chainId');
  const genesisHash = await answer(() => readBlockHash(rpc, 0));
  if (genesisHash === undefined) throw unavailable('The chain has no block 0');
  return { chainId, genesisHash };
}

// -- deploying ------------------------------------------------------------------------------------------------

export type DeployOptions = EvmTarget & {
  /** Private key that pays for the deployment and becomes admin. */
  adminKey: string;
  artifact: Artifact;
  logId: string;
  /** Who may anchor this log. */
  submitter: string;
  /** A contract to be used where it is there; `required`: nothing is deployed in its place. */
  contract?: { address: string; required: boolean };
  /** Between two looks for a transaction's block. */
  pollMs?: number;
};

// A deployment whose block came after we had given up waiting is among the key's last transactions.
const nonceLookBack = 8;

/**
 * Finds or deploys the contract and names the submitter of one log. Can be repeated after a crash: a contract
 * that this key deployed as its first or one of its last transactions is found again and not deployed twice.
 *
 * @returns address of the contract
 * @throws GatewayError `chain_unavailable` when a transaction is refused, reverts, or is not mined within 60 looks
 * @throws GatewayError `config_invalid` when the contract takes heads of this log from another account, and this
 *   key is not its admin
 */
export async function deployAnchor(options: DeployOptions): Promise<{ contract: string }> {
  const rpc = openRpc(options, options.timeoutMs ?? defaultTimeoutMs);
  const wallet = readKey(options.adminKey);
  const admin = wallet.address.toLowerCase();
  const chainId = await askNumber(rpc, 'eth_chainId');
  const run = async (order: { to?: string; data: string; gasLimit: bigint }): Promise<number> => {
    const nonce = await askNumber(rpc, 'eth_getTransactionCount', [admin, 'latest']);
    const fees = await answer(() => suggestFees(rpc));
    const signed = await signTransaction(wallet, { chainId, nonce, fees, ...order });
    await mine(rpc, signed, order.to ?? '', options.pollMs ?? 2_000);
    return nonce;
  };

  let contract = await findContract(rpc, admin, options);
  if (contract === undefined) {
    const data = options.artifact.bytecode + contractInterface.encodeDeploy([admin]).slice(2);
    const nonce = await run({ data, gasLimit: 2_000_000n });
    contract = getCreateAddress({ from: admin, nonce }).toLowerCase();
  }
  const [current] = await callContract(rpc, contract, 'submitterOf', [options.logId]);
  if (same(String(current), options.submitter)) return { contract };
  const [owner] = await callContract(rpc, contract, 'admin', []);
  if (!same(String(owner), admin)) {
    // Each anchor would revert, and each revert costs.
    throw new GatewayError(
      'config_invalid',
      `The contract ${contract} takes no heads of this log from ${options.submitter}: ` +
        `its admin ${String(owner).toLowerCase()} must call setSubmitter(${options.logId}, ${options.submitter})`,
    );
  }
  const data = contractInterface.encodeFunctionData('setSubmitter', [options.logId, options.submitter]);
  await run({ to: contract, data, gasLimit: 200_000n });
  return { contract };
}

async function findContract(rpc: Rpc, admin: string, options: DeployOptions): Promise<string | undefined> {
  if (options.contract !== undefined) {
    const address = checkAddress(options.contract.address);
    if ((await askCode(rpc, address)) !== '0x') return address;
    if (options.contract.required) throw unavailable(`There is no contract at ${address} on this chain`);
  }
  // A node that still reads the chain has no contract yet, and deploying it again would cost again.
  const syncing = await rpc.call('eth_syncing').catch((error: unknown) => {
    if (error instanceof RpcError) return false;
    throw error;
  });
  if (syncing !== false) throw unavailable('The node is still reading its chain');
  const next = await askNumber(rpc, 'eth_getTransactionCount', [admin, 'latest']);
  const nonces = new Set([0]);
  for (let nonce = next - 1; nonce > 0 && nonce >= next - nonceLookBack; nonce--) nonces.add(nonce);
  for (const nonce of nonces) {
    const address = getCreateAddress({ from: admin, nonce }).toLowerCase();
    if ((await askCode(rpc, address)) === options.artifact.deployedBytecode.toLowerCase()) return address;
  }
  return undefined;
}

async function mine(rpc: Rpc, signed: SignedTransaction, contract: string, pollMs: number): Promise<void> {
  const { result, message } = await broadcast(rpc, signed.rawTransaction);
  if (result !== 'accepted' && result !== 'known')
    throw unavailable(`The chain refused a transaction: ${message}`);
  for (let attempt = 1; attempt <= 60; attempt++) {
    const receipt = await answer(() => readReceipt(rpc, signed.hash, contract));
    if (receipt?.state === 'mined') return;
    if (receipt?.state === 'reverted') throw unavailable(`Transaction ${signed.hash} was reverted`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  throw unavailable(`Transaction ${signed.hash} was not mined in time`);
}

// -- checking -------------------------------------------------------------------------------------------------

/** Which chain and contract a checker trusts; comes from the trust file, never from what is being checked. */
export interface ChainTrust {
  chainId: number;
  genesisHash: string;
  contract: string;
}

/** What a proof claims about the chain. */
export interface AnchorClaim {
  transactionHash: string;
  size: number;
  root: string;
  seq: number;
  checkpointHash: string;
}

export interface AnchorVerdict {
  ok: boolean;
  /** The check that failed, or the last one that held. */
  check: 'chain id' | 'genesis' | 'contract' | 'transaction' | 'event';
  detail: string;
  /** Block that holds the anchor; only when `ok`. */
  block?: { number: number; hash: string };
}

/**
 * Checks a claimed anchor against a chain: right chain, right contract, and the transaction really announced
 * exactly this head of this log.
 *
 * @throws GatewayError `chain_unavailable` when the chain cannot be asked; that is no verdict
 */
export async function checkAnchorOnChain(
  options: EvmTarget & { trust: ChainTrust; logId: string; anchor: AnchorClaim },
): Promise<AnchorVerdict> {
  const { trust, anchor } = options;
  const rpc = openRpc(options, options.timeoutMs ?? defaultTimeoutMs);
  const fail = (check: AnchorVerdict['check'], detail: string): AnchorVerdict => ({
    ok: false,
    check,
    detail,
  });

  const chainId = await askNumber(rpc, 'eth_chainId');
  if (chainId !== trust.chainId)
    return fail('chain id', `this chain is ${chainId}, trusted is ${trust.chainId}`);
  const genesisHash = await answer(() => readBlockHash(rpc, 0));
  if (!same(genesisHash, trust.genesisHash)) {
    return fail('genesis', `block 0 is ${genesisHash ?? 'missing'}, trusted is ${trust.genesisHash}`);
  }
  if (!isAddress(trust.contract)) return fail('contract', 'the trusted contract is not an address');
  const contract = trust.contract.toLowerCase();
  const code = await askCode(rpc, contract);
  if (code === '0x') return fail('contract', `there is no contract at ${contract}`);

  if (!isHexString(anchor.transactionHash, 32))
    return fail('transaction', 'the transaction hash is malformed');
  const answered = await answer(() => rpc.call('eth_getTransactionReceipt', [anchor.transactionHash]));
  if (answered === null) return fail('transaction', `${anchor.transactionHash} is not on this chain`);
  const receipt = await answer(async () => toRecord(answered));
  if (receipt['status'] !== '0x1') return fail('transaction', `${anchor.transactionHash} was reverted`);

  const events = await answer(async () => readAnchored(receipt, contract));
  const event = events.find((one) => same(one.logId, options.logId) && one.seq === anchor.seq);
  if (event === undefined)
    return fail('event', `the contract announced no anchor ${anchor.seq} of this log there`);
  if (event.size !== anchor.size)
    return fail('event', `the size on the chain is ${event.size}, claimed is ${anchor.size}`);
  if (!same(event.root, anchor.root))
    return fail('event', `the root on the chain is ${event.root}, claimed is ${anchor.root}`);
  if (!same(event.checkpointHash, anchor.checkpointHash)) {
    return fail(
      'event',
      `the checkpoint hash on the chain is ${event.checkpointHash}, claimed is ${anchor.checkpointHash}`,
    );
  }
  const block = await answer(async () => ({
    number: toNumber(receipt['blockNumber']),
    hash: toHash(receipt['blockHash']),
  }));
  return { ok: true, check: 'event', detail: `anchor ${event.seq} is in block ${block.number}`, block };
}

function same(a: string | undefined, b: string): boolean {
  return a !== undefined && a.toLowerCase() === b.toLowerCase();
}

/** Keccak-256 of the runtime code a fresh deployment of this artifact has; compare with `identity().codeHash`. */
export function codeHashOf(artifact: Artifact): string {
  return keccak256(getBytes(artifact.deployedBytecode));
}
