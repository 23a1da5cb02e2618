// The officer's console. Looking is an operation too: whom an opened entry concerns sees that it was opened.
import type { FastifyInstance } from 'fastify';
import { entryKinds, type EntryKind } from '../audit/entry.ts';
import {
  listEntries,
  openEntry,
  proveForOfficer,
  viewAnchors,
  viewCheckpoints,
  viewLog,
  type EntryFilter,
  type EntryLine,
} from '../operations/entries.ts';
import { partnerNames } from '../operations/partner-names.ts';
import { GatewayError } from '../errors.ts';
import { refuseRole, type KnownSession } from '../operations/accounts.ts';
import { anchorsModel, anchorState } from './anchor-model.ts';
import { entryModel } from './entry-model.ts';
import { entryPage } from './pages/entry.ts';
import { officerAnchorsPage } from './pages/officer-anchors.ts';
import { officerCheckpointsPage } from './pages/officer-checkpoints.ts';
import { officerEntriesPage, type EntryLine as EntryLineView } from './pages/officer-entries.ts';
import { officerOverviewPage } from './pages/officer-overview.ts';
import { paths } from './paths.ts';
import { numberOf, offsetOf } from './query.ts';
import type { Portal } from './surface.ts';
import { evidenceOf, outcomeOf, pagingOf } from './views.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export function officerRoutes(app: FastifyInstance, portal: Portal): void {
  const { core, visitors, send } = portal;
  const { operations, prover } = core;

  app.get(paths.officer, async (request, reply) => {
    const { subject } = await visitors.officer(request);
    const { value } = await viewLog(operations, subject);
    const model = {
      entryCount: value.size,
      week: value.week,
      peopleCount: value.people,
      partnerCount: value.partners,
      kinds: value.kinds.map(({ kind, times }) => ({ kind, count: times })),
      checkpoint:
        value.head === undefined
          ? null
          : {
              size: value.head.size,
              root: hex(value.head.root),
              atMs: value.head.signedMs,
              signer: core.config.origin,
            },
      anchor:
        value.anchor === undefined
          ? null
          : {
              size: value.anchor.size,
              atMs: value.anchor.changedMs,
              state: anchorState(value.anchor.state, await core.chain()),
              unanchoredCount: Math.max(0, value.size - value.anchor.size),
            },
    };
    return send(reply, officerOverviewPage(model, await visitors.context(request, reply)));
  });

  app.get<{ Querystring: Record<string, string> }>(paths.officerEntries, async (request, reply) => {
    const { subject } = await visitors.officer(request);
    const context = await visitors.context(request, reply);
    const { kind = '', outcome = '', from = '', to = '' } = request.query;
    const fromMs = instantOf(from, context.timeZone);
    const toMs = instantOf(to, context.timeZone);
    const chosen = {
      kind: isKind(kind) ? kind : ('' as const),
      outcome: isOutcome(outcome) ? outcome : ('' as const),
      from,
      to,
    };
    const filter: EntryFilter = {
      ...(chosen.kind === '' ? {} : { kind: chosen.kind }),
      ...(chosen.outcome === 'withheld' ? { kind: 'withheld' as const } : {}),
      ...(chosen.outcome === 'allowed' || chosen.outcome === 'refused' || chosen.outcome === 'failed'
        ? { outcome: chosen.outcome }
        : {}),
      ...(chosen.outcome === 'started' ? { kind: 'started' as const } : {}),
      ...(fromMs === undefined ? {} : { fromMs }),
      ...(toMs === undefined ? {} : { toMs }),
    };
    const { value } = await listEntries(operations, subject, filter, offsetOf(request));
    const reached = await prover.reached();
    const model = {
      lines: value.entries.map((entry): EntryLineView => ({
        index: entry.number,
        atMs: entry.atMs,
        kind: entry.kind,
        outcome: outcomeOf({ outcome: entry.outcome as 'allowed', kind: entry.kind }),
        about: aboutOf(entry),
        evidence: evidenceOf(entry.number, reached),
      })),
      paging: pagingOf(value, value.entries.length, paths.officerEntries, chosen),
      chosen,
    };
    return send(reply, officerEntriesPage(model, context));
  });

  app.get<{ Params: { number: string } }>('/officer/entries/:number', async (request, reply) => {
    const { subject } = await visitors.officer(request);
    const { value } = await openEntry(operations, subject, numberOf(request.params.number));
    const model = await entryModel(core, value, 'officer', await partnerNames(operations));
    return send(reply, entryPage(model, await visitors.context(request, reply)));
  });

  app.get(paths.officerCheckpoints, async (request, reply) => {
    const { subject } = await visitors.officer(request);
    const { value } = await viewCheckpoints(operations, subject, offsetOf(request));
    const model = {
      checkpoints: value.checkpoints.map(({ size, root, signedMs, witnesses }) => ({
        size,
        root: hex(root),
        atMs: signedMs,
        signer: core.config.origin,
        witnesses,
      })),
      states: core.witnesses.states(),
      quorum: core.witnesses.policy.quorum,
      witnessedSize: (await prover.reached()).witnessed,
      paging: pagingOf(value, value.checkpoints.length, paths.officerCheckpoints, {}),
    };
    return send(reply, officerCheckpointsPage(model, await visitors.context(request, reply)));
  });

  app.get(paths.officerAnchors, async (request, reply) => {
    const { subject } = await visitors.officer(request);
    const { value } = await viewAnchors(operations, subject, offsetOf(request));
    const chain = await core.chain();
    const reached = await prover.reached();
    const model = anchorsModel({
      rows: value.anchors,
      paging: pagingOf(value, value.anchors.length, paths.officerAnchors, {}),
      chain,
      status: portal.anchoring?.status(),
      anchoredSize: reached.anchored,
      spent: value.spent,
      nowMs: core.system.clock.nowMs(),
    });
    return send(reply, officerAnchorsPage(model, await visitors.context(request, reply)));
  });
}

/** The proof of any entry, for an officer; no other role of staff gets one. */
export async function proveForStaff(
  portal: Pick<Portal, 'core'>,
  session: KnownSession,
  number: number,
): Promise<{ value: string }> {
  const { operations, prover } = portal.core;
  if (session.role === null) throw new GatewayError('unauthenticated');
  if (session.role !== 'officer') return refuseRole(operations, session.role, session.subject, 'open-entry');
  return proveForOfficer(operations, prover, session.subject, number);
}

function aboutOf(entry: EntryLine): EntryLineView['about'] {
  if (entry.concern === 'person') return { concern: 'person', tag: entry.tag ?? '' };
  return entry.concern === 'population'
    ? { concern: 'population', key: entry.tag ?? '' }
    : { concern: 'system' };
}

function isKind(text: string): text is EntryKind {
  return Object.hasOwn(entryKinds, text);
}

function isOutcome(text: string): text is 'allowed' | 'refused' | 'withheld' | 'started' | 'failed' {
  return ['allowed', 'refused', 'withheld', 'started', 'failed'].includes(text);
}

/** A `datetime-local` value in the page's zone; undefined for anything else. */
export function instantOf(text: string, timeZone: string): number | undefined {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$/.test(text)) return undefined;
  const asUtc = Date.parse(`${text}:00Z`);
  if (Number.isNaN(asUtc)) return undefined;
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  }).formatToParts(asUtc);
  const get = (type: string): number => Number(parts.find((part) => part.type === type)?.value);
  const shown = Date.UTC(get('year'), get('month') - 1, get('day'), get('hour'), get('minute'));
  return asUtc - (shown - asUtc);
}
