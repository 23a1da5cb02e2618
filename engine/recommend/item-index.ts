// Finds the items with the largest inner product, with usearch (HNSW). Only item vectors are ever put in.
// Erasing a vector leaves its bytes in a usearch file, so an index is never changed: a new model gets a new one.
import { Index, MetricKind, ScalarKind } from 'usearch';
import type { AlsModel } from './als.ts';
import { rowsOf } from './recommend.ts';

export interface ItemIndex {
  readonly rowOf: ReadonlyMap<string, number>;
  /** Rows of at most `count` items, best first. Approximate beyond a few thousand items (recall about 0.99). */
  search(vector: Float64Array, count: number): number[];
}

/** Builds the index in memory; items nobody touched are left out, since nothing is known about them. */
export function openItemIndex(model: AlsModel): ItemIndex {
  const { factors } = model.options;
  const known = model.itemKeys
    .map((_, row) => row)
    .filter((row) =>
      model.itemFactors.subarray(row * factors, (row + 1) * factors).some((value) => value !== 0),
    );
  const vectors = new Float32Array(known.length * factors);
  known.forEach((row, at) =>
    vectors.set(model.itemFactors.subarray(row * factors, (row + 1) * factors), at * factors),
  );
  const index = new Index({
    dimensions: factors,
    metric: MetricKind.IP,
    quantization: ScalarKind.F32,
    connectivity: 16,
    expansion_add: 128,
    expansion_search: 128,
    multi: false,
  });
  if (known.length > 0) index.add(BigUint64Array.from(known, BigInt), vectors, 1);
  return {
    rowOf: rowsOf(model),
    search(vector, count) {
      const wanted = Math.min(count, known.length);
      if (wanted === 0) return [];
      return Array.from(index.search(Float32Array.from(vector), wanted, 1).keys, Number);
    },
  };
}
