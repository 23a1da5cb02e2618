// Which processes work on the data, so that what a dead one left open is closed and what a living one does is not.
//
// Each process has a number and holds a lock of that name on a connection of its own: when it dies, the lock is free.
import { GatewayError } from '../errors.ts';
import type { Random } from '../system.ts';
import { connect, toldAs, usualPatience, type Connection } from './postgres-connection.ts';
import type { Presence } from './processes.ts';

export interface PresenceOptions {
  readonly random: Random;
  /**
   * `many`: other gateways may join. `alone`: none may, because this one's chain is its own. `unnoticed`: a command,
   * which may run beside either.
   */
  readonly company: 'many' | 'alone' | 'unnoticed';
  /** Told when, after the database was away, another gateway is there that may not be. Must end the process. */
  readonly onCrowded?: (error: GatewayError) => void;
}

/** First number of the locks; the second is the process's own. */
const lockClass = 0x41_73_73_66;
const beatMs = 2000;
/** A computation may keep a process from beating. A host that vanished is noticed sooner, by TCP. */
const silenceMs = 300_000;
/** How long a process that was killed a moment ago may still hold what it held. */
const leavingMs = 3000;

/** Enters at the first call of `number`. @throws there GatewayError `config_invalid` when company is not possible */
export function joinProcesses(url: string, { random, company, onCrowded }: PresenceOptions): Presence {
  const own = Buffer.from(random.bytes(4)).readUInt32BE() >>> 1;
  let connection: Connection | undefined;
  let entering: Promise<Connection> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  async function enter(): Promise<Connection> {
    const entered = await connect(url, 'write', { ...usualPatience });
    try {
      await entered.exec(
        `SET idle_session_timeout = ${silenceMs}; SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5;
         SET tcp_keepalives_count = 3; SET application_name = 'assent process'`,
      );
      await untilTaken(
        entered,
        `pg_try_advisory_lock(${lockClass}, ${own})`,
        'this process is still entered',
      );
      if (company !== 'unnoticed')
        await untilTaken(
          entered,
          `pg_try_advisory_lock${company === 'many' ? '_shared' : ''}('checkpoint'::regclass::oid::int4, 2)`,
          company === 'many'
            ? 'a gateway works on this database that anchors on a local chain of its own; several need one chain: set ASSENT_CHAIN_URL for all of them'
            : 'another gateway works on this database; several need one chain: set ASSENT_CHAIN_URL for all of them',
        );
      return entered;
    } catch (error) {
      await entered.close();
      throw error;
    }
  }

  function beat(): void {
    timer = setTimeout(() => {
      void (async () => {
        try {
          if (connection === undefined || connection.isLost()) connection = await enter();
          else await connection.exec('SELECT 1');
        } catch (error) {
          if (error instanceof GatewayError && error.code === 'config_invalid' && !closed) onCrowded?.(error);
        }
        if (closed) await connection?.close();
        else beat();
      })();
    }, beatMs);
    // A command that is done may end.
    timer.unref();
  }

  return {
    async number() {
      entering ??= enter();
      try {
        connection ??= await entering;
      } catch (error) {
        entering = undefined;
        throw toldAs(error);
      }
      if (timer === undefined) beat();
      return own;
    },
    async gone(numbers) {
      if (numbers.size === 0) return numbers;
      await this.number();
      try {
        const rows = await (connection as Connection).rows<{ number: number }>(
          `SELECT objid::int4 AS number FROM pg_locks
           WHERE locktype = 'advisory' AND classid::int4 = $1 AND objsubid = 2 AND granted
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
          [lockClass],
        );
        const living = new Set(rows.map(({ number }) => number));
        return new Set([...numbers].filter((number) => number !== own && !living.has(number)));
      } catch (error) {
        throw toldAs(error);
      }
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      await connection?.close();
    },
  };
}

async function untilTaken(connection: Connection, lock: string, refusal: string): Promise<void> {
  const untilMs = performance.now() + leavingMs;
  for (;;) {
    const [row] = await connection.rows<{ taken: boolean }>(`SELECT ${lock} AS taken`);
    if (row?.taken === true) return;
    if (performance.now() > untilMs) throw new GatewayError('config_invalid', refusal);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
