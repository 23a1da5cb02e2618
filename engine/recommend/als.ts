// Learns item factors from what people did, by implicit alternating least squares (iALS): Hu, Koren and Volinsky 2008,
// with the loss of Rendle, Krichene, Zhang and Koren 2021 (arXiv 2110.14037). People's factors exist only while training;
// the model that comes out holds items only.
import { EngineError, type Random } from '../types.ts';
import { addOuterProduct, choleskySolve } from './cholesky.ts';
import { groupEvents, type Interactions, transpose } from './interactions.ts';

export interface AlsOptions {
  /** Length of a factor vector, 1 to 256. */
  readonly factors: number;
  /** How often people and items are each solved once, 1 to 100. */
  readonly sweeps: number;
  /** λ, multiplied for each row by (its events + α0 · size of the other side)^ν. */
  readonly regularisation: number;
  /** α0: weight of "score 0" for every pair, seen or not. */
  readonly unobservedWeight: number;
  /** ν: 1 regularises the frequent more, 0 all alike. */
  readonly frequencyExponent: number;
}

/** λ was chosen on MovieLens-100K by looking at three splits, the tested one among them; figures in engine/README.md. */
export const defaultAlsOptions: AlsOptions = {
  factors: 32,
  sweeps: 12,
  regularisation: 0.015,
  unobservedWeight: 0.3,
  frequencyExponent: 1,
};

export interface AlsEvent {
  readonly person: string;
  readonly item: string;
  /** How much it counts, > 0. The same person with the same item again adds up. */
  readonly weight: number;
}

/** What serving needs. Holds nothing of any one person's row. */
export interface AlsModel {
  readonly options: AlsOptions;
  /** Row number → item key. */
  readonly itemKeys: readonly string[];
  /** itemKeys.length × factors, row by row. An item nobody touched has a row of zeros. */
  readonly itemFactors: Float32Array;
  /** Σ over items of factor · factorᵀ, factors × factors. */
  readonly gram: Float64Array;
}

export type AlsTraining =
  /** Nobody's rows may be used: there is nothing to learn from, and this says so. */
  | { readonly status: 'empty'; readonly rows: 0; readonly people: 0 }
  | { readonly status: 'trained'; readonly rows: number; readonly people: number; readonly model: AlsModel };

const MAX_ITEMS = 1_000_000;
// About 10 ms of work between two pauses.
const PRODUCTS_BETWEEN_PAUSES = 5_000_000;

/**
 * Trains on `events`; those of items outside `items` are left out and not counted in `rows`.
 *
 * @param input.random starts the factors; the same bytes and events give the same model
 * @param input.pause awaited every few milliseconds of work, so that a server can answer meanwhile
 * @throws EngineError `invalid_argument` for options or weights out of range, `limit_exceeded` beyond 1 M items or 10 M
 *   events
 */
export async function trainAls(
  input: {
    events: Iterable<AlsEvent>;
    items: readonly string[];
    random: Random;
    pause?: () => Promise<void>;
  } & Partial<AlsOptions>,
): Promise<AlsTraining> {
  const options = checkOptions(input);
  if (input.items.length > MAX_ITEMS) throw new EngineError('limit_exceeded', `More than ${MAX_ITEMS} items`);
  const { byPerson, people, rows } = groupEvents(input.events, input.items);
  if (rows === 0) return { status: 'empty', rows: 0, people: 0 };
  const byItem = transpose(byPerson, input.items.length);
  const { factors } = options;
  const pacer = pace(input.pause ?? nextTurn);
  const itemFactors = startFactors(input.items.length, factors, input.random);
  const personFactors = new Float32Array(people * factors);
  for (let sweep = 0; sweep < options.sweeps; sweep += 1) {
    await solveSide(byPerson, itemFactors, personFactors, options, pacer);
    await solveSide(byItem, personFactors, itemFactors, options, pacer);
  }
  const gram = gramOf(itemFactors, factors);
  return {
    status: 'trained',
    rows,
    people,
    model: { options, itemKeys: [...input.items], itemFactors, gram },
  };
}

