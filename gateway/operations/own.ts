// What a person sees of themself. Each look is an operation of theirs and leaves an entry.
import {
  and,
  asc,
  count,
  desc,
  eq,
  gte,
  inArray,
  isNull,
  ne,
  notInArray,
  or,
  sql,
  type SQL,
} from 'drizzle-orm';
import { findEntry, kindName, openPayload } from '../audit/payload.ts';
import { decodeEntry, entryKinds, type Entry, type EntryKind, type PlainObject } from '../audit/entry.ts';
import { decideSwitch, type SwitchAnswer, type SwitchState } from '../consent/decide.ts';
import { loadPerson } from '../consent/switches.ts';
import {
  categoryNames,
  engineRecipients,
  purposeNames,
  type Category,
  type Purpose,
  type SwitchRecipient,
} from '../consent/vocabulary.ts';
import { GatewayError } from '../errors.ts';
import type { Released } from '../gate.ts';
import type { Reader, Tx } from '../store/store.ts';
import {
  budgetPerson,
  dpQuery,
  entry,
  oauthGrant,
  partner,
  person as personTable,
  run,
  runMember,
} from '../store/tables.ts';
import { ownRequest } from './accounts.ts';
import type { OperationParts } from './parts.ts';
import {
  countHoldings,
  pageRows,
  readAttributes,
  readEvents,
  sourcesOf,
  type AttributeRow,
  type EventRow,
  type Holding,
} from './rows.ts';

export interface OpenedEntry {
  readonly number: number;
  readonly atMs: number;
  readonly leafBytes: Uint8Array;
  readonly leafHash: Uint8Array;
  readonly leaf: Entry;
  readonly outcome: string;
  readonly operationId: string;
  /** Null once its key is destroyed, or when this reader may not see it. */
  readonly payload: PlainObject | null;
  /** The payload is there, but not for this reader. */
  readonly isClosed: boolean;
}

/** An entry as a reader gets it. */
export function openedEntry(
  row: typeof entry.$inferSelect,
  payload: PlainObject | null,
  isClosed: boolean,
): OpenedEntry {
  const { number, atMs, leaf, leafHash, outcome, operationId } = row;
  return {
    number,
    atMs,
    leafBytes: leaf,
    leafHash,
    leaf: decodeEntry(leaf),
    outcome,
    operationId,
    payload,
    isClosed,
  };
}

/** One line of a person's timeline. */
export interface OwnEntry {
  readonly number: number;
  readonly atMs: number;
  readonly kind: EntryKind;
  readonly outcome: 'allowed' | 'refused' | 'failed' | 'noted';
  readonly callerKind: string;
  readonly callerId: string;
  readonly operation: string;
  readonly purpose: string;
  readonly categories: readonly string[];
  readonly recipients: readonly string[];
  readonly reason: string | null;
  readonly decisionId: string;
  readonly rows: number | null;
  /** Whether it was about many people at once. */
  readonly aggregate: boolean;
}

export interface OwnFilter {
  readonly shown?: 'allowed' | 'refused' | 'withheld';
  readonly recipient?: string;
  readonly sinceMs?: number;
  /** Leaves out what the person did themself. */
  readonly othersOnly?: boolean;
  /** Leaves out the person's own sign-ins and looks; what they decided stays. */
  readonly withoutVisits?: boolean;
}

const timelinePage = 25;

export interface Timeline {
  readonly entries: readonly OwnEntry[];
  readonly total: number;
  readonly offset: number;
  readonly pageSize: number;
  /** Everyone who ever received or asked, for the filter. */
  readonly recipients: readonly string[];
}

export function viewActivity(
  parts: OperationParts,
  person: string,
  filter: OwnFilter,
  offset: number,
): Promise<Released<Timeline>> {
  return parts.gate.run(
    ownRequest(person, 'view-own', { about: { view: 'activity' } }),
    async (_permit, tx) => ({
      value: await timeline(parts, tx, person, filter, offset, timelinePage),
    }),
  );
}

