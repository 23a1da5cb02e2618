// Who looks at a page, in which language: what every page needs beside its own model.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { refuseRole, type KnownSession } from '../operations/accounts.ts';
import type { OperationParts } from '../operations/parts.ts';
import { GatewayError } from '../errors.ts';
import { chooseLang, type Lang } from './messages/pick.ts';
import type { PageContext, Viewer } from './parts/page.ts';
import type { Sessions } from './session.ts';

export interface Visitors {
  context(request: FastifyRequest, reply: FastifyReply): Promise<PageContext>;
  languageOf(request: FastifyRequest): Lang;
  /** The person signed in. @throws GatewayError `unauthenticated` */
  person(request: FastifyRequest): Promise<KnownSession>;
  /** The officer signed in. @throws GatewayError `unauthenticated`; Refusal, with its entry, for other roles */
  officer(request: FastifyRequest): Promise<KnownSession>;
}

const languageCookie = 'assent_language';
const zonePattern = /^[A-Za-z_]+(\/[A-Za-z0-9_+-]+){0,2}$/;
const yearSeconds = 365 * 86_400;

export function createVisitors(
  parts: Pick<OperationParts, 'gate'>,
  sessions: Sessions,
  isDemo: boolean,
): Visitors {
  const languageOf = (request: FastifyRequest): Lang => {
    const { lang } = request.query as { lang?: string };
    return chooseLang(lang ?? request.cookies[languageCookie], request.headers['accept-language']);
  };

  return {
    languageOf,
    async context(request, reply) {
      const { lang: chosen } = request.query as { lang?: string };
      const lang = languageOf(request);
      if (chosen === lang) {
        void reply.setCookie(languageCookie, lang, {
          path: '/',
          httpOnly: true,
          sameSite: 'lax',
          maxAge: yearSeconds,
        });
      }
      const session = await sessions.find(request);
      return {
        lang,
        timeZone: zoneOf(request),
        csrfToken: sessions.formToken(request, reply, session),
        url: request.url,
        viewer: viewerOf(session),
        isDemo,
      };
    },
    async person(request) {
      const session = await sessions.find(request);
      if (session?.kind !== 'person') throw new GatewayError('unauthenticated');
      return session;
    },
    async officer(request) {
      const session = await sessions.find(request);
      if (session?.kind !== 'staff' || session.role === null) throw new GatewayError('unauthenticated');
      if (session.role === 'officer') return session;
      return refuseRole(parts, session.role, session.subject, 'list-entries');
    },
  };
}

function viewerOf(session: KnownSession | undefined): Viewer {
  if (session === undefined) return { role: 'nobody' };
  return { role: session.kind === 'person' ? 'person' : (session.role ?? 'officer'), name: session.name };
}

/** The zone the browser's script noted in a cookie; UTC without it. */
function zoneOf(request: FastifyRequest): string {
  const zone = request.cookies['assent_zone'];
  if (zone === undefined || zone.length > 40 || !zonePattern.test(zone)) return 'UTC';
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return zone;
  } catch {
    return 'UTC';
  }
}
