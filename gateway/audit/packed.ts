// Growing stores of equal records and of numbers without an object for each: what a million people cost is bytes.
// Runs in the browser too; imports nothing.

const chunkRecordsBits = 12;
const chunkRecords = 1 << chunkRecordsBits;
const firstChunkRecords = 16;

/** Records of one size, in chunks, so that a big store never copies itself to grow. Fewer than 2^31 of them. */
export class PackedRecords {
  readonly #recordBytes: number;
  readonly #chunks: Uint8Array[] = [];
  #count = 0;

  constructor(recordBytes: number) {
    this.#recordBytes = recordBytes;
  }

  get count(): number {
    return this.#count;
  }

  /** Memory held. */
  get bytes(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  /** As many records, in memory of their own. */
  copy(): PackedRecords {
    const copied = this.share();
    for (const [place, chunk] of copied.#chunks.entries()) copied.#chunks[place] = chunk.slice();
    return copied;
  }

  /** As many records, in the same memory: for records of which some bytes never change. Must get no further ones. */
  share(): PackedRecords {
    const shared = new PackedRecords(this.#recordBytes);
    shared.#chunks.push(...this.#chunks);
    shared.#count = this.#count;
    return shared;
  }

  /** Adds a record of zeros and returns its index. */
  push(): number {
    const slot = this.#count & (chunkRecords - 1);
    const place = this.#count >>> chunkRecordsBits;
    const chunk = this.#chunks[place];
    if (chunk === undefined || chunk.length <= slot * this.#recordBytes) {
      // The first chunk doubles, so that a small store stays small.
      const records = place > 0 ? chunkRecords : Math.max(firstChunkRecords, slot * 2);
      const grown = new Uint8Array(records * this.#recordBytes);
      if (chunk !== undefined) grown.set(chunk);
      this.#chunks[place] = grown;
    }
    return this.#count++;
  }

  /** Bytes `from` to `to` of a record, as a view: what is written there stays. Valid until the next `push`. */
  at(index: number, from = 0, to: number = this.#recordBytes): Uint8Array {
    const chunk = this.#chunks[index >>> chunkRecordsBits];
    if (chunk === undefined || index >= this.#count) throw new RangeError('no such record');
    const start = (index & (chunkRecords - 1)) * this.#recordBytes;
    return chunk.subarray(start + from, start + to);
  }
}

/** Whole numbers from -2^31 to 2^31 - 1. */
export class PackedNumbers {
  #numbers = new Int32Array(16);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Memory held. */
  get bytes(): number {
    return this.#numbers.byteLength;
  }

  /** As many numbers, in memory of their own. */
  copy(): PackedNumbers {
    const copied = new PackedNumbers();
    copied.#numbers = this.#numbers.slice();
    copied.#count = this.#count;
    return copied;
  }

  /** Returns the index of the new number. */
  push(value: number): number {
    if (this.#count === this.#numbers.length) {
      const grown = new Int32Array(this.#count * 2);
      grown.set(this.#numbers);
      this.#numbers = grown;
    }
    this.#numbers[this.#count] = value;
    return this.#count++;
  }

  at(index: number): number {
    return this.#numbers[index] as number;
  }

  set(index: number, value: number): void {
    this.#numbers[index] = value;
  }

  /** Forgets all numbers; the room is kept. */
  clear(): void {
    this.#count = 0;
  }
}