export interface Home {
  /** Uses and refusals by others in the last seven days, by recipient. */
  readonly week: readonly {
    readonly recipient: string;
    readonly allowed: number;
    readonly refused: number;
  }[];
  readonly latest: readonly OwnEntry[];
  readonly switchesOn: number;
  readonly switchesOff: number;
  /** Uses nobody has asked this person about; the general switches not counted. */
  readonly switchesUnset: number;
  readonly holdings: readonly Holding[];
}

export function viewHome(parts: OperationParts, person: string): Promise<Released<Home>> {
  const sinceMs = parts.system.clock.nowMs() - 7 * 86_400_000;
  const request = ownRequest(person, 'view-own', { categories: categoryNames, about: { view: 'home' } });
  return parts.gate.run(request, async (permit, tx) => {
    const rows = await tx.db
      .select({ recipient: entry.recipient, outcome: entry.outcome, times: count() })
      .from(entry)
      .where(and(ownEntries(tx, person), gte(entry.atMs, sinceMs), byOthers))
      .groupBy(entry.recipient, entry.outcome);
    const week = new Map<string, { recipient: string; allowed: number; refused: number }>();
    for (const { recipient, outcome, times } of rows) {
      const line = week.get(recipient ?? '') ?? { recipient: recipient ?? '', allowed: 0, refused: 0 };
      if (outcome === 'allowed') line.allowed += times;
      if (outcome === 'refused') line.refused += times;
      week.set(line.recipient, line);
    }
    const { switches } = await switchMatrix(tx, person, parts.system.clock.nowMs());
    const set = switches.flatMap((one) => one.set ?? []);
    return {
      value: {
        week: [...week.values()]
          .filter(({ allowed, refused }) => allowed + refused > 0)
          .sort((a, b) => b.allowed + b.refused - a.allowed - a.refused),
        latest: (await timeline(parts, tx, person, { othersOnly: true }, 0, 5)).entries,
        switchesOn: set.filter((one) => one.state === 'on').length,
        switchesOff: set.filter((one) => one.state === 'off').length,
        switchesUnset: switches.filter((one) => one.set === null && one.recipient !== '*').length,
        holdings: await countHoldings(permit, tx, person),
      },
    };
  });
}

export interface DataView {
  readonly holdings: readonly Holding[];
  readonly sources: Awaited<ReturnType<typeof sourcesOf>>;
  readonly category: Category | null;
  readonly events: readonly EventRow[];
  readonly attributes: readonly AttributeRow[];
  readonly offset: number;
  readonly pageSize: number;
}

export function viewData(
  parts: OperationParts,
  person: string,
  chosen: Category | null,
  offset: number,
): Promise<Released<DataView>> {
  const request = ownRequest(person, 'view-own', { categories: categoryNames, about: { view: 'data' } });
  return parts.gate.run(request, async (permit, tx) => {
    const holdings = await countHoldings(permit, tx, person);
    const category = chosen ?? holdings.find(({ rows }) => rows > 0)?.category ?? null;
    const page = { limit: pageRows, offset };
    const events = category === null ? [] : await readEvents(permit, tx, person, category, page);
    const attributes =
      category === null || offset > 0 ? [] : await readAttributes(permit, tx, person, category);
    return {
      value: {
        holdings,
        sources: await sourcesOf(permit, tx, person),
        category,
        events,
        attributes,
        offset,
        pageSize: pageRows,
      },
      counts: { rows: events.length + attributes.length },
    };
  });
}

export interface EffectiveSwitch {
  readonly category: Category;
  readonly purpose: Purpose;
  readonly recipient: SwitchRecipient;
  /** What the person set; null: not asked. */
  readonly set: SwitchState | null;
  /** What is decided now, and why: the gate's own answer. */
  readonly effective: SwitchAnswer;
}

export interface SwitchMatrix {
  readonly switches: readonly EffectiveSwitch[];
  readonly recipients: readonly { readonly id: SwitchRecipient; readonly name: string }[];
  readonly gpcSinceMs: number | null;
  /** Categories in which rows about the person are held. */
  readonly held: readonly Category[];
}

