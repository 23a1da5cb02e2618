// Anchors heads of the log on the chain. A signed transaction is stored before it is sent, so that after a crash
// the same bytes go out again and nothing is anchored twice. Anchors are cumulative: one that is stuck or lost is
// made good by the next. The log never waits for the chain.
import type { AnchoredHead, Chain, Fees, MinedReceipt } from '../chain/chain.ts';
import { raiseFees } from '../chain/chain.ts';
import { GatewayError } from '../errors.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../system.ts';
import { type Log, type NewEntry, sha256 } from './log.ts';
import { type ChainLoss, openOutbox } from './outbox.ts';
import { logIdOf } from './log-id.ts';
import { type AnchorRow, epochOf } from './proof.ts';
import type { Publisher, SignedHead } from './publish.ts';
import { feesOf } from './signed-fees.ts';

export type { AnchorState, ChainLoss } from './outbox.ts';

export interface AnchorerParts {
  readonly store: Store;
  readonly log: Log;
  readonly publisher: Publisher;
  readonly chain: Chain;
  readonly origin: string;
  readonly clock: Clock;
  /** Whether this process still is the one that anchors; asked before a transaction is stored. */
  readonly mayAnchor?: () => boolean;
  /** Told once a replaced chain's anchors are given up and the incident entry that says so is durable. */
  readonly onChainLost?: (loss: ChainLoss) => void;
  /** A transaction that is not mined after this long is replaced with the newest head and higher fees. */
  readonly replaceAfterMs?: number;
  /** No transaction is signed that may cost more per gas than this, wei. Without it only replacements are bounded. */
  readonly mostFeePerGasWei?: bigint;
}

export interface Anchorer {
  /**
   * Compares the log with the head on the chain, for start-up.
   *
   * @throws GatewayError `log_fork` when entries are missing or differ from what was anchored: the gateway must not start
   * @throws GatewayError `chain_unavailable` when the chain cannot be asked; that is no verdict
   */
  check(): Promise<void>;
  /**
   * One round: settles what was sent before, then anchors the newest checkpoint unless the chain has it. A call
   * during a round joins it. What a crash or a failure left behind goes on where it was: the first round after a
   * start is the resumption. When to call again after a failure is the caller's to decide.
   *
   * @returns the row this round sent or settled last; undefined when there was nothing to do
   * @throws GatewayError `chain_unavailable` when the chain does not answer or refuses; the next round goes on from there
   * @throws GatewayError `log_fork` as `check` does
   */
  anchor(): Promise<AnchorRow | undefined>;
}

export const defaultReplaceAfterMs = 10 * 60_000;
// Each step raises the fees by an eighth: three in a round overtake a base fee that rose for three full blocks.
const mostSendsInRound = 4;
const weiPerGwei = 1_000_000_000n;

