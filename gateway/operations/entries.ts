// The log as officers and people see it: list, open, prove. Looking is an operation too.
import { and, count, desc, eq, gte, isNotNull, lt, ne, or, sql, type SQL } from 'drizzle-orm';
import { decodeEntry, entryKinds, mapHeadKind, type EntryKind } from '../audit/entry.ts';
import { findEntry, kindName, openPayload } from '../audit/payload.ts';
import type { Prover } from '../audit/proof.ts';
import { GatewayError } from '../errors.ts';
import type { GateRequest, Released } from '../gate.ts';
import type { Reader, Tx } from '../store/store.ts';
import { anchor, checkpoint, cosignature, entry, partner, person as personTable } from '../store/tables.ts';
import { ownRequest, staffRequest } from './accounts.ts';
import { mayDownload, openedEntry, type OpenedEntry } from './own.ts';
import type { OperationParts } from './parts.ts';

export interface EntryFilter {
  readonly kind?: EntryKind;
  readonly outcome?: 'allowed' | 'refused' | 'failed' | 'noted';
  readonly recipient?: string;
  readonly fromMs?: number;
  readonly toMs?: number;
}

export interface EntryLine {
  readonly number: number;
  readonly atMs: number;
  readonly kind: EntryKind;
  readonly outcome: string;
  readonly recipient: string | null;
  readonly concern: 'system' | 'person' | 'population';
  /** Hex; the tag or population key in the leaf. */
  readonly tag: string | null;
  readonly leafHash: Uint8Array;
  readonly operationId: string;
}

export const entriesPage = 50;

/** Without payloads: the list shows what is in the leaves and who received, never what. */
export function listEntries(
  parts: OperationParts,
  officer: string,
  filter: EntryFilter,
  offset: number,
): Promise<Released<{ entries: EntryLine[]; total: number; offset: number; pageSize: number }>> {
  const request = staffRequest({ kind: 'officer', id: officer }, 'list-entries', { filter: { ...filter } });
  return parts.gate.run(request, async (_permit, tx) => {
    const range = await rangeOf(tx, filter);
    const where = conditionOf(filter, range);
    const total = await countListed(parts, tx, filter, range);
    const rows = await tx.db
      .select({
        number: entry.number,
        atMs: entry.atMs,
        kind: entry.kind,
        outcome: entry.outcome,
        recipient: entry.recipient,
        leaf: entry.leaf,
        leafHash: entry.leafHash,
        operationId: entry.operationId,
      })
      .from(entry)
      .where(where)
      .orderBy(desc(entry.number))
      .limit(entriesPage)
      .offset(offset);
    const entries = rows.map(({ leaf, kind, ...row }) => {
      const { about } = decodeEntry(leaf);
      const tag =
        about.concern === 'person' ? about.tag : about.concern === 'population' ? about.population : null;
      return {
        ...row,
        kind: kindName(kind),
        concern: about.concern,
        tag: tag === null ? null : Buffer.from(tag).toString('hex'),
      };
    });
    return {
      value: { entries, total, offset, pageSize: entriesPage },
      counts: { entries: entries.length },
    };
  });
}

/** Numbers from `first` up to but not with `end`; undefined where the times set no bound. */
interface NumberRange {
  readonly first: number | undefined;
  readonly end: number | undefined;
}

async function rangeOf(tx: Reader, { fromMs, toMs }: EntryFilter): Promise<NumberRange> {
  return {
    first: fromMs === undefined ? undefined : await firstSince(tx, fromMs),
    end: toMs === undefined ? undefined : await firstSince(tx, toMs + 1),
  };
}

/**
 * Every filter is a range of an index: times are turned into numbers, and kinds are compared with `=`. A map head comes
 * with each checkpoint and is about nobody, so it is left out where the filter alone does not do that.
 */
function conditionOf(
  { kind, outcome, recipient }: EntryFilter,
  { first, end }: NumberRange,
): SQL | undefined {
  const mayListMapHeads = kind === undefined && (outcome === undefined || outcome === 'noted');
  return and(
    mayListMapHeads ? ne(entry.kind, mapHeadKind) : undefined,
    kind === undefined ? undefined : eq(entry.kind, entryKinds[kind]),
    outcome === undefined ? undefined : eq(entry.outcome, outcome),
    recipient === undefined ? undefined : eq(entry.recipient, recipient),
    first === undefined ? undefined : gte(entry.number, first),
    end === undefined ? undefined : lt(entry.number, end),
  );
}

