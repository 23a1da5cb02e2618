// Which of several processes on one PostgreSQL database leads.
//
// The leader holds a lock of a connection of its own. Its crash ends the connection, which frees the lock. A leader
// that hangs, or whose line was cut, is ended by the server after `silenceMs` without a beat; it has stopped believing
// that it leads long before, after `leaseMs`. So nobody leads while another still believes that it does.
import { connect, usualPatience, type Connection } from './postgres-connection.ts';
import type { Leadership } from './processes.ts';

export interface LeaderTimes {
  /** Between two beats, or two attempts to take over. */
  readonly beatMs: number;
  /** How long after the last beat that was answered a leader still is one. */
  readonly leaseMs: number;
  /** How long the server waits for a beat; longer than the lease. */
  readonly silenceMs: number;
}

export const usualTimes: LeaderTimes = { beatMs: 1000, leaseMs: 4000, silenceMs: 8000 };

/**
 * Takes the lock that only one leader has. Its first number is that of a table, so that several logs in one database,
 * each in a schema of its own, have a leader each.
 */
const takeLock = "SELECT pg_try_advisory_lock('checkpoint'::regclass::oid::int4, 1) AS taken";

/** For a gateway: leads as soon as nobody else does. The first attempt was made when it returns. */
export async function contendForLead(url: string, times: LeaderTimes = usualTimes): Promise<Leadership> {
  const listeners = new Set<(leads: boolean) => void>();
  let connection: Connection | undefined;
  let holds = false;
  /** When the last beat was sent that was answered, by a clock that is never set. */
  let heardMs = 0;
  let told = false;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const isLeader = (): boolean =>
    holds && connection?.isLost() === false && performance.now() - heardMs < times.leaseMs;

  async function beat(): Promise<void> {
    try {
      if (connection === undefined || connection.isLost()) {
        holds = false;
        connection = await openLine(url, times);
      }
      const askedMs = performance.now();
      if (holds) await connection.exec('SELECT 1', times.leaseMs);
      else holds = await tryLock(connection);
      heardMs = askedMs;
    } catch {
      // Away or too slow: what it held is the server's to free.
      holds = false;
      await connection?.close();
      connection = undefined;
    }
    const leads = isLeader();
    if (leads === told) return;
    told = leads;
    for (const listener of listeners) listener(leads);
  }

  function plan(): void {
    timer = setTimeout(() => {
      beating = beat().then(() => {
        if (!closed) plan();
      });
    }, times.beatMs);
  }

  let beating = beat();
  await beating;
  plan();
  return {
    isLeader,
    asLeader: async (work) => (isLeader() ? { value: await work() } : undefined),
    onChange: (listener) => void listeners.add(listener),
    async close() {
      closed = true;
      clearTimeout(timer);
      await beating;
      clearTimeout(timer);
      holds = false;
      await connection?.close();
    },
  };
}

/** For a command beside gateways or without one: it leads for the length of one piece of work, if nobody does. */
export function leadForOnce(url: string): Leadership {
  const times = { ...usualTimes, silenceMs: 60_000 };
  return {
    isLeader: () => false,
    async asLeader(work) {
      const connection = await openLine(url, times);
      try {
        return (await tryLock(connection)) ? { value: await work() } : undefined;
      } finally {
        await connection.close();
      }
    },
    onChange: () => undefined,
    close: async () => undefined,
  };
}

async function openLine(url: string, { silenceMs, leaseMs }: LeaderTimes): Promise<Connection> {
  const patience = { ...usualPatience, statementMs: Math.min(usualPatience.statementMs, leaseMs) };
  const connection = await connect(url, 'write', patience);
  await connection.exec(`SET idle_session_timeout = ${silenceMs}; SET application_name = 'assent leader'`);
  return connection;
}

async function tryLock(connection: Connection): Promise<boolean> {
  const [row] = await connection.rows<{ taken: boolean }>(takeLock);
  return row?.taken === true;
}
