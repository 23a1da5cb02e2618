// The log as public files (c2sp.org/tlog-tiles), and the trust file. Hashes are for everybody, entries for officers.
import type { FastifyInstance } from 'fastify';
import type { Prover } from '../audit/proof.ts';
import type { Publisher } from '../audit/publish.ts';
import { hasTile, parseTilePath, tileBytes, type Tile } from '../audit/tiles.ts';
import { GatewayError } from '../errors.ts';
import { staffOfToken } from '../operations/accounts.ts';
import type { OperationParts } from '../operations/parts.ts';
import { readEntryBundle } from '../operations/read-log.ts';
import { isStaffToken, presentedToken } from './caller.ts';
import { asGatewayError, sendProblem } from './problem.ts';
import { receiptHeaders, refusalHeaders } from './receipt.ts';

export interface AuditorRoutes {
  readonly parts: OperationParts;
  readonly publisher: Publisher;
  readonly prover: Prover;
}

/** How many tiles an address may fetch where it may make one other request. */
const tilesPerRequest = 20;

// Public bytes without cookies: any page may check them.
const openToPages = { 'access-control-allow-origin': '*' };

/** @param app below whose prefix the files lie */
export function auditorRoutes(app: FastifyInstance, { parts, publisher, prover }: AuditorRoutes): void {
  app.setErrorHandler((error, request, reply) => {
    const known = asGatewayError(error);
    // What is not there yet may be there in a second.
    void reply.header('cache-control', 'no-store');
    refusalHeaders(reply, known);
    return sendProblem(request, reply, known, parts.config.publicUrl);
  });

  // Whoever checks a long log asks for thousands of small files, which cost next to nothing.
  const { requestsPerMinute } = parts.config.limits;
  const max = requestsPerMinute * tilesPerRequest;
  const readers = max === 0 ? {} : { config: { rateLimit: { max, timeWindow: 60_000 } } };

  app.get('/checkpoint', readers, async (_request, reply) => {
    const note = await prover.checkpoint();
    if (note === undefined) throw new GatewayError('not_found', 'nothing is signed yet');
    return reply
      .type('text/plain; charset=utf-8')
      .headers({ 'cache-control': 'public, max-age=1', ...openToPages })
      .send(note);
  });

  app.get('/tile/*', readers, async (request, reply) => {
    // As it was sent, not decoded: an address has one spelling.
    const tile = parseTilePath(request.url.slice(app.prefix.length + 1));
    const size = (await publisher.latest())?.size ?? 0;
    if (tile === undefined || !hasTile(size, tile))
      throw new GatewayError('not_found', 'there is no such tile in the published log');
    void reply.type('application/octet-stream');
    if (tile.level === 'entries') {
      const presented = presentedToken(request);
      if (!isStaffToken(presented)) throw new GatewayError('invalid_token');
      const released = await readEntryBundle(parts, await staffOfToken(parts, presented.token), tile);
      receiptHeaders(reply, released);
      return reply.header('cache-control', 'private, no-store').send(Buffer.from(released.value));
    }
    return reply
      .headers({ 'cache-control': 'public, max-age=31536000, immutable', ...openToPages })
      .send(Buffer.from(await hashesOf(tile, size)));
  });

  app.get('/trust.json', async (_request, reply) =>
    reply
      .type('application/json')
      .header('cache-control', 'no-store')
      .send(await prover.trust()),
  );

  async function hashesOf(tile: Tile, size: number): Promise<Uint8Array> {
    // Another process may have signed what this one has not counted yet.
    if (parts.log.durableSize() < size) await parts.log.refresh();
    return tileBytes(await parts.log.tree(), tile);
  }
}