/** How many a filter lists: without times from the tally, so that the many of a common outcome are not counted again. */
async function countListed(
  { log }: Pick<OperationParts, 'log'>,
  tx: Reader,
  filter: EntryFilter,
  range: NumberRange,
): Promise<number> {
  const where = conditionOf(filter, range);
  const counted = async (condition: SQL | undefined): Promise<number> =>
    (await tx.db.select({ times: count() }).from(entry).where(condition))[0]?.times ?? 0;
  const { kind, outcome, recipient } = filter;
  const isByTime = (range.first ?? range.end) !== undefined;
  if (isByTime && (recipient ?? kind ?? outcome) === undefined) {
    // Numbers have no gaps: what lies between two needs no counting, but for the map heads.
    const first = range.first ?? 0;
    const end = range.end ?? (await firstSince(tx, Infinity));
    const between = and(gte(entry.number, first), lt(entry.number, end));
    return Math.max(0, end - first - (await counted(and(eq(entry.kind, mapHeadKind), between))));
  }
  if (isByTime || recipient !== undefined) return counted(where);
  const { size, counts } = await tallyEntries(log, tx);
  const known = counts
    .filter((one) => kind === undefined || one.kind === entryKinds[kind])
    .filter((one) => outcome === undefined || one.outcome === outcome)
    .reduce((sum, { times }) => sum + times, 0);
  return known + (await counted(and(where, gte(entry.number, size))));
}

/** An officer reads one entry; whom it concerns sees that in their own list. */
export function openEntry(
  parts: OperationParts,
  officer: string,
  number: number,
): Promise<Released<OpenedEntry>> {
  return parts.gate.run(lookRequest(officer, 'open-entry', number), async (_permit, tx) => {
    const row = await findEntry(tx, number);
    if (row === undefined) throw new GatewayError('not_found', 'there is no such entry');
    if (row.kind === mapHeadKind)
      throw new GatewayError(
        'not_found',
        'this leaf is a map head: it is about nobody, and stands in the public log',
      );
    const disclosure = await openPayload(parts.keyring, tx, row);
    return {
      value: openedEntry(row, disclosure?.payload ?? null, false),
      keyClass: 'evidence',
      ...touchedBy(row.holder),
    };
  });
}

/** An officer downloads the proof of an entry. */
export async function proveForOfficer(
  parts: OperationParts,
  prover: Prover,
  officer: string,
  number: number,
): Promise<Released<string>> {
  const allowed = await parts.gate.run(
    lookRequest(officer, 'open-entry', number, 'proof'),
    async (_permit, tx) => {
      const row = await findEntry(tx, number);
      if (row === undefined) throw new GatewayError('not_found', 'there is no such entry');
      return { value: undefined, keyClass: 'evidence', ...touchedBy(row.holder) };
    },
  );
  return { ...allowed, value: await prover.bundle(number, true) };
}

/** A person downloads the proof of an entry about them. */
export async function proveForPerson(
  parts: OperationParts,
  prover: Prover,
  person: string,
  number: number,
): Promise<Released<string>> {
  const allowed = await parts.gate.run(
    ownRequest(person, 'export-proof', { about: { entry: number } }),
    async (_permit, tx) => {
      if (!(await mayDownload(tx, person, number)))
        throw new GatewayError('not_found', 'there is no such entry about you');
      const row = await findEntry(tx, number);
      return { value: row, keyClass: 'evidence' };
    },
  );
  // What a population's payload says (row counts, say) is not for its members; the commitment still binds it.
  const disclose = allowed.value?.holder === `person:${person}`;
  return { ...allowed, value: await prover.bundle(number, disclose) };
}

/** A person downloads everything about themself and the proof that nothing is missing. */
export async function proveAllForPerson(
  parts: OperationParts,
  prover: Prover,
  person: string,
  since: number | null,
): Promise<Released<string>> {
  const request = ownRequest(person, 'export-proof', {
    about: { all: true, ...(since === null ? {} : { since }) },
  });
  // The entry comes first, so that the file holds it too.
  const allowed = await parts.gate.run(request, async () => ({ value: undefined, keyClass: 'evidence' }));
  return { ...allowed, value: await prover.person(person, since) };
}

