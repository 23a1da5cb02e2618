// Each known way of getting the noise wrong is put into a copy of the source, and the checks must notice it.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type * as bits from '../../../engine/privacy/bits.ts';
import type * as mechanism from '../../../engine/privacy/mechanism.ts';
import type * as sampler from '../../../engine/privacy/sampler.ts';
import type * as counting from '../../../engine/privacy/count-by-group.ts';
import golden from '../../golden/dp-golden.json' with { type: 'json' };
import { chiSquare, type Sampler, tapeFaults, uniformFaults } from './battery.ts';
import { worstLogRatio } from './privacy-ratio.ts';
import { enumerateTapes, seededRandom } from './sources.ts';

type Edit = [file: string, find: string, replace: string];
interface Privacy extends Sampler {
  poolBits: typeof bits.poolBits;
  planLaplace: typeof mechanism.planLaplace;
  costInMicroEpsilon: typeof mechanism.costInMicroEpsilon;
  addLaplaceNoise: typeof mechanism.addLaplaceNoise;
  planCountByGroup: typeof counting.planCountByGroup;
  boundedCounts: typeof counting.boundedCounts;
}

const engine = resolve(import.meta.dirname, '../../../engine');
const workspace = mkdtempSync(join(tmpdir(), 'mutants-'));
afterAll(() => rmSync(workspace, { recursive: true }));

