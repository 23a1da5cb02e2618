// The discrete Laplace mechanism for vectors of integers: what it costs, how wrong it may be, and the noise itself.
import { EngineError } from '../types.ts';
import type { BitSource } from './bits.ts';
import { ceiling, compare, divide, multiply, parseDecimal, type Rational, ratio } from './rational.ts';
import { discreteLaplace } from './sampler.ts';

/** Everything about one release that is public before any data is touched. Plain JSON. */
export interface LaplacePlan {
  /** What the release costs, in millionths of ε, rounded up. */
  readonly epsilonMicro: number;
  /** Noise scale p/q in lowest terms. */
  readonly scale: { readonly p: number; readonly q: number };
  /** With 95 % probability the noise of one value is within ± this. */
  readonly halfWidth95: number;
}

/**
 * Calibrates the mechanism: scale = sensitivity / ε, exactly.
 *
 * @param l1Sensitivity how much one person can change the whole vector, summed over its values; integer ≥ 1
 */
export function planLaplace(epsilon: Rational, l1Sensitivity: number): LaplacePlan {
  if (!Number.isSafeInteger(l1Sensitivity) || l1Sensitivity < 1) {
    throw new EngineError('invalid_argument', 'The sensitivity must be a whole number, 1 or more');
  }
  const scale = divide(ratio(BigInt(l1Sensitivity)), epsilon);
  return {
    epsilonMicro: costInMicroEpsilon(scale, l1Sensitivity),
    scale: { p: safeNumber(scale.numerator), q: safeNumber(scale.denominator) },
    halfWidth95: laplaceHalfWidth(scale, 0.05),
  };
}

/**
 * Adds independent discrete Laplace noise to each count.
 *
 * @returns safe integers, which may be negative; beyond ±(2^53 − 1) the bound itself
 */
export function addLaplaceNoise(counts: readonly number[], plan: LaplacePlan, source: BitSource): number[] {
  const { p, q } = plan.scale;
  return counts.map((count) => {
    const noisy = count + discreteLaplace(p, q, source);
    return Math.min(Math.max(noisy, Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
  });
}

/** ε = sensitivity / scale, in millionths, rounded up: a ledger of these never understates what was spent. */
export function costInMicroEpsilon(scale: Rational, l1Sensitivity: number): number {
  return safeNumber(ceiling(divide(ratio(BigInt(l1Sensitivity) * 1_000_000n), scale)));
}

/**
 * The smallest whole t with P[|X| > t] ≤ alpha, from P[|X| > t] = 2 r^(t+1) / (1 + r), r = e^(−1/scale).
 * Where doubles cannot tell whether a t suffices, the larger t is given.
 */
export function laplaceHalfWidth(scale: Rational, alpha: number): number {
  const size = Number(scale.numerator) / Number(scale.denominator);
  const bound = size * Math.log(2 / (alpha * (1 + Math.exp(-1 / size))));
  return Math.max(0, Math.ceil(bound * (1 + 1e-14)) - 1);
}

/** The largest ε a single release may have unless the caller sets a lower one. */
export const MAX_EPSILON = '10';
/** The smallest: one unit of the budget ledger. */
export const MIN_EPSILON = '0.000001';
const MAX_DECIMALS = 9n;

/**
 * Reads ε from decimal text, exactly. A number is taken by its shortest decimal text, so 0.1 means 1/10.
 *
 * @throws EngineError `epsilon_out_of_range` unless MIN_EPSILON ≤ ε ≤ `max` with at most 9 decimals
 */
export function parseEpsilon(value: string | number, max: string = MAX_EPSILON): Rational {
  const epsilon = readEpsilon(String(value));
  if (
    epsilon === undefined ||
    compare(epsilon, parseDecimal(MIN_EPSILON)) < 0 ||
    compare(epsilon, parseDecimal(max)) > 0 ||
    multiply(epsilon, ratio(10n ** MAX_DECIMALS)).denominator !== 1n
  ) {
    throw new EngineError(
      'epsilon_out_of_range',
      `Epsilon must be a decimal from ${MIN_EPSILON} to ${max} with at most ${MAX_DECIMALS} decimals`,
      { min: MIN_EPSILON, max },
    );
  }
  return epsilon;
}

function readEpsilon(text: string): Rational | undefined {
  try {
    return parseDecimal(text);
  } catch {
    return undefined;
  }
}

function safeNumber(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new EngineError('limit_exceeded', 'The noise scale does not fit in 53 bits');
  }
  return Number(value);
}
