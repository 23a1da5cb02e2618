// Doors into the demo without passwords, and the partner beside the switch. Loopback and demo data only.
import cookie from '@fastify/cookie';
import formbody from '@fastify/formbody';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Core } from '../compose.ts';
import { isLoopback } from '../config.ts';
import { GatewayError } from '../errors.ts';
import { asGatewayError, sendProblem } from '../http/problem.ts';
import type { OauthSurface } from '../oauth/surface.ts';
import { openStaffSession, signInPerson, type NewSession, type Session } from '../operations/accounts.ts';
import { viewActivity, viewSwitches } from '../operations/own.ts';
import type { Html } from '../portal/html.ts';
import { demoPage, type DemoDoor } from '../portal/pages/demo.ts';
import { demoPartnerPage, type PartnerAnswer } from '../portal/pages/demo-partner.ts';
import { problemPage } from '../portal/pages/problem.ts';
import { paths } from '../portal/paths.ts';
import { createSessions } from '../portal/session.ts';
import { createVisitors } from '../portal/visitor.ts';
import { personId, staffId, staffMembers } from './history.ts';
import { connectPath, createPartnerApp, requestLine } from './partner-app.ts';
import { callbackPath, demoPartner } from './partner.ts';
import { namedPeople } from './people.ts';
import { latestLines, partnerSwitch } from './side-by-side.ts';
import { isDemoWorld } from './world.ts';

const { lin, maya } = namedPeople;
const doors: readonly DemoDoor[] = [
  { id: 'lin', name: lin.name, about: 'lin', speaks: 'zh' },
  { id: 'maya', name: maya.name, about: 'maya', speaks: 'en' },
  { id: 'partner', name: demoPartner.shownName, about: 'partner' },
  { id: 'officer', name: withRole('officer', 'officer', '合规官'), about: 'officer' },
  { id: 'analyst', name: withRole('analyst', 'analyst', '分析员'), about: 'analyst' },
];
const linesShown = 5;
const answersLimit = 50;

function withRole(role: keyof typeof staffMembers, en: string, zh: string): { en: string; zh: string } {
  const { name } = staffMembers[role];
  const gap = /^[A-Za-z]/.test(name.zh) ? ' ' : '';
  return { en: `${name.en}, ${en}`, zh: `${zh}${gap}${name.zh}` };
}

/** What the partner last got, and for which session it was asked. */
interface Asked {
  readonly answer: PartnerAnswer;
  readonly atMs: number;
}

