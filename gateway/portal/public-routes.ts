// Pages for everybody: landing, signing in and out, enrolling, checking a proof, notices.
import type { FastifyInstance } from 'fastify';
import { GatewayError } from '../errors.ts';
import { guardedLimit } from '../http/rate-limits.ts';
import { noticeByLabel, paragraphsOf } from '../consent/notices.ts';
import { enrol, signIn, signInStaff, signOut } from '../operations/accounts.ts';
import { localPath } from './local-path.ts';
import { enrolPage, type EnrolProblem } from './pages/enrol.ts';
import { landingPage } from './pages/landing.ts';
import { noticePage } from './pages/notice.ts';
import { partnerGuidePage } from './pages/partner-guide.ts';
import { signedOutPage, signInPage } from './pages/sign-in.ts';
import { paths } from './paths.ts';
import type { Portal } from './surface.ts';

/** Slower than the rest: guessing passwords and codes is worth nothing at this pace. */
const guarded = guardedLimit(20);

export function publicRoutes(app: FastifyInstance, portal: Portal): void {
  const { core, sessions, visitors, assets, send } = portal;
  const { operations } = core;

  app.get(paths.landing, async (request, reply) =>
    send(reply, landingPage(await visitors.context(request, reply))),
  );
  app.get(paths.partnerGuide, async (request, reply) =>
    send(
      reply,
      partnerGuidePage({ issuer: `${core.config.publicUrl}/oidc` }, await visitors.context(request, reply)),
    ),
  );
  app.get<{ Params: { name: string } }>('/assets/:name', async (request, reply) => {
    const file = Object.hasOwn(assets.files, request.params.name)
      ? assets.files[request.params.name]
      : undefined;
    if (file === undefined) throw new GatewayError('not_found');
    return reply.type(file.type).header('cache-control', 'public, max-age=300').send(file.text);
  });
  app.get(paths.verify, async (request, reply) => {
    const { page, policy } = assets.verify[visitors.languageOf(request)];
    return reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', policy)
      .header('cache-control', 'no-cache')
      .send(page.toString());
  });
  app.get<{ Params: { version: string } }>('/notices/:version', async (request, reply) => {
    const notice = await core.store.read((reader) => noticeByLabel(reader, request.params.version));
    if (notice === undefined) throw new GatewayError('not_found');
    const model = {
      label: request.params.version,
      hash: notice.hash,
      language: notice.language,
      paragraphs: paragraphsOf(notice),
    };
    return send(reply, noticePage(model, await visitors.context(request, reply)));
  });

  app.get<{ Querystring: { next?: string } }>(paths.signIn, async (request, reply) => {
    const next = localPath(request.query.next);
    const session = await sessions.find(request);
    if (session?.kind === 'person') return reply.redirect(next ?? paths.home, 303);
    const model = { for: 'person' as const, name: '', hasFailed: false, next };
    return send(reply, signInPage(model, await visitors.context(request, reply)));
  });
  app.post(paths.signIn, guarded, async (request, reply) => {
    const { name = '', password = '', next } = await portal.form(request);
    const where = localPath(next);
    try {
      const { value } = await signIn(operations, name, password);
      sessions.begin(reply, value);
    } catch (error) {
      if (!(error instanceof GatewayError && error.code === 'sign_in_failed')) throw error;
      const model = { for: 'person' as const, name, hasFailed: true, next: where };
      return send(reply.status(401), signInPage(model, await visitors.context(request, reply)));
    }
    return reply.redirect(where ?? paths.home, 303);
  });

  app.get<{ Querystring: { next?: string } }>(paths.staffSignIn, async (request, reply) => {
    const next = localPath(request.query.next);
    const session = await sessions.find(request);
    if (session?.role === 'officer') return reply.redirect(next ?? paths.officer, 303);
    const model = { for: 'staff' as const, name: '', hasFailed: false, next };
    return send(reply, signInPage(model, await visitors.context(request, reply)));
  });
  app.post(paths.staffSignIn, guarded, async (request, reply) => {
    const { name = '', password = '', next } = await portal.form(request);
    const where = localPath(next);
    try {
      const { value } = await signInStaff(operations, name, password);
      sessions.begin(reply, value);
    } catch (error) {
      if (!(error instanceof GatewayError && error.code === 'sign_in_failed')) throw error;
      const model = { for: 'staff' as const, name, hasFailed: true, next: where };
      return send(reply.status(401), signInPage(model, await visitors.context(request, reply)));
    }
    return reply.redirect(where ?? paths.officer, 303);
  });

  app.post(paths.signOut, async (request, reply) => {
    await portal.form(request);
    const token = sessions.tokenOf(request);
    if (token !== undefined) await signOut(operations, token);
    sessions.end(reply);
    const context = await visitors.context(request, reply);
    return send(reply, signedOutPage({ ...context, viewer: { role: 'nobody' } }));
  });

  app.get<{ Querystring: { code?: string } }>(paths.enrol, async (request, reply) => {
    const model = { code: request.query.code ?? '', name: '', problem: null };
    return send(reply, enrolPage(model, await visitors.context(request, reply)));
  });
  app.post(paths.enrol, guarded, async (request, reply) => {
    const { code = '', name = '', password = '' } = await portal.form(request);
    try {
      const { value } = await enrol(operations, { code: code.trim(), userName: name.trim(), password });
      sessions.begin(reply, value);
    } catch (error) {
      const problem = enrolProblem(error, password);
      if (problem === undefined) throw error;
      const context = await visitors.context(request, reply);
      return send(reply.status(400), enrolPage({ code, name, problem }, context));
    }
    return reply.redirect(paths.home, 303);
  });
}

function enrolProblem(error: unknown, password: string): EnrolProblem | undefined {
  if (!(error instanceof GatewayError)) return undefined;
  if (error.code === 'invitation_invalid') return 'invitation_invalid';
  if (error.code === 'conflict') return 'name_taken';
  if (error.code !== 'malformed_request') return undefined;
  return password.length < 12 ? 'password_short' : 'name_length';
}
