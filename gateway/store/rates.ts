// Counters that all gateways on one PostgreSQL share: how often each key was counted within its window. Beside the
// store: on connections of its own, outside the writer's queue and lock, never audited, and gone with a server crash.
//
// Windows are the database's: they begin with a key's first count and end by its clock, so that gateways whose clocks
// differ agree.
import { connect, toldAs, type Patience } from './postgres-connection.ts';
import { openPool } from './postgres-pool.ts';

export interface Count {
  readonly key: string;
  /** How many to add. */
  readonly by: number;
  readonly windowMs: number;
}

export interface Counted {
  /** Of all gateways together, these included. */
  readonly count: number;
  /** Until the count begins anew. */
  readonly leftMs: number;
}

export interface Rates {
  /**
   * Counts each key; keys are different ones.
   * @returns by key
   * @throws GatewayError `store_unavailable` when the database does not answer soon; whether it counted is unknown
   */
  add(counts: readonly Count[]): Promise<Map<string, Counted>>;
  /** Deletes counts that have ended. */
  sweep(): Promise<void>;
  close(): Promise<void>;
}

/** Whoever is counted waits for it, and a database that is slow must not be asked for more. */
const impatience: Patience = { connectMs: 1000, lockMs: 500, statementMs: 1000, silenceMs: 5000 };
const connections = 2;

const nowMs = '(extract(epoch FROM statement_timestamp()) * 1000)::bigint';
/** Sorted, so that two gateways that count the same keys wait for each other in one order. */
const addText = `
  INSERT INTO rate AS r (key, count, until_ms)
  SELECT key, by, ${nowMs} + window_ms
  FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS given (key, by, window_ms) ORDER BY key COLLATE "C"
  ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN r.until_ms <= ${nowMs} THEN EXCLUDED.count ELSE r.count + EXCLUDED.count END,
    until_ms = CASE WHEN r.until_ms <= ${nowMs} THEN EXCLUDED.until_ms ELSE r.until_ms END
  RETURNING key, count, until_ms - ${nowMs} AS left_ms`;

/** Connects when it is first needed. */
export function openRates(url: string): Rates {
  const pool = openPool(() => connect(url, 'write', impatience), connections, impatience.connectMs);
  return {
    async add(counts) {
      const columns = [
        counts.map(({ key }) => key),
        counts.map(({ by }) => by),
        counts.map(({ windowMs }) => windowMs),
      ];
      try {
        const rows = await pool.use((connection) =>
          connection.rows<{ key: string; count: number; left_ms: number }>(addText, columns),
        );
        return new Map(rows.map((row) => [row.key, { count: row.count, leftMs: row.left_ms }]));
      } catch (cause) {
        throw toldAs(cause);
      }
    },
    async sweep() {
      try {
        await pool.use((connection) => connection.rows(`DELETE FROM rate WHERE until_ms <= ${nowMs}`));
      } catch (cause) {
        throw toldAs(cause);
      }
    },
    close: () => pool.close(),
  };
}
