// The populations: what uses of many people at once are logged under. A closed list, so that a person can be shown
// every one of them, and that none is missing (FORMAT.md section 8).
import type { Reader } from '../store/store.ts';
import { decideSwitch } from './decide.ts';
import { loadPerson } from './switches.ts';
import { categoryNames, type Category, type Purpose } from './vocabulary.ts';

/** Everyone whose switches allow this category for this purpose to this engine part. */
interface Allowed {
  readonly purpose: Purpose;
  readonly category: Category;
  readonly recipient: 'engine:privacy' | 'engine:recommend';
}

const aggregateUses: readonly Allowed[] = [
  ...categoryNames.map((category): Allowed => ({
    purpose: 'analytics',
    category,
    recipient: 'engine:privacy',
  })),
  { purpose: 'recommendation', category: 'browsing', recipient: 'engine:recommend' },
];
const byConsent: ReadonlyMap<string, Allowed> = new Map(
  aggregateUses.map((use) => [`${use.purpose}/${use.category}/${use.recipient}`, use]),
);

export type PopulationName =
  `analytics/${Category}/engine:privacy` | 'recommendation/browsing/engine:recommend' | 'evidence' | 'import';

/** Every population there is, in the order of the trust file: sorted by code unit. */
export const populationNames: readonly PopulationName[] = [
  ...([...byConsent.keys()] as PopulationName[]),
  // Everyone whom entries concern that an officer handed out together.
  'evidence' as const,
  // Everyone whose rows one page of an import brought; no switch lets anyone in or out.
  'import' as const,
].sort((a, b) => (a < b ? -1 : 1));

/** Those a person's switches let them be in now. */
export async function populationsOf(reader: Reader, person: string, nowMs: number): Promise<Set<string>> {
  const state = await loadPerson(reader, person);
  if (state === undefined) return new Set();
  const isIn = ({ category, purpose, recipient }: Allowed): boolean =>
    decideSwitch(state, category, purpose, recipient, nowMs).effect === 'on';
  return new Set([...byConsent].filter(([, allowed]) => isIn(allowed)).map(([name]) => name));
}

/** What a change of switches did, for its entry: a person's own list shows when they joined and left. */
export function membershipChange(
  before: ReadonlySet<string>,
  after: ReadonlySet<string>,
): { populations?: { joined: string[]; left: string[] } } {
  const joined = [...after].filter((name) => !before.has(name));
  const left = [...before].filter((name) => !after.has(name));
  return joined.length + left.length === 0 ? {} : { populations: { joined, left } };
}
