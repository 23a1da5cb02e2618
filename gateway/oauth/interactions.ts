// The steps of an authorization that a person sees: sign-in (the portal's) and consent, where the switches are turned.
import { timingSafeEqual } from 'node:crypto';
import formbody from '@fastify/formbody';
import { eq } from 'drizzle-orm';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { errors, type InteractionResults, type Provider } from 'oidc-provider';
import type { Config } from '../config.ts';
import { decideSwitch } from '../consent/decide.ts';
import {
  currentNotice,
  noticeLabel,
  paragraphsOf,
  type Notice,
  type NoticeLanguage,
} from '../consent/notices.ts';
import { loadPerson, turnSwitch } from '../consent/switches.ts';
import { parseScope, purposes, type Category, type Purpose } from '../consent/vocabulary.ts';
import { GatewayError } from '../errors.ts';
import type { Gate } from '../gate.ts';
import type { Store, Tx } from '../store/store.ts';
import { account, oauthGrant } from '../store/tables.ts';
import type { System } from '../system.ts';
import { lifetimesSeconds, resourceOf } from './provider.ts';
import { recordHash } from './record.ts';

/** One row of the consent page. */
export interface ConsentScopeView {
  readonly scope: string;
  readonly category: Category;
  readonly purpose: Purpose;
  /** Sharing for this purpose wants a consent of its own (PIPL Art. 23). */
  readonly needsSeparate: boolean;
  readonly isAlreadyOn: boolean;
  /** A general "off" refuses it whatever is ticked. */
  readonly isBlocked: boolean;
}

/**
 * What the consent page shows. Its form posts to `action`: `_csrf`, `notice` (the version shown), `scope` for each
 * ticked box, and `answer`, `allow` or `deny`.
 */
export interface ConsentView {
  readonly action: string;
  readonly personName: string;
  readonly partner: {
    readonly name: string;
    readonly company: string;
    readonly contact: string;
    readonly siteUrl: string;
    readonly clientId: string;
  };
  readonly scopes: readonly ConsentScopeView[];
  readonly notice: { readonly version: string; readonly paragraphs: readonly string[] };
  readonly durationDays: number;
}

export interface InteractionOptions {
  readonly provider: Provider;
  readonly config: Pick<Config, 'publicUrl'>;
  readonly store: Store;
  readonly gate: Gate;
  readonly system: Pick<System, 'clock'>;
  /** Who is signed in at the portal, with the token their forms carry. */
  readonly currentPerson: (
    request: FastifyRequest,
  ) => Promise<{ readonly person: string; readonly csrf: string } | undefined>;
  readonly languageOf: (request: FastifyRequest) => NoticeLanguage;
  readonly renderConsent: (request: FastifyRequest, reply: FastifyReply, view: ConsentView) => unknown;
}

type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>;

