// What an officer hands to an authority: the entries of a person, partner, purpose or period, with proofs, notices and
// receipts. Whom a shown entry concerns sees that it was handed out.
import { and, asc, eq, gte, inArray, lt, or, type SQL } from 'drizzle-orm';
import { entryKinds, mapHeadKind, type PlainObject } from '../audit/entry.ts';
import { noticeHashesIn, type Selection } from '../audit/evidence.ts';
import { toHex } from '../audit/bytes.ts';
import { findEntry, kindName, openPayload, type EntryRow } from '../audit/payload.ts';
import type { Prover } from '../audit/proof.ts';
import { noticeByHash, type Notice } from '../consent/notices.ts';
import { isPurpose, parseScope } from '../consent/vocabulary.ts';
import { GatewayError } from '../errors.ts';
import type { Released } from '../gate.ts';
import { keepsPayloads } from '../rights/holds.ts';
import { receiptOfConsent, receiptsOfErasures, type ReceiptParts } from '../rights/receipts.ts';
import type { Reader } from '../store/store.ts';
import { entry, partner as partnerTable } from '../store/tables.ts';
import { staffRequest } from './accounts.ts';
import { firstSince, personNamed } from './entries.ts';

export interface EvidenceOrder {
  readonly kind: Selection['kind'];
  /** A person's reference or id, a partner's id, a purpose; nothing for a period. */
  readonly value: string;
  /** From the minute of this time on; null for all. A purpose and a period need both. */
  readonly fromMs: number | null;
  /** Up to and including the minute of this time, or all until now; a period ends with the last minute that is over. */
  readonly toMs: number | null;
  /** A hold in force that keeps payloads of this person: without it, what it keeps of an erased person stays closed. */
  readonly hold?: string | null;
}

export interface EvidenceFiles {
  /** FORMAT.md section 12. */
  readonly evidence: string;
  /** For a person: their bundle, which proves that nothing is missing. */
  readonly person: string | null;
  readonly notices: readonly Notice[];
  readonly receipts: readonly string[];
}

interface Wanted extends EvidenceOrder {
  readonly hold: string | null;
}

/** How far a long search is, in entries looked at. */
export type Progress = (done: number, what: 'searched' | 'read') => void;

/** More is several packs, of shorter periods. */
export const evidenceEntriesLimit = 10_000;
const scanLimit = 200_000;
const scanPage = 1_000;
/** A file of evidence holds no more of either. */
const textsLimit = 4096;
/** Leaves name minutes: a period of whole minutes can be told from the leaves alone. */
const minuteMs = 60_000;

/** @throws GatewayError `malformed_request`, `unknown_purpose`, `not_found`, `too_many_entries`, `conflict` */
export async function exportEvidence(
  parts: ReceiptParts & { readonly prover: Prover },
  officer: string,
  asked: EvidenceOrder,
  progress: Progress = () => undefined,
): Promise<Released<EvidenceFiles>> {
  const { operations, prover } = parts;
  const wanted = inMinutes(asked);
  const { kind } = wanted;
  const request = staffRequest({ kind: 'officer', id: officer }, 'export-evidence', {
    kind,
    from: wanted.fromMs,
    to: wanted.toMs,
    // Whose entries they are, is said by leaves about that person alone.
    ...(kind === 'partner' || kind === 'purpose' ? { value: wanted.value } : {}),
  });
  const allowed = await operations.gate.run(request, async (_permit, tx) => ({
    value: await named(tx, wanted),
    keyClass: 'evidence',
    // Said here alone, of the system: in an entry about the person it would tell of a hold they may not know of.
    ...(await heldFor(operations, tx, wanted)),
  }));
  const person = allowed.value;
  const order = await thatIsOver(parts, wanted, allowed.receipt.number);
  const found = await select(parts, order, person, allowed.receipt.number, progress);
  if (found.length === 0) throw new GatewayError('not_found', 'there is no entry in this selection');
  if (found.length > evidenceEntriesLimit)
    throw new GatewayError(
      'too_many_entries',
      `more than ${evidenceEntriesLimit} entries: choose a shorter period`,
    );

  // A person's own bundle goes with the pack, whatever entries were chosen.
  const people =
    person === null ? [...new Set(found.flatMap(({ holder }) => personOf(holder) ?? []))] : [person];
  const released = await operations.gate.run(request, async () => ({
    value: undefined,
    keyClass: 'evidence',
    counts: { entries: found.length },
    ...(people.length === 0 ? {} : { touched: { people, population: 'evidence' as const } }),
  }));
  const shown = await read(parts, found, progress);
  const chosen = found.map(({ number }) => number);
  // The entries around a period show, by their times alone, that nothing was cut off at its ends.
  const around = kind === 'period' ? neighbours(chosen) : [];
  const numbers = [...chosen, ...around].sort((a, b) => a - b);
  const evidence = await prover.evidence({
    selection: await selectionOf(parts, order, person),
    range: kind === 'period' ? { first: numbers[0] ?? 0, end: (numbers.at(-1) ?? -1) + 1 } : null,
    notices: shown.notices.map(({ hash, id, version, language, body }) => ({
      hash,
      id,
      version,
      language,
      body,
    })),
    receipts: shown.receipts,
    numbers,
    closed: new Set(around),
    isHeld: wanted.hold !== null,
  });
  return {
    ...released,
    value: { evidence, person: person === null ? null : await prover.person(person), ...shown },
  };
}

