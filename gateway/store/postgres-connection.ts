// One connection to PostgreSQL that speaks the queries of `tables.ts`, and what its errors mean.
//
// Drizzle's PostgreSQL builder writes right SQL from table objects made for SQLite: all it asks of them is names and
// how values are mapped. So there is one set of tables and queries, handed over by the one cast in `connect`.
import { Socket } from 'node:net';
import { fillPlaceholders, is, sql, Table, type Query as BuiltQuery, type SQL } from 'drizzle-orm';
import {
  PgDatabase,
  PgDialect,
  PgPreparedQuery,
  PgSession,
  type PreparedQueryConfig,
} from 'drizzle-orm/pg-core';
import type { SelectedFieldsOrdered } from 'drizzle-orm/pg-core/query-builders/select.types';
import * as drizzleUtils from 'drizzle-orm/utils';
import pg from 'pg';
import { GatewayError } from '../errors.ts';
import type { Database, Query, Reader } from './store.ts';

/** How long each step may take before it is given up, ms. */
export interface Patience {
  /** Opening a connection, or waiting for a free one. */
  readonly connectMs: number;
  /** Waiting for the writer's lock, which other processes hold in turn. */
  readonly lockMs: number;
  /** One statement. */
  readonly statementMs: number;
  /** How long the server keeps the writer's lock for a process that went silent. */
  readonly silenceMs: number;
}

export const usualPatience: Patience = {
  connectMs: 2000,
  lockMs: 5000,
  statementMs: 10_000,
  silenceMs: 10_000,
};

/**
 * `lost`: the connection is gone. `conflict`: the server undid the transaction for another's sake. Both may be tried
 * again if nothing was committed. `busy`: too slow, full or not the primary. `refused`: this one statement was wrong.
 */
export type FailureKind = 'lost' | 'conflict' | 'busy' | 'refused';

/** A statement that the database refused. Says nothing of values or of the address of the server. */
export class PostgresError extends Error {
  readonly kind: FailureKind;
  /** SQLSTATE, or Node's code of a network error. */
  readonly code: string | undefined;
  /** Whether the server answered that the statement failed and the session goes on. */
  readonly isAnswer: boolean;

  constructor(kind: FailureKind, message: string, code: string | undefined, isAnswer: boolean) {
    super(message);
    this.name = 'PostgresError';
    this.kind = kind;
    this.code = code;
    this.isAnswer = isAnswer;
  }
}

export interface Connection extends Reader {
  /** Statements without parameters, together; the answers' command tags. @param limitMs 0: as long as it takes */
  exec(text: string, limitMs?: number): Promise<string[]>;
  /** Rows of one statement. */
  rows<Row>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** The first failure that concerns more than one statement: what ran in its transaction is void. */
  failure(): PostgresError | undefined;
  clearFailure(): void;
  /** How many statements were sent that may change something, and how many the server refused. */
  readonly counted: { readonly changing: number; readonly refused: number };
  /** No more can be asked of it. */
  isLost(): boolean;
  onWarning(listener: (message: string, detail: string | undefined) => void): () => void;
  close(): Promise<void>;
}

const goodbyeMs = 500;

/**
 * Opens a connection and sets it up.
 * @throws PostgresError when that fails
 * @throws GatewayError `config_invalid` when the server cannot be used at all
 */
