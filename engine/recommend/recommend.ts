// What a person may like, and why: from the rows of theirs that are allowed now. The person's vector is solved for each
// request and never kept, so a row that is no longer allowed has no influence on the next answer.
import { EngineError } from '../types.ts';
import { addRidge, type AlsModel, ridgeOf, unobservedMatrix } from './als.ts';
import { addOuterProduct, choleskyFactor, solveFactored } from './cholesky.ts';
import type { ItemIndex } from './item-index.ts';

export interface PersonRow {
  readonly item: string;
  /** As in training; 1 when absent. */
  readonly weight?: number;
}

export interface Reason {
  readonly item: string;
  /** What this item of the person's own adds to the score. */
  readonly contribution: number;
}

export interface Recommendation {
  readonly item: string;
  readonly score: number;
  /** At most three, the largest positive contributions first. */
  readonly reasons: readonly Reason[];
}

const MAX_COUNT = 1000;
const MAX_ROWS = 100_000;

/**
 * The `count` items with the highest score that are not among the person's rows. Fewer when the catalogue is small; none
 * when no row is of an item the model knows (`popular` serves then).
 */
export function recommend(
  model: AlsModel,
  index: ItemIndex,
  personRows: readonly PersonRow[],
  count: number,
): Recommendation[] {
  if (!Number.isInteger(count) || count < 1 || count > MAX_COUNT) {
    throw new EngineError('invalid_argument', `A person gets 1 to ${MAX_COUNT} recommendations`);
  }
  const history = readHistory(model, index.rowOf, personRows);
  if (history.rows.length === 0) return [];
  const system = factorSystem(model, history);
  const vector = solvePerson(model, history, system);
  const seen = new Set(history.rows);
  const found = index.search(vector, count + seen.size).filter((row) => !seen.has(row));
  return found
    .map((row) => ({ row, score: dot(model, row, vector) }))
    .toSorted((a, b) => b.score - a.score)
    .slice(0, count)
    .map(({ row, score }) => ({
      item: model.itemKeys[row]!,
      score,
      reasons: contributions(model, history, system, row)
        .filter(({ contribution }) => contribution > 0)
        .toSorted((a, b) => b.contribution - a.contribution)
        .slice(0, 3),
    }));
}

/**
 * The person's factors for the given rows; undefined when the model knows none of the items.
 * Rows of unknown items are left out; rows of one item add up.
 */
export function personVector(model: AlsModel, personRows: readonly PersonRow[]): Float64Array | undefined {
  const history = readHistory(model, rowsOf(model), personRows);
  return history.rows.length === 0 ? undefined : solvePerson(model, history, factorSystem(model, history));
}

/**
 * Splits the score of `item` over the person's own items: Hu, Koren and Volinsky 2008, section 5. The contributions of
 * all items sum to the score.
 */
export function explain(model: AlsModel, personRows: readonly PersonRow[], item: string): Reason[] {
  const rowOf = rowsOf(model);
  const row = rowOf.get(item);
  const history = readHistory(model, rowOf, personRows);
  if (row === undefined || history.rows.length === 0) return [];
  return contributions(model, history, factorSystem(model, history), row);
}

/** Item key → row of the model. */
export function rowsOf(model: AlsModel): ReadonlyMap<string, number> {
  return new Map(model.itemKeys.map((key, row) => [key, row]));
}

interface History {
  readonly rows: readonly number[];
  readonly weights: readonly number[];
}

function readHistory(
  model: AlsModel,
  rowOf: ReadonlyMap<string, number>,
  personRows: readonly PersonRow[],
): History {
  if (personRows.length > MAX_ROWS)
    throw new EngineError('limit_exceeded', `More than ${MAX_ROWS} rows of one person`);
  const weightOf = new Map<number, number>();
  for (const { item, weight = 1 } of personRows) {
    if (!(weight > 0 && Number.isFinite(weight)))
      throw new EngineError('invalid_argument', 'A weight is not above 0');
    const row = rowOf.get(item);
    if (row !== undefined && row < model.itemKeys.length)
      weightOf.set(row, (weightOf.get(row) ?? 0) + weight);
  }
  return { rows: [...weightOf.keys()], weights: [...weightOf.values()] };
}

// Cholesky factor of α0·YᵀY + Σ w·y·yᵀ + ridge: the same equations as one row of training.
function factorSystem(model: AlsModel, { rows, weights }: History): Float64Array {
  const { factors } = model.options;
  const matrix = unobservedMatrix(model.gram, model.options);
  rows.forEach((row, at) => addOuterProduct(matrix, model.itemFactors, row * factors, factors, weights[at]!));
  addRidge(matrix, ridgeOf(rows.length, model.itemKeys.length, model.options), factors);
  choleskyFactor(matrix, factors);
  return matrix;
}

function solvePerson(model: AlsModel, { rows, weights }: History, system: Float64Array): Float64Array {
  const { factors } = model.options;
  const vector = new Float64Array(factors);
  rows.forEach((row, at) => {
    for (let f = 0; f < factors; f += 1) vector[f]! += weights[at]! * model.itemFactors[row * factors + f]!;
  });
  solveFactored(system, vector, factors);
  return vector;
}

// score = yᵀ A⁻¹ Σ w·y_j, so item j adds w·(A⁻¹ y)ᵀ y_j.
function contributions(
  model: AlsModel,
  { rows, weights }: History,
  system: Float64Array,
  row: number,
): Reason[] {
  const { factors } = model.options;
  const direction = Float64Array.from(model.itemFactors.subarray(row * factors, (row + 1) * factors));
  solveFactored(system, direction, factors);
  return rows.map((own, at) => ({
    item: model.itemKeys[own]!,
    contribution: weights[at]! * dot(model, own, direction),
  }));
}

function dot(model: AlsModel, row: number, vector: Float64Array): number {
  const { factors } = model.options;
  let sum = 0;
  for (let f = 0; f < factors; f += 1) sum += model.itemFactors[row * factors + f]! * vector[f]!;
  return sum;
}
