// The same store on PostgreSQL: one writer a process with group commit, and a few connections that only read.
//
// Durability: COMMIT with `synchronous_commit=on` returns once the commit is on the server's disk, and a row becomes
// visible no sooner. Order: each batch first takes a lock that all processes share, so audited work is serial over
// all of them, and READ COMMITTED reads everything that earlier holders of the lock committed.
import { GatewayError } from '../errors.ts';
import { cleanDatabase } from './postgres-clean.ts';
import {
  connect,
  PostgresError,
  toldAs,
  usualPatience,
  type Connection,
  type Patience,
} from './postgres-connection.ts';
import { takeWriterLock } from './postgres-locks.ts';
import { openPool } from './postgres-pool.ts';
import type { Store, Tx } from './store.ts';
import {
  openCleaning,
  openQueue,
  transactionOver,
  type Outcome,
  type QueueOptions,
  type Waiting,
} from './work-queue.ts';

export interface PostgresOptions extends QueueOptions {
  /** How many reads run at once at most. */
  readonly readers?: number;
  readonly patience?: Partial<Patience>;
}

/**
 * `entangled`: nothing was committed, as a work failed that had changed something; only savepoints can part them.
 * `undone`: certainly nothing was committed. `unknown`: the answer to COMMIT is missing.
 */
type BatchEnd =
  | { readonly kind: 'ended'; readonly outcomes: Outcome[] }
  | { readonly kind: 'entangled' }
  | { readonly kind: 'undone' | 'unknown'; readonly cause: unknown };

const attempts = 3;

/**
 * Opens a database whose tables `migratePostgres` made.
 *
 * A batch is run again, from the start of each work, when the server undid it or was lost before COMMIT was sent; so
 * a work changes what lies outside the database in `afterDurable` only. When the connection is lost during COMMIT,
 * callers hear `store_unavailable` although the batch may have been committed: nothing acknowledged is ever lost,
 * and what was not acknowledged may be there.
 */