/** Nothing is registered unless this data folder holds the demo world. */
export function demoSurface(
  core: Core,
  oauth: Pick<OauthSurface, 'identify'>,
): (app: FastifyInstance) => Promise<void> {
  const { operations, config, system } = core;
  const sessions = createSessions(operations, core.keys['cookie.key']);
  const visitors = createVisitors(operations, sessions, true);
  const partner = createPartnerApp(config, system.clock);
  const answers = new Map<string, Asked>();

  async function openDoor(door: unknown): Promise<{ session: NewSession; path: string }> {
    const asPerson = async (reference: string) =>
      (await signInPerson(operations, await personId(operations, reference))).value;
    switch (door) {
      case 'lin':
        return { session: await asPerson(lin.reference), path: paths.home };
      case 'maya':
        return { session: await asPerson(maya.reference), path: paths.home };
      case 'partner':
        return { session: await asPerson(lin.reference), path: paths.demoPartner };
      case 'officer':
      case 'analyst': {
        const opened = await openStaffSession(operations, await staffId(operations, door), door);
        return { session: opened.value, path: door === 'officer' ? paths.officer : paths.demo };
      }
      default:
        throw new GatewayError('malformed_request', 'there is no such door');
    }
  }

  /** Lin Xiao's session, or undefined after the browser was sent to get one. */
  async function asLin(request: FastifyRequest, reply: FastifyReply): Promise<Session | undefined> {
    const person = await personId(operations, lin.reference);
    const session = await sessions.find(request);
    if (session?.kind === 'person' && session.subject === person) return session;
    // Only a step within this site opens her session; from elsewhere the doors are shown.
    const site = request.headers['sec-fetch-site'];
    if (request.method !== 'GET' || site === 'cross-site' || site === 'same-site') {
      void reply.redirect(paths.demo, 303);
      return undefined;
    }
    const { entered } = request.query as { entered?: string };
    if (entered !== undefined) throw new GatewayError('unauthenticated', 'this page needs cookies');
    sessions.begin(reply, (await signInPerson(operations, person)).value);
    void reply.redirect(`${paths.demoPartner}?entered=1`, 303);
    return undefined;
  }

  async function ask(session: Session): Promise<void> {
    const answer = await partner.ask();
    answers.delete(session.csrf);
    if (answer === undefined) return;
    if (answers.size >= answersLimit) answers.delete(answers.keys().next().value ?? '');
    answers.set(session.csrf, { answer, atMs: system.clock.nowMs() });
  }

  async function showPartner(
    request: FastifyRequest,
    reply: FastifyReply,
    session: Session,
  ): Promise<FastifyReply> {
    const { value: matrix } = await viewSwitches(operations, session.subject);
    const { value: activity } = await viewActivity(operations, session.subject, { othersOnly: true }, 0);
    const view = await operations.read((reader) =>
      partnerSwitch(reader, matrix, visitors.languageOf(request)),
    );
    const asked = answers.get(session.csrf);
    // An answer from before the switch was turned would say the opposite of what stands beside it.
    const isCurrent = asked !== undefined && asked.atMs >= (view.sinceMs ?? 0);
    const model = {
      partnerName: demoPartner.shownName,
      personName: lin.name,
      request: requestLine,
      isConnected: partner.isConnected(),
      answer: isCurrent ? asked.answer : null,
      view,
      latest: latestLines(activity.entries.slice(0, linesShown), await core.prover.reached()),
    };
    return send(reply, demoPartnerPage(model, await visitors.context(request, reply)));
  }

  return async (app) => {
    if (!(await isDemoWorld(core))) return;
    if (!app.hasReplyDecorator('setCookie')) await app.register(cookie);
    if (!app.hasContentTypeParser('application/x-www-form-urlencoded')) await app.register(formbody);
    app.addHook('onRequest', async (request, reply) => {
      refuseOutside(request);
      void reply.header('cache-control', 'no-store');
      const home = new URL(config.publicUrl).host;
      // Cookies are bound to a host name, and the authorization server answers under one only.
      if (
        request.method === 'GET' &&
        request.headers.host !== home &&
        isLoopback(new URL(config.publicUrl).hostname)
      )
        return reply.redirect(`${config.publicUrl}${request.url}`, 307);
    });
    app.setErrorHandler(async (error, request, reply) => {
      const known = asGatewayError(error);
      // From outside there is nothing here, not even a page that says what this is.
      if (known.code === 'not_found') return sendProblem(request, reply, known, config.publicUrl);
      if (known.status >= 500)
        request.log.error({ code: known.code, err: known.cause ?? known }, 'demo page failed');
      const context = await visitors.context(request, reply);
      const page = problemPage({ status: known.status, code: known.code, requestId: request.id }, context);
      return send(reply.status(known.status), page);
    });

    app.get(paths.demo, async (request, reply) =>
      send(reply, demoPage({ doors }, await visitors.context(request, reply))),
    );

    app.post(paths.demoEnter, async (request, reply) => {
      sessions.checkForm(request, await sessions.find(request));
      const { door } = request.body as { door?: unknown };
      const { session, path } = await openDoor(door);
      sessions.begin(reply, session);
      return reply.redirect(path, 303);
    });

    app.get(paths.demoPartner, async (request, reply) => {
      const session = await asLin(request, reply);
      return session === undefined ? reply : showPartner(request, reply, session);
    });

    app.post(paths.demoPartner, async (request, reply) => {
      sessions.checkForm(request, await sessions.find(request));
      const session = await asLin(request, reply);
      if (session === undefined) return reply;
      const { do: wish } = request.body as { do?: unknown };
      if (wish === 'connect') return reply.redirect(await partner.authorizationUrl(), 303);
      if (wish !== 'ask') throw new GatewayError('malformed_request', 'ask or connect');
      await ask(session);
      return reply.redirect(paths.demoPartner, 303);
    });

    app.get(connectPath, async (request, reply) => {
      const session = await asLin(request, reply);
      return session === undefined ? reply : reply.redirect(await partner.authorizationUrl(), 303);
    });

    app.get(callbackPath, async (request, reply) => {
      const person = await personId(operations, lin.reference);
      await partner.finish(request.url, (token) =>
        operations.read(async (reader) => {
          const known = await oauth.identify(reader, { scheme: 'Bearer', token }, undefined);
          return known.person === person;
        }),
      );
      const session = await sessions.find(request);
      if (session?.subject === person) await ask(session);
      return reply.redirect(paths.demoPartner, 303);
    });
  };
}

/** Doors without passwords: for a browser on this computer alone, not through a proxy, not under another name. */
function refuseOutside(request: FastifyRequest): void {
  const { host = '', 'x-forwarded-for': proxied, forwarded } = request.headers;
  const name = URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : '';
  const address = (request.raw.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
  if (!isLoopback(name) || !isLoopback(address) || proxied !== undefined || forwarded !== undefined)
    throw new GatewayError('not_found');
}

function send(reply: FastifyReply, page: Html): FastifyReply {
  return reply.type('text/html; charset=utf-8').send(page.toString());
}