export function createAnchorer(parts: AnchorerParts): Anchorer {
  const { store, log, publisher, chain, clock } = parts;
  const replaceAfterMs = parts.replaceAfterMs ?? defaultReplaceAfterMs;
  const logId = logIdOf(parts.origin);
  const outbox = openOutbox(store, clock);
  const mostFeeWei = parts.mostFeePerGasWei;
  /** Nonces that something seems to have taken which is not in the outbox. */
  const suspected = new Set<number>();
  let running: Promise<AnchorRow | undefined> | undefined;

  async function round(): Promise<AnchorRow | undefined> {
    const epoch = epochOf(await chain.identity());
    await enterEpoch(epoch);
    await undoReorganised(epoch);
    const settled = await settleWaiting(epoch);
    const sent = await send(epoch);
    await finalise(epoch);
    return sent ?? settled;
  }

  /** Gives up the anchors of a chain that was replaced, and says so in the log, in one transaction. */
  async function enterEpoch(epoch: string): Promise<void> {
    const lost = await outbox.enterEpoch(epoch, (tx, loss) => log.append(tx, chainLost(loss, clock.nowMs())));
    if (lost !== undefined) parts.onChainLost?.(lost);
  }

  /**
   * Newest first: a block that still stands stands on all the older ones. Final ones are looked at too: where
   * the rule was too weak for the chain (two confirmations, a reorganisation of three), saying so is all that is left.
   */
  async function undoReorganised(epoch: string): Promise<void> {
    for (const row of await outbox.find(epoch, ['mined', 'final'], 'newest')) {
      if (row.blockNumber !== null && (await chain.blockHashAt(row.blockNumber)) === row.blockHash) return;
      const wasFinal = row.state === 'final';
      await outbox.unmine(row, (tx) =>
        wasFinal ? log.append(tx, finalUndone(row, clock.nowMs())) : Promise.resolve(),
      );
    }
  }

  async function settleWaiting(epoch: string): Promise<AnchorRow | undefined> {
    const waiting = await outbox.find(epoch, ['signed', 'broadcast'], 'oldest');
    if (waiting.length === 0) return undefined;
    // Read before the receipts: else one mined in between would look as if another had taken its nonce.
    const nextNonce = await chain.nextNonce();
    const displaced: AnchorRow[] = [];
    let last: AnchorRow | undefined;
    for (const row of waiting) {
      const receipt = await chain.receipt(row.transactionHash);
      if (receipt === undefined && row.nonce < nextNonce) displaced.push(row);
      else last = await outbox.settle(row, receipt);
    }
    // After all receipts: which of several took a nonce is known only then.
    for (const row of displaced) {
      const gone = await settleDisplaced(row);
      last ??= gone;
    }
    return last;
  }

  /** The nonce of this row is used, and not by its transaction. */
  async function settleDisplaced(row: AnchorRow): Promise<AnchorRow> {
    if (await outbox.isMinedAtNonce(row)) return outbox.setState(row, 'failed');
    // None of ours took it. A node that is behind its neighbour says the same, so one look is not enough.
    if (!suspected.has(row.nonce)) {
      suspected.add(row.nonce);
      return row;
    }
    suspected.delete(row.nonce);
    return outbox.failAtNonce(row, (tx) => log.append(tx, nonceTaken(row, chain.submitter, clock.nowMs())));
  }

  async function send(epoch: string): Promise<AnchorRow | undefined> {
    const head = await publisher.publish();
    const anchored = await chain.head(logId);
    await compare(anchored);
    if (head === undefined || (anchored !== undefined && anchored.size >= head.size)) return undefined;
    const nonce = await chain.nextNonce();
    const waiting = (await outbox.find(epoch, ['signed', 'broadcast'], 'newest')).find(
      (row) => row.nonce === nonce,
    );
    const order = { epoch, head, anchored, nonce };
    let row = waiting;
    if (row === undefined || isStale(row, anchored)) row = (await signAndStore(order, row)) ?? row;
    for (let sends = 1; row !== undefined && sends <= mostSendsInRound; sends++) {
      const { result, message } = await chain.broadcast(row.raw);
      if (result === 'refused') throw refused(message);
      if (result !== 'underpriced') {
        if (result !== 'nonce_used') row = await outbox.setState(row, 'broadcast');
        return outbox.settle(row, await chain.receipt(row.transactionHash));
      }
      row = await signAndStore(order, row);
    }
    throw refused(
      'the fees are too low; a round raises them thrice, to ten times what it suggests at most, and never above the ceiling',
    );
  }

  const isStale = (row: AnchorRow, anchored: AnchoredHead | undefined): boolean =>
    row.size <= (anchored?.size ?? 0) || clock.nowMs() - row.changedMs >= replaceAfterMs;

  /** Undefined when a replacement would cost too much. */
  async function signAndStore(
    order: { epoch: string; head: SignedHead; anchored: AnchoredHead | undefined; nonce: number },
    replaced: AnchorRow | undefined,
  ): Promise<AnchorRow | undefined> {
    const { epoch, head, anchored, nonce } = order;
    const suggested = await chain.suggestFees();
    const affordable = cap(suggested, mostFeeWei);
    const fees = replaced === undefined ? affordable : raiseFees(feesOf(replaced.raw), affordable);
    if (replaced !== undefined && isExcessive(fees, suggested, mostFeeWei)) return undefined;
    const proof = (await log.tree()).consistencyPath(anchored?.size ?? 0, head.size);
    const checkpointHash = Buffer.from(sha256(Buffer.from(head.note, 'utf8')));
    const root = Buffer.from(head.root);
    const signed = await chain.sign(
      { logId, size: head.size, root: hex(root), checkpointHash: hex(checkpointHash) },
      proof.map(hex),
      nonce,
      fees,
    );
    // The account pays and signs for one process at a time: what began as the leader does not go on as another.
    if (parts.mayAnchor?.() === false) throw refused('another process anchors now');
    return outbox.store({ epoch, size: head.size, root, checkpointHash, signed }, replaced);
  }

  async function finalise(epoch: string): Promise<void> {
    if (chain.finality === 'local') return;
    for (const row of await outbox.find(epoch, ['mined'], 'oldest')) {
      const receipt = minedReceipt(row);
      if (receipt === undefined || !(await chain.isFinal(receipt))) return;
      await outbox.setState(row, 'final');
    }
  }

  async function compare(anchored: AnchoredHead | undefined): Promise<void> {
    if (anchored === undefined) return;
    const { size, root } = anchored;
    // Another process may have appended and anchored it.
    if (size > log.durableSize()) await log.refresh();
    const held = log.durableSize();
    if (size > held) {
      throw new GatewayError(
        'log_fork',
        `the log holds ${held} entries, but a head of ${size} is on the chain`,
        { details: { contradicts: 'chain', held, known: size } },
      );
    }
    if (hex((await log.tree()).root(size)) !== root) {
      throw new GatewayError(
        'log_fork',
        `the first ${size} of the log's ${held} entries do not have the root that is on the chain`,
        { details: { contradicts: 'chain', held, known: size } },
      );
    }
  }

  return {
    check: async () => compare(await chain.head(logId)),
    anchor: () => (running ??= round().finally(() => (running = undefined))),
  };
}

