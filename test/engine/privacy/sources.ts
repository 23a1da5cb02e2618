// Bit sources for tests: a repeatable stream, and tapes that let a sampler be run on every possible sequence of bits.
import { createCipheriv, createHash } from 'node:crypto';
import type { BitSource } from '../../../engine/privacy/bits.ts';
import type { Random } from '../../../engine/types.ts';

/** Repeatable uniform bytes: AES-256-CTR keyed by the seed text. */
export function seededRandom(seed: string): Random {
  const cipher = createCipheriv('aes-256-ctr', createHash('sha256').update(seed).digest(), Buffer.alloc(16));
  return { bytes: (length) => new Uint8Array(cipher.update(Buffer.alloc(length))) };
}

class TapeEnded extends Error {
  readonly wantedBits: number;
  constructor(wantedBits: number) {
    super('the tape ended');
    this.wantedBits = wantedBits;
  }
}

function tape(value: number, length: number): BitSource & { used(): number } {
  let position = 0;
  return {
    used: () => position,
    bits(count) {
      if (position + count > length) throw new TapeEnded(position + count - length);
      position += count;
      return Math.floor(value / 2 ** (length - position)) % 2 ** count;
    },
  };
}

export interface TapeOutcome {
  /** Outcome → exact probability that it is reached within the depth. */
  readonly lower: Map<string, number>;
  /** Probability that the sampler wants more bits than the depth. */
  readonly undecided: number;
  readonly leaves: number;
}

/** Runs `draw` on every tape of at most `depth` bits (≤ 48). All sums are of powers of two, so they are exact. */
export function enumerateTapes(draw: (source: BitSource) => unknown, depth: number): TapeOutcome {
  const lower = new Map<string, number>();
  let undecided = 0;
  let leaves = 0;
  const open: [value: number, length: number][] = [[0, 0]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [value, length] = next;
    try {
      const outcome = String(draw(tape(value, length)));
      lower.set(outcome, (lower.get(outcome) ?? 0) + 2 ** -length);
      leaves += 1;
    } catch (error) {
      if (!(error instanceof TapeEnded)) throw error;
      if (length + error.wantedBits > depth) {
        undecided += 2 ** -length;
        leaves += 1;
        continue;
      }
      for (let added = 0; added < 2 ** error.wantedBits; added += 1) {
        open.push([value * 2 ** error.wantedBits + added, length + error.wantedBits]);
      }
    }
  }
  return { lower, undecided, leaves };
}
