// A person's own pages. Every one is an operation on their own data and leaves an entry.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isCategory, isPurpose, parseScope } from '../consent/vocabulary.ts';
import { GatewayError } from '../errors.ts';
import { Refusal } from '../gate.ts';
import { proveAllForPerson, proveForPerson } from '../operations/entries.ts';
import { listCommonItems } from '../operations/common-items.ts';
import {
  noteGpc,
  setBudget,
  viewActivity,
  viewBudget,
  viewData,
  viewEntry,
  viewHome,
  viewPartners,
  viewSwitches,
  type OwnFilter,
} from '../operations/own.ts';
import { revokePartner } from '../operations/revoke-partner.ts';
import { allowOnly, setSwitches } from '../operations/set-switch.ts';
import { pick, type Text } from './messages/pick.ts';
import { partnerNames } from '../operations/partner-names.ts';
import { entryModel } from './entry-model.ts';
import { activityPage, withoutVisits } from './pages/activity.ts';
import { budgetPage } from './pages/budget.ts';
import { dataPage } from './pages/data.ts';
import { entryPage } from './pages/entry.ts';
import { homePage } from './pages/home.ts';
import { partnersPage } from './pages/partners.ts';
import { recommendationsPage, type RecommendationsModel } from './pages/recommendations.ts';
import { switchesPage } from './pages/switches.ts';
import { paths } from './paths.ts';
import { localPath } from './local-path.ts';
import { proveForStaff } from './officer-routes.ts';
import { agreedNotice, noticeLabels, type NoticeLabels } from './offered-notices.ts';
import { numberOf, offsetOf } from './query.ts';
import type { Portal } from './surface.ts';
import {
  activityLine,
  epsilonText,
  microOf,
  pagingOf,
  recipientMatrices,
  recipientName,
  switchView,
  type PartnerNames,
} from './views.ts';