async function load(name: string, edits: Edit[]): Promise<Privacy> {
  const folder = join(workspace, name);
  cpSync(join(engine, 'privacy'), join(folder, 'privacy'), { recursive: true });
  cpSync(join(engine, 'types.ts'), join(folder, 'types.ts'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  for (const [file, find, replace] of edits) {
    const path = join(folder, 'privacy', file);
    const parts = readFileSync(path, 'utf8').split(find);
    if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} places with "${find}"`);
    writeFileSync(path, parts.join(replace));
  }
  const files = ['bits', 'sampler', 'mechanism', 'count-by-group'];
  const modules = await Promise.all(
    files.map(
      async (file) => import(/* @vite-ignore */ pathToFileURL(join(folder, 'privacy', `${file}.ts`)).href),
    ),
  );
  return Object.assign({}, ...modules) as Privacy & typeof sampler;
}

/** The checks by name: each tells whether it finds fault. */
const checks: Record<string, (privacy: Privacy) => boolean> = {
  uniform: (privacy) => uniformFaults(privacy).length > 0,
  tape: (privacy) => tapeFaults(privacy, 16).length > 0,
  'chi-square 3': (privacy) => isRejected(privacy, 3, (source) => privacy.discreteLaplace(3, 1, source)),
  'chi-square 10': (privacy) => isRejected(privacy, 10, (source) => privacy.discreteLaplace(10, 1, source)),
  noise(privacy) {
    const plan = privacy.planLaplace({ numerator: 1n, denominator: 3n }, 1);
    return isRejected(privacy, 3, (source) => privacy.addLaplaceNoise([0], plan, source)[0]!);
  },
  'privacy ratio': (privacy) => [1, 2].some((l0) => worstLogRatio(privacy, '0.7', l0) > 0.7 + 1e-9),
  cost: (privacy) =>
    golden.ledger_units.cases.some(({ d1, scale, micro_eps }) => {
      const [numerator, denominator] = scale.split('/').map(BigInt) as [bigint, bigint];
      return privacy.costInMicroEpsilon({ numerator, denominator }, d1) !== micro_eps;
    }),
};

function isRejected(privacy: Privacy, scale: number, draw: (source: bits.BitSource) => number): boolean {
  const source = privacy.poolBits(seededRandom(`mutant at ${scale}`));
  const { statistic, critical } = chiSquare(() => draw(source), scale, 1, 200_000);
  return statistic >= critical;
}

// That library keeps its ratios in lowest terms, hence `a` and `b`.
const divisionBug: Edit[] = [
  [
    'sampler.ts',
    'const denominator = d * k;',
    'const a = n / common(n, d); const b = d / common(n, d); const g = common(a, k); const denominator = Math.floor(b / g) * k;',
  ],
  ['sampler.ts', 'uniformBelow(denominator, source) < n', 'uniformBelow(denominator, source) < a / g'],
  [
    'sampler.ts',
    'const MAX =',
    'const common = (a: number, b: number): number => b === 0 ? a : common(b, a % b);\nconst MAX =',
  ],
];

const mutants: [name: string, edits: Edit[], killedBy: string[]][] = [
  ['division of OpenDP before 0.14.2', divisionBug, ['tape', 'chi-square 3', 'chi-square 10']],
  [
    'zero not rejected',
    [['sampler.ts', 'isNegative && magnitude === 0)', 'false)']],
    ['tape', 'chi-square 3'],
  ],
  ['even instead of odd', [['sampler.ts', 'k % 2 === 1', 'k % 2 === 0']], ['tape']],
  [
    'sign never negative',
    [
      [
        'sampler.ts',
        'source.bits(1) === 1;\n    const magnitude = geometric(',
        'false;\n    const magnitude = geometric(',
      ],
    ],
    ['tape', 'chi-square 3'],
  ],
  [
    'remainder instead of rejection',
    [
      [
        'bits.ts',
        'const drawn = source.bits(count);\n    if (drawn < n) return drawn;',
        'return source.bits(count) % n;',
      ],
    ],
    ['uniform', 'tape'],
  ],
  [
    'one value too many',
    [['bits.ts', 'source.bits(count);\n    if (drawn < n)', 'source.bits(count);\n    if (drawn <= n)']],
    ['uniform'],
  ],
  [
    'one bit too few',
    [['bits.ts', 'return 32 - Math.clz32(largest)', 'return 31 - Math.clz32(largest | 1)']],
    ['uniform'],
  ],
  [
    'whole part forgotten',
    [['sampler.ts', 'remainder + d * whole;', 'remainder;']],
    ['tape', 'chi-square 3'],
  ],
  [
    'scale a tenth too small',
    [
      [
        'mechanism.ts',
        'p: safeNumber(scale.numerator), q: safeNumber(scale.denominator)',
        'p: safeNumber(scale.numerator) * 9, q: safeNumber(scale.denominator) * 10',
      ],
    ],
    ['noise', 'privacy ratio'],
  ],
  [
    'half the noise',
    [['mechanism.ts', 'discreteLaplace(p, q, source)', 'discreteLaplace(p, 2 * q, source)']],
    ['noise'],
  ],
  ['no noise', [['mechanism.ts', 'discreteLaplace(p, q, source)', '0']], ['noise']],
  ['cost rounded down', [['rational.ts', 'quotient + 1n', 'quotient']], ['cost']],
  [
    'groups per person ignored in the scale',
    [['count-by-group.ts', 'planLaplace(epsilon, l0)', 'planLaplace(epsilon, 1)']],
    ['privacy ratio'],
  ],
  [
    'groups per person not bounded',
    [['count-by-group.ts', 'groups.size <= plan.l0', 'true']],
    ['privacy ratio'],
  ],
  [
    'rows counted instead of people',
    [
      [
        'count-by-group.ts',
        'else if (seen !== index)',
        'else counted(seen);\n    if (seen !== undefined && seen !== index)',
      ],
      [
        'count-by-group.ts',
        'if (typeof groups ===',
        'counts[0]! += extra; extra = 0;\n    if (typeof groups ===',
      ],
      [
        'count-by-group.ts',
        'const MAX_KEY_LENGTH',
        'let extra = 0;\nconst counted = (_: unknown) => { extra += 1; };\nconst MAX_KEY_LENGTH',
      ],
    ],
    ['privacy ratio'],
  ],
];

describe('mutants', () => {
  it('the source as it is passes every check', async () => {
    const privacy = await load('none', []);
    expect(Object.keys(checks).filter((name) => checks[name]!(privacy))).toEqual([]);
  });

  // Only the checks named are run: some mutants never end where they are asked for more.
  it.each(mutants)('%s is noticed', async (name, edits, killedBy) => {
    const privacy = await load(name.replaceAll(' ', '-'), edits);
    expect(killedBy.filter((check) => !checks[check]!(privacy))).toEqual([]);
  });

  it('the division bug gives the probabilities that were published for it', async () => {
    const mutant = await load('published', divisionBug);
    for (const { x, buggy } of golden.mutant_rational_division_bug.bernoulli_exp_cases) {
      const [n, d] = x.split('/').map(Number) as [number, number];
      const { lower, undecided } = enumerateTapes((source) => mutant.bernoulliExp(n, d, source), 20);
      expect(buggy).toBeGreaterThanOrEqual(lower.get('true')! - 1e-12);
      expect(buggy).toBeLessThanOrEqual(lower.get('true')! + undecided + 1e-12);
    }
  });
});
