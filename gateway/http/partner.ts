// What partner apps and analysts ask for: /v1.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import {
  dataScopes,
  isCategory,
  isPurpose,
  scopeOf,
  type Category,
  type Purpose,
} from '../consent/vocabulary.ts';
import { GatewayError } from '../errors.ts';
import { Refusal } from '../gate.ts';
import { staffOfToken } from '../operations/accounts.ts';
import { askPrivately, questions, type QuestionName } from '../operations/dp-query.ts';
import { queryScope } from '../oauth/partners.ts';
import type { OperationParts } from '../operations/parts.ts';
import { readData, type Identified } from '../operations/read-data.ts';
import type { Recommender } from '../operations/recommend.ts';
import { pageRows } from '../operations/rows.ts';
import type { Tx } from '../store/store.ts';
import { isStaffToken, presentedToken, staffCaller, type Presented } from './caller.ts';
import { asGatewayError, sendProblem } from './problem.ts';
import { receiptHeaders, refusalHeaders } from './receipt.ts';

export interface PartnerRoutes {
  readonly parts: OperationParts;
  readonly recommender: Recommender;
  /** Checks whatever a DPoP token needs of this request, before the transaction; returns its key's thumbprint. */
  readonly proveDpop: (request: FastifyRequest, presented: Presented) => Promise<string | undefined>;
  /** Reads token, grant and partner in the gate's transaction. @throws GatewayError `invalid_token` */
  readonly identify: (
    tx: Tx,
    presented: Presented,
    jkt: string | undefined,
  ) => Promise<Identified & { scopes: readonly string[] }>;
}

const dpBody = Type.Object(
  {
    question: Type.String({ maxLength: 64 }),
    // Text: a number would have been rounded before anybody saw it.
    epsilon: Type.String({ maxLength: 32 }),
    idempotency_key: Type.String({ minLength: 8, maxLength: 128 }),
  },
  { additionalProperties: false },
);

