// The checks a sampler must pass, as functions that return what they found, so that the same checks can be shown to
// reject samplers that are wrong (mutants.test.ts).
import type { BitSource } from '../../../engine/privacy/bits.ts';
import golden from '../../golden/dp-golden.json' with { type: 'json' };
import { enumerateTapes } from './sources.ts';

export interface Sampler {
  uniformBelow(n: number, source: BitSource): number;
  bernoulliExp(n: number, d: number, source: BitSource): boolean;
  discreteLaplace(p: number, q: number, source: BitSource): number;
}

/** P[X = k] of discrete Laplace noise with scale p/q. */
export function laplacePmf(k: number, p: number, q: number): number {
  return Math.tanh(q / p / 2) * Math.exp((-Math.abs(k) * q) / p);
}

/** What is wrong with the exact probabilities: each must lie between "decided so far" and that plus "undecided". */
export function tapeFaults(sampler: Sampler, depth: number): string[] {
  const faults: string[] = [];
  for (const [n, d] of [
    [1, 1],
    [1, 2],
    [2, 3],
    [5, 2],
  ] as const) {
    const { lower, undecided } = enumerateTapes((source) => sampler.bernoulliExp(n, d, source), depth);
    if (!isBetween(Math.exp(-n / d), lower.get('true') ?? 0, undecided))
      faults.push(`bernoulliExp ${n}/${d}`);
  }
  // A faulty coin can keep the noise sampler from ever ending.
  if (faults.length > 0) return faults;
  for (const [p, q] of [
    [1, 1],
    [1, 2],
  ] as const) {
    const { lower, undecided } = enumerateTapes((source) => sampler.discreteLaplace(p, q, source), depth);
    for (const [k, decided] of lower) {
      if (!isBetween(laplacePmf(Number(k), p, q), decided, undecided))
        faults.push(`discreteLaplace ${p}/${q} at ${k}`);
    }
  }
  return faults;
}

function isBetween(truth: number, lower: number, undecided: number): boolean {
  return truth >= lower * (1 - 1e-12) && truth <= (lower + undecided) * (1 + 1e-12);
}

/** Which n do not get every value from exactly the same number of k-bit words. */
export function uniformFaults(sampler: Sampler): number[] {
  return [1, 2, 3, 5, 64, 255, 256, 257, 1000].filter((n) => {
    const count = n === 1 ? 0 : Math.ceil(Math.log2(n));
    const { lower } = enumerateTapes((source) => sampler.uniformBelow(n, source), count);
    const expected = 2 ** -count;
    return lower.size !== n || [...lower.values()].some((mass) => mass !== expected);
  });
}

const critical: Record<string, number> = golden.chi_square_critical['alpha_1e-9'];

/**
 * Pearson's χ² of `size` draws against the closed-form probabilities, with its critical value at 1e-9. Bins are single
 * values (or, at large scales, equal odd widths) of expectation ≥ 10 around zero, and one bin for all the rest.
 */
export function chiSquare(
  draw: () => number,
  p: number,
  q: number,
  size: number,
): { statistic: number; critical: number } {
  const width = 2 * Math.floor(p / q / 20) + 1;
  const half = (width - 1) / 2;
  const massOf = (bin: number) => {
    let mass = 0;
    for (let k = bin * width - half; k <= bin * width + half; k += 1) mass += laplacePmf(k, p, q);
    return mass;
  };
  let reach = 0;
  for (let bin = 1; size * massOf(bin) >= 10; bin += 1) if (critical[2 * bin + 1] !== undefined) reach = bin;
  const observed = new Float64Array(2 * reach + 2);
  for (let i = 0; i < size; i += 1) {
    const bin = Math.round(draw() / width);
    const slot = Math.abs(bin) <= reach ? bin + reach : 2 * reach + 1;
    observed[slot]! += 1;
  }
  let statistic = 0;
  let restMass = 1;
  for (let bin = -reach; bin <= reach; bin += 1) {
    const mass = massOf(bin);
    restMass -= mass;
    statistic += (observed[bin + reach]! - size * mass) ** 2 / (size * mass);
  }
  statistic += (observed[2 * reach + 1]! - size * restMass) ** 2 / (size * restMass);
  return { statistic, critical: critical[2 * reach + 1]! };
}
