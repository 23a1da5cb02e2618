// Who calls: an access token becomes a partner, a staff token a member of staff.
import type { FastifyRequest } from 'fastify';
import type { Caller } from '../consent/vocabulary.ts';
import { GatewayError } from '../errors.ts';

/** What a request presents in its Authorization header. */
export interface Presented {
  readonly scheme: 'Bearer' | 'DPoP';
  readonly token: string;
}

const longestToken = 512;

/** @throws GatewayError `unauthenticated` without a credential, `invalid_token` for one that cannot be one of ours */
export function presentedToken(request: FastifyRequest): Presented {
  const header = request.headers.authorization;
  if (header === undefined) throw new GatewayError('unauthenticated');
  const [, scheme, token] = /^(Bearer|DPoP) ([A-Za-z0-9._~+/=-]+)$/.exec(header) ?? [];
  if (scheme === undefined || token === undefined || token.length > longestToken)
    throw new GatewayError('invalid_token');
  return { scheme: scheme as Presented['scheme'], token };
}

/** Whether it is a staff token; OAuth access tokens never have this form. */
export function isStaffToken({ token }: Presented): boolean {
  return token.startsWith('staff_');
}

export function staffCaller(found: { id: string; role: Caller['kind'] }): Caller {
  return { kind: found.role, id: found.id };
}
