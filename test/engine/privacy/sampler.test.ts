import { describe, expect, it } from 'vitest';
import { poolBits, uniformBelow, uniformBelowBig } from '../../../engine/privacy/bits.ts';
import {
  bernoulliExp,
  bernoulliExpBig,
  discreteLaplace,
  discreteLaplaceBig,
  geometric,
  geometricBig,
} from '../../../engine/privacy/sampler.ts';
import golden from '../../golden/dp-golden.json' with { type: 'json' };
import { chiSquare, laplacePmf, tapeFaults, uniformFaults } from './battery.ts';
import { enumerateTapes, seededRandom } from './sources.ts';

const sampler = { uniformBelow, bernoulliExp, discreteLaplace };

describe('bits', () => {
  it('hands out every bit of the random bytes once, in order', () => {
    const words = new Uint32Array(seededRandom('order').bytes(16_384).buffer);
    const expected = [...words].map((word) => word.toString(2).padStart(32, '0')).join('');
    const source = poolBits(seededRandom('order'));
    let got = '';
    for (let i = 0; got.length < 100_000; i += 1) {
      const count = (i * 7) % 54;
      got += count === 0 ? '' : source.bits(count).toString(2).padStart(count, '0');
    }
    expect(got === expected.slice(0, got.length)).toBe(true);
  });

  it('erases the bytes it took from the source', () => {
    let given = new Uint8Array();
    poolBits({ bytes: (length) => (given = new Uint8Array(length).fill(255)) }).bits(8);
    expect(given.every((byte) => byte === 0)).toBe(true);
  });

  it('uniformBelow gives every value from exactly as many bit words', () => {
    expect(uniformFaults(sampler)).toEqual([]);
  });

  it.each(golden.uniform_below.cases)('uniformBelow($n) takes $bits bits a try', ({ n, bits }) => {
    const asked: number[] = [];
    const source = { bits: (count: number) => (asked.push(count), 0) };
    uniformBelow(n, source);
    uniformBelowBig(BigInt(n), source);
    expect(asked).toEqual([bits, bits]);
  });
});

describe('samplers, on every tape of bits', () => {
  it('every probability lies between what is decided and what is still open', () => {
    expect(tapeFaults(sampler, 18)).toEqual([]);
  });

  it.each(golden.tape_enumeration.cases)(
    '$sampler at depth $depth leaves as little open as the golden run',
    (run) => {
      const [name, text] = run.sampler.split(' ');
      const [a, b] = text!.split('/').map(Number) as [number, number];
      const draw = name === 'bernoulli_exp' ? bernoulliExp : discreteLaplace;
      const outcome = enumerateTapes((source) => draw(a, b, source), run.depth);
      expect(outcome.undecided).toBeLessThan(run.undecided * 1.01);
      for (const [value, decided] of outcome.lower) {
        const truth =
          name === 'bernoulli_exp' ? bernoulliTruth(value, a / b) : laplacePmf(Number(value), a, b);
        expect(truth).toBeGreaterThanOrEqual(decided * (1 - 1e-12));
        expect(truth).toBeLessThanOrEqual((decided + outcome.undecided) * (1 + 1e-12));
      }
    },
  );
});

function bernoulliTruth(value: string, x: number): number {
  return value === 'true' ? Math.exp(-x) : 1 - Math.exp(-x);
}

describe('discrete Laplace, by χ² on 200,000 draws', () => {
  const scales = [
    [1, 3],
    [1, 1],
    [5, 2],
    [3, 1],
    [5, 1],
    [10, 1],
    [12_345, 100],
    [1000, 1],
  ] as const;

  it.each(scales)('scale %i/%i keeps its distribution', (p, q) => {
    const run = (seed: string) => {
      const source = poolBits(seededRandom(`laplace ${p}/${q} ${seed}`));
      return chiSquare(() => discreteLaplace(p, q, source), p, q, 200_000);
    };
    const first = run('first');
    const result = first.statistic < first.critical ? first : run('second');
    expect(result.statistic).toBeLessThan(result.critical);
  });

  it.each([
    [3, 1],
    [10, 1],
  ] as const)('a scale 10 % too large at %i/%i is rejected', (p, q) => {
    const source = poolBits(seededRandom('too large'));
    const result = chiSquare(() => discreteLaplace(p * 11, q * 10, source), p, q, 200_000);
    expect(result.statistic).toBeGreaterThan(result.critical);
  });

  it('the closed form the tests compare with is the golden one', () => {
    for (const { scale, pmf } of golden.discrete_laplace.cases) {
      const [p, q] = scale.split('/').map(Number) as [number, number];
      for (const [k, expected] of Object.entries(pmf)) {
        expect(laplacePmf(Number(k), p, q) / expected).toBeCloseTo(1, 11);
      }
    }
  });
});

describe('numbers and BigInt take the same bits to the same result', () => {
  const max = Number.MAX_SAFE_INTEGER;
  const pairs = [
    [1, 1],
    [5, 2],
    [10, 1],
    [12_345, 100],
    [1_000_000, 7],
    [max, max - 1],
    [max, 2 ** 51],
    [2 ** 52 + 1, 3],
  ];

  it.each(pairs)('at %i/%i', (a, b) => {
    const numbers = poolBits(seededRandom('same'));
    const bigs = poolBits(seededRandom('same'));
    for (let i = 0; i < 3000; i += 1) {
      const big = discreteLaplaceBig(BigInt(a!), BigInt(b!), bigs);
      const cut = big > BigInt(max) ? max : big < -BigInt(max) ? -max : Number(big);
      if (discreteLaplace(a!, b!, numbers) !== cut) expect.unreachable(`draw ${i} differs`);
      const bigGeometric = geometricBig(BigInt(b!), BigInt(a!), bigs);
      expect(geometric(b!, a!, numbers)).toBe(bigGeometric > BigInt(max) ? max : Number(bigGeometric));
      expect(bernoulliExp(b!, a!, numbers)).toBe(bernoulliExpBig(BigInt(b!), BigInt(a!), bigs));
    }
    expect(numbers.bits(32)).toBe(bigs.bits(32));
  });
});