/** Which engine part serves which purpose; the matrix shows these beside the partners a person has dealt with. */
const enginePurposes = {
  'engine:recommend': ['recommendation'],
  'engine:privacy': ['analytics'],
  'engine:integrate': ['integration'],
} as const satisfies Record<(typeof engineRecipients)[number], readonly Purpose[]>;

export function viewSwitches(parts: OperationParts, person: string): Promise<Released<SwitchMatrix>> {
  return parts.gate.run(
    ownRequest(person, 'view-own', { categories: categoryNames, about: { view: 'switches' } }),
    async (permit, tx) => {
      const held = (await countHoldings(permit, tx, person)).filter(({ rows }) => rows > 0);
      const matrix = await switchMatrix(tx, person, parts.system.clock.nowMs());
      return { value: { ...matrix, held: held.map(({ category }) => category) } };
    },
  );
}

async function switchMatrix(tx: Reader, person: string, nowMs: number): Promise<Omit<SwitchMatrix, 'held'>> {
  const state = await loadPerson(tx, person);
  if (state === undefined) throw new GatewayError('not_found');
  const partners = await tx.db
    .select({ id: partner.id, name: partner.name })
    .from(partner)
    .where(ne(partner.status, 'suspended'));
  const known = new Set(state.switches.map(({ recipient }) => recipient));
  const grants = await tx.db
    .select({ partner: oauthGrant.partner })
    .from(oauthGrant)
    .where(eq(oauthGrant.person, person));
  for (const row of grants) known.add(`partner:${row.partner}`);
  const shown = partners.filter(({ id }) => known.has(`partner:${id}`));

  const places = new Map<string, { category: Category; purpose: Purpose; recipient: SwitchRecipient }>();
  const add = (category: Category, purpose: Purpose, recipient: SwitchRecipient): void =>
    void places.set(`${category}/${purpose}/${recipient}`, { category, purpose, recipient });
  for (const category of categoryNames) {
    for (const recipient of engineRecipients) {
      for (const purpose of enginePurposes[recipient]) add(category, purpose, recipient);
    }
    for (const purpose of purposeNames) add(category, purpose, '*');
  }
  for (const one of state.switches) add(one.category, one.purpose, one.recipient);
  return {
    switches: [...places.values()].map(({ category, purpose, recipient }) => ({
      category,
      purpose,
      recipient,
      set:
        state.switches.find(
          (one) => one.category === category && one.purpose === purpose && one.recipient === recipient,
        ) ?? null,
      effective: decideSwitch(state, category, purpose, recipient, nowMs),
    })),
    recipients: [
      { id: '*', name: '*' },
      ...engineRecipients.map((id) => ({ id, name: id })),
      ...shown.map(({ id, name }) => ({ id: `partner:${id}` as const, name })),
    ],
    gpcSinceMs: state.gpcSinceMs,
  };
}

/** One entry about a person, for that person; a population's payload stays closed to its members. */
export function viewEntry(
  parts: OperationParts,
  person: string,
  number: number,
): Promise<Released<OpenedEntry>> {
  const request = ownRequest(person, 'view-own', { about: { view: 'entry', entry: number } });
  return parts.gate.run(request, async (_permit, tx) => {
    if (!(await mayDownload(tx, person, number)))
      throw new GatewayError('not_found', 'there is no such entry about you');
    const row = await findEntry(tx, number);
    if (row === undefined) throw new GatewayError('not_found');
    const isOwn = row.holder === `person:${person}`;
    const disclosure = isOwn ? await openPayload(parts.keyring, tx, row) : undefined;
    return {
      value: openedEntry(row, disclosure?.payload ?? null, !isOwn),
    };
  });
}

export interface OwnPartner {
  /** Id of the grant. */
  readonly grant: string;
  readonly partner: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly revokedMs: number | null;
  readonly lastUseMs: number | null;
}

