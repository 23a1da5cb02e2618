// Numbers in addresses: paging and entries.
import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../errors.ts';

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
