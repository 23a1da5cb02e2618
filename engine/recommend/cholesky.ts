// The two inner loops of training: symmetric k × k matrices, of which only the lower half is kept.
// Sums are Float64: rounding every store to Float32 is slower in V8, and less exact.

/** matrix += weight · row · rowᵀ (lower half), with row = rows[from … from + size). */
export function addOuterProduct(
  matrix: Float64Array,
  rows: Float32Array,
  from: number,
  size: number,
  weight: number,
): void {
  for (let i = 0; i < size; i += 1) {
    const scaled = weight * rows[from + i]!;
    const line = i * size;
    for (let j = 0; j <= i; j += 1) matrix[line + j]! += scaled * rows[from + j]!;
  }
}

/** Solves matrix · x = vector in place: `vector` becomes x, the lower half of `matrix` its Cholesky factor. */
export function choleskySolve(matrix: Float64Array, vector: Float64Array, size: number): void {
  choleskyFactor(matrix, size);
  solveFactored(matrix, vector, size);
}

/** The lower half becomes L with L · Lᵀ = matrix, which must be positive definite. */
export function choleskyFactor(matrix: Float64Array, size: number): void {
  for (let i = 0; i < size; i += 1) {
    const line = i * size;
    for (let j = 0; j <= i; j += 1) {
      const other = j * size;
      let sum = matrix[line + j]!;
      for (let k = 0; k < j; k += 1) sum -= matrix[line + k]! * matrix[other + k]!;
      matrix[line + j] = i === j ? Math.sqrt(sum) : sum / matrix[other + j]!;
    }
  }
}

/** Solves L · Lᵀ · x = vector in place. */
export function solveFactored(factor: Float64Array, vector: Float64Array, size: number): void {
  for (let i = 0; i < size; i += 1) {
    let sum = vector[i]!;
    for (let k = 0; k < i; k += 1) sum -= factor[i * size + k]! * vector[k]!;
    vector[i] = sum / factor[i * size + i]!;
  }
  for (let i = size - 1; i >= 0; i -= 1) {
    let sum = vector[i]!;
    for (let k = i + 1; k < size; k += 1) sum -= factor[k * size + i]! * vector[k]!;
    vector[i] = sum / factor[i * size + i]!;
  }
}