function inMinutes({ kind, value, fromMs, toMs, hold = null }: EvidenceOrder): Wanted {
  const wrong = (message: string): GatewayError => new GatewayError('malformed_request', message);
  if (kind === 'purpose' && !isPurpose(value)) throw new GatewayError('unknown_purpose');
  if (kind === 'period' && value !== '') throw wrong('a period is from when to when, and nothing else');
  if (kind !== 'period' && value === '') throw wrong(`choose a ${kind}`);
  if ((kind === 'purpose' || kind === 'period') && (fromMs === null || toMs === null))
    throw wrong('choose from when to when');
  if (hold !== null && kind !== 'person') throw wrong('a hold opens what it keeps of its person alone');
  for (const ms of [fromMs, toMs])
    if (ms !== null && !(Math.abs(ms) < 8.64e15)) throw wrong('this is no time');
  if (fromMs !== null && toMs !== null && fromMs > toMs) throw wrong('the period ends before it begins');
  const floor = (ms: number | null): number | null =>
    ms === null ? null : Math.floor(ms / minuteMs) * minuteMs;
  return { kind, value, fromMs: floor(fromMs), toMs: floor(toMs), hold };
}

/** @throws GatewayError `not_found` when this hold does not keep payloads of this person now */
async function heldFor(
  { system }: ReceiptParts['operations'],
  reader: Reader,
  { value, hold }: Wanted,
): Promise<{ about?: PlainObject }> {
  if (hold === null) return {};
  const person = await personNamed(reader, value);
  if (!(await keepsPayloads(reader, hold, person, system.clock.nowMs())))
    throw new GatewayError('not_found', 'no hold in force with this id keeps payloads of this person');
  return { about: { hold } };
}

/** The person's id; null for the other kinds. */
async function named(reader: Reader, { kind, value }: EvidenceOrder): Promise<string | null> {
  if (kind === 'person') return personNamed(reader, value);
  if (kind === 'partner') {
    const [known] = await reader.db.select().from(partnerTable).where(eq(partnerTable.id, value));
    if (known === undefined) throw new GatewayError('not_found', 'there is no such partner');
  }
  return null;
}

/**
 * In a minute that is not over, entries may still come: a period ends before the minute of the export's own entry, any
 * other selection with that entry. Times never fall along the log, so whatever comes after it is later than the period.
 */
async function thatIsOver(
  { operations }: ReceiptParts,
  order: EvidenceOrder,
  ownEntry: number,
): Promise<EvidenceOrder> {
  const own = await operations.read((reader) => findEntry(reader, ownEntry));
  const nowMs = Math.floor((own?.atMs ?? 0) / minuteMs) * minuteMs;
  if (order.toMs === null || order.toMs < nowMs) return order;
  if (order.kind !== 'period') return { ...order, toMs: null };
  const toMs = nowMs - minuteMs;
  if (toMs < (order.fromMs ?? 0))
    throw new GatewayError('malformed_request', 'no minute of this period is over yet');
  return { ...order, toMs };
}

function neighbours(numbers: readonly number[]): number[] {
  const [first = 0] = numbers;
  return [...(first === 0 ? [] : [first - 1]), (numbers.at(-1) ?? 0) + 1];
}

interface Found {
  readonly number: number;
  readonly holder: string | null;
}

/** Entries before `end` alone: what the export itself writes is not part of it. */
async function select(
  { operations }: ReceiptParts,
  order: EvidenceOrder,
  person: string | null,
  end: number,
  progress: Progress,
): Promise<Found[]> {
  const { kind, value, fromMs, toMs } = order;
  // Times have no index, and need none: they never fall along the log.
  const [first, after] = await operations.read(async (reader) => [
    fromMs === null ? 0 : await firstSince(reader, fromMs),
    toMs === null ? end : await firstSince(reader, toMs + minuteMs),
  ]);
  const within: SQL | undefined = and(gte(entry.number, first), lt(entry.number, Math.min(after, end)));
  const rows = (where: SQL | undefined): Promise<Found[]> =>
    operations.read((reader) =>
      Promise.resolve(
        reader.db
          .select({ number: entry.number, holder: entry.holder })
          .from(entry)
          .where(and(where, within))
          .orderBy(asc(entry.number))
          .limit(evidenceEntriesLimit + 1),
      ),
    );
  switch (kind) {
    case 'person':
      return rows(eq(entry.holder, `person:${person}`));
    case 'period':
      // Map heads too: a period is every entry of its range.
      return rows(undefined);
    case 'partner': {
      // What it received stands beside the leaves; that people let it in, or shut it out, in payloads alone.
      const mayName = or(eq(entry.recipient, `partner:${value}`), eq(entry.kind, entryKinds.consent));
      return search(
        operations,
        and(mayName, within),
        (row, payload) => {
          return row.recipient === `partner:${value}` || namesPartner(payload, value);
        },
        progress,
      );
    }
    case 'purpose':
      return search(operations, within, (_row, payload) => namesPurpose(payload, value), progress);
  }
}