export function openPostgres(url: string, options: PostgresOptions = {}): Store {
  const patience: Patience = { ...usualPatience, ...options.patience };
  const pool = openPool(() => connect(url, 'read', patience), options.readers ?? 8, patience.connectMs);
  const queue = openQueue(options, finish);
  const cleaning = openCleaning(queue, clean);
  let writer: Connection | undefined;

  async function connected(): Promise<Connection> {
    if (writer === undefined || writer.isLost()) writer = await connect(url, 'write', patience);
    writer.clearFailure();
    return writer;
  }

  /** Whoever is left waiting behind a database that is away would only wait as long again. */
  async function connectedOrRefuse(batch: Waiting[]): Promise<Connection | undefined> {
    try {
      return await connected();
    } catch (cause) {
      queue.refuse(batch, unavailable(cause));
      queue.refuseWaiting(unavailable(cause));
      return undefined;
    }
  }

  async function finish(batch: Waiting[]): Promise<void> {
    let isBegun = false;
    const begun = (): void => {
      if (!isBegun) queue.begun(batch);
      isBegun = true;
    };
    let isApart = false;
    for (let attempt = 1; ; attempt++) {
      const connection = await connectedOrRefuse(batch);
      if (connection === undefined) return;
      const end = await execute(connection, batch, isApart, begun);
      if (end.kind === 'ended') return queue.release(batch, end.outcomes);
      if (end.kind === 'entangled') {
        isApart = true;
        attempt -= 1;
        continue;
      }
      if (end.kind === 'undone' && mayRetry(end.cause) && attempt < attempts) continue;
      return queue.refuse(batch, unavailable(end.cause));
    }
  }

  /** One transaction. */
  async function execute(
    connection: Connection,
    batch: Waiting[],
    isApart: boolean,
    begun: () => void,
  ): Promise<BatchEnd> {
    const outcomes: Outcome[] = [];
    const refusedBefore = connection.counted.refused;
    try {
      await connection.exec(`BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; ${takeWriterLock}`);
      begun();
      const scope = {};
      for (const group of isApart ? batch.map((one) => [one]) : groupsOf(batch)) {
        const ended = isApart
          ? { outcomes: await Promise.all(group.map(({ work }) => executeApart(connection, work))) }
          : await executeTogether(connection, group, scope);
        const failure = connection.failure();
        if (failure !== undefined) throw failure;
        outcomes.push(...ended.outcomes);
        if (ended.isEntangled !== true) continue;
        await connection.exec('ROLLBACK');
        // One that is alone in its transaction has nobody to be parted from.
        const isAlone = batch.length === 1 && outcomes[0]?.ok === false;
        return isAlone ? { kind: 'ended', outcomes } : { kind: 'entangled' };
      }
    } catch (cause) {
      await connection.exec('ROLLBACK').catch(() => connection.close());
      return { kind: 'undone', cause };
    }
    // A standby that was waited for in vain, and given up, is told as a warning on a COMMIT that worked.
    let warning: string | undefined;
    const stop = connection.onWarning((message) => (warning = message));
    try {
      const tags = await connection.exec('COMMIT');
      if (tags.at(-1) !== 'COMMIT') {
        const isOurs = connection.counted.refused > refusedBefore && connection.failure() === undefined;
        if (isOurs && !isApart) return { kind: 'entangled' };
        throw connection.failure() ?? new PostgresError('busy', 'nothing was committed', undefined, true);
      }
      if (warning !== undefined)
        throw new PostgresError('busy', 'the commit is not safe yet', undefined, false);
      return { kind: 'ended', outcomes };
    } catch (cause) {
      const isUndone = cause instanceof PostgresError && cause.isAnswer;
      if (!isUndone) await connection.close();
      return { kind: isUndone ? 'undone' : 'unknown', cause };
    } finally {
      stop();
    }
  }

  /**
   * All works of the group at once, and no answer is waited for but those they ask for. Right as long as no work fails
   * after it changed something, and several of them change nothing but what they send.
   */
  async function executeTogether(
    connection: Connection,
    group: Waiting[],
    scope: object,
  ): Promise<{ readonly outcomes: Outcome[]; readonly isEntangled?: boolean }> {
    const before = { ...connection.counted };
    let sends = 0;
    let isEntangled = false;
    const outcomes = await Promise.all(
      group.map(async ({ work }): Promise<Outcome> => {
        const { tx, afterDurable, sent, end } = txOn(connection, scope);
        try {
          return { ok: true, value: await work(tx), afterDurable };
        } catch (cause) {
          if (sent.length > 0) isEntangled = true;
          return { ok: false, cause };
        } finally {
          end();
          sends += sent.length;
        }
      }),
    );
    const changing = connection.counted.changing - before.changing;
    const mayChangeMore = group.length === 1 && outcomes[0]?.ok === true;
    if (changing !== sends && !mayChangeMore) isEntangled = true;
    if (connection.counted.refused > before.refused) isEntangled = true;
    return { outcomes, isEntangled };
  }

  /** With a savepoint, so that its failure undoes this work alone. */
  async function executeApart(connection: Connection, work: Waiting['work']): Promise<Outcome> {
    const { tx, afterDurable, sent, end } = txOn(connection, {});
    await connection.exec('SAVEPOINT work');
    try {
      const value = await work(tx).finally(end);
      await Promise.all(sent);
      // Fails where the work passed over a statement that had failed: its transaction takes no more then.
      await connection.exec('RELEASE SAVEPOINT work');
      return { ok: true, value, afterDurable };
    } catch (cause) {
      if (connection.failure() === undefined) await connection.exec('ROLLBACK TO SAVEPOINT work');
      return { ok: false, cause };
    }
  }

  function txOn(
    connection: Connection,
    scope: object,
  ): { tx: Tx; afterDurable: (() => void)[]; sent: Promise<unknown>[]; end: () => void } {
    let isOver = false;
    const open = (): Connection => {
      if (isOver) throw transactionOver();
      return connection;
    };
    const afterDurable: (() => void)[] = [];
    const sent: Promise<unknown>[] = [];
    const tx: Tx = {
      get db() {
        return open().db;
      },
      scope,
      run: async (query, parameters) => open().run(query, parameters),
      send(query, parameters) {
        const answer = open().run(query, parameters);
        answer.catch(() => undefined);
        sent.push(answer);
      },
      afterDurable: (action) => void afterDurable.push(action),
    };
    return { tx, afterDurable, sent, end: () => void (isOver = true) };
  }

  async function clean(): Promise<void> {
    try {
      await cleanDatabase({
        open: () => connect(url, 'write', patience),
        inTurn: queue.inTurn,
        patience,
      });
    } catch (cause) {
      throw unavailable(cause);
    }
  }

  return {
    write: queue.write,
    figures: queue.figures,
    clean: cleaning.clean,
    async read(work) {
      if (queue.isClosed()) throw new GatewayError('store_unavailable', 'the store is closed');
      try {
        return await pool.use(work);
      } catch (cause) {
        throw toldAs(cause);
      }
    },
    async close() {
      queue.close();
      await cleaning.idle();
      await queue.idle();
      await writer?.close();
      await pool.close();
    },
  };
}

/** Neighbours that may overlap are one group, each other work is its own. */
function groupsOf(batch: readonly Waiting[]): Waiting[][] {
  const groups: Waiting[][] = [];
  for (const one of batch) {
    const last = groups.at(-1);
    if (one.options.mayOverlap === true && last?.[0]?.options.mayOverlap === true) last.push(one);
    else groups.push([one]);
  }
  return groups;
}

function mayRetry(cause: unknown): boolean {
  return cause instanceof PostgresError && (cause.kind === 'lost' || cause.kind === 'conflict');
}

function unavailable(cause: unknown): GatewayError {
  if (cause instanceof GatewayError) return cause;
  return new GatewayError('store_unavailable', cause instanceof PostgresError ? cause.message : undefined, {
    cause,
  });
}