export async function connect(
  url: string,
  purpose: 'read' | 'write',
  patience: Patience,
): Promise<Connection> {
  const socket = new Socket();
  const client = new pg.Client({
    connectionString: url,
    stream: () => socket,
    connectionTimeoutMillis: patience.connectMs,
    application_name: `assent ${purpose}`,
    keepAlive: true,
    // What is asked at once is sent at once, and answered in that order.
    pipeline: true,
  });
  let isLost = false;
  let failure: PostgresError | undefined;
  const counted = { changing: 0, refused: 0 };
  let last: Promise<void> = Promise.resolve();
  const note = (error: PostgresError): PostgresError => {
    if (error.kind === 'lost') isLost = true;
    if (error.kind !== 'refused') failure ??= error;
    return error;
  };
  client.on('error', (cause) => void note(lost(cause)));
  client.on(
    'end',
    () => void note(new PostgresError('lost', 'the connection to the database ended', undefined, false)),
  );
  const listeners = new Set<(message: string, detail: string | undefined) => void>();
  client.on('notice', ({ message, detail }) => {
    for (const listener of listeners) listener(message ?? '', detail);
  });

  /** Longer than the server's own limits, so that those speak first. */
  const usualLimitMs = Math.max(patience.statementMs, patience.lockMs) + 1000;
  async function ask(
    config: pg.QueryArrayConfig | pg.QueryConfig,
    limitMs = usualLimitMs,
  ): Promise<pg.QueryArrayResult> {
    if (isLost)
      throw failure ?? new PostgresError('lost', 'the connection to the database ended', undefined, false);
    if (!config.text.startsWith('select')) counted.changing += 1;
    let timer: NodeJS.Timeout | undefined;
    let isAnswered = false;
    const answer = client.query(config as pg.QueryArrayConfig);
    const before = last;
    last = answer.then(
      () => undefined,
      () => undefined,
    );
    // A server that is gone without a word answers nothing, not even its own timeout.
    const silence = new Promise<never>((_resolve, reject) => {
      if (limitMs === 0) return;
      const start = (): void => {
        if (isAnswered) return;
        timer = setTimeout(() => {
          isLost = true;
          reject(note(new PostgresError('busy', 'the database does not answer', undefined, false)));
          answer.catch(() => undefined);
          socket.destroy();
        }, limitMs);
      };
      // Its turn comes when what was asked before is answered.
      void before.then(start);
    });
    try {
      return await Promise.race([answer, silence]);
    } catch (cause) {
      counted.refused += 1;
      const error = failureOf(cause);
      throw error instanceof PostgresError ? note(error) : error;
    } finally {
      isAnswered = true;
      clearTimeout(timer);
    }
  }

  async function exec(text: string, limitMs?: number): Promise<string[]> {
    const results = (await ask({ text }, limitMs)) as unknown as pg.QueryResult | pg.QueryResult[];
    return (Array.isArray(results) ? results : [results]).map(({ command }) => command);
  }
  async function rows<Row>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return (await ask({ text, values: [...values], types })).rows as unknown as Row[];
  }

  try {
    await client.connect();
    // After the connection was made, so that nothing in the URL can weaken it.
    await exec(
      `SET synchronous_commit = on; SET statement_timeout = ${patience.statementMs}; SET lock_timeout = ${patience.lockMs};
       SET idle_in_transaction_session_timeout = ${patience.silenceMs}; SET client_encoding = 'UTF8';
       SET bytea_output = 'hex'; SET standard_conforming_strings = on;
       SET default_transaction_isolation = 'read committed';
       SET default_transaction_read_only = ${purpose === 'read' ? 'on' : 'off'}`,
    );
    const [server] = await rows<{ version: number; encoding: string; standby: boolean }>(
      `SELECT current_setting('server_version_num')::int AS version, current_setting('server_encoding') AS encoding,
              pg_is_in_recovery() AS standby`,
    );
    if (server === undefined || server.version < 150_000 || server.encoding !== 'UTF8')
      throw new GatewayError(
        'config_invalid',
        'the database must be PostgreSQL 15 or newer, with encoding UTF8',
      );
    if (server.standby && purpose === 'write')
      throw new PostgresError('busy', 'the database is a standby that takes no writes', '25006', true);
  } catch (cause) {
    await client.end().catch(() => undefined);
    throw failureOf(cause);
  }

  const dialect = new Dialect();
  // The one cast: a builder for PostgreSQL stands in for the one of SQLite. Both have the same awaitable `select`,
  // `insert`, `update` and `delete`; what differs (`all`, `get`, `run`, `transaction`) is used nowhere.
  const db = new PgDatabase(dialect, new Session(dialect, ask), undefined) as unknown as Database;
  const prepared = new Map<Query<unknown>, { execute(values?: Record<string, unknown>): Promise<unknown> }>();
  return {
    db,
    async run<Result>(query: Query<Result>, parameters?: Record<string, unknown>): Promise<Result> {
      let ready = prepared.get(query);
      if (ready === undefined) {
        const built = query.build(db) as unknown as { prepare(name: string): typeof ready & object };
        ready = built.prepare(`q${prepared.size}`);
        prepared.set(query, ready);
      }
      return (await ready.execute(parameters)) as Result;
    },
    exec,
    rows,
    failure: () => failure,
    counted,
    clearFailure() {
      if (!isLost) failure = undefined;
    },
    isLost: () => isLost,
    onWarning(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async close() {
      isLost = true;
      // The end waits for all answers; a server that is silent gives none.
      const timer = setTimeout(() => socket.destroy(), goodbyeMs);
      await client.end().catch(() => undefined);
      clearTimeout(timer);
    },
  };
}

