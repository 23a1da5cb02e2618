// Clock and chance: the interfaces, and the only real ones.
import { randomFillSync } from 'node:crypto';

export interface Clock {
  /** Milliseconds since 1970 UTC. */
  nowMs(): number;
}

export interface Random {
  /** `length` bytes from the operating system's secure source. */
  bytes(length: number): Uint8Array;
}

export interface System {
  readonly clock: Clock;
  readonly random: Random;
}

const pool = new Uint8Array(4096);
let poolUsed = pool.length;

/** A call of the operating system costs more than small values need: they are cut from a pool and wiped from it. */
function pooledBytes(length: number): Uint8Array {
  if (length > 64) return randomFillSync(new Uint8Array(length));
  if (poolUsed + length > pool.length) {
    randomFillSync(pool);
    poolUsed = 0;
  }
  const bytes = pool.slice(poolUsed, poolUsed + length);
  pool.fill(0, poolUsed, poolUsed + length);
  poolUsed += length;
  return bytes;
}

export const realSystem: System = {
  clock: { nowMs: () => Date.now() },
  random: { bytes: pooledBytes },
};

/** A clock that starts at a given time and moves only when told: for tests and for the demo's history. */
export function handClock(startMs: number): Clock & { set(ms: number): void; advance(ms: number): void } {
  let nowMs = startMs;
  return {
    nowMs: () => nowMs,
    set: (ms) => void (nowMs = ms),
    advance: (ms) => void (nowMs += ms),
  };
}

/** A random identifier: lower-case text, unguessable (128 bits). */
export function newId(random: Random): string {
  const bytes = random.bytes(16);
  return Buffer.from(bytes).toString('hex');
}

/**
 * A random identifier that sorts by time, so that an index over many of them grows at its end alone (RFC 9562 section
 * 5.7, without the version bits): 48 bits of milliseconds, then 80 random ones.
 */
export function newTimedId({ clock, random }: System): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUIntBE(clock.nowMs(), 0, 6);
  bytes.set(random.bytes(10), 6);
  return bytes.toString('hex');
}
