// What the gateway asks of a chain. Knows no library and no network; chosen in main and cli only.
//
// Addresses and hashes are lower-case 0x texts, amounts of money are bigint wei. Every method may fail with
// GatewayError `chain_unavailable`: the chain did not answer in time, or answered something unusable.

/** When a mined anchor counts as final. `local` never does: its operator can rebuild a local chain at will. */
export type FinalityRule =
  | { kind: 'local' }
  /** The block is at or below the one the node reports under this tag (Ethereum). */
  | { kind: 'tag'; tag: 'finalized' | 'safe' }
  /** This many blocks, the anchor's own counted, stand on the same history. */
  | { kind: 'confirmations'; blocks: number }
  /** Blocks are final by protocol (QBFT, IBFT), and the anchor's block is still the one at its height. */
  | { kind: 'instant' };

/** What tells this chain and contract from any other; a change means that the chain was lost or replaced. */
export interface ChainIdentity {
  chainId: number;
  /** Hash of block 0. */
  genesisHash: string;
  contract: string;
  /** Keccak-256 of the contract's runtime code. */
  codeHash: string;
}

/** A head as the contract holds it. */
export interface AnchoredHead {
  /** Number of leaves. */
  size: number;
  /** RFC 6962 root, 32 bytes. */
  root: string;
  /** Running number of the log's anchors, from 1. */
  seq: number;
  anchoredAtMs: number;
}

/** A head to be anchored. */
export interface HeadToAnchor {
  /** SHA-256 of the log's origin. */
  logId: string;
  size: number;
  root: string;
  /** SHA-256 of the whole signed note that carries this head. */
  checkpointHash: string;
}

/** EIP-1559 fees of one transaction, in wei per gas. */
export interface Fees {
  maxFeePerGasWei: bigint;
  maxPriorityFeePerGasWei: bigint;
}

/** To be stored before it is broadcast, so that after a crash the same bytes go out again. */
export interface SignedTransaction {
  rawTransaction: string;
  hash: string;
  nonce: number;
}

/**
 * What a node said to a transaction. `known`: it has it already. `nonce_used`: another (or this) transaction
 * with this nonce is mined; look for receipts. `underpriced`: raise the fees. `refused`: see the message.
 */
export interface BroadcastAnswer {
  result: 'accepted' | 'known' | 'nonce_used' | 'underpriced' | 'refused';
  message: string;
}

export interface MinedReceipt {
  state: 'mined' | 'reverted';
  blockNumber: number;
  blockHash: string;
  gasUsed: number;
  costWei: bigint;
  /** Running number from the Anchored event; only where the transaction was an anchor. */
  seq?: number;
}

export type AnchorReceipt = { state: 'pending' } | MinedReceipt;

export interface Chain {
  readonly finality: FinalityRule['kind'];
  /** Address of the account that signs and pays. */
  readonly submitter: string;
  identity(): Promise<ChainIdentity>;
  /** Newest head of a log; undefined while nothing is anchored. */
  head(logId: string): Promise<AnchoredHead | undefined>;
  /**
   * Signs an anchor without sending it; reads nothing from the chain.
   *
   * @param consistencyProof hashes from the head on the chain to this one; empty for the first anchor
   */
  sign(
    head: HeadToAnchor,
    consistencyProof: readonly string[],
    nonce: number,
    fees: Fees,
  ): Promise<SignedTransaction>;
  /** Hands signed bytes to the chain. Sending the same bytes again does no harm. */
  broadcast(rawTransaction: string): Promise<BroadcastAnswer>;
  /** What became of a transaction; undefined when the chain does not know it (never sent, dropped, reorganised). */
  receipt(hash: string): Promise<AnchorReceipt | undefined>;
  /** Nonce after the last *mined* transaction: the pending count is not reliable across nodes. */
  nextNonce(): Promise<number>;
  /** Fees likely to be mined soon. */
  suggestFees(): Promise<Fees>;
  balanceWei(): Promise<bigint>;
  /** Hash of the block at a height; undefined above the tip. */
  blockHashAt(blockNumber: number): Promise<string | undefined>;
  /** Whether a mined anchor can no longer be undone, by this chain's rule. Always false on a local chain. */
  isFinal(receipt: AnchorReceipt): Promise<boolean>;
}

/**
 * Fees for a replacement at the same nonce: at least those suggested now, and an eighth above the old ones.
 * Nodes refuse a replacement that raises either fee by less than a tenth (geth's PriceBump is 10 %).
 */
export function raiseFees(old: Fees, suggested: Fees): Fees {
  const raise = (wei: bigint): bigint => wei + wei / 8n + 1n;
  const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
  return {
    maxFeePerGasWei: larger(raise(old.maxFeePerGasWei), suggested.maxFeePerGasWei),
    maxPriorityFeePerGasWei: larger(raise(old.maxPriorityFeePerGasWei), suggested.maxPriorityFeePerGasWei),
  };
}