/** Solves every row of one side exactly, the other side held still. */
async function solveSide(
  interactions: Interactions,
  fixed: Float32Array,
  solved: Float32Array,
  options: AlsOptions,
  pacer: (products: number) => Promise<void> | undefined,
): Promise<void> {
  const { factors } = options;
  const shared = unobservedMatrix(gramOf(fixed, factors), options);
  const matrix = new Float64Array(factors * factors);
  const vector = new Float64Array(factors);
  for (let row = 0; row + 1 < interactions.starts.length; row += 1) {
    const start = interactions.starts[row]!;
    const end = interactions.starts[row + 1]!;
    vector.fill(0);
    if (end > start) {
      matrix.set(shared);
      for (let at = start; at < end; at += 1) {
        const from = interactions.others[at]! * factors;
        const weight = interactions.weights[at]!;
        addOuterProduct(matrix, fixed, from, factors, weight);
        for (let f = 0; f < factors; f += 1) vector[f]! += weight * fixed[from + f]!;
      }
      addRidge(matrix, ridgeOf(end - start, fixed.length / factors, options), factors);
      choleskySolve(matrix, vector, factors);
    }
    solved.set(vector, row * factors);
    const wait = pacer((end - start + factors) * factors * factors);
    if (wait !== undefined) await wait;
  }
}

/** α0 · gram: what all pairs, seen or not, add to the normal equations. */
export function unobservedMatrix(gram: Float64Array, options: AlsOptions): Float64Array {
  return gram.map((value) => value * options.unobservedWeight);
}

/** λ · (events + α0 · size of the other side)^ν. */
export function ridgeOf(events: number, otherSide: number, options: AlsOptions): number {
  return (
    options.regularisation * (events + options.unobservedWeight * otherSide) ** options.frequencyExponent
  );
}

export function addRidge(matrix: Float64Array, ridge: number, factors: number): void {
  for (let f = 0; f < factors; f += 1) matrix[f * factors + f]! += ridge;
}

function gramOf(rows: Float32Array, factors: number): Float64Array {
  const gram = new Float64Array(factors * factors);
  for (let from = 0; from < rows.length; from += factors) addOuterProduct(gram, rows, from, factors, 1);
  return gram;
}

// Small normal numbers by Box–Muller. Only a starting point: nothing private depends on their quality.
function startFactors(rows: number, factors: number, random: Random): Float32Array {
  const bytes = random.bytes(rows * factors * 8);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: rows * factors }, (_, index) => {
    const radius = Math.sqrt(-2 * Math.log((view.getUint32(index * 8, true) + 1) / 2 ** 32));
    const angle = (2 * Math.PI * view.getUint32(index * 8 + 4, true)) / 2 ** 32;
    return (0.1 / Math.sqrt(factors)) * radius * Math.cos(angle);
  });
}

function pace(pause: () => Promise<void>): (products: number) => Promise<void> | undefined {
  let sincePause = 0;
  return (products) => {
    sincePause += products;
    if (sincePause < PRODUCTS_BETWEEN_PAUSES) return undefined;
    sincePause = 0;
    return pause();
  };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

function checkOptions(input: Partial<AlsOptions>): AlsOptions {
  const { factors, sweeps, regularisation, unobservedWeight, frequencyExponent } = {
    ...defaultAlsOptions,
    ...input,
  };
  const isWhole = (value: number, max: number) => Number.isInteger(value) && value >= 1 && value <= max;
  const isWithin = (value: number, min: number, max: number) => value >= min && value <= max;
  if (
    !isWhole(factors, 256) ||
    !isWhole(sweeps, 100) ||
    !isWithin(regularisation, 1e-6, 1e6) ||
    !isWithin(unobservedWeight, 0, 1) ||
    !isWithin(frequencyExponent, 0, 1)
  ) {
    throw new EngineError('invalid_argument', 'A training option is out of range', {
      factors,
      sweeps,
      regularisation,
      unobservedWeight,
      frequencyExponent,
    });
  }
  return { factors, sweeps, regularisation, unobservedWeight, frequencyExponent };
}
