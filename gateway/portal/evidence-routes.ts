// The officer's evidence pack in the portal: a form, and the archive as a download.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../errors.ts';
import { guardedLimit } from '../http/rate-limits.ts';
import { refuseRole } from '../operations/accounts.ts';
import type { EvidenceOrder } from '../operations/export-evidence.ts';
import { partnerNames } from '../operations/partner-names.ts';
import { makeEvidencePack } from './evidence-archive.ts';
import { instantOf } from './officer-routes.ts';
import { officerEvidencePage, type OfficerEvidenceModel } from './pages/officer-evidence.ts';
import { paths } from './paths.ts';
import type { Portal } from './surface.ts';

/** A pack is signed, packed and verified while others wait. */
const guarded = guardedLimit(10);

type Typed = OfficerEvidenceModel['typed'];

const problems = ['not_found', 'malformed_request', 'unknown_purpose', 'too_many_entries', 'conflict'];

export function evidenceRoutes(app: FastifyInstance, portal: Portal): void {
  const { core, sessions, visitors, send } = portal;
  const { operations } = core;

  app.get<{ Querystring: Record<string, string> }>(paths.officerEvidence, (request, reply) =>
    show(request, reply, null, typedIn(request.query)),
  );

  app.post(paths.officerEvidence, guarded, async (request, reply) => {
    const typed = typedIn(await portal.form(request));
    const officer = await officerOf(request);
    const { timeZone } = await visitors.context(request, reply);
    const order = orderOf(typed, timeZone);
    if (typeof order === 'string') return show(request, reply.status(400), order, typed);
    try {
      const { name, bytes } = await makeEvidencePack(core, officer, order);
      return await reply
        .type('application/zip')
        .header('cache-control', 'no-store')
        .header('content-disposition', `attachment; filename="${name}"`)
        .send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    } catch (error) {
      if (!(error instanceof GatewayError) || !problems.includes(error.code)) throw error;
      return show(request, reply.status(error.status), error.code, typed);
    }
  });

  async function show(
    request: FastifyRequest,
    reply: FastifyReply,
    problem: string | null,
    typed: Typed,
  ): Promise<FastifyReply> {
    await officerOf(request);
    const partners = [...(await partnerNames(operations))]
      .map(([id, name]) => ({ id, name }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const model = { partners, problem, typed };
    return send(reply, officerEvidencePage(model, await visitors.context(request, reply)));
  }

  /** The officer's id. @throws Refusal for staff of another role, on the record */
  async function officerOf(request: FastifyRequest): Promise<string> {
    const session = await sessions.find(request);
    if (session?.kind !== 'staff' || session.role === null) throw new GatewayError('unauthenticated');
    if (session.role === 'officer') return session.subject;
    return refuseRole(operations, session.role, session.subject, 'export-evidence');
  }
}

function typedIn(from: Readonly<Record<string, string>>): Typed {
  const text = (name: string): string => (from[name] ?? '').trim().slice(0, 255);
  return {
    person: text('person'),
    partner: text('partner'),
    purpose: text('purpose'),
    from: text('from'),
    to: text('to'),
    hold: text('hold'),
  };
}

/** The order, or the code of what is wrong with it. */
function orderOf(typed: Typed, timeZone: string): EvidenceOrder | string {
  const named = (['person', 'partner', 'purpose'] as const).filter((kind) => typed[kind] !== '');
  if (named.length > 1) return 'one_of_them';
  const fromMs = instantOf(typed.from, timeZone);
  const toMs = instantOf(typed.to, timeZone);
  const isUnread = (typed.from !== '' && fromMs === undefined) || (typed.to !== '' && toMs === undefined);
  if (isUnread) return 'malformed_request';
  const [kind] = named;
  return {
    kind: kind ?? 'period',
    value: kind === undefined ? '' : typed[kind],
    fromMs: fromMs ?? null,
    toMs: toMs ?? null,
    hold: typed.hold === '' ? null : typed.hold,
  };
}
