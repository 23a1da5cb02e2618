// What an officer hands to an authority: the entries of a person, partner, purpose or period, with proofs, notices and
// receipts. Whom a shown entry concerns sees that it was handed out.
import { and, asc, eq, gte, lt, lte, type SQL } from 'drizzle-orm';
import { mapHeadKind } from '../audit/entry.ts';
import type { Selection } from '../audit/evidence.ts';
import { toHex } from '../audit/bytes.ts';
import { kindName, openPayload } from '../audit/payload.ts';
import type { Prover } from '../audit/proof.ts';
import { noticeByHash, type Notice } from '../consent/notices.ts';
import { isPurpose } from '../consent/vocabulary.ts';
import { GatewayError } from '../errors.ts';
import type { Released } from '../gate.ts';
import { receiptOfConsent, type ReceiptParts } from '../rights/receipts.ts';
import type { Reader } from '../store/store.ts';
import { entry, partner as partnerTable } from '../store/tables.ts';
import { staffRequest } from './accounts.ts';
import { findPerson } from './entries.ts';

export interface EvidenceOrder {
  readonly kind: Selection['kind'];
  /** A person's reference or id, a partner's id, a purpose; nothing for a period. */
  readonly value: string;
  /** From this time on; null for all. A purpose and a period need both. */
  readonly fromMs: number | null;
  /** Up to and including this time. */
  readonly toMs: number | null;
}

export interface EvidenceFiles {
  /** FORMAT.md section 12. */
  readonly evidence: string;
  /** For a person: their bundle, which proves that nothing is missing. */
  readonly person: string | null;
  readonly notices: readonly Notice[];
  readonly receipts: readonly string[];
}

/** More is several packs, of shorter periods. */
export const evidenceEntriesLimit = 10_000;
const scanLimit = 200_000;
const scanPage = 1_000;

/** @throws GatewayError `malformed_request`, `not_found`, `too_many_entries` */
export async function exportEvidence(
  parts: ReceiptParts & { readonly prover: Prover },
  officer: string,
  order: EvidenceOrder,
): Promise<Released<EvidenceFiles>> {
  const { operations, prover } = parts;
  check(order);
  const about = { kind: order.kind, from: order.fromMs, to: order.toMs };
  const request = staffRequest({ kind: 'officer', id: officer }, 'export-evidence', about);
  const allowed = await operations.gate.run(request, async (_permit, tx) => {
    if (order.kind === 'partner') {
      const [known] = await tx.db.select().from(partnerTable).where(eq(partnerTable.id, order.value));
      if (known === undefined) throw new GatewayError('not_found', 'there is no such partner');
    }
    return { value: undefined, keyClass: 'evidence' };
  });
  const person = order.kind === 'person' ? await findPerson(operations, order.value) : null;
  const found = await select(parts, order, person);
  if (found.length > evidenceEntriesLimit)
    throw new GatewayError(
      'too_many_entries',
      `more than ${evidenceEntriesLimit} entries: choose a shorter period`,
    );

  const people = [...new Set(found.flatMap(({ holder }) => personOf(holder) ?? []))];
  await operations.gate.run(request, async () => ({
    value: undefined,
    keyClass: 'evidence',
    counts: { entries: found.length },
    ...(people.length === 0 ? {} : { touched: { people, population: 'evidence' as const } }),
  }));
  const shown = await read(parts, found);
  const numbers = found.map(({ number }) => number);
  const evidence = await prover.evidence({
    selection: await selectionOf(parts, order, person),
    range: order.kind === 'period' ? { first: numbers[0] ?? 0, end: (numbers.at(-1) ?? -1) + 1 } : null,
    notices: shown.notices.map(({ hash, id, version, language, body }) => ({
      hash,
      id,
      version,
      language,
      body,
    })),
    receipts: shown.receipts,
    numbers,
  });
  return {
    ...allowed,
    value: { evidence, person: person === null ? null : await prover.person(person), ...shown },
  };
}

function check({ kind, value, fromMs, toMs }: EvidenceOrder): void {
  const wrong = (message: string): GatewayError => new GatewayError('malformed_request', message);
  if (kind === 'purpose' && !isPurpose(value)) throw new GatewayError('unknown_purpose');
  if ((kind === 'purpose' || kind === 'period') && (fromMs === null || toMs === null))
    throw wrong('choose from when to when');
  if (fromMs !== null && toMs !== null && fromMs > toMs) throw wrong('the period ends before it begins');
}

