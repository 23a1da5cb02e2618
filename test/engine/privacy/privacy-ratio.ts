// Privacy as a computation: every pair of small data sets that differ by one person, the exact distribution of both
// answers, and the largest log ratio between them.
import type { boundedCounts, planCountByGroup } from '../../../engine/privacy/count-by-group.ts';
import { laplacePmf } from './battery.ts';

export interface CountMechanism {
  planCountByGroup: typeof planCountByGroup;
  boundedCounts: typeof boundedCounts;
}

const groups = ['a', 'b', 'c'];
const subsets = Array.from({ length: 8 }, (_, bits) => groups.filter((_group, index) => bits & (1 << index)));
const boundingKey = new Uint8Array(32).fill(1);

/** Two others and a newcomer, each in any subset of three groups: 512 pairs of data sets. */
export function worstLogRatio(mechanism: CountMechanism, epsilon: string, l0: number): number {
  const plan = mechanism.planCountByGroup({ epsilon, groups, maxGroupsPerPerson: l0 });
  const { p, q } = plan.scale;
  const rowsOf = (person: string, theirs: string[]) => theirs.map((group) => ({ person, group }));
  let worst = 0;
  for (const first of subsets) {
    for (const second of subsets) {
      // Rows twice: who appears twice must not count twice.
      const others = [...rowsOf('first', first), ...rowsOf('second', second)];
      const without = mechanism.boundedCounts(plan, others, boundingKey);
      for (const mine of subsets) {
        const rows = [...rowsOf('new', mine), ...others, ...rowsOf('new', mine)];
        const withMe = mechanism.boundedCounts(plan, rows, boundingKey);
        // Noise is independent per group, so the worst answer is the worst one in each group.
        const ratio = withMe.reduce((sum, count, index) => sum + worstOfOne(count, without[index]!, p, q), 0);
        worst = Math.max(worst, ratio);
      }
    }
  }
  return worst;
}

function worstOfOne(a: number, b: number, p: number, q: number): number {
  let worst = 0;
  for (let answer = -10; answer <= 15; answer += 1) {
    worst = Math.max(worst, Math.abs(Math.log(laplacePmf(answer - a, p, q) / laplacePmf(answer - b, p, q))));
  }
  return worst;
}
