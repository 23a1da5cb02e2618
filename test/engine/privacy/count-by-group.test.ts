import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boundedCounts, countByGroup, planCountByGroup } from '../../../engine/privacy/count-by-group.ts';
import { describeWithShared } from '../../support/shared.ts';
import { readFileSync } from 'node:fs';
import { worstLogRatio } from './privacy-ratio.ts';
import { seededRandom } from './sources.ts';

const key = new Uint8Array(32).fill(7);
const people = (count: number, group: string) =>
  Array.from({ length: count }, (_, index) => ({ person: `${group}-${index}`, group }));

describe('planCountByGroup', () => {
  it('charges ε once, however many groups there are', () => {
    const groups = Array.from({ length: 500 }, (_, index) => `g${index}`);
    const plan = planCountByGroup({ epsilon: '0.5', groups, maxGroupsPerPerson: 1 });
    expect(plan).toMatchObject({ epsilonMicro: 500_000, scale: { p: 2, q: 1 }, halfWidth95: 6, l0: 1 });
  });

  it('makes the noise as many times larger as one person can be in groups', () => {
    const plan = planCountByGroup({ epsilon: '0.1', groups: ['a', 'b', 'c', 'd'], maxGroupsPerPerson: 3 });
    expect(plan).toMatchObject({ epsilonMicro: 100_000, scale: { p: 30, q: 1 }, l0: 3 });
  });

  it('never counts on more groups than there are', () => {
    expect(planCountByGroup({ epsilon: 1, groups: ['a', 'b'], maxGroupsPerPerson: 9 })).toMatchObject({
      l0: 2,
    });
  });

  it.each([
    [{ groups: [] }],
    [{ groups: ['a', 'a'] }],
    [{ groups: ['x'.repeat(257)] }],
    [{ groups: Array.from({ length: 10_001 }, String) }],
    [{ maxGroupsPerPerson: 0 }],
    [{ maxGroupsPerPerson: 1.5 }],
  ])('refuses %o', (wrong) => {
    expect(() => planCountByGroup({ epsilon: '1', groups: ['a'], maxGroupsPerPerson: 1, ...wrong })).toThrow(
      expect.objectContaining({ code: 'invalid_argument' }),
    );
  });
});

describe('countByGroup', () => {
  const plan = planCountByGroup({ epsilon: '1', groups: ['empty', 'a', 'b'], maxGroupsPerPerson: 1 });

  it('answers every public group in order, with noise also where nobody is', () => {
    const random = seededRandom('answers');
    const runs = Array.from({ length: 200 }, () => countByGroup(plan, people(40, 'a'), random, key));
    expect(runs[0]!.map(({ group }) => group)).toEqual(['empty', 'a', 'b']);
    expect(new Set(runs.map(([empty]) => empty!.noisyCount)).size).toBeGreaterThan(5);
    expect(runs.some(([empty]) => empty!.noisyCount < 0)).toBe(true);
    const mean = runs.reduce((sum, run) => sum + run[1]!.noisyCount, 0) / runs.length;
    expect(Math.abs(mean - 40)).toBeLessThan(1);
  });

  it('counts a person once, whatever the number and order of their rows', () => {
    const rows = [...people(3, 'a'), ...people(3, 'a'), ...people(2, 'b')];
    expect(boundedCounts(plan, rows, key)).toEqual([0, 3, 2]);
    expect(boundedCounts(plan, rows.toReversed(), key)).toEqual([0, 3, 2]);
  });

  it('leaves out groups that are not public, without spending a place of the person on them', () => {
    const rows = [
      { person: 'p', group: 'secret' },
      { person: 'p', group: 'a' },
    ];
    expect(boundedCounts(plan, rows, key)).toEqual([0, 1, 0]);
  });

  it('chooses a person’s groups by the key: other keys choose others', () => {
    const rows = ['empty', 'a', 'b'].map((group) => ({ person: 'p', group }));
    const chosen = new Set(
      Array.from({ length: 60 }, (_, index) =>
        boundedCounts(plan, rows, new Uint8Array(32).fill(index)).indexOf(1),
      ),
    );
    expect(chosen).toEqual(new Set([0, 1, 2]));
  });

  it('refuses a short bounding key', () => {
    expect(() => countByGroup(plan, [], seededRandom('x'), new Uint8Array(8))).toThrow(
      expect.objectContaining({ code: 'invalid_argument' }),
    );
  });

  it('what one person adds does not depend on who else is there', () => {
    const group = fc.constantFrom('empty', 'a', 'b', 'elsewhere');
    const rowsOf = (person: fc.Arbitrary<string>) =>
      fc.array(fc.record({ person, group }), { maxLength: 12 });
    fc.assert(
      fc.property(
        rowsOf(fc.constantFrom('q', 'r', 's')),
        rowsOf(fc.constantFrom('q', 't')),
        rowsOf(fc.constant('new')),
        fc.integer({ min: 1, max: 3 }),
        (others, otherOthers, mine, l0) => {
          const bounded = { groups: plan.groups, l0 };
          const added = (rows: typeof others) => {
            const without = boundedCounts(bounded, rows, key);
            return boundedCounts(bounded, [...rows, ...mine], key).map(
              (count, index) => count - without[index]!,
            );
          };
          const change = added(others);
          expect(added(otherOthers)).toEqual(change);
          expect(change.every((value) => value === 0 || value === 1)).toBe(true);
          expect(change.reduce((sum, value) => sum + value, 0)).toBeLessThanOrEqual(l0);
        },
      ),
    );
  });
});

describe('privacy, on every pair of small neighbouring data sets', () => {
  it.each([1, 2, 3])(
    'with L0 = %i no answer is more than e^ε times likelier with a person than without',
    (l0) => {
      const worst = worstLogRatio({ planCountByGroup, boundedCounts }, '0.7', l0);
      expect(worst).toBeLessThanOrEqual(0.7 + 1e-9);
      // Not by wasting noise either: some pair of data sets uses all of ε.
      expect(worst).toBeGreaterThan(0.7 - 1e-9);
    },
  );
});

describeWithShared('data', 'counts of MovieLens-100K people', (data) => {
  it('each occupation is within four half widths of the truth', () => {
    const rows = readFileSync(`${data}/movielens-100k/u.user`, 'latin1')
      .trimEnd()
      .split('\n')
      .map((line) => ({ person: line.split('|')[0]!, group: line.split('|')[3]! }));
    const groups = readFileSync(`${data}/movielens-100k/u.occupation`, 'latin1').trimEnd().split('\n');
    const plan = planCountByGroup({ epsilon: '1', groups, maxGroupsPerPerson: 1 });
    const truth = boundedCounts(plan, rows, key);
    expect(truth.reduce((sum, count) => sum + count, 0)).toBe(943);
    const answer = countByGroup(plan, rows, seededRandom('occupations'), key);
    expect(answer).toHaveLength(21);
    answer.forEach(({ noisyCount }, index) =>
      expect(Math.abs(noisyCount - truth[index]!)).toBeLessThanOrEqual(4 * plan.halfWidth95),
    );
  });
});
