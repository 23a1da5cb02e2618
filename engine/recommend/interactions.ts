// Events as compressed rows: for each person the items, for each item the people, each pair once.
import { EngineError } from '../types.ts';
import type { AlsEvent } from './als.ts';

/** Row r has the entries starts[r] … starts[r + 1). */
export interface Interactions {
  readonly starts: Uint32Array;
  readonly others: Uint32Array;
  readonly weights: Float32Array;
}

const MAX_EVENTS = 10_000_000;
const MAX_WEIGHT = 1e6;

export function groupEvents(
  events: Iterable<AlsEvent>,
  items: readonly string[],
): { byPerson: Interactions; people: number; rows: number } {
  const itemRow = new Map(items.map((item, row) => [item, row]));
  if (itemRow.size !== items.length) throw new EngineError('invalid_argument', 'An item key occurs twice');
  const weightsOf = new Map<string, Map<number, number>>();
  let rows = 0;
  for (const { person, item, weight } of events) {
    const row = itemRow.get(item);
    if (row === undefined) continue;
    if (!(weight > 0 && weight <= MAX_WEIGHT)) {
      throw new EngineError('invalid_argument', `An event weight is not above 0 and at most ${MAX_WEIGHT}`);
    }
    rows += 1;
    if (rows > MAX_EVENTS) throw new EngineError('limit_exceeded', `More than ${MAX_EVENTS} events`);
    let weights = weightsOf.get(person);
    if (weights === undefined) weightsOf.set(person, (weights = new Map()));
    weights.set(row, (weights.get(row) ?? 0) + weight);
  }
  return { byPerson: compress([...weightsOf.values()]), people: weightsOf.size, rows };
}

export function transpose(rows: Interactions, columns: number): Interactions {
  const starts = new Uint32Array(columns + 1);
  for (const column of rows.others) starts[column + 1]! += 1;
  for (let column = 0; column < columns; column += 1) starts[column + 1]! += starts[column]!;
  const next = starts.slice();
  const others = new Uint32Array(rows.others.length);
  const weights = new Float32Array(rows.others.length);
  for (let row = 0; row + 1 < rows.starts.length; row += 1) {
    for (let at = rows.starts[row]!; at < rows.starts[row + 1]!; at += 1) {
      const to = next[rows.others[at]!]!++;
      others[to] = row;
      weights[to] = rows.weights[at]!;
    }
  }
  return { starts, others, weights };
}

function compress(rows: readonly ReadonlyMap<number, number>[]): Interactions {
  const starts = new Uint32Array(rows.length + 1);
  rows.forEach((row, index) => (starts[index + 1] = starts[index]! + row.size));
  const others = new Uint32Array(starts[rows.length]!);
  const weights = new Float32Array(others.length);
  let at = 0;
  for (const row of rows) {
    for (const [other, weight] of row) {
      others[at] = other;
      weights[at] = weight;
      at += 1;
    }
  }
  return { starts, others, weights };
}
