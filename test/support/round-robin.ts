// A proxy as an operator puts before two gateways: requests in turn, /readyz asked again and again, and a request that
// reached no gateway goes to the other. It says where each request went.
import { createServer, request as ask, Agent, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface RoundRobin {
  readonly url: string;
  /** Ports that are used now, in the order of `ports`. */
  readonly ready: () => readonly number[];
  /** The port each answer came from, in the order of the answers. */
  readonly answers: readonly number[];
  close(): Promise<void>;
}

export interface RoundRobinOptions {
  readonly ports: readonly number[];
  readonly port: number;
  readonly checkEveryMs: number;
}

export async function openRoundRobin({ ports, port, checkEveryMs }: RoundRobinOptions): Promise<RoundRobin> {
  const agent = new Agent({ keepAlive: true });
  const failures = new Map(ports.map((one) => [one, 0]));
  const answers: number[] = [];
  // Two checks in a row that fail take a gateway out, one that succeeds takes it in again.
  const ready = (): number[] => ports.filter((one) => (failures.get(one) ?? 0) < 2);
  let turn = 0;

  const check = async (one: number): Promise<void> => {
    const isReady = await fetch(`http://127.0.0.1:${one}/readyz`, { signal: AbortSignal.timeout(2000) }).then(
      async (answer) => {
        await answer.arrayBuffer();
        return answer.status === 200;
      },
      () => false,
    );
    failures.set(one, isReady ? 0 : (failures.get(one) ?? 0) + 1);
  };
  const checks = setInterval(() => void Promise.all(ports.map(check)), checkEveryMs);

  function pass(incoming: IncomingMessage, body: Buffer, outgoing: ServerResponse, tries: number): void {
    const usable = ready();
    const target = usable[turn++ % usable.length];
    if (target === undefined || tries > ports.length) return void outgoing.writeHead(503).end();
    const onward = ask(
      {
        agent,
        host: '127.0.0.1',
        port: target,
        method: incoming.method,
        path: incoming.url,
        // Whatever the client says about itself, the proxy says who it is.
        headers: { ...incoming.headers, 'x-forwarded-for': incoming.socket.remoteAddress ?? '' },
      },
      (answer) => {
        answers.push(target);
        const { connection: _own, 'keep-alive': _too, ...headers } = answer.headers;
        outgoing.writeHead(answer.statusCode ?? 502, headers);
        answer.pipe(outgoing);
      },
    );
    onward.on('error', (error: NodeJS.ErrnoException) => {
      if (outgoing.headersSent) return void outgoing.destroy();
      // No connection, or one kept alive that ended before it was used: nothing was done with the request.
      const wasUnheard =
        error.code === 'ECONNREFUSED' || (onward.reusedSocket && error.code === 'ECONNRESET');
      if (wasUnheard) return pass(incoming, body, outgoing, tries + 1);
      outgoing.writeHead(502).end();
    });
    onward.end(body);
  }

  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => pass(incoming, Buffer.concat(chunks), outgoing, 0));
  });
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ready,
    answers,
    async close() {
      clearInterval(checks);
      agent.destroy();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
