// What anyone may fetch of the log: the newest checkpoint and the trust file. Tiles come with the public log.
import type { FastifyInstance } from 'fastify';
import type { Prover } from '../audit/proof.ts';
import type { Publisher } from '../audit/publish.ts';
import { GatewayError } from '../errors.ts';

export function auditorRoutes(app: FastifyInstance, parts: { publisher: Publisher; prover: Prover }): void {
  app.get('/checkpoint', async (_request, reply) => {
    const head = await parts.publisher.latest();
    if (head === undefined) throw new GatewayError('not_found', 'nothing is signed yet');
    return reply
      .type('text/plain; charset=utf-8')
      .header('cache-control', 'public, max-age=1')
      .send(head.note);
  });
  app.get('/trust.json', async (_request, reply) =>
    reply
      .type('application/json')
      .header('cache-control', 'no-store')
      .send(await parts.prover.trust()),
  );
}