/** An officer makes that file for a person who asked on another way; the person sees that it was made. */
export async function proveAllForOfficer(
  parts: OperationParts,
  prover: Prover,
  officer: string,
  person: string,
  since: number | null,
): Promise<Released<string>> {
  const request = staffRequest(
    { kind: 'officer', id: officer },
    'export-person',
    since === null ? {} : { since },
  );
  const allowed = await parts.gate.run(request, async (_permit, tx) => {
    const [row] = await tx.db
      .select({ id: personTable.id })
      .from(personTable)
      .where(eq(personTable.id, person));
    if (row === undefined) throw new GatewayError('not_found', 'there is no such person');
    return { value: undefined, keyClass: 'evidence', touched: { people: [person], population: null } };
  });
  return { ...allowed, value: await prover.person(person, since) };
}

/** The person of a reference in a source, or of an id. @throws GatewayError `not_found` */
export function findPerson(parts: OperationParts, named: string): Promise<string> {
  return parts.read((reader) => personNamed(reader, named));
}

/** The same within a transaction. */
export async function personNamed(reader: Reader, named: string): Promise<string> {
  const [row] = await reader.db
    .select({ id: personTable.id })
    .from(personTable)
    .where(or(eq(personTable.reference, named), eq(personTable.id, named)));
  if (row === undefined) throw new GatewayError('not_found', 'there is no such person');
  return row.id;
}

export interface LogOverview {
  readonly size: number;
  /** Counts of the last seven days. */
  readonly week: { readonly allowed: number; readonly refused: number; readonly withheld: number };
  readonly kinds: readonly { readonly kind: EntryKind; readonly times: number }[];
  readonly people: number;
  readonly partners: number;
  readonly head: typeof checkpoint.$inferSelect | undefined;
  readonly anchor: typeof anchor.$inferSelect | undefined;
}

export function viewLog(parts: OperationParts, officer: string): Promise<Released<LogOverview>> {
  const sinceMs = parts.system.clock.nowMs() - 7 * 86_400_000;
  return parts.gate.run(viewRequest(officer, 'overview'), async (_permit, tx) => {
    const week = await tx.db
      .select({ outcome: entry.outcome, kind: entry.kind, times: count() })
      .from(entry)
      .where(gte(entry.number, await firstSince(tx, sinceMs)))
      .groupBy(entry.outcome, entry.kind);
    const times = (wanted: (row: { outcome: string; kind: number }) => boolean): number =>
      week.filter(wanted).reduce((sum, row) => sum + row.times, 0);
    const kinds = new Map<number, number>();
    for (const one of (await tallyEntries(parts.log, tx)).counts)
      kinds.set(one.kind, (kinds.get(one.kind) ?? 0) + one.times);
    const [people] = await tx.db
      .select({ times: count() })
      .from(personTable)
      .where(eq(personTable.status, 'active'));
    const [partners] = await tx.db
      .select({ times: count() })
      .from(partner)
      .where(eq(partner.status, 'active'));
    const [head] = await tx.db.select().from(checkpoint).orderBy(desc(checkpoint.size)).limit(1);
    const [anchored] = await tx.db.select().from(anchor).orderBy(desc(anchor.id)).limit(1);
    return {
      value: {
        size: parts.log.durableSize(),
        week: {
          allowed: times(({ outcome }) => outcome === 'allowed'),
          refused: times(({ outcome, kind }) => outcome === 'refused' && kind !== entryKinds.withheld),
          withheld: times(({ kind }) => kind === entryKinds.withheld),
        },
        kinds: [...kinds]
          .map(([kind, times]) => ({ kind: kindName(kind), times }))
          .sort((a, b) => b.times - a.times),
        people: people?.times ?? 0,
        partners: partners?.times ?? 0,
        head,
        anchor: anchored,
      },
    };
  });
}

