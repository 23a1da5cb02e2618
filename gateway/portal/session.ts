// Cookies and form tokens of the portal. The session itself is a row that can be ended at any moment.
import { createHmac, timingSafeEqual } from 'node:crypto';
import type {} from '@fastify/cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../errors.ts';
import {
  findSession,
  sessionTtlMs,
  type KnownSession,
  type NewSession,
  type Session,
} from '../operations/accounts.ts';
import type { OperationParts } from '../operations/parts.ts';

export interface Sessions {
  /** The live session behind a request's cookie. */
  find(request: FastifyRequest): Promise<KnownSession | undefined>;
  /** The secret of the cookie, for signing out. */
  tokenOf(request: FastifyRequest): string | undefined;
  begin(reply: FastifyReply, session: NewSession): void;
  end(reply: FastifyReply): void;
  /** What forms carry: the session's own token, or before sign-in one bound to a cookie. */
  formToken(request: FastifyRequest, reply: FastifyReply, session: Session | undefined): string;
  /** @throws GatewayError `csrf` unless the posted `_csrf` field is that token */
  checkForm(request: FastifyRequest, session: Session | undefined): void;
}

const cookieName = 'assent_session';
const visitorCookie = 'assent_visitor';

/** @param key secret the tokens of visitors who are not signed in are made with */
export function createSessions(parts: OperationParts, key: Uint8Array): Sessions {
  const isSecure = parts.config.publicUrl.startsWith('https:');
  const options = { path: '/', httpOnly: true, sameSite: 'lax', secure: isSecure } as const;
  const found = new WeakMap<FastifyRequest, Promise<KnownSession | undefined>>();

  const visitorToken = (visitor: string): string =>
    createHmac('sha256', key).update(`assent/v1/visitor-form\0${visitor}`).digest('base64url');

  return {
    find(request) {
      let session = found.get(request);
      if (session === undefined) {
        const token = request.cookies[cookieName];
        session = token === undefined ? Promise.resolve(undefined) : findSession(parts, token);
        found.set(request, session);
      }
      return session;
    },
    tokenOf: (request) => request.cookies[cookieName],
    begin: (reply, { token }) =>
      void reply.setCookie(cookieName, token, { ...options, maxAge: Math.floor(sessionTtlMs / 1000) }),
    end: (reply) => void reply.clearCookie(cookieName, options),
    formToken(request, reply, session) {
      if (session !== undefined) return session.csrf;
      let visitor = request.cookies[visitorCookie];
      if (visitor === undefined || !/^[A-Za-z0-9_-]{32}$/.test(visitor)) {
        visitor = Buffer.from(parts.system.random.bytes(24)).toString('base64url');
        void reply.setCookie(visitorCookie, visitor, options);
      }
      return visitorToken(visitor);
    },
    checkForm(request, session) {
      const { _csrf: given } = (request.body ?? {}) as { _csrf?: unknown };
      const visitor = request.cookies[visitorCookie];
      const expected = session?.csrf ?? (visitor === undefined ? undefined : visitorToken(visitor));
      if (typeof given !== 'string' || expected === undefined || !sameText(given, expected)) {
        throw new GatewayError('csrf');
      }
    },
  };
}

function sameText(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}