export function personRoutes(app: FastifyInstance, portal: Portal): void {
  const { core, visitors, send } = portal;
  const { operations, prover } = core;
  const names = (): Promise<PartnerNames> => partnerNames(operations);

  app.addHook('preHandler', async (request) => {
    if (request.headers['sec-gpc'] !== '1' || !request.url.startsWith(paths.home)) return;
    const session = await portal.sessions.find(request);
    if (session?.kind === 'person') await noteGpc(operations, session.subject);
  });

  app.get(paths.home, async (request, reply) => {
    const { subject, name } = await visitors.person(request);
    const { value } = await viewHome(operations, subject);
    const reached = await prover.reached();
    const partners = await names();
    const total = (key: 'allowed' | 'refused'): number =>
      value.week.reduce((sum, line) => sum + line[key], 0);
    const model = {
      name,
      usedCount: total('allowed'),
      refusedCount: total('refused'),
      askers: value.week.map((line) => ({
        name: recipientName(line.recipient, partners),
        usedCount: line.allowed,
        refusedCount: line.refused,
      })),
      switches: {
        on: value.switchesOn,
        off: value.switchesOff,
        unset: value.switchesUnset,
      },
      rowsHeld: value.holdings.reduce((sum, { rows }) => sum + rows, 0),
      categoriesHeld: value.holdings.filter(({ rows }) => rows > 0).length,
      latest: value.latest.map((entry) => activityLine(entry, reached, partners)),
    };
    return send(reply, homePage(model, await visitors.context(request, reply)));
  });

  app.get<{ Querystring: Record<string, string> }>(paths.activity, async (request, reply) => {
    const { subject } = await visitors.person(request);
    // A first look leaves out that one looked: what others did and what was decided comes first.
    const { outcome = '', recipient = withoutVisits } = request.query;
    const filter: OwnFilter = {
      ...(isFilterOutcome(outcome) ? { shown: outcome } : {}),
      ...(recipient === withoutVisits ? { withoutVisits: true } : {}),
      ...(recipient === '' || recipient === withoutVisits ? {} : { recipient: recipient.slice(0, 80) }),
    };
    const { value } = await viewActivity(operations, subject, filter, offsetOf(request));
    const reached = await prover.reached();
    const partners = await names();
    const model = {
      lines: value.entries.map((entry) => activityLine(entry, reached, partners)),
      paging: pagingOf(value, value.entries.length, paths.activity, { outcome, recipient }),
      recipients: value.recipients.map((id) => ({ id, name: recipientName(id, partners) })),
      chosen: { outcome: isFilterOutcome(outcome) ? outcome : ('' as const), recipient },
    };
    return send(reply, activityPage(model, await visitors.context(request, reply)));
  });

  app.get<{ Params: { number: string } }>('/me/entries/:number', async (request, reply) => {
    const { subject } = await visitors.person(request);
    const { value } = await viewEntry(operations, subject, numberOf(request.params.number));
    const model = await entryModel(core, value, 'person', await names());
    return send(reply, entryPage(model, await visitors.context(request, reply)));
  });

  app.get<{ Querystring: { category?: string } }>(paths.data, async (request, reply) => {
    const { subject } = await visitors.person(request);
    const { category } = request.query;
    const { value } = await viewData(
      operations,
      subject,
      isCategory(category) ? category : null,
      offsetOf(request),
    );
    const held = value.holdings.find((holding) => holding.category === value.category)?.rows ?? 0;
    const sourceNames = new Map(value.sources.map(({ id, name }) => [id, name]));
    const rows = [
      ...value.attributes.map((row) => ({
        atMs: null,
        what: row.name,
        value: row.value,
        source: row.source,
      })),
      ...value.events.map((row) => ({
        atMs: row.atMs,
        what: row.title ?? row.item ?? row.kind,
        kind: row.kind,
        value: row.value === null ? '' : String(row.value),
        source: row.source,
      })),
    ].map((row) => ({ ...row, source: sourceNames.get(row.source) ?? row.source }));
    const model = {
      categories: value.holdings
        .filter((holding) => holding.rows > 0)
        .map((holding) => ({ category: holding.category, rowCount: holding.rows })),
      chosen: value.category,
      sources: value.sources
        .toSorted((a, b) => b.importedMs - a.importedMs)
        .map(({ name, legalBasis, importedMs, rows: rowCount }) => ({
          name,
          basis: legalBasis,
          importedMs,
          rowCount,
        })),
      rows,
      paging: pagingOf(
        { offset: value.offset, pageSize: value.pageSize, total: held },
        rows.length,
        paths.data,
        {
          category: value.category ?? '',
        },
      ),
    };
    return send(reply, dataPage(model, await visitors.context(request, reply)));
  });

  app.get<{ Querystring: { saved?: string } }>(paths.switches, async (request, reply) => {
    const { subject } = await visitors.person(request);
    const partners = await names();
    const { value } = await viewSwitches(operations, subject);
    const given = value.switches.flatMap(({ set }) => set?.noticeHash ?? []);
    const labels = await core.store.read((reader) =>
      noticeLabels(reader, given, visitors.languageOf(request)),
    );
    const saved = await savedSwitch(request, subject, value, labels, partners);
    const model = { recipients: recipientMatrices(value, labels, partners, paths.switches), saved };
    return send(reply, switchesPage(model, await visitors.context(request, reply)));
  });
  app.post(paths.switches, async (request, reply) => turn(request, reply, 'set'));
  app.post(paths.switchesOnly, async (request, reply) => turn(request, reply, 'only'));

  async function turn(
    request: FastifyRequest,
    reply: FastifyReply,
    how: 'set' | 'only',
  ): Promise<FastifyReply> {
    const form = await portal.form(request);
    const { subject } = await visitors.person(request);
    const { category = '', purpose = '', recipient = '', to = '' } = form;
    if (to !== 'on' && to !== 'off') throw new GatewayError('malformed_request');
    if (!isPurpose(purpose)) throw new GatewayError('unknown_purpose');
    const isOn = how === 'only' || to === 'on';
    const noticeHash = isOn
      ? await core.store.read((reader) => agreedNotice(reader, purpose, recipient, form['notice']))
      : null;
    const released =
      how === 'only'
        ? await allowOnly(operations, subject, { category, purpose, recipient, noticeHash })
        : await setSwitches(operations, subject, [{ category, purpose, recipient, action: to, noticeHash }]);
    const back = localPath(form['back']) ?? paths.switches;
    const parameters = new URLSearchParams({
      saved: `${category}/${purpose}/${recipient}`,
      entry: String(released.receipt.number),
      decision: released.decisionId,
    });
    return reply.redirect(back === paths.switches ? `${back}?${parameters.toString()}` : back, 303);
  }

  /** The switch that was just saved, said once above the matrix. The address names it; what is shown is its live state. */
  async function savedSwitch(
    request: FastifyRequest,
    person: string,
    matrix: Awaited<ReturnType<typeof viewSwitches>>['value'],
    labels: NoticeLabels,
    partners: PartnerNames,
  ) {
    const { saved, entry, decision } = request.query as Record<string, string | undefined>;
    const one = matrix.switches.find(
      ({ category, purpose, recipient }) => `${category}/${purpose}/${recipient}` === saved,
    );
    if (one === undefined || entry === undefined || !/^\d{1,12}$/.test(entry)) return null;
    if (decision === undefined || !/^[0-9a-f]{32}$/.test(decision) || person === '') return null;
    return {
      view: switchView(one, labels, paths.switches),
      recipientName: recipientName(one.recipient, partners),
      index: Number(entry),
      decisionId: decision,
    };
  }

  app.get(paths.partners, async (request, reply) => {
    const { subject } = await visitors.person(request);
    const { value } = await viewPartners(operations, subject);
    const nowMs = core.system.clock.nowMs();
    const grants = value.map((grant) => ({
      id: grant.grant,
      partnerName: grant.name,
      scopes: grant.scopes.flatMap((scope) => parseScope(scope) ?? []),
      sinceMs: grant.sinceMs,
      untilMs: grant.untilMs,
      lastAccessMs: grant.lastUseMs,
      ended:
        grant.revokedMs !== null
          ? { how: 'revoked' as const, atMs: grant.revokedMs }
          : grant.untilMs <= nowMs
            ? { how: 'expired' as const, atMs: grant.untilMs }
            : null,
    }));
    return send(reply, partnersPage({ grants }, await visitors.context(request, reply)));
  });
  app.post(paths.partnersRevoke, async (request, reply) => {
    const { grant = '' } = await portal.form(request);
    const { subject } = await visitors.person(request);
    await revokePartner(operations, subject, grant);
    return reply.redirect(paths.partners, 303);
  });

  app.get(paths.recommendations, async (request, reply) => {
    const { subject } = await visitors.person(request);
    const model = await recommendationsModel(subject);
    return send(reply, recommendationsPage(model, await visitors.context(request, reply)));
  });

  async function recommendationsModel(person: string): Promise<RecommendationsModel> {
    try {
      const identify = async () => ({ caller: { kind: 'person' as const, id: person }, person, grant: null });
      const { value } = await portal.recommender.recommend(identify);
      return {
        mode: 'personalised',
        items: value.recommendations.map(({ title, because }) => ({
          title,
          because: because.map((reason) => reason.title),
        })),
        basedOnCount: value.basedOnRows,
      };
    } catch (error) {
      const isOff = error instanceof Refusal && error.code === 'consent_required';
      const isUntrained = error instanceof GatewayError && error.code === 'not_trained';
      if (!isOff && !isUntrained) throw error;
      const items = (await listCommonItems(operations)).map((title) => ({ title, because: [] }));
      return { mode: isOff ? 'off' : 'not_trained', items, basedOnCount: 0 };
    }
  }

  app.get(paths.budget, async (request, reply) => showBudget(request, reply, null));
  app.post(paths.budget, async (request, reply) => {
    const { epsilon = '' } = await portal.form(request);
    const { subject } = await visitors.person(request);
    const micro = microOf(epsilon);
    if (micro === undefined || micro > core.config.limits.scopeBudgetMicro) {
      return showBudget(request, reply.status(400), 'epsilon_out_of_range');
    }
    await setBudget(operations, subject, micro);
    return reply.redirect(paths.budget, 303);
  });

  async function showBudget(
    request: FastifyRequest,
    reply: FastifyReply,
    problem: string | null,
  ): Promise<FastifyReply> {
    const { subject } = await visitors.person(request);
    const { value } = await viewBudget(operations, subject);
    const model = {
      spentEpsilon: epsilonText(value.spentMicro),
      limitEpsilon: epsilonText(value.limitMicro),
      spentFraction: value.limitMicro === 0 ? 1 : value.spentMicro / value.limitMicro,
      maxEpsilon: epsilonText(value.mostMicro),
      problem,
      charges: value.charges.map((charge) => ({
        question: questionName(charge.question),
        by: recipientName('engine:privacy', new Map()),
        atMs: charge.atMs,
        costEpsilon: epsilonText(charge.costMicro),
        index: charge.entry,
      })),
    };
    return send(reply, budgetPage(model, await visitors.context(request, reply)));
  }

  app.get<{ Querystring: { since?: string } }>(paths.proofOfAll, async (request, reply) => {
    const { subject } = await visitors.person(request);
    const { since = '' } = request.query;
    if (!/^(|[1-9]\d{0,14})$/.test(since))
      throw new GatewayError('malformed_request', 'since is the size an earlier file was made at');
    const { value } = await proveAllForPerson(
      operations,
      prover,
      subject,
      since === '' ? null : Number(since),
    );
    return reply
      .type('application/json')
      .header('cache-control', 'no-store')
      .header('content-disposition', 'attachment; filename="assent-everything-about-me.json"')
      .send(value);
  });

  app.get<{ Params: { file: string } }>('/proofs/:file', async (request, reply) => {
    const match = /^(\d{1,12})\.json$/.exec(request.params.file);
    if (match === null) throw new GatewayError('not_found');
    const number = Number(match[1]);
    const session = await portal.sessions.find(request);
    if (session === undefined) throw new GatewayError('unauthenticated');
    const { value } =
      session.kind === 'person'
        ? await proveForPerson(operations, prover, session.subject, number)
        : await proveForStaff(portal, session, number);
    return reply
      .type('application/json')
      .header('cache-control', 'no-store')
      .header('content-disposition', `attachment; filename="assent-proof-${number}.json"`)
      .send(value);
  });
}

/** A question's scope is a category and a purpose. */
function questionName(scope: string): Text {
  const [category, purpose] = scope.split('/', 2);
  if (!isCategory(category) || !isPurpose(purpose)) return scope;
  const label = (lang: 'en' | 'zh'): string => {
    const m = pick(lang);
    return m.budget.about(m.categories[category], m.purposes[purpose]);
  };
  return { en: label('en'), zh: label('zh') };
}

type FilterOutcome = 'allowed' | 'refused' | 'withheld';

function isFilterOutcome(text: string): text is FilterOutcome {
  return text === 'allowed' || text === 'refused' || text === 'withheld';
}
