// A line between a gateway and its database that tests can cut: before a COMMIT arrives, after it was done, or at once.
import { connect, createServer, type Socket } from 'node:net';

/** `lose-commit`: COMMIT never arrives. `lose-answer`: COMMIT is done, its answer never arrives. */
export type LineState = 'open' | 'closed' | 'silent' | 'lose-commit' | 'lose-answer';

export interface Line {
  /** The database's URL by this line. */
  readonly url: string;
  /** What the line does from now on. The two that lose do so once, and are open then. */
  set(state: LineState): void;
  /** Ends all connections there are. */
  cut(): void;
  close(): Promise<void>;
}

/** Opens a line to the server of a URL. */
export async function openLine(url: string): Promise<Line> {
  const target = new URL(url);
  let state: LineState = 'open';
  const sockets = new Set<Socket>();

  const server = createServer((client) => {
    if (state === 'closed') {
      client.destroy();
      return;
    }
    const database = connect(Number(target.port), target.hostname);
    for (const socket of [client, database]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        database.destroy();
      });
    }
    let losesAnswer = false;
    client.on('data', (bytes) => {
      if (state === 'silent') return;
      if (bytes.includes('COMMIT\0')) {
        if (state === 'lose-commit') {
          state = 'open';
          client.destroy();
          return;
        }
        if (state === 'lose-answer') {
          state = 'open';
          losesAnswer = true;
        }
      }
      database.write(bytes);
    });
    database.on('data', (bytes) => {
      if (state === 'silent') return;
      if (losesAnswer) client.destroy();
      else client.write(bytes);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const own = new URL(url);
  own.hostname = '127.0.0.1';
  own.port = String(address.port);
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: own.href,
    set: (next) => void (state = next),
    cut,
    close() {
      cut();
      return new Promise((resolve) => void server.close(() => resolve()));
    },
  };
}
