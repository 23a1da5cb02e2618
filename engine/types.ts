// What every part of the engine shares: its error, its source of chance, and the canonical rows.
// Rows carry opaque person keys; the engine must never see names, tokens, switches or a clock.

export type EngineErrorCode =
  | 'invalid_argument'
  | 'limit_exceeded'
  | 'epsilon_out_of_range'
  | 'import_format'
  | 'import_encoding'
  | 'model_invalid';

/** An error with a stable code. `details` hold nothing taken from a person's row. */
export class EngineError extends Error {
  readonly code: EngineErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: EngineErrorCode, message: string, details: Record<string, unknown> = {}) {
    super(message);
    this.name = 'EngineError';
    this.code = code;
    this.details = Object.freeze({ ...details });
  }
}

/** Chance, passed in: `length` fresh uniform bytes. For privacy it must be cryptographically secure. */
export interface Random {
  bytes(length: number): Uint8Array;
}

/** The closed list of data categories an engine row can carry. */
export const dataCategories = [
  'browsing',
  'transactions',
  'location',
  'social',
  'devices',
  'sensors',
  'profile',
] as const;
export type DataCategory = (typeof dataCategories)[number];

/** A thing that can be watched, bought or recommended. Not personal. */
export interface ItemRow {
  readonly key: string;
  readonly title: string;
  readonly attributes: Readonly<Record<string, string | readonly string[]>>;
}

/** One thing one person did with one item. `atMs` is milliseconds since 1970 UTC. */
export interface EventRow {
  readonly person: string;
  readonly item: string;
  readonly kind: string;
  readonly value: number | null;
  readonly atMs: number;
  readonly category: DataCategory;
}

/** One stated property of one person. */
export interface AttributeRow {
  readonly person: string;
  readonly name: string;
  readonly value: string;
  readonly category: DataCategory;
}

/** A row that could not be used, kept so that it can be looked at, corrected, and erased like any other. */
export interface RejectedRow {
  readonly source: string;
  /** 1-based line (or first line of a quoted CSV record). */
  readonly line: number;
  readonly code: RejectionCode;
  /** The row as it came, at most 1,024 characters. */
  readonly raw: string;
  /** The person it names, where that much could be read: so that erasing them finds it. */
  readonly person?: string;
}

export type RejectionCode =
  | 'wrong_field_count'
  | 'missing_value'
  | 'invalid_number'
  | 'invalid_time'
  | 'invalid_json'
  | 'invalid_quoting'
  | 'value_too_long'
  | 'line_too_long';
