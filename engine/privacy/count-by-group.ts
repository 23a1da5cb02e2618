// How many people are in each group, differentially private under adding or removing one person with all their rows.
// The answer has one value for every public group, empty ones too; nothing else depends on the rows.
import { hash } from 'node:crypto';
import { EngineError, type Random } from '../types.ts';
import { poolBits } from './bits.ts';
import { addLaplaceNoise, type LaplacePlan, parseEpsilon, planLaplace } from './mechanism.ts';

/** What a count will cost and how wrong it may be. Computed without data, so it may be shown for free. */
export interface CountPlan extends LaplacePlan {
  /** In how many groups one person counts at most. */
  readonly l0: number;
  /** The public group keys, in answer order. */
  readonly groups: readonly string[];
}

export interface PersonGroupRow {
  readonly person: string;
  readonly group: string;
}

export interface NoisyCount {
  readonly group: string;
  /** The count with noise: may be negative. Sum these, never values cut at 0. */
  readonly noisyCount: number;
}

export const MAX_GROUPS = 10_000;
const MAX_KEY_LENGTH = 256;

/**
 * Plans counts of people per group. One person changes at most `maxGroupsPerPerson` counts by 1 each, so the noise scale
 * is maxGroupsPerPerson / ε and the whole answer costs ε once.
 *
 * @param input.epsilon decimal text, see `parseEpsilon`
 * @param input.maxEpsilon decimal text, at most 10
 * @param input.groups public keys (schema, not data): 1 to 10,000 distinct texts of at most 256 characters
 * @param input.maxGroupsPerPerson whole number ≥ 1; more than there are groups counts as all of them
 * @throws EngineError `epsilon_out_of_range`, `invalid_argument`
 */
export function planCountByGroup(input: {
  epsilon: string | number;
  groups: readonly string[];
  maxGroupsPerPerson: number;
  maxEpsilon?: string;
}): CountPlan {
  const epsilon = parseEpsilon(input.epsilon, input.maxEpsilon);
  const groups = [...input.groups];
  if (groups.length < 1 || groups.length > MAX_GROUPS) {
    throw new EngineError('invalid_argument', `A count needs 1 to ${MAX_GROUPS} public groups`);
  }
  if (new Set(groups).size !== groups.length || groups.some((group) => group.length > MAX_KEY_LENGTH)) {
    throw new EngineError(
      'invalid_argument',
      `Public groups must differ and have at most ${MAX_KEY_LENGTH} characters`,
    );
  }
  if (!Number.isSafeInteger(input.maxGroupsPerPerson) || input.maxGroupsPerPerson < 1) {
    throw new EngineError('invalid_argument', 'maxGroupsPerPerson must be a whole number, 1 or more');
  }
  const l0 = Math.min(input.maxGroupsPerPerson, groups.length);
  return { ...planLaplace(epsilon, l0), l0, groups };
}

/**
 * Counts the people of each group and adds noise.
 *
 * Rows of groups that are not public are left out. A person in more than `plan.l0` groups counts in those whose keyed
 * hash is smallest: a choice that depends on nobody else, as the privacy proof needs (METHODS.md).
 *
 * @param random a cryptographically secure source
 * @param boundingKey 16 bytes or more, secret, fresh for each query
 */
export function countByGroup(
  plan: CountPlan,
  rows: Iterable<PersonGroupRow>,
  random: Random,
  boundingKey: Uint8Array,
): NoisyCount[] {
  const noisy = addLaplaceNoise(boundedCounts(plan, rows, boundingKey), plan, poolBits(random));
  return plan.groups.map((group, index) => ({ group, noisyCount: noisy[index]! }));
}

/** The exact counts after bounding. Not private: exported for the privacy tests, never for callers of the engine. */
export function boundedCounts(
  plan: Pick<CountPlan, 'groups' | 'l0'>,
  rows: Iterable<PersonGroupRow>,
  boundingKey: Uint8Array,
): number[] {
  if (boundingKey.length < 16)
    throw new EngineError('invalid_argument', 'The bounding key needs 16 bytes or more');
  const keyHex = Buffer.from(boundingKey).toString('hex');
  const indexOf = new Map(plan.groups.map((group, index) => [group, index]));
  const counts = plan.groups.map(() => 0);
  for (const [person, groups] of groupsOfEachPerson(rows, indexOf)) {
    if (typeof groups === 'number') counts[groups]! += 1;
    else for (const index of keepGroups(person, groups, plan, keyHex)) counts[index]! += 1;
  }
  return counts;
}

// Most people are in one group: a bare number for them keeps a million rows in a small map.
function groupsOfEachPerson(rows: Iterable<PersonGroupRow>, indexOf: Map<string, number>) {
  const groupsOf = new Map<string, number | Set<number>>();
  for (const { person, group } of rows) {
    const index = indexOf.get(group);
    if (index === undefined) continue;
    const seen = groupsOf.get(person);
    if (seen === undefined) groupsOf.set(person, index);
    else if (typeof seen !== 'number') seen.add(index);
    else if (seen !== index) groupsOf.set(person, new Set([seen, index]));
  }
  return groupsOf;
}

function keepGroups(
  person: string,
  groups: ReadonlySet<number>,
  plan: Pick<CountPlan, 'groups' | 'l0'>,
  keyHex: string,
): number[] {
  if (groups.size <= plan.l0) return [...groups];
  const ranked = [...groups].map((index) => ({
    index,
    rank: keyedRank(keyHex, person, plan.groups[index]!),
  }));
  ranked.sort((a, b) => (a.rank < b.rank ? -1 : 1));
  return ranked.slice(0, plan.l0).map(({ index }) => index);
}

function keyedRank(key: string, person: string, group: string): string {
  // The length keeps ("ab", "c") apart from ("a", "bc"). A plain hash after a fixed-length key suffices: nobody sees the
  // ranks, and the privacy proof needs only that they depend on nobody else. HMAC objects made the whole count several times slower.
  return hash('sha256', `${key}${person.length}:${person}${group}`, 'hex');
}