type Ask = (config: pg.QueryArrayConfig) => Promise<pg.QueryArrayResult>;

/** What Drizzle's builder cannot know of tables that were made for SQLite. */
class Dialect extends PgDialect {
  /** `bound` writes `(select $1)` for SQLite's planner; PostgreSQL could not tell the type of that. */
  override sqlToQuery(given: SQL, invokeSource?: 'indexes'): ReturnType<PgDialect['sqlToQuery']> {
    const query = super.sqlToQuery(given, invokeSource);
    return { ...query, sql: query.sql.replaceAll(/\(select (\$\d+)\)/g, '$1') };
  }

  /** Only of its own tables it looks whether a joined one goes by another name. */
  override buildSelectQuery(config: SelectConfig): SQL {
    if (config.joins === undefined) return super.buildSelectQuery(config);
    const joins = config.joins.map((join) => ({ ...join, table: named(join.table) as typeof join.table }));
    return super.buildSelectQuery({ ...config, joins });
  }
}
type SelectConfig = Parameters<PgDialect['buildSelectQuery']>[0];

function named(table: unknown): unknown {
  if (!is(table, Table)) return table;
  const { [nameOf]: name, [originalOf]: original } = table as unknown as Record<symbol, string>;
  if (name === undefined || original === undefined || name === original) return table;
  return sql`${sql.identifier(original)} ${sql.identifier(name)}`;
}
/** Drizzle keeps a table's names under these; its types do not show them. */
const nameOf = Symbol.for('drizzle:Name');
const originalOf = Symbol.for('drizzle:OriginalName');

/** Drizzle's own session would put the parameters, which are personal data, into its errors. */
class Session extends PgSession {
  readonly #ask: Ask;

  constructor(dialect: PgDialect, ask: Ask) {
    super(dialect);
    this.#ask = ask;
  }

  override prepareQuery<T extends PreparedQueryConfig>(
    query: BuiltQuery,
    fields: SelectedFieldsOrdered | undefined,
    name: string | undefined,
  ): PgPreparedQuery<T> {
    return new Prepared<T>(this.#ask, query, fields, name);
  }

  override transaction(): Promise<never> {
    return Promise.reject(new GatewayError('internal', 'transactions are opened by the store alone'));
  }
}

class Prepared<T extends PreparedQueryConfig> extends PgPreparedQuery<T> {
  /** Set by Drizzle's builder for queries with joins. */
  joinsNotNullableMap: Record<string, boolean> | undefined;
  readonly #ask: Ask;
  readonly #fields: SelectedFieldsOrdered | undefined;
  readonly #name: string | undefined;

  constructor(
    ask: Ask,
    query: BuiltQuery,
    fields: SelectedFieldsOrdered | undefined,
    name: string | undefined,
  ) {
    super(query, undefined, undefined);
    this.#ask = ask;
    this.#fields = fields;
    this.#name = name;
  }

