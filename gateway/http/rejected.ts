// Requests from nobody we know are counted, not logged one by one: else anybody could fill the log from outside.
import type { FastifyInstance } from 'fastify';
import type { Gate } from '../gate.ts';
import { staffRequest } from '../operations/accounts.ts';

export interface RejectedCounter {
  /** Writes one entry for the minute that passed, if there was anything to count. */
  flush(): Promise<void>;
}

/** Counts 4xx answers without a receipt: those of authenticated callers have an entry of their own. */
export function countRejected(app: FastifyInstance, gate: Gate): RejectedCounter {
  let counts: Record<string, number> = {};
  app.addHook('onResponse', async (_request, reply) => {
    if (reply.statusCode < 400 || reply.statusCode >= 500 || reply.hasHeader('assent-entry')) return;
    const status = String(reply.statusCode);
    counts[status] = (counts[status] ?? 0) + 1;
  });
  return {
    async flush() {
      const passed = counts;
      if (Object.keys(passed).length === 0) return;
      counts = {};
      await gate.run(staffRequest({ kind: 'system', id: 'http' }, 'administer'), async () => ({
        value: undefined,
        counts: passed,
        kind: 'rejected-requests',
        keyClass: 'evidence',
      }));
    },
  };
}