export function partnerRoutes(app: FastifyInstance, routes: PartnerRoutes): void {
  const { parts, recommender } = routes;
  const baseUrl = parts.config.publicUrl;

  app.setErrorHandler((error, request, reply) => {
    const known = asGatewayError(error);
    refusalHeaders(reply, known);
    return sendProblem(
      request,
      reply,
      known,
      baseUrl,
      known instanceof Refusal ? askAgain(known, baseUrl) : {},
    );
  });

  app.get<{ Params: { category: string }; Querystring: Record<string, string> }>(
    '/data/:category',
    async (request, reply) => {
      const { category } = request.params;
      const { purpose, offset, limit, ...unknown } = request.query;
      refuseUnknown(unknown);
      if (!isCategory(category))
        throw new GatewayError('unknown_category', undefined, { details: { category } });
      if (!isPurpose(purpose))
        throw new GatewayError('unknown_purpose', 'name a purpose: ?purpose=recommendation');
      if (!dataScopes.includes(scopeOf(category, purpose))) throw new GatewayError('unknown_scope');
      const presented = presentedToken(request);
      if (isStaffToken(presented)) await refuseStaff(presented, 'read-data', purpose, category);
      const jkt = await routes.proveDpop(request, presented);
      const released = await readData(parts.gate, (tx) => routes.identify(tx, presented, jkt), {
        category,
        purpose,
        offset: wholeNumber(offset, 0, 1_000_000, 'offset'),
        limit: wholeNumber(limit, pageRows, pageRows, 'limit'),
      });
      receiptHeaders(reply, released);
      return {
        category,
        purpose,
        attributes: released.value.attributes.map(({ name, value }) => ({ name, value })),
        events: released.value.events.map(({ item, title, kind, value, atMs }) => ({
          item,
          title,
          kind,
          value,
          at: new Date(atMs).toISOString(),
        })),
      };
    },
  );

  app.get('/recommendations', async (request, reply) => {
    refuseUnknown(request.query as Record<string, unknown>);
    const presented = presentedToken(request);
    if (isStaffToken(presented)) await refuseStaff(presented, 'recommend', 'recommendation', 'browsing');
    const jkt = await routes.proveDpop(request, presented);
    const released = await recommender.recommend((tx) => routes.identify(tx, presented, jkt));
    receiptHeaders(reply, released);
    return {
      model_run: released.value.run,
      recommendations: released.value.recommendations.map(({ item, title, score, because }) => ({
        item,
        title,
        score,
        because: because.map((reason) => ({ item: reason.item, title: reason.title, share: reason.share })),
      })),
    };
  });

  /** Staff never read one person's rows: known callers, so the refusal is an entry. */
  async function refuseStaff(
    presented: Presented,
    operation: 'read-data' | 'recommend',
    purpose: Purpose,
    category: Category,
  ): Promise<never> {
    const caller = staffCaller(await staffOfToken(parts, presented.token));
    return parts.gate.refuse(
      { caller, operation, purpose, categories: [category], recipients: ['operator'] },
      'role_not_allowed',
    );
  }

  app.get('/dp/questions', async () => ({
    questions: Object.entries(questions).map(([question, { category, groups, groupsPerPerson }]) => ({
      question,
      category,
      groups,
      groups_per_person: groupsPerPerson,
      unit: 'people',
    })),
    epsilon_limit: parts.config.limits.epsilonPerQuery,
  }));

  app.post<{ Body: { question: string; epsilon: string; idempotency_key: string } }>(
    '/dp/query',
    { schema: { body: dpBody } },
    async (request, reply) => {
      const presented = presentedToken(request);
      const { question, epsilon, idempotency_key: idempotencyKey } = request.body;
      const caller = await analystOrPartner(request, presented, question);
      const released = await askPrivately(parts, caller, {
        question,
        epsilon,
        idempotencyKey,
      });
      receiptHeaders(reply, released);
      return released.value;
    },
  );

  async function analystOrPartner(
    request: FastifyRequest,
    presented: Presented,
    asked: string,
  ): Promise<Identified['caller']> {
    if (isStaffToken(presented)) return staffCaller(await staffOfToken(parts, presented.token));
    const jkt = await routes.proveDpop(request, presented);
    const found = await parts.read((reader) => routes.identify(reader as Tx, presented, jkt));
    if (!found.scopes.includes(queryScope))
      await parts.gate.refuse(queryRefused(found.caller, asked), 'scope_not_granted');
    return found.caller;
  }
}

/** What a caller without the scope asked; a question that is not offered is not repeated in the log. */
function queryRefused(caller: Identified['caller'], asked: string) {
  const question = Object.hasOwn(questions, asked) ? questions[asked as QuestionName] : undefined;
  return {
    caller,
    operation: 'dp-query',
    purpose: 'analytics',
    categories: [question?.category ?? 'profile'],
    recipients: ['engine:privacy'],
    ...(question === undefined ? {} : { about: { question: asked } }),
  } as const;
}

/** What only the partner can add to that address. */
const askAgainNeeds = ['redirect_uri', 'state', 'code_challenge', 'code_challenge_method=S256'];

/** Where a partner can ask the person again, when asking can help. */
function askAgain(refusal: Refusal, baseUrl: string): Record<string, unknown> {
  if (refusal.code !== 'consent_required' || refusal.request.caller.kind !== 'partner') return {};
  const url = new URL(`${baseUrl}/oidc/auth`);
  url.searchParams.set('client_id', refusal.request.caller.id);
  url.searchParams.set(
    'scope',
    [
      'openid',
      ...refusal.request.categories.map((category) => scopeOf(category, refusal.request.purpose)),
    ].join(' '),
  );
  url.searchParams.set('response_type', 'code');
  url.searchParams.set('prompt', 'consent');
  return { ask_again: url.toString(), ask_again_needs: askAgainNeeds };
}

function refuseUnknown(unknown: Record<string, unknown>): void {
  const [name] = Object.keys(unknown);
  if (name !== undefined)
    throw new GatewayError('unknown_field', `there is no parameter ${JSON.stringify(name.slice(0, 40))}`);
}

function wholeNumber(text: string | undefined, fallback: number, most: number, name: string): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!/^\d{1,9}$/.test(text) || value > most)
    throw new GatewayError('malformed_request', `${name} is a whole number up to ${most}`);
  return value;
}
