// What the officer's page says of anchors: how far each is, what happens to it next, and what it cost.
import { defaultReplaceAfterMs } from '../audit/anchor.ts';
import type { AnchoringStatus } from '../audit/anchoring.ts';
import type { TrustedChain } from '../audit/bundle.ts';
import { type AnchorRow, epochOf } from '../audit/proof.ts';
import type { AnchorLine, AnchorNext, AnchorState, OfficerAnchorsModel } from './pages/officer-anchors.ts';
import type { Paging } from './parts/paging.ts';

export interface AnchorView {
  readonly rows: readonly AnchorRow[];
  readonly paging: Paging;
  /** The chain anchors go to now; null before one was ever opened. */
  readonly chain: TrustedChain | null;
  /** Undefined where nothing anchors, as in a test of the portal alone. */
  readonly status: AnchoringStatus | undefined;
  /** Size of the newest anchor that is in a block of this chain. */
  readonly anchoredSize: number;
  readonly spent: {
    readonly days: number;
    readonly anchors: number;
    readonly gas: number;
    readonly wei: bigint;
  };
  readonly nowMs: number;
}

export function anchorsModel(view: AnchorView): OfficerAnchorsModel {
  const { chain, spent } = view;
  return {
    anchors: view.rows.map((row) => lineOf(row, view)),
    paging: view.paging,
    chain:
      chain === null ? null : { chainId: chain.chainId, contract: chain.contract, finality: chain.finality },
    status:
      view.status === undefined ? null : { ...view.status, nextRoundMs: view.status.nextRoundMs ?? null },
    spent: { days: spent.days, anchors: spent.anchors, gas: spent.gas, cost: costText(spent.wei) },
  };
}

function lineOf(row: AnchorRow, view: AnchorView): AnchorLine {
  const state = anchorState(row.state, view.chain);
  return {
    size: row.size,
    root: Buffer.from(row.root).toString('hex'),
    atMs: row.changedMs,
    state,
    txHash: row.transactionHash,
    blockNumber: row.blockNumber,
    gasUsed: row.gasUsed,
    cost: row.costWei === null ? null : costText(BigInt(row.costWei)),
    costWei: row.costWei,
    next: nextOf(row, state, view),
  };
}

function nextOf(row: AnchorRow, state: AnchorState, view: AnchorView): AnchorNext | null {
  switch (state) {
    case 'prepared':
    case 'sent': {
      const waitsMs = Math.max(0, view.nowMs - row.changedMs);
      // A newer head covers this one: its nonce is used by the next.
      if (row.size <= view.anchoredSize) return { kind: 'covered', waitsMs };
      const replacedMs = row.changedMs + defaultReplaceAfterMs;
      if (replacedMs <= view.nowMs) return { kind: 'replaced-soon', waitsMs };
      return { kind: state === 'prepared' ? 'sent-next' : 'replaced', waitsMs, atMs: replacedMs };
    }
    case 'inBlock':
      return { kind: 'final-later' };
    case 'failed':
      return { kind: row.blockHash === null ? 'displaced' : 'reverted' };
    case 'lost':
      return { kind: isSameEpoch(row, view.chain) ? 'lost-back' : 'lost' };
    case 'confirmed':
    case 'final':
      return null;
  }
}

const isSameEpoch = (row: AnchorRow, chain: TrustedChain | null): boolean =>
  chain !== null && row.epoch === epochOf(chain);

/** @param chain tells a block of the local chain from one that will be final */
export function anchorState(state: string, chain: TrustedChain | null): AnchorState {
  switch (state) {
    case 'signed':
      return 'prepared';
    case 'broadcast':
      return 'sent';
    case 'mined':
      return chain === null || chain.finality === 'local' ? 'confirmed' : 'inBlock';
    case 'final':
      return 'final';
    case 'lost':
      return 'lost';
    default:
      return 'failed';
  }
}

const weiPerGwei = 10n ** 9n;
const weiPerEther = 10n ** 18n;

/** In the unit that leaves a number to be read: wei, gwei or ether, at most six digits after the point. */
export function costText(wei: bigint): string {
  if (wei < 1_000_000n) return `${wei} wei`;
  if (wei < weiPerEther / 1_000n) return `${decimal(wei, weiPerGwei, 3)} gwei`;
  return `${decimal(wei, weiPerEther, 6)} ether`;
}

/** Rounded up: a cost is never shown as less than it was. */
function decimal(wei: bigint, unit: bigint, digits: number): string {
  const step = unit / 10n ** BigInt(digits);
  const steps = (wei + step - 1n) / step;
  const scale = 10n ** BigInt(digits);
  const rest = String(steps % scale)
    .padStart(digits, '0')
    .replace(/0+$/, '');
  return `${steps / scale}${rest === '' ? '' : `.${rest}`}`;
}
