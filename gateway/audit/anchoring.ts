// Keeps anchors going while a chain comes and goes. The log never waits for a chain: while it cannot be asked,
// entries are recorded and signed and stay below the level "anchored". What no chain can excuse is a fork.
import type { Chain } from '../chain/chain.ts';
import { GatewayError } from '../errors.ts';
import type { Clock } from '../system.ts';
import type { Anchorer } from './anchor.ts';

export interface OpenedChain {
  readonly chain: Chain;
  close(): Promise<void>;
}

export interface AnchoringParts<Opened extends OpenedChain> {
  readonly open: () => Promise<Opened>;
  readonly anchorerOn: (chain: Chain) => Anchorer;
  /** The gateway's own chain: a start without it has failed. Others may be away at the start, and later. */
  readonly isLocal: boolean;
  readonly clock: Clock;
  /** For the operator; a few lines, only when something changed. */
  readonly warn: (text: string) => void;
  /** The log contradicts the chain. Nothing may be signed after this. */
  readonly onFork: (error: GatewayError) => void;
}

export interface AnchoringStatus {
  readonly chain: 'unasked' | 'answers' | 'silent';
  /** Since when it answers, or does not. */
  readonly sinceMs: number;
  readonly nextRoundMs: number | undefined;
}

export interface Anchoring<Opened extends OpenedChain = OpenedChain> {
  /**
   * Opens the chain and compares it with the log. A chain that does not answer is said, and asked again by `round`.
   *
   * @throws GatewayError `log_fork` as `Anchorer.check`; `config_invalid` for settings that no waiting mends
   * @throws GatewayError `chain_unavailable` for the local chain only
   */
  start(): Promise<void>;
  /** Opens the chain unless it is open, compares, and anchors. @throws what failed; the next round tries again */
  round(): Promise<void>;
  /** Says when the next round is due. */
  plan(atMs: number): void;
  status(): AnchoringStatus;
  /** Undefined while no chain has answered. */
  opened(): Opened | undefined;
  /** Another process anchors now: what is known of the chain is forgotten, and found anew by the next round. */
  rest(): Promise<void>;
  close(): Promise<void>;
}

export function createAnchoring<Opened extends OpenedChain>(
  parts: AnchoringParts<Opened>,
): Anchoring<Opened> {
  let open: { opened: Opened; anchorer: Anchorer } | undefined;
  let status: AnchoringStatus = { chain: 'unasked', sinceMs: parts.clock.nowMs(), nextRoundMs: undefined };

  async function openAndCheck(): Promise<Anchorer> {
    if (open !== undefined) return open.anchorer;
    const opened = await parts.open();
    try {
      const anchorer = parts.anchorerOn(opened.chain);
      await anchorer.check();
      open = { opened, anchorer };
      return anchorer;
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  function hear(chain: 'answers' | 'silent', reason = ''): void {
    if (status.chain === chain) return;
    const wasSilent = status.chain === 'silent';
    status = { ...status, chain, sinceMs: parts.clock.nowMs() };
    if (chain === 'silent') parts.warn(silence(reason));
    else if (wasSilent) parts.warn('The chain answers again: the log is compared with it and anchored.');
  }

  return {
    async start() {
      try {
        await openAndCheck();
        hear('answers');
      } catch (error) {
        if (parts.isLocal || codeOf(error) !== 'chain_unavailable') throw error;
        hear('silent', (error as GatewayError).message);
      }
    },
    async round() {
      try {
        await (await openAndCheck()).anchor();
        hear('answers');
      } catch (error) {
        if (error instanceof GatewayError && error.code === 'log_fork') parts.onFork(error);
        if (error instanceof GatewayError && error.code === 'chain_unavailable') {
          hear('silent', error.message);
          // Opened anew, it may be another chain behind the same address: then its contract is looked for, too.
          if (!parts.isLocal) {
            const gone = open;
            open = undefined;
            await gone?.opened.close();
          }
        }
        throw error;
      }
    },
    plan: (atMs) => void (status = { ...status, nextRoundMs: atMs }),
    status: () => status,
    opened: () => open?.opened,
    async rest() {
      // Nobody else can have gone on with a chain of this process's own.
      if (parts.isLocal) return;
      const gone = open;
      open = undefined;
      status = { ...status, chain: 'unasked', sinceMs: parts.clock.nowMs(), nextRoundMs: undefined };
      await gone?.opened.close();
    },
    async close() {
      const gone = open;
      open = undefined;
      await gone?.opened.close();
    },
  };
}

const silence = (reason: string): string => `THE CHAIN CANNOT BE USED: ${reason}
  Entries are recorded and signed, but none becomes "anchored", and a rollback that only the chain
  knows of goes unnoticed, until it answers. It is asked again and again; no restart is needed.`;

function codeOf(error: unknown): string | undefined {
  return error instanceof GatewayError ? error.code : undefined;
}
