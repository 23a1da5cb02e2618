// Uniform bits and uniform integers: the only place where chance enters the privacy code.
// Never floats, never a remainder without rejection.
import type { Random } from '../types.ts';

/** A stream of uniform bits. `bits(k)` takes the next k bits, first bit most significant, 0 ≤ k ≤ 53. */
export interface BitSource {
  bits(count: number): number;
}

const POOL_WORDS = 4096;

/**
 * Bits from `random`, taken 16 KiB at a time. Bits that were handed out are erased from the pool, so that a later look
 * into memory does not give the noise away.
 */
export function poolBits(random: Random): BitSource {
  return new PooledBits(random);
}

class PooledBits implements BitSource {
  private readonly random: Random;
  private pool = new Uint32Array(0);
  private next = 0;
  private held = 0;
  private heldBits = 0;

  constructor(random: Random) {
    this.random = random;
  }

  bits(count: number): number {
    if (count <= 32) return this.take(count);
    const high = this.take(count - 32);
    return high * 2 ** 32 + this.take(32);
  }

  private take(count: number): number {
    if (count <= this.heldBits) {
      this.heldBits -= count;
      const taken = this.held >>> this.heldBits;
      this.held &= (1 << this.heldBits) - 1;
      return taken;
    }
    const missing = count - this.heldBits;
    const word = this.nextWord();
    const taken = this.held * 2 ** missing + (word >>> (32 - missing));
    this.heldBits = 32 - missing;
    this.held = word & ((1 << this.heldBits) - 1);
    return taken;
  }

  private nextWord(): number {
    if (this.next === this.pool.length) {
      // A copy, because the caller's bytes may be unaligned or a view of something larger.
      const fresh = this.random.bytes(POOL_WORDS * 4);
      this.pool = new Uint32Array(Uint8Array.from(fresh).buffer);
      fresh.fill(0);
      this.next = 0;
    }
    const word = this.pool[this.next]!;
    this.pool[this.next] = 0;
    this.next += 1;
    return word;
  }
}

/**
 * A uniform integer in [0, n), exact: ⌈log2 n⌉ bits, again when they give n or more (fewer than 2 tries on average).
 *
 * @param n integer, 1 ≤ n ≤ 2^53
 */
export function uniformBelow(n: number, source: BitSource): number {
  const count = bitsBelow(n);
  for (;;) {
    const drawn = source.bits(count);
    if (drawn < n) return drawn;
  }
}

/** `uniformBelow` without an upper limit. Takes the same bits as `uniformBelow` wherever both apply. */
export function uniformBelowBig(n: bigint, source: BitSource): bigint {
  const count = n <= 1n ? 0 : (n - 1n).toString(2).length;
  for (;;) {
    const drawn = bigBits(count, source);
    if (drawn < n) return drawn;
  }
}

function bigBits(count: number, source: BitSource): bigint {
  if (count <= 53) return BigInt(source.bits(count));
  let drawn = 0n;
  for (let left = count; left > 0; left -= 32) {
    const chunk = Math.min(left, 32);
    drawn = (drawn << BigInt(chunk)) | BigInt(source.bits(chunk));
  }
  return drawn;
}

// ⌈log2 n⌉. Dividing by 2^32 is exact in doubles, so the count is too.
function bitsBelow(n: number): number {
  const largest = n - 1;
  if (largest < 2 ** 32) return 32 - Math.clz32(largest);
  return 64 - Math.clz32(Math.floor(largest / 2 ** 32));
}
