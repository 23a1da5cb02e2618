// Connections for reads: a few, each given to one reader at a time. A lost one is replaced when it is next needed.
import { GatewayError } from '../errors.ts';
import type { Connection } from './postgres-connection.ts';

export interface Pool {
  /**
   * Lends a connection to `work`.
   * @throws GatewayError `store_unavailable` when none becomes free in time
   */
  use<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result>;
  close(): Promise<void>;
}

interface Waiting {
  readonly take: (connection: Connection | undefined) => void;
  readonly refuse: (cause: unknown) => void;
}

/** @param open makes a connection; @param most how many at once; @param waitMs how long one may be waited for */
export function openPool(open: () => Promise<Connection>, most: number, waitMs: number): Pool {
  const idle: Connection[] = [];
  const waiting: Waiting[] = [];
  let lent = 0;
  let closed = false;

  /** A free connection; undefined: room to open one, which counts as lent already. */
  async function take(): Promise<Connection | undefined> {
    if (closed) throw new GatewayError('store_unavailable', 'the store is closed');
    // The one used last first: the others may be idle for good.
    for (let found = idle.pop(); found !== undefined; found = idle.pop()) {
      if (found.isLost()) continue;
      lent += 1;
      return found;
    }
    if (lent < most) {
      lent += 1;
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.splice(waiting.indexOf(one), 1);
        reject(new GatewayError('store_unavailable', 'all connections to the database are in use'));
      }, waitMs);
      const one: Waiting = {
        take(connection) {
          clearTimeout(timer);
          resolve(connection);
        },
        refuse(cause) {
          clearTimeout(timer);
          reject(cause);
        },
      };
      waiting.push(one);
    });
  }

  /** Its place goes to the next who waits, with the connection where there still is one. */
  async function giveBack(connection: Connection | undefined): Promise<void> {
    const usable = connection === undefined || connection.isLost() ? undefined : connection;
    const next = closed ? undefined : waiting.shift();
    if (next !== undefined) return next.take(usable);
    lent -= 1;
    if (usable === undefined) return;
    usable.clearFailure();
    if (closed) await usable.close();
    else idle.push(usable);
  }

  return {
    async use(work) {
      let connection = await take();
      try {
        connection ??= await open();
        return await work(connection);
      } finally {
        await giveBack(connection);
      }
    },
    async close() {
      closed = true;
      for (const { refuse } of waiting.splice(0))
        refuse(new GatewayError('store_unavailable', 'the store is closed'));
      await Promise.all(idle.splice(0).map((connection) => connection.close()));
    },
  };
}
