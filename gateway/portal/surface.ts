// The portal: cookies, forms, files, pages. Registers its routes by name.
import cookie from '@fastify/cookie';
import formbody from '@fastify/formbody';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Anchoring } from '../audit/anchoring.ts';
import type { Core } from '../compose.ts';
import { GatewayError } from '../errors.ts';
import { asGatewayError, retryAfterSeconds } from '../http/problem.ts';
import { Refusal } from '../gate.ts';
import type { OauthSurface } from '../oauth/surface.ts';
import type { Recommender } from '../operations/recommend.ts';
import { portalAssets, type PortalAssets } from './assets.ts';
import { evidenceRoutes } from './evidence-routes.ts';
import { officerRoutes } from './officer-routes.ts';
import { chooseLang } from './messages/pick.ts';
import { consentPage } from './pages/consent.ts';
import type { PageContext } from './parts/page.ts';
import { problemPage } from './pages/problem.ts';
import { personRoutes } from './person-routes.ts';
import { publicRoutes } from './public-routes.ts';
import { refuseRepeated } from './query.ts';
import { rightsRoutes } from './rights-routes.ts';
import { createSessions, type Sessions } from './session.ts';
import { createVisitors, type Visitors } from './visitor.ts';
import type { Html } from './html.ts';

export interface PortalOptions {
  readonly recommender: Recommender;
  readonly oauth: OauthSurface;
  readonly isDemo: boolean;
  /** For the officer's page; absent where nothing anchors. */
  readonly anchoring?: Pick<Anchoring, 'status'>;
}

/** What the portal's routes share. */
export interface Portal extends PortalOptions {
  readonly core: Core;
  readonly sessions: Sessions;
  readonly visitors: Visitors;
  readonly assets: PortalAssets;
  /** Sends a page that no cache may keep. */
  send(reply: FastifyReply, page: Html): FastifyReply;
  /** The form of a post, after its token was checked. */
  form(request: FastifyRequest): Promise<Readonly<Record<string, string>>>;
}

export function createPortal(core: Core, options: PortalOptions): Portal {
  const sessions = createSessions(core.operations, core.keys['cookie.key']);
  return {
    ...options,
    core,
    sessions,
    visitors: createVisitors(core.operations, sessions, options.isDemo),
    assets: portalAssets(),
    send: (reply, page) =>
      reply.type('text/html; charset=utf-8').header('cache-control', 'no-store').send(page.toString()),
    async form(request) {
      sessions.checkForm(request, await sessions.find(request));
      const fields: Record<string, string> = {};
      for (const [name, value] of Object.entries((request.body ?? {}) as Record<string, unknown>)) {
        if (typeof value === 'string' && value.length <= 4096) fields[name] = value;
      }
      return fields;
    },
  };
}

export async function portalRoutes(app: FastifyInstance, portal: Portal): Promise<void> {
  await app.register(cookie);
  await app.register(formbody);
  usePages(app, portal);
  app.addHook('preValidation', refuseRepeated);
  publicRoutes(app, portal);
  personRoutes(app, portal);
  officerRoutes(app, portal);
  rightsRoutes(app, portal);
  evidenceRoutes(app, portal);
  await portal.oauth.interactions(app, {
    currentPerson: async (request) => {
      const session = await portal.sessions.find(request);
      return session?.kind === 'person' ? { person: session.subject, csrf: session.csrf } : undefined;
    },
    languageOf: (request) => portal.visitors.languageOf(request),
    renderConsent: async (request, reply, view) =>
      portal.send(reply, consentPage(view, await portal.visitors.context(request, reply))),
  });
}

/** Without looking at cookies or the store. */
function contextOfNobody(portal: Portal, request: FastifyRequest): PageContext {
  const { lang } = request.query as { lang?: string };
  return {
    lang: chooseLang(lang, request.headers['accept-language']),
    timeZone: 'UTC',
    csrfToken: '',
    url: request.url,
    viewer: { role: 'nobody' },
    isDemo: portal.isDemo,
  };
}

/** The page for an address that does not exist. Outside the portal's routes there are no cookies: nobody is signed in there. */
export function unknownPage(portal: Portal, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const page = problemPage(
    { status: 404, code: 'not_found', requestId: request.id },
    contextOfNobody(portal, request),
  );
  return portal.send(reply.status(404), page);
}

/** People get a page for an error, with its stable code; nobody signed in is led to the sign-in. */
export function usePages(app: FastifyInstance, portal: Portal): void {
  const show = async (
    request: FastifyRequest,
    reply: FastifyReply,
    error: GatewayError,
  ): Promise<FastifyReply> => {
    if (error.code === 'unauthenticated' && request.method === 'GET') {
      const signInAt = request.url.startsWith('/officer') ? '/staff/sign-in' : '/sign-in';
      return reply.redirect(`${signInAt}?next=${encodeURIComponent(request.url)}`, 303);
    }
    const line = { code: error.code, route: request.routeOptions.url };
    if (error.status >= 500) request.log.error({ ...line, err: error.cause ?? error }, 'page failed');
    if (error.status === 503) void reply.header('retry-after', retryAfterSeconds);
    if (error instanceof Refusal) void reply.header('assent-entry', String(error.receipt.number));
    const page = problemPage(
      { status: error.status, code: error.code, requestId: request.id },
      // Who asks may be what cannot be found out now.
      await portal.visitors.context(request, reply).catch(() => contextOfNobody(portal, request)),
    );
    return portal.send(reply.status(error.status), page);
  };
  app.setErrorHandler((error, request, reply) => show(request, reply, asGatewayError(error)));
}