export async function interactionRoutes(app: FastifyInstance, options: InteractionOptions): Promise<void> {
  const { provider, config, store, gate, system } = options;
  const resource = resourceOf(config);
  if (!app.hasContentTypeParser('application/x-www-form-urlencoded')) await app.register(formbody);

  app.get('/oauth/interaction/:uid', async (request, reply) => {
    const interaction = await findInteraction(request, reply);
    const current = await options.currentPerson(request);
    if (current === undefined) return signIn(reply, interaction);
    if (interaction.prompt.name === 'login') {
      const subject = await store.read((reader) => loadPerson(reader, current.person, 'service'));
      if (subject === undefined || subject.status === 'erased') return deny(request, reply);
      return finish(request, reply, { login: { accountId: current.person, remember: false } });
    }
    // Another person signed in at the portal between the two steps.
    if (interaction.session?.accountId !== current.person) throw outOfDate();
    return showConsent(request, reply, interaction, current.person);
  });

  app.post('/oauth/interaction/:uid', async (request, reply) => {
    const interaction = await findInteraction(request, reply);
    const current = await options.currentPerson(request);
    if (current === undefined) return signIn(reply, interaction);
    const form = readForm(request.body);
    checkCsrf(current.csrf, form.csrf);
    if (interaction.prompt.name !== 'consent' || interaction.session?.accountId !== current.person)
      throw outOfDate();
    if (form.answer !== 'allow') return deny(request, reply);
    const notice = await store.read((reader) =>
      currentNotice(reader, 'partner-access', options.languageOf(request)),
    );
    // The notice was replaced while the page lay open: what was not read is not agreed to.
    if (form.notice !== noticeLabel(notice)) return showConsent(request, reply, interaction, current.person);
    const asked = askedScopes(interaction);
    const ticked = asked.filter((scope) => form.scopes.includes(scope));
    if (ticked.length === 0) return deny(request, reply);
    const grantId = await accept(interaction, current.person, asked, ticked, notice);
    return finish(request, reply, { consent: { grantId } });
  });

  app.post('/oauth/interaction/:uid/abort', async (request, reply) => {
    await findInteraction(request, reply);
    const current = await options.currentPerson(request);
    if (current !== undefined) checkCsrf(current.csrf, readForm(request.body).csrf);
    return deny(request, reply);
  });

  async function findInteraction(request: FastifyRequest, reply: FastifyReply): Promise<Interaction> {
    void reply.header('cache-control', 'no-store');
    const { uid } = request.params as { uid: string };
    try {
      const interaction = await provider.interactionDetails(request.raw, reply.raw);
      if (interaction.uid === uid) return interaction;
    } catch (error) {
      if (!(error instanceof errors.SessionNotFound)) throw error;
    }
    throw outOfDate();
  }

  function signIn(reply: FastifyReply, { uid }: Interaction): FastifyReply {
    return reply.redirect(`/sign-in?next=${encodeURIComponent(`/oauth/interaction/${uid}`)}`, 303);
  }

  async function showConsent(
    request: FastifyRequest,
    reply: FastifyReply,
    interaction: Interaction,
    person: string,
  ): Promise<unknown> {
    const partner = await clientOf(interaction);
    // The page shows what the person has set, so it is a look at their own data, with its entry.
    const look = {
      caller: { kind: 'person', id: person },
      operation: 'view-own',
      purpose: 'service',
      categories: ['profile'],
      recipients: ['self'],
      person,
      grant: null,
      about: { view: 'consent', partner: partner.clientId },
    } as const;
    const { value } = await gate.run(look, async (_permit, reader): Promise<{ value: ConsentView }> => {
      const subject = await loadPerson(reader, person);
      if (subject === undefined) throw outOfDate();
      const [named] = await reader.db
        .select({ userName: account.userName })
        .from(account)
        .where(eq(account.person, person));
      const notice = await currentNotice(reader, 'partner-access', options.languageOf(request));
      const nowMs = system.clock.nowMs();
      const view: ConsentView = {
        action: `/oauth/interaction/${interaction.uid}`,
        personName: named?.userName ?? '',
        partner: {
          name: partner.clientName ?? partner.clientId,
          company: typeof partner['company'] === 'string' ? partner['company'] : '',
          contact: partner.contacts?.[0] ?? '',
          siteUrl: partner.clientUri ?? originOf(partner.redirectUris?.[0]),
          clientId: partner.clientId,
        },
        scopes: askedScopes(interaction).map((scope): ConsentScopeView => {
          const { category, purpose } = partsOf(scope);
          const answer = decideSwitch(subject, category, purpose, `partner:${partner.clientId}`, nowMs);
          return {
            scope,
            category,
            purpose,
            needsSeparate: purposes[purpose].share,
            isAlreadyOn: answer.effect === 'on',
            isBlocked:
              answer.effect === 'off' && answer.reason === 'switch_off' && answer.by?.recipient === '*',
          };
        }),
        notice: { version: noticeLabel(notice), paragraphs: paragraphsOf(notice) },
        durationDays: lifetimesSeconds.grant / 86_400,
      };
      return { value: view };
    });
    return options.renderConsent(request, reply, value);
  }

  /**
   * Records what the person chose. The library's grant is saved first and ours in the gate's transaction: a token is
   * honoured only if both are there, so a crash between them leaves nothing that works.
   * @returns the library's grant id
   */
  async function accept(
    interaction: Interaction,
    person: string,
    asked: readonly string[],
    ticked: readonly string[],
    notice: Notice,
  ): Promise<string> {
    const partner = (await clientOf(interaction)).clientId;
    const nowMs = system.clock.nowMs();
    const expiresMs = nowMs + lifetimesSeconds.grant * 1000;
    const declined = asked.filter((scope) => !ticked.includes(scope));

    const grant = new provider.Grant({ accountId: person, clientId: partner });
    const standard = words(interaction.params['scope']).filter(
      (s) => s === 'openid' || s === 'offline_access',
    );
    if (standard.length > 0) grant.addOIDCScope(standard.join(' '));
    grant.addResourceScope(resource, ticked.join(' '));
    if (declined.length > 0) grant.rejectResourceScope(resource, declined.join(' '));
    const grantId = await grant.save();

    async function record(tx: Tx): Promise<void> {
      const recipient = `partner:${partner}` as const;
      const base = {
        person,
        recipient,
        method: 'oauth' as const,
        noticeHash: notice.hash,
        extent: {},
        collectedMs: nowMs,
      };
      const switches = (await loadPerson(tx, person))?.switches ?? [];
      for (const scope of asked) {
        const { category, purpose } = partsOf(scope);
        const isOn = switches.some(
          (s) =>
            s.category === category && s.purpose === purpose && s.recipient === recipient && s.state === 'on',
        );
        if (ticked.includes(scope)) {
          await turnSwitch(tx, { ...base, category, purpose, action: 'on', validUntilMs: expiresMs }, nowMs);
        } else if (isOn) {
          await turnSwitch(tx, { ...base, category, purpose, action: 'off', validUntilMs: null }, nowMs);
        }
      }
      await tx.db.insert(oauthGrant).values({
        id: recordHash(grantId),
        person,
        partner,
        scopes: ticked.join(' '),
        noticeHash: notice.hash,
        createdMs: nowMs,
        expiresMs,
      });
    }

    try {
      await gate.run(
        {
          caller: { kind: 'person', id: person },
          operation: 'authorise-partner',
          purpose: 'service',
          categories: [...new Set(ticked.map((scope) => partsOf(scope).category))],
          recipients: ['self'],
          person,
          grant: null,
          about: { partner, granted: ticked, declined, notice: notice.hash, expires: expiresMs },
        },
        async (_permit, tx) => {
          await record(tx);
          return { value: undefined, kind: 'consent', keyClass: 'evidence' };
        },
      );
    } catch (error) {
      await grant.destroy().catch(() => undefined);
      throw error;
    }
    return grantId;
  }

  function deny(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const result = { error: 'access_denied', error_description: 'the person did not allow this' };
    return finish(request, reply, result);
  }

  async function clientOf(interaction: Interaction) {
    const client = await provider.Client.find(String(interaction.params['client_id']));
    if (client === undefined) throw outOfDate();
    return client;
  }

  /** Hands the result to the library and the browser back to it. */
  async function finish(
    request: FastifyRequest,
    reply: FastifyReply,
    result: InteractionResults,
  ): Promise<FastifyReply> {
    const isError = 'error' in result;
    const next = await provider.interactionResult(request.raw, reply.raw, result, {
      mergeWithLastSubmission: !isError,
    });
    return reply.type('text/html; charset=utf-8').send(continuePage(next));
  }
}