interface Found {
  readonly number: number;
  readonly holder: string | null;
}

async function select(
  { operations }: ReceiptParts,
  { kind, value, fromMs, toMs }: EvidenceOrder,
  person: string | null,
): Promise<Found[]> {
  const within: SQL | undefined = and(
    fromMs === null ? undefined : gte(entry.atMs, fromMs),
    toMs === null ? undefined : lte(entry.atMs, toMs),
  );
  const columns = { number: entry.number, holder: entry.holder };
  const size = operations.log.durableSize();
  return operations.read(async (reader) => {
    const rows = (where: SQL | undefined): Promise<Found[]> =>
      Promise.resolve(
        reader.db
          .select(columns)
          .from(entry)
          .where(and(where, within, lt(entry.number, size)))
          .orderBy(asc(entry.number))
          .limit(evidenceEntriesLimit + 1),
      );
    switch (kind) {
      case 'person':
        return rows(eq(entry.holder, `person:${person}`));
      case 'partner':
        return rows(eq(entry.recipient, `partner:${value}`));
      case 'period':
        // Map heads too: a period is every entry of its range.
        return rows(undefined);
      case 'purpose':
        return forPurpose(operations, reader, value, within);
    }
  });
}

/** A purpose stands in payloads alone, so each of the period is opened. */
async function forPurpose(
  { keyring, log }: ReceiptParts['operations'],
  reader: Reader,
  purpose: string,
  within: SQL | undefined,
): Promise<Found[]> {
  const found: Found[] = [];
  let from = 0;
  for (let scanned = 0; found.length <= evidenceEntriesLimit; scanned += scanPage) {
    if (scanned >= scanLimit)
      throw new GatewayError(
        'too_many_entries',
        `more than ${scanLimit} entries to look through: choose a shorter period`,
      );
    const rows = await reader.db
      .select()
      .from(entry)
      .where(and(gte(entry.number, from), lt(entry.number, log.durableSize()), within))
      .orderBy(asc(entry.number))
      .limit(scanPage);
    for (const row of rows) {
      const opened = row.kind === mapHeadKind ? undefined : await openPayload(keyring, reader, row);
      if (opened?.payload['purpose'] === purpose || namesPurpose(opened?.payload['switches'], purpose))
        found.push({ number: row.number, holder: row.holder });
    }
    if (rows.length < scanPage) return found;
    from = (rows.at(-1)?.number ?? 0) + 1;
  }
  return found;
}

const namesPurpose = (switches: unknown, purpose: string): boolean =>
  Array.isArray(switches) && switches.some((one: { purpose?: unknown } | null) => one?.purpose === purpose);

/** The notices these entries name, and a receipt for each choice among them. */
async function read(
  parts: ReceiptParts,
  found: readonly Found[],
): Promise<{ notices: Notice[]; receipts: string[] }> {
  const { operations } = parts;
  const hashes = new Set<string>();
  const consents: { number: number; person: string }[] = [];
  for (let at = 0; at < found.length; at += scanPage) {
    const page = found.slice(at, at + scanPage);
    await operations.read(async (reader) => {
      const rows = await reader.db
        .select()
        .from(entry)
        .where(and(gte(entry.number, page[0]?.number ?? 0), lte(entry.number, page.at(-1)?.number ?? 0)));
      const wanted = new Set(page.map(({ number }) => number));
      for (const row of rows) {
        if (!wanted.has(row.number) || row.kind === mapHeadKind || kindName(row.kind) !== 'consent') continue;
        const opened = await openPayload(operations.keyring, reader, row);
        for (const hash of noticesIn(opened?.payload)) hashes.add(hash);
        const person = personOf(row.holder);
        if (opened !== undefined && person !== null) consents.push({ number: row.number, person });
      }
    });
  }
  const notices = await operations.read(async (reader) => {
    const texts: Notice[] = [];
    for (const hash of hashes) {
      const notice = await noticeByHash(reader, hash);
      if (notice !== undefined) texts.push(notice);
    }
    return texts;
  });
  const receipts: string[] = [];
  for (const { number, person } of consents.slice(0, receiptsLimit))
    receipts.push(await receiptOfConsent(parts, person, number));
  return { notices, receipts };
}

const receiptsLimit = 4096;

function noticesIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(noticesIn);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    name.startsWith('notice') && typeof inner === 'string' && /^[0-9a-f]{64}$/.test(inner)
      ? [inner]
      : noticesIn(inner),
  );
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
