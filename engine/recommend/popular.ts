// What most people chose: for someone without a history, or who wants nothing personal.
import { EngineError } from '../types.ts';

export interface PopularItem {
  readonly item: string;
  /** How many different people. Exact, so for ranking only; a published number needs engine/privacy. */
  readonly people: number;
}

/** The `count` items with the most people, ties by key, so that the answer does not depend on the order of events. */
export function popular(
  events: Iterable<{ person: string; item: string }>,
  items: readonly string[],
  count: number,
): PopularItem[] {
  if (!Number.isInteger(count) || count < 1)
    throw new EngineError('invalid_argument', 'A list has 1 item or more');
  const peopleOf = new Map(items.map((item) => [item, new Set<string>()]));
  for (const { person, item } of events) peopleOf.get(item)?.add(person);
  return [...peopleOf]
    .map(([item, people]) => ({ item, people: people.size }))
    .filter(({ people }) => people > 0)
    .toSorted((a, b) => b.people - a.people || (a.item < b.item ? -1 : 1))
    .slice(0, count);
}