  override async execute(placeholders: Record<string, unknown> = {}): Promise<T['execute']> {
    const { sql: text, params } = this.query;
    const result = await this.#ask({
      ...(this.#name === undefined ? {} : { name: this.#name }),
      text,
      values: fillPlaceholders(params, placeholders),
      rowMode: 'array',
      types,
    });
    const fields = this.#fields;
    if (fields === undefined) return result.rows;
    return result.rows.map((row) => mapResultRow(fields, row, this.joinsNotNullableMap));
  }
}

/** What Drizzle's own drivers use; exported, but not in its types. */
const { mapResultRow } = drizzleUtils as unknown as {
  mapResultRow(
    fields: SelectedFieldsOrdered,
    row: unknown[],
    joinsNotNullableMap: Record<string, boolean> | undefined,
  ): unknown;
};

/** As SQLite gives them: numbers for whole numbers, sums and booleans; nothing that a number cannot hold. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((id: number, format?: 'text' | 'binary') => {
    if (id === int8 || id === numeric) return toNumber;
    return pg.types.getTypeParser(id, format as 'text');
  }) as pg.CustomTypesConfig['getTypeParser'],
};
const int8 = 20;
const numeric = 1700;

/** @throws GatewayError `internal` for a whole number beyond 2^53 */
export function toNumber(text: string): number {
  const value = Number(text);
  if (Math.abs(value) > Number.MAX_SAFE_INTEGER || Number.isNaN(value))
    throw new GatewayError('internal', 'a number in the database is too large to be exact');
  return value;
}

function lost(cause: unknown): PostgresError {
  return new PostgresError('lost', 'the connection to the database was lost', codeOf(cause), false);
}

function codeOf(cause: unknown): string | undefined {
  const { code } = cause as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}

/** SQLSTATE: PostgreSQL's documentation, appendix A. What is no answer and no network error stays as it is. */
function failureOf(cause: unknown): unknown {
  if (cause instanceof PostgresError || cause instanceof GatewayError) return cause;
  const code = codeOf(cause);
  if (!(cause instanceof pg.DatabaseError)) {
    const isNetwork =
      code !== undefined || (cause instanceof Error && /connect|terminat|queryable/i.test(cause.message));
    return isNetwork ? lost(cause) : cause;
  }
  const isAnswer = cause.severity === 'ERROR';
  const state = code ?? '';
  if (state === '57014' || state === '55P03')
    return new PostgresError('busy', 'the database took too long', state, isAnswer);
  if (/^(28|3D)/.test(state))
    return new PostgresError('busy', classes[state.slice(0, 2)] ?? '', state, isAnswer);
  if (!isAnswer || state.startsWith('57P') || state.startsWith('08'))
    return new PostgresError('lost', 'the database ended the connection', state, false);
  if (state === '40001' || state === '40P01')
    return new PostgresError('conflict', 'the database undid the transaction', state, true);
  if (state === '25006' || /^(53|58|XX)/.test(state))
    return new PostgresError('busy', 'the database cannot take this now', state, true);
  // Messages quote values in some classes; names of constraints and columns are ours.
  const named = cause.constraint ?? cause.column ?? cause.table;
  const message = state === 'P0001' ? cause.message : (classes[state.slice(0, 2)] ?? 'the statement failed');
  return new PostgresError('refused', named === undefined ? message : `${message}: ${named}`, state, true);
}

const classes: Readonly<Record<string, string>> = {
  '22': 'a value does not fit',
  '23': 'a constraint is violated',
  '25': 'the transaction takes no more statements',
  '28': 'the database refused to let the gateway in',
  '3D': 'there is no such database',
  '42': 'the statement or its rights are wrong',
};

/** What a caller hears: 503 for all that is not the statement's own fault. */
export function toldAs(cause: unknown): unknown {
  if (!(cause instanceof PostgresError) || cause.kind === 'refused') return cause;
  return new GatewayError('store_unavailable', cause.message, { cause });
}
