// The end of serving: no new connection, answers for what is in flight, and a limit for both.
import type { App } from '../app.ts';

/** How often connections that became idle are closed: Node does it once, when the server closes. */
const sweepMs = 50;

/**
 * Ends when every connection is closed.
 *
 * @param limitMs after this, what is left is cut
 * @returns how many requests were cut without their answer
 */
export async function stopServing({ fastify, traffic }: App, limitMs: number): Promise<number> {
  let cut = 0;
  const sweep = setInterval(() => {
    fastify.server.closeIdleConnections();
    traffic.closeUnused();
  }, sweepMs);
  const limit = setTimeout(() => {
    cut = traffic.inFlight();
    fastify.server.closeAllConnections();
  }, limitMs);
  try {
    await fastify.close();
  } finally {
    clearInterval(sweep);
    clearTimeout(limit);
  }
  return cut;
}
