// Counts requests by route pattern. Each route gets a counter of its own when it is registered, so that counting one
// request is a few additions: no name is built and no figure looked up.
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest, onResponseHookHandler } from 'fastify';

/** Upper bounds of the latency buckets, seconds. */
export const latencyBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10] as const;

export interface RouteFigures {
  readonly method: string;
  /** The pattern, never an address: `/v1/data/:category`. */
  readonly route: string;
  /** Answers by the first digit of their status, 1 to 5, at 0 to 4. */
  readonly byStatusClass: number[];
  /** Requests in each bucket of `latencyBounds` alone, then those above the last. */
  readonly buckets: number[];
  sumSeconds: number;
}

export interface Traffic {
  /** Every registered route, also those nobody asked for, and last what reached none. */
  routes(): readonly RouteFigures[];
  /** Requests refused by a limit on requests; not those refused for a spent privacy budget. */
  refusedByLimit(): number;
  /** Connections with a request whose headers arrived and whose answer is not sent yet. */
  inFlight(): number;
  /** Closes connections on which nothing was ever asked, as browsers open them in advance. */
  closeUnused(): void;
}

/**
 * Call before any route is registered.
 *
 * @param isDraining while it says so, answers tell their connection to end: the next request goes elsewhere
 */
export function countTraffic(app: FastifyInstance, isDraining: () => boolean): Traffic {
  const counted: RouteFigures[] = [];
  const unmatched = emptyFigures('any', 'unmatched');
  let refusedByLimit = 0;
  const open = new Set<Socket>();
  const busy = new Set<Socket>();

  app.server.on('connection', (socket: Socket) => {
    open.add(socket);
    // Whoever hangs up is not waiting for an answer any more.
    socket.once('close', () => {
      open.delete(socket);
      busy.delete(socket);
    });
  });
  // Before Fastify's own listener, not as a hook of its: running one more hook costs more than what is done here.
  app.server.prependListener('request', ({ socket }, response) => {
    busy.add(socket);
    if (isDraining()) response.setHeader('connection', 'close');
  });
  app.addHook('onRoute', (route) => {
    const figures = emptyFigures([route.method].flat().length > 1 ? 'any' : String(route.method), route.url);
    counted.push(figures);
    const count: onResponseHookHandler = (_request, reply, done) => {
      record(figures, reply);
      done();
    };
    route.onResponse = [count, ...[route.onResponse ?? []].flat()];
  });
  app.addHook('onResponse', (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
    busy.delete(request.raw.socket);
    if (request.is404) record(unmatched, reply);
    if (reply.statusCode === 429 && reply.hasHeader('retry-after')) refusedByLimit += 1;
    done();
  });
  return {
    routes: () => [...counted, unmatched],
    refusedByLimit: () => refusedByLimit,
    inFlight: () => busy.size,
    closeUnused() {
      for (const socket of open) if (socket.bytesRead === 0) socket.destroy();
    },
  };
}

function emptyFigures(method: string, route: string): RouteFigures {
  return {
    method,
    route,
    byStatusClass: [0, 0, 0, 0, 0],
    buckets: Array.from({ length: latencyBounds.length + 1 }, () => 0),
    sumSeconds: 0,
  };
}

function record(figures: RouteFigures, reply: FastifyReply): void {
  const seconds = reply.elapsedTime / 1000;
  let at = 0;
  while (at < latencyBounds.length && seconds > (latencyBounds[at] ?? 0)) at += 1;
  figures.buckets[at] = (figures.buckets[at] ?? 0) + 1;
  figures.sumSeconds += seconds;
  // Node sends no other status than 100 to 999; those above 599 are nobody's here.
  const place = Math.min(Math.trunc(reply.statusCode / 100), 5) - 1;
  figures.byStatusClass[place] = (figures.byStatusClass[place] ?? 0) + 1;
}