/**
 * A page that goes on by itself. Not a redirect: browsers hold every redirect after a form against the form's
 * `form-action`, and the last one leads to the partner (CSP Level 3, section 6.4.1).
 */
function continuePage(url: string): string {
  const target = url.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="0;url=${target}"><title>Assent</title></head>
<body><p><a href="${target}">Continue · 继续</a></p></body></html>`;
}

interface ConsentForm {
  readonly csrf: string;
  readonly answer: string;
  readonly notice: string;
  readonly scopes: readonly string[];
}

function readForm(body: unknown): ConsentForm {
  const fields = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
  const text = (name: string): string => (typeof fields[name] === 'string' ? fields[name] : '');
  const { scope } = fields;
  const scopes = (Array.isArray(scope) ? scope : [scope]).filter((item) => typeof item === 'string');
  return { csrf: text('_csrf'), answer: text('answer'), notice: text('notice'), scopes };
}

function checkCsrf(expected: string, presented: string): void {
  const [a, b] = [Buffer.from(expected), Buffer.from(presented)];
  if (a.length === 0 || a.length !== b.length || !timingSafeEqual(a, b)) throw new GatewayError('csrf');
}

/** The data scopes this authorization asks for; the provider has refused unknown ones before. */
function askedScopes({ params }: Interaction): string[] {
  return [...new Set(words(params['scope']))].filter((scope) => parseScope(scope) !== undefined);
}

function partsOf(scope: string): { category: Category; purpose: Purpose } {
  const parts = parseScope(scope);
  if (parts === undefined) throw new GatewayError('unknown_scope');
  return parts;
}

function words(text: unknown): string[] {
  return typeof text === 'string' ? text.split(' ').filter((word) => word !== '') : [];
}

function originOf(uri: string | undefined): string {
  return uri !== undefined && URL.canParse(uri) ? new URL(uri).origin : '';
}

function outOfDate(): GatewayError {
  return new GatewayError('not_found', 'this request has run out; go back to the app and start again');
}