export function viewPartners(parts: OperationParts, person: string): Promise<Released<OwnPartner[]>> {
  return parts.gate.run(
    ownRequest(person, 'view-own', { about: { view: 'partners' } }),
    async (_permit, tx) => {
      const rows = await tx.db
        .select({
          grant: oauthGrant.id,
          partner: oauthGrant.partner,
          name: partner.name,
          scopes: oauthGrant.scopes,
          sinceMs: oauthGrant.createdMs,
          untilMs: oauthGrant.expiresMs,
          revokedMs: oauthGrant.revokedMs,
        })
        .from(oauthGrant)
        .innerJoin(partner, eq(partner.id, oauthGrant.partner))
        .where(eq(oauthGrant.person, person))
        .orderBy(desc(oauthGrant.createdMs))
        .limit(100);
      const lastUse = await tx.db
        .select({ recipient: entry.recipient, atMs: sql<number>`max(${entry.atMs})` })
        .from(entry)
        .where(and(eq(entry.holder, `person:${person}`), eq(entry.outcome, 'allowed')))
        .groupBy(entry.recipient);
      return {
        value: rows.map((row) => ({
          ...row,
          scopes: row.scopes.split(' ').filter((scope) => scope !== ''),
          lastUseMs: lastUse.find(({ recipient }) => recipient === `partner:${row.partner}`)?.atMs ?? null,
        })),
      };
    },
  );
}

export interface OwnBudget {
  readonly spentMicro: number;
  readonly limitMicro: number;
  readonly mostMicro: number;
  readonly charges: readonly {
    readonly question: string;
    readonly atMs: number;
    readonly costMicro: number;
    readonly entry: number;
  }[];
}

export function viewBudget(parts: OperationParts, person: string): Promise<Released<OwnBudget>> {
  return parts.gate.run(
    ownRequest(person, 'view-own', { about: { view: 'budget' } }),
    async (_permit, tx) => {
      const [row] = await tx.db.select().from(budgetPerson).where(eq(budgetPerson.person, person));
      const charges = await tx.db
        .select({
          question: dpQuery.scope,
          atMs: dpQuery.askedMs,
          costMicro: dpQuery.epsilonMicro,
          entry: run.startedEntry,
        })
        .from(dpQuery)
        .innerJoin(run, eq(run.id, dpQuery.run))
        .innerJoin(runMember, and(eq(runMember.run, dpQuery.run), eq(runMember.person, person)))
        .orderBy(desc(dpQuery.askedMs))
        .limit(100);
      return {
        value: {
          spentMicro: row?.spentMicro ?? 0,
          limitMicro: row?.limitMicro ?? parts.config.limits.personBudgetMicro,
          mostMicro: parts.config.limits.scopeBudgetMicro,
          charges,
        },
      };
    },
  );
}

/** A lower limit cannot undo what was spent: the bound is then what was spent. */
export function setBudget(
  parts: OperationParts,
  person: string,
  limitMicro: number,
): Promise<Released<void>> {
  if (!Number.isInteger(limitMicro) || limitMicro < 0 || limitMicro > parts.config.limits.scopeBudgetMicro) {
    throw new GatewayError('epsilon_out_of_range');
  }
  const request = ownRequest(person, 'set-budget', { about: { limit_micro: limitMicro } });
  return parts.gate.run(request, async (_permit, tx) => {
    await tx.db
      .insert(budgetPerson)
      .values({ person, limitMicro, spentMicro: 0 })
      .onConflictDoUpdate({ target: budgetPerson.person, set: { limitMicro } });
    return { value: undefined, kind: 'consent', keyClass: 'evidence' };
  });
}

/** A Global Privacy Control signal was seen in this person's session; it is never cleared by its later absence. */
export async function noteGpc(parts: OperationParts, person: string): Promise<void> {
  const [row] = await parts.read((reader) =>
    reader.db
      .select({ gpcSinceMs: personTable.gpcSinceMs })
      .from(personTable)
      .where(eq(personTable.id, person)),
  );
  if (row === undefined || row.gpcSinceMs !== null) return;
  await parts.gate.run(
    ownRequest(person, 'set-switch', { about: { signal: 'gpc' } }),
    async (_permit, tx) => {
      await tx.db
        .update(personTable)
        .set({ gpcSinceMs: parts.system.clock.nowMs() })
        .where(and(eq(personTable.id, person), isNull(personTable.gpcSinceMs)));
      return { value: undefined, kind: 'consent', keyClass: 'evidence' };
    },
  );
}