/** Opens each entry, a page at a time, so that others can read between. */
async function search(
  { keyring, read: readStore }: ReceiptParts['operations'],
  where: SQL | undefined,
  fits: (row: EntryRow, payload: PlainObject | undefined) => boolean,
  progress: Progress,
): Promise<Found[]> {
  const found: Found[] = [];
  let from = 0;
  for (let scanned = 0; found.length <= evidenceEntriesLimit; scanned += scanPage) {
    if (scanned >= scanLimit)
      throw new GatewayError(
        'too_many_entries',
        `more than ${scanLimit} entries to look through: choose a shorter period`,
      );
    const rows = await readStore(async (reader) => {
      const page = await reader.db
        .select()
        .from(entry)
        .where(and(gte(entry.number, from), where))
        .orderBy(asc(entry.number))
        .limit(scanPage);
      for (const row of page) {
        const opened = row.kind === mapHeadKind ? undefined : await openPayload(keyring, reader, row);
        if (fits(row, opened?.payload)) found.push({ number: row.number, holder: row.holder });
      }
      return page;
    });
    progress(scanned + rows.length, 'searched');
    if (rows.length < scanPage) return found;
    from = (rows.at(-1)?.number ?? 0) + 1;
  }
  return found;
}

function namesPartner(payload: PlainObject | undefined, partner: string): boolean {
  return (
    payload?.['partner'] === partner ||
    records(payload?.['switches']).some(({ recipient }) => recipient === `partner:${partner}`)
  );
}

function namesPurpose(payload: PlainObject | undefined, purpose: string): boolean {
  const scopes = [payload?.['granted'], payload?.['declined']].flatMap((list) =>
    Array.isArray(list) ? list.filter((one) => typeof one === 'string') : [],
  );
  return (
    payload?.['purpose'] === purpose ||
    records(payload?.['switches']).some((one) => one['purpose'] === purpose) ||
    scopes.some((scope) => parseScope(scope)?.purpose === purpose)
  );
}

const records = (value: unknown): Record<string, unknown>[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === 'object' && one !== null) : [];

/** The notices these entries name, and a receipt for each choice and each completed erasure among them. */
async function read(
  parts: ReceiptParts,
  found: readonly Found[],
  progress: Progress,
): Promise<{ notices: Notice[]; receipts: string[] }> {
  const { operations } = parts;
  const hashes = new Set<string>();
  const choices: { number: number; person: string }[] = [];
  const erasures: number[] = [];
  for (let at = 0; at < found.length; at += scanPage) {
    const page = found.slice(at, at + scanPage).map(({ number }) => number);
    await operations.read(async (reader) => {
      const rows = await reader.db
        .select()
        .from(entry)
        .where(inArray(entry.number, page))
        .orderBy(asc(entry.number));
      for (const row of rows) {
        if (row.kind === mapHeadKind) continue;
        const opened = await openPayload(operations.keyring, reader, row);
        if (opened === undefined) continue;
        for (const hash of noticeHashesIn(opened.payload)) hashes.add(hash);
        const person = personOf(row.holder);
        if (person !== null && kindName(row.kind) === 'erasure-completed') erasures.push(row.number);
        if (person !== null && kindName(row.kind) === 'consent') choices.push({ number: row.number, person });
      }
    });
    progress(Math.min(found.length, at + scanPage), 'read');
  }
  if (hashes.size > textsLimit || choices.length + erasures.length > textsLimit)
    throw new GatewayError(
      'too_many_entries',
      `more than ${textsLimit} notices or receipts: choose a shorter period`,
    );
  const notices = await operations.read(async (reader) => {
    const texts: Notice[] = [];
    for (const hash of hashes) {
      const notice = await noticeByHash(reader, hash);
      if (notice !== undefined) texts.push(notice);
    }
    return texts;
  });
  const receipts: string[] = [];
  for (const { number, person } of choices) receipts.push(await receiptOfConsent(parts, person, number));
  receipts.push(...(await receiptsOfErasures(parts, erasures)));
  return { notices, receipts };
}

async function selectionOf(
  { operations }: ReceiptParts,
  { kind, value, fromMs, toMs }: EvidenceOrder,
  person: string | null,
): Promise<Selection> {
  const tag =
    person === null
      ? undefined
      : (await operations.read((reader) => operations.keyring.open(reader, `person:${person}`))).tag;
  if (person !== null && tag === undefined)
    throw new GatewayError('not_found', 'the tag of this person is destroyed');
  return {
    kind,
    value: kind === 'period' ? '' : tag === undefined ? value : toHex(tag),
    from: fromMs === null ? null : new Date(fromMs).toISOString(),
    to: toMs === null ? null : new Date(toMs).toISOString(),
  };
}

function personOf(holder: string | null): string | null {
  return holder?.startsWith('person:') === true ? holder.slice('person:'.length) : null;
}
