// Numbers in addresses: paging and entries.
import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../errors.ts';

/** A parameter named twice is a list, which no page expects. @throws GatewayError `malformed_request` */
export async function refuseRepeated(request: FastifyRequest): Promise<void> {
  for (const value of Object.values(request.query as Record<string, unknown>))
    if (typeof value !== 'string') throw new GatewayError('malformed_request', 'a parameter is there twice');
}

/** Where a list begins; 0 for anything that is not a whole number. */
export function offsetOf(request: FastifyRequest): number {
  const { offset } = request.query as { offset?: string };
  return offset !== undefined && /^\d{1,9}$/.test(offset) ? Number(offset) : 0;
}

/** The number of an entry. @throws GatewayError `not_found` */
export function numberOf(text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new GatewayError('not_found');
  return Number(text);
}