/** Number of the first entry at or after a time. Times never fall along the log, so halving finds it. */
export async function firstSince(tx: Reader, sinceMs: number): Promise<number> {
  const [last] = await tx.db
    .select({ number: entry.number })
    .from(entry)
    .orderBy(desc(entry.number))
    .limit(1);
  let low = 0;
  let high = (last?.number ?? -1) + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const row = await findEntry(tx, middle);
    if (row !== undefined && row.atMs < sinceMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

interface Tally {
  /** Entries before this one are counted. */
  readonly size: number;
  readonly counts: readonly { readonly kind: number; readonly outcome: string; readonly times: number }[];
}

const tallies = new WeakMap<OperationParts['log'], Tally>();

/** Entries by kind and outcome, without map heads. Entries never change: each is counted once, then only new ones are read. */
async function tallyEntries(log: OperationParts['log'], tx: Reader): Promise<Tally> {
  const { size: from, counts } = tallies.get(log) ?? { size: 0, counts: [] };
  const [last] = await tx.db
    .select({ number: entry.number })
    .from(entry)
    .orderBy(desc(entry.number))
    .limit(1);
  // What may still be taken back is not counted, nor what this transaction cannot see yet.
  const size = Math.min(log.durableSize(), (last?.number ?? -1) + 1);
  const fresh = await tx.db
    .select({ kind: entry.kind, outcome: entry.outcome, times: count() })
    .from(entry)
    .where(
      and(
        // The first time all of them: with the plus SQLite walks the small index, not the table by its numbers.
        from === 0 ? sql`+${entry.number} < ${size}` : and(gte(entry.number, from), lt(entry.number, size)),
        ne(entry.kind, mapHeadKind),
      ),
    )
    .groupBy(entry.kind, entry.outcome);
  const known = new Map(counts.map((one) => [`${one.kind} ${one.outcome}`, one]));
  for (const one of fresh) {
    const key = `${one.kind} ${one.outcome}`;
    known.set(key, { ...one, times: (known.get(key)?.times ?? 0) + one.times });
  }
  const tally = { size, counts: [...known.values()] };
  tallies.set(log, tally);
  return tally;
}

export function viewCheckpoints(parts: OperationParts, officer: string, offset: number) {
  return parts.gate.run(viewRequest(officer, 'checkpoints'), async (_permit, tx) => ({
    value: {
      checkpoints: await Promise.all(
        (
          await tx.db
            .select()
            .from(checkpoint)
            .orderBy(desc(checkpoint.size))
            .limit(entriesPage)
            .offset(offset)
        ).map(async (row) => ({
          ...row,
          witnesses: (
            await tx.db
              .select({ witness: cosignature.witness })
              .from(cosignature)
              .where(eq(cosignature.size, row.size))
          ).map(({ witness }) => witness.replace(/\+[0-9a-f]+$/, '')),
        })),
      ),
      total: (await tx.db.select({ times: count() }).from(checkpoint))[0]?.times ?? 0,
      offset,
      pageSize: entriesPage,
    },
  }));
}

export function viewAnchors(parts: OperationParts, officer: string, offset: number) {
  return parts.gate.run(viewRequest(officer, 'anchors'), async (_permit, tx) => ({
    value: {
      anchors: await tx.db.select().from(anchor).orderBy(desc(anchor.id)).limit(entriesPage).offset(offset),
      total: (await tx.db.select({ times: count() }).from(anchor))[0]?.times ?? 0,
      spent: await spentOnAnchors(tx, parts.system.clock.nowMs() - spentDays * 86_400_000),
      offset,
      pageSize: entriesPage,
    },
  }));
}

const spentDays = 30;

/** What transactions in blocks cost since a time, failed ones too. In a double: close enough for a sum of thousands. */
async function spentOnAnchors(tx: Tx, sinceMs: number) {
  const [row] = await tx.db
    .select({
      anchors: count(),
      gas: sql<number | null>`sum(${anchor.gasUsed})`,
      wei: sql<number | null>`sum(cast(${anchor.costWei} as double precision))`,
    })
    .from(anchor)
    .where(and(isNotNull(anchor.costWei), gte(anchor.changedMs, sinceMs)));
  return {
    days: spentDays,
    anchors: row?.anchors ?? 0,
    gas: Number(row?.gas ?? 0),
    wei: BigInt(Math.round(Number(row?.wei ?? 0))),
  };
}

function viewRequest(officer: string, view: string): GateRequest {
  return staffRequest({ kind: 'officer', id: officer }, 'list-entries', { view });
}

function lookRequest(officer: string, operation: 'open-entry', number: number, what = 'entry'): GateRequest {
  return staffRequest({ kind: 'officer', id: officer }, operation, { entry: number, what });
}

function touchedBy(holder: string | null): { touched?: { people: string[]; population: null } } {
  if (!holder?.startsWith('person:')) return {};
  return { touched: { people: [holder.slice('person:'.length)], population: null } };
}
