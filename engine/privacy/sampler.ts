// Exact samplers of Canonne, Kamath and Steinke, "The Discrete Gaussian for Differential Privacy" (arXiv 2004.00010),
// algorithms 1 and 2. Integers only. Each sampler exists twice: in 53-bit numbers, and in BigInt for what does not fit.
// Both take the same bits and give the same result, so one checks the other.
// How long a draw takes depends on the draw: see METHODS.md, "What is not protected".
import { type BitSource, uniformBelow, uniformBelowBig } from './bits.ts';

const MAX = Number.MAX_SAFE_INTEGER;

/**
 * Discrete Laplace noise with scale p/q: P[X = k] = (1−r)/(1+r) · r^|k|, r = e^(−q/p).
 *
 * @param p, q safe integers ≥ 1
 * @returns a safe integer. A draw beyond ±(2^53 − 1) is given as that bound: post-processing, so no privacy is lost.
 */
export function discreteLaplace(p: number, q: number, source: BitSource): number {
  for (;;) {
    const isNegative = source.bits(1) === 1;
    const magnitude = geometric(q, p, source);
    if (isNegative && magnitude === 0) continue; // zero would come up twice as often
    return isNegative ? -magnitude : magnitude;
  }
}

/** `discreteLaplace` without limits on p, q and the result. */
export function discreteLaplaceBig(p: bigint, q: bigint, source: BitSource): bigint {
  for (;;) {
    const isNegative = source.bits(1) === 1;
    const magnitude = geometricBig(q, p, source);
    if (isNegative && magnitude === 0n) continue;
    return isNegative ? -magnitude : magnitude;
  }
}

/** Number of successes before the first failure when each succeeds with probability e^(−n/d): P[X = k] ∝ e^(−k·n/d). */
export function geometric(n: number, d: number, source: BitSource): number {
  let remainder: number;
  do remainder = uniformBelow(d, source);
  while (!bernoulliExpFraction(remainder, d, source));
  let whole = 0;
  while (bernoulliExpFraction(1, 1, source)) whole += 1;
  const total = remainder + d * whole;
  if (total <= MAX) return Math.floor(total / n);
  const quotient = (BigInt(remainder) + BigInt(d) * BigInt(whole)) / BigInt(n);
  return quotient > BigInt(MAX) ? MAX : Number(quotient);
}

export function geometricBig(n: bigint, d: bigint, source: BitSource): bigint {
  let remainder: bigint;
  do remainder = uniformBelowBig(d, source);
  while (!bernoulliExpFractionBig(remainder, d, source));
  let whole = 0n;
  while (bernoulliExpFractionBig(1n, 1n, source)) whole += 1n;
  return (remainder + d * whole) / n;
}

/** True with probability e^(−n/d), for any n ≥ 0, d ≥ 1 (safe integers). */
export function bernoulliExp(n: number, d: number, source: BitSource): boolean {
  let left = n;
  for (; left > d; left -= d) if (!bernoulliExpFraction(1, 1, source)) return false;
  return bernoulliExpFraction(left, d, source);
}

export function bernoulliExpBig(n: bigint, d: bigint, source: BitSource): boolean {
  let left = n;
  for (; left > d; left -= d) if (!bernoulliExpFractionBig(1n, 1n, source)) return false;
  return bernoulliExpFractionBig(left, d, source);
}

// e^(−x) for x = n/d ≤ 1 is the chance that the first k with "not Bernoulli(x/k)" is odd.
function bernoulliExpFraction(n: number, d: number, source: BitSource): boolean {
  for (let k = 1; ; k += 1) {
    const denominator = d * k;
    const isSuccess =
      denominator <= MAX
        ? uniformBelow(denominator, source) < n
        : uniformBelowBig(BigInt(d) * BigInt(k), source) < BigInt(n);
    if (!isSuccess) return k % 2 === 1;
  }
}

function bernoulliExpFractionBig(n: bigint, d: bigint, source: BitSource): boolean {
  for (let k = 1n; ; k += 1n) {
    if (uniformBelowBig(d * k, source) >= n) return k % 2n === 1n;
  }
}
