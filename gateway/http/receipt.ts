// Where an answer says what was written about it, so that the caller can ask for its proof.
import type { FastifyReply } from 'fastify';
import type { GatewayError } from '../errors.ts';
import type { Released } from '../gate.ts';

/** Entry, leaf hash and decision of what was just done. Such an answer is the caller's alone. */
export function receiptHeaders(
  reply: FastifyReply,
  released: Pick<Released<unknown>, 'receipt' | 'decisionId'>,
): void {
  void reply.headers({
    'assent-entry': String(released.receipt.number),
    'assent-leaf': Buffer.from(released.receipt.leafHash).toString('hex'),
    'assent-decision': released.decisionId,
    'cache-control': 'no-store',
  });
}

/** The same of a request that was refused on the record. */
export function refusalHeaders(reply: FastifyReply, error: GatewayError): void {
  const { decision, entry, leaf_hash: leaf } = error.details;
  if (typeof entry !== 'number' || typeof leaf !== 'string' || typeof decision !== 'string') return;
  receiptHeaders(reply, {
    decisionId: decision,
    receipt: { number: entry, leafHash: Buffer.from(leaf, 'hex') },
  });
}