function chainLost(loss: ChainLoss, atMs: number): NewEntry {
  return incident(`chain-lost-${atMs}`, atMs, {
    incident: 'chain-lost',
    lost_epochs: loss.epochs,
    lost_anchors: loss.anchors,
    new_epoch: loss.newEpoch,
  });
}

/** Whoever sent it holds the submitter's key: another program of the operator, or a thief. */
function nonceTaken(row: AnchorRow, submitter: string, atMs: number): NewEntry {
  return incident(`nonce-taken-${row.nonce}-${atMs}`, atMs, {
    incident: 'nonce-taken',
    submitter,
    nonce: row.nonce,
    epoch: row.epoch,
  });
}

function finalUndone(row: AnchorRow, atMs: number): NewEntry {
  return incident(`final-undone-${row.id}-${atMs}`, atMs, {
    incident: 'final-undone',
    transaction: row.transactionHash,
    block_number: row.blockNumber,
    block_hash: row.blockHash,
    epoch: row.epoch,
  });
}

function incident(operationId: string, atMs: number, what: NewEntry['payload']): NewEntry {
  return {
    kind: 'incident',
    concern: { kind: 'system' },
    operationId,
    atMs,
    outcome: 'noted',
    recipient: null,
    keyClass: 'evidence',
    payload: {
      caller: { kind: 'system', id: 'anchor' },
      operation: 'administer',
      purpose: 'service',
      categories: [],
      recipients: ['operator'],
      ...what,
    },
  };
}

function cap(fees: Fees, mostFeeWei: bigint | undefined): Fees {
  if (mostFeeWei === undefined || fees.maxFeePerGasWei <= mostFeeWei) return fees;
  const { maxPriorityFeePerGasWei } = fees;
  return {
    maxFeePerGasWei: mostFeeWei,
    maxPriorityFeePerGasWei: maxPriorityFeePerGasWei > mostFeeWei ? mostFeeWei : maxPriorityFeePerGasWei,
  };
}

// A transaction that waits for days must not bid without end. One gwei leaves room where gas is free.
function isExcessive(fees: Fees, suggested: Fees, mostFeeWei: bigint | undefined): boolean {
  return (
    (mostFeeWei !== undefined && fees.maxFeePerGasWei > mostFeeWei) ||
    fees.maxFeePerGasWei > suggested.maxFeePerGasWei * 10n + weiPerGwei ||
    fees.maxPriorityFeePerGasWei > suggested.maxPriorityFeePerGasWei * 10n + weiPerGwei
  );
}

function minedReceipt(row: AnchorRow): MinedReceipt | undefined {
  if (row.blockNumber === null || row.blockHash === null) return undefined;
  return {
    state: 'mined',
    blockNumber: row.blockNumber,
    blockHash: row.blockHash,
    gasUsed: row.gasUsed ?? 0,
    costWei: BigInt(row.costWei ?? 0),
  };
}

const refused = (message: string): GatewayError =>
  new GatewayError('chain_unavailable', `The chain refused an anchor: ${message}`);

const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`;
