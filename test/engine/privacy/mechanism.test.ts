import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addLaplaceNoise,
  costInMicroEpsilon,
  laplaceHalfWidth,
  parseEpsilon,
  planLaplace,
} from '../../../engine/privacy/mechanism.ts';
import { poolBits } from '../../../engine/privacy/bits.ts';
import {
  ceiling,
  compare,
  divide,
  parseDecimal,
  ratio,
  type Rational,
} from '../../../engine/privacy/rational.ts';
import golden from '../../golden/dp-golden.json' with { type: 'json' };
import { seededRandom } from './sources.ts';

const read = (text: string): Rational => {
  const [numerator, denominator] = text.split('/');
  return divide(parseDecimal(numerator!), parseDecimal(denominator ?? '1'));
};

describe('rationals', () => {
  it.each(golden.decimal_parsing.cases)(
    'reads $text as $rational, not as its double',
    ({ text, rational }) => {
      expect(parseDecimal(text)).toEqual(read(rational));
    },
  );

  it.each(['', '.5', '1.', '0x1', '1e', '1/3', ' 1', 'NaN', 'Infinity', '1e99', '9'.repeat(41)])(
    'refuses %j',
    (text) => {
      expect(() => parseDecimal(text)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
    },
  );

  it('ceiling is the smallest integer not below', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }),
        fc.bigInt({ min: 1n, max: 10n ** 9n }),
        (n, d) => {
          const up = ceiling(ratio(n, d));
          return compare(ratio(up), ratio(n, d)) >= 0 && compare(ratio(up - 1n), ratio(n, d)) < 0;
        },
      ),
    );
  });
});

describe('calibration', () => {
  it.each(golden.laplace_map.inverse)(
    'sensitivity $d1 at ε $eps has scale $scale_exact',
    ({ d1, eps, scale_exact }) => {
      const { p, q } = planLaplace(read(eps), d1).scale;
      expect(ratio(BigInt(p), BigInt(q))).toEqual(read(scale_exact));
    },
  );

  it.each(golden.ledger_units.cases)(
    'sensitivity $d1 at scale $scale costs $micro_eps',
    ({ d1, scale, micro_eps }) => {
      expect(costInMicroEpsilon(read(scale), d1)).toBe(micro_eps);
    },
  );

  it('what is charged is never less than ε, and at most a millionth more', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1000, max: 10 ** 10 }),
        fc.integer({ min: 1, max: 10_000 }),
        (nano, sensitivity) => {
          const epsilon = ratio(BigInt(nano), 10n ** 9n);
          const charged = ratio(BigInt(planLaplace(epsilon, sensitivity).epsilonMicro), 10n ** 6n);
          const below = ratio(BigInt(planLaplace(epsilon, sensitivity).epsilonMicro - 1), 10n ** 6n);
          return compare(charged, epsilon) >= 0 && compare(below, epsilon) < 0;
        },
      ),
    );
  });

  it.each(golden.accuracy_laplace.cases)('half width at scale $scale, α $alpha', (run) => {
    expect(laplaceHalfWidth(read(run.scale), Number(run.alpha))).toBe(run.exact_integer_halfwidth);
  });

  it.each(golden.small_population_count.cases.filter(({ n }) => n === 5))(
    'a count at ε $eps is ± $halfwidth95',
    (run) => {
      expect(planLaplace(read(run.eps), 1).halfWidth95).toBe(run.halfwidth95);
    },
  );

  it('19 of 20 answers lie within the half width', () => {
    const plan = planLaplace(parseEpsilon('0.4'), 1);
    const noisy = addLaplaceNoise(
      Array.from({ length: 20_000 }, () => 100),
      plan,
      poolBits(seededRandom('coverage')),
    );
    const within = noisy.filter((value) => Math.abs(value - 100) <= plan.halfWidth95).length / noisy.length;
    const exact = golden.accuracy_laplace.cases.find(
      ({ scale, alpha }) => scale === '5/2' && alpha === '0.05',
    )!;
    expect(Math.abs(within - exact.exact_coverage)).toBeLessThan(6 * Math.sqrt((0.95 * 0.05) / 20_000));
  });
});

describe('ε', () => {
  it.each([
    ['0.1', 1n, 10n],
    [0.1, 1n, 10n],
    [1e-6, 1n, 1_000_000n],
    ['10', 10n, 1n],
    ['1e-6', 1n, 1_000_000n],
  ] as const)('takes %j exactly', (value, numerator, denominator) => {
    expect(parseEpsilon(value)).toEqual({ numerator, denominator });
  });

  it.each([
    '0',
    '-1',
    '10.000001',
    '0.0000009',
    '',
    'abc',
    'NaN',
    'Infinity',
    0.1 + 0.2,
    -0,
    Number.NaN,
    '1/3',
    '1e400',
  ])('refuses %j', (value) => {
    expect(() => parseEpsilon(value)).toThrow(expect.objectContaining({ code: 'epsilon_out_of_range' }));
  });

  it('keeps to a lower limit set by the caller', () => {
    expect(parseEpsilon('0.5', '0.5')).toEqual(ratio(1n, 2n));
    expect(() => parseEpsilon('0.500001', '0.5')).toThrow(
      expect.objectContaining({ code: 'epsilon_out_of_range' }),
    );
  });
});
