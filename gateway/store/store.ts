// What the rest may ask of a database: one writer with durable transactions, and reads beside it.
import { sql, type Placeholder, type SQL } from 'drizzle-orm';
import type { BetterSQLite3Database } from 'drizzle-orm/better-sqlite3';

/** Drizzle's builder over the tables of `tables.ts`. */
export type Database = BetterSQLite3Database;

/** A query that is built once a connection and then only bound to parameters (a builder per call costs 3×). */
export interface Query<Result> {
  readonly build: (db: Database) => PromiseLike<Result>;
}

/** Declares a query at module level; parameters are Drizzle placeholders. */
export function query<Result>(build: (db: Database) => PromiseLike<Result>): Query<Result> {
  return { build };
}

/**
 * A parameter of a prepared query, for conditions, limits and offsets.
 *
 * Hidden in a subquery on purpose: this SQLite is built with STAT4 and plans a statement again each time a parameter
 * that might change the plan is bound, which made point reads 5 to 10 times slower (measured: 24 µs against 2.7).
 */
export function bound(name: string): SQL<never> & Placeholder {
  return sql`(select ${sql.placeholder(name)})` as SQL<never> & Placeholder;
}

/** A constant written into a prepared query: Drizzle would bind it, with the cost told at `bound`. */
export function fixed(
  value: number | 'AccessToken' | 'ClientCredentials' | 'Grant',
): SQL<never> & Placeholder {
  return sql.raw(typeof value === 'number' ? String(value) : `'${value}'`) as unknown as SQL<never> &
    Placeholder;
}

export interface Reader {
  readonly db: Database;
  run<Result>(query: Query<Result>, parameters?: Record<string, unknown>): Promise<Result>;
}

/**
 * One unit of work inside the writer's transaction, until its promise settles. Nothing else may be awaited in it. Reads
 * that do not need each other are best asked together (`Promise.all`, each of them one query): a server then gets them
 * in one go.
 */
export interface Tx extends Reader {
  /**
   * The same for works of one transaction of which none is undone alone: what one of them read or changed still holds
   * for the next. For a `WeakMap`.
   */
  readonly scope: object;
  /** As `run`, for a change whose answer the work does not wait for: when it fails, so does the work. */
  send(query: Query<unknown>, parameters: Record<string, unknown>): void;
  /** Runs once this work is durable, before its caller hears of it; dropped if the work is rolled back. */
  afterDurable(action: () => void): void;
}

export interface WriteOptions {
  /**
   * The work changes nothing but by `send`, and takes what it sends from `scope`, so that a server may run it at the
   * same time as others of its kind. One that changes something else is undone and run again by itself.
   */
  readonly mayOverlap?: boolean;
  /** The work gets a transaction of its own. */
  readonly alone?: boolean;
}

export interface StoreFigures {
  readonly batches: number;
  readonly works: number;
  readonly largestBatch: number;
  /** Works that wait for their batch now. */
  readonly waiting: number;
  /** How long all works together waited for their batch to begin, ms. */
  readonly waitedMs: number;
}

export interface Store {
  /**
   * Runs `work` in the writer's transaction and resolves when its effects are durable. Works are totally ordered.
   * If `work` throws, its effects alone are undone and the promise rejects with what it threw. A work may be run again
   * from its start when the database undid it: what it changes outside the transaction it changes in `afterDurable`.
   *
   * @throws GatewayError `store_unavailable` when the batch as a whole failed; nothing of it happened, unless the
   *   connection to a server was lost during its commit: then it may have happened, and nobody was told that it did
   */
  write<Result>(work: (tx: Tx) => Promise<Result>, options?: WriteOptions): Promise<Result>;
  /** Reads committed rows on a separate connection; SQLite's may see rows that are not durable yet. */
  read<Result>(work: (reader: Reader) => Promise<Result>): Promise<Result>;
  /**
   * Makes sure that no byte of what was deleted is left in the database's files: rewrites them between two batches.
   * What is out of reach on a PostgreSQL server is told in `postgres-clean.ts`.
   * Several callers that wait share one cleaning.
   *
   * @throws GatewayError `store_unavailable` when another connection is in the way or the disk is full; ask again
   */
  clean(): Promise<void>;
  figures(): StoreFigures;
  close(): Promise<void>;
}
