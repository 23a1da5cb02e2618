// The witness on the network. Sizes, times and rates are limited; a request carries no secret and no answer does.
import rateLimit from '@fastify/rate-limit';
import fastify, { type FastifyInstance } from 'fastify';
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex, toUtf8 } from '../audit/bytes.ts';
import { harden } from '../http/hardening.ts';
import type { Witness } from './witness.ts';

export interface WitnessServerOptions {
  /** From one address; 0: no limit. */
  readonly requestsPerMinute?: number;
  /** Told of failures whose cause the caller must not read. */
  readonly onFailure?: (message: string) => void;
}

const bodyLimitBytes = 64 * 1024;
const requestTimeoutMs = 10_000;
const defaultRequestsPerMinute = 1200;

/** `POST /add-checkpoint`, `GET /<SHA-256 of the origin in hex>/checkpoint` and `…/conflicts`. Does not listen. */
export async function buildWitnessServer(
  witness: Witness,
  options: WitnessServerOptions = {},
): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: bodyLimitBytes,
    requestTimeout: requestTimeoutMs,
    connectionTimeout: 2 * requestTimeoutMs,
    forceCloseConnections: true,
  });
  harden(app);
  // The specification names no content type for requests, so any is read as bytes.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.setErrorHandler((error: { statusCode?: number; message: string }, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) options.onFailure?.(error.message);
    const message = status >= 500 ? 'something went wrong here; nothing was cosigned' : error.message;
    return reply.code(status).type('text/plain; charset=utf-8').send(`${message}\n`);
  });
  const max = options.requestsPerMinute ?? defaultRequestsPerMinute;
  if (max > 0) await app.register(rateLimit, { max, timeWindow: 60_000 });
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).type('text/plain; charset=utf-8').send('nothing here\n'),
  );

  app.post('/add-checkpoint', async (request, reply) => {
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    const answer = await witness.addCheckpoint(body);
    return reply.code(answer.status).header('content-type', answer.type).send(Buffer.from(answer.body));
  });

  const origins = new Map(witness.origins.map((origin) => [toHex(sha256(toUtf8(origin))), origin]));
  app.get<{ Params: { log: string } }>('/:log/checkpoint', async (request, reply) => {
    const origin = origins.get(request.params.log);
    const note = origin === undefined ? undefined : await witness.newest(origin);
    if (note === undefined) return reply.callNotFound();
    return reply.type('text/plain; charset=utf-8').header('cache-control', 'no-store').send(note);
  });
  app.get<{ Params: { log: string } }>('/:log/conflicts', async (request, reply) => {
    const origin = origins.get(request.params.log);
    if (origin === undefined) return reply.callNotFound();
    const conflicts = witness.conflicts(origin).map(({ kind, seenMs, size, cosigned, refused }) => ({
      kind,
      seenAt: new Date(seenMs).toISOString(),
      size,
      cosigned,
      refused,
    }));
    return reply.header('cache-control', 'no-store').send({ origin, conflicts });
  });
  return app;
}