const visitKinds = [entryKinds.used, entryKinds['signed-in']];

const byOthers = sql`(${entry.recipient} IS NULL OR ${entry.recipient} <> 'self')`;

/** Entries with this person's tag, and those of populations they were a member of. */
function ownEntries(tx: Pick<Tx, 'db'>, person: string): SQL | undefined {
  const memberOf = tx.db.select({ run: runMember.run }).from(runMember).where(eq(runMember.person, person));
  return or(
    eq(entry.holder, `person:${person}`),
    inArray(
      entry.number,
      tx.db.select({ number: run.startedEntry }).from(run).where(inArray(run.id, memberOf)),
    ),
    inArray(
      entry.number,
      tx.db.select({ number: run.endedEntry }).from(run).where(inArray(run.id, memberOf)),
    ),
  );
}

async function timeline(
  parts: OperationParts,
  tx: Reader,
  person: string,
  filter: OwnFilter,
  offset: number,
  limit: number,
): Promise<Timeline> {
  const where = and(
    ownEntries(tx, person),
    filter.shown === undefined
      ? undefined
      : filter.shown === 'withheld'
        ? eq(entry.kind, entryKinds.withheld)
        : eq(entry.outcome, filter.shown),
    filter.recipient === undefined ? undefined : eq(entry.recipient, filter.recipient),
    filter.sinceMs === undefined ? undefined : gte(entry.atMs, filter.sinceMs),
    filter.othersOnly === true ? byOthers : undefined,
    filter.withoutVisits === true ? or(byOthers, notInArray(entry.kind, visitKinds)) : undefined,
  );
  const [counted] = await tx.db.select({ total: count() }).from(entry).where(where);
  const rows = await tx.db
    .select()
    .from(entry)
    .where(where)
    .orderBy(desc(entry.number))
    .limit(limit)
    .offset(offset);
  const entries: OwnEntry[] = [];
  for (const row of rows) {
    const disclosure = await openPayload(parts.keyring, tx, row);
    entries.push(ownEntry(row, disclosure?.payload ?? {}));
  }
  const recipients = await tx.db
    .selectDistinct({ id: entry.recipient })
    .from(entry)
    .where(ownEntries(tx, person));
  return {
    entries,
    total: counted?.total ?? 0,
    offset,
    pageSize: limit,
    recipients: recipients.flatMap(({ id }) => id ?? []).sort(),
  };
}

function ownEntry(row: typeof entry.$inferSelect, payload: PlainObject): OwnEntry {
  const caller = (payload['caller'] ?? {}) as PlainObject;
  const counts = (payload['counts'] ?? {}) as PlainObject;
  const texts = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);
  return {
    number: row.number,
    atMs: row.atMs,
    kind: kindName(row.kind),
    outcome: row.outcome as OwnEntry['outcome'],
    callerKind: textOf(caller['kind']),
    callerId: textOf(caller['id']),
    operation: textOf(payload['operation']),
    purpose: textOf(payload['purpose']),
    categories: texts(payload['categories']),
    recipients: texts(payload['recipients']),
    reason: typeof payload['reason'] === 'string' ? payload['reason'] : null,
    decisionId: row.operationId,
    rows: typeof counts['rows'] === 'number' ? counts['rows'] : null,
    aggregate: row.holder?.startsWith('population:') ?? false,
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Whether the entry is one a person may download: their own, or a population's they were in. */
export async function mayDownload(tx: Reader, person: string, number: number): Promise<boolean> {
  const [row] = await tx.db
    .select({ number: entry.number })
    .from(entry)
    .where(and(eq(entry.number, number), ownEntries(tx, person)))
    .orderBy(asc(entry.number))
    .limit(1);
  return row !== undefined;
}
