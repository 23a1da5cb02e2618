// Existing consent records enter as consent events with method `migrated`. Without them nobody has consented to anything.
import { and, eq, gt } from 'drizzle-orm';
import { membershipChange, populationsOf } from '../consent/populations.ts';
import { turnSwitch } from '../consent/switches.ts';
import { isCategory, isPurpose, isSwitchRecipient } from '../consent/vocabulary.ts';
import { GatewayError } from '../errors.ts';
import { Refusal } from '../gate.ts';
import { suppressedIn } from '../rights/suppression.ts';
import type { Tx } from '../store/store.ts';
import { consentEvent, person as personTable } from '../store/tables.ts';
import { staffRequest } from './accounts.ts';
import { readConsentFile } from './consent-file.ts';
import type { OperationParts } from './parts.ts';

export interface ConsentRecord {
  /** The person's reference, such as movielens:196. */
  readonly person: string;
  readonly category: string;
  readonly purpose: string;
  readonly recipient: string;
  /** SHA-256 of the notice shown then, 64 hex digits. */
  readonly notice_hash: string;
  /** How it was collected, such as web-form; recorded in the entry. */
  readonly method: string;
  /** ISO 8601, with zone. */
  readonly collected_at: string;
}

export const consentColumns = [
  'person',
  'category',
  'purpose',
  'recipient',
  'notice_hash',
  'method',
  'collected_at',
] as const;

export interface ConsentImport {
  readonly people: number;
  readonly consents: number;
  /** Records of people who were erased: passed over. */
  readonly suppressed: number;
  readonly rejected: readonly { readonly line: number; readonly code: string }[];
}

const parallel = 64;

/**
 * Loads consent records (CSV with a header, or NDJSON). Each person's records become one operation and one entry in
 * that person's own part of the log.
 * @param records file contents
 */
export async function importConsents(
  parts: OperationParts,
  operator: string,
  records: AsyncIterable<Uint8Array>,
  format: 'csv' | 'ndjson',
): Promise<ConsentImport> {
  const byPerson = new Map<string, { record: ConsentRecord; line: number }[]>();
  const rejected: { line: number; code: string }[] = [];
  for await (const { line, fields, code } of readConsentFile(format, consentColumns, records)) {
    const record = fields as unknown as ConsentRecord;
    const problem = code ?? problemOf(record, parts.system.clock.nowMs());
    if (problem !== undefined) {
      rejected.push({ line, code: problem });
      continue;
    }
    const list = byPerson.get(record.person) ?? [];
    list.push({ record, line });
    byPerson.set(record.person, list);
  }

  let people = 0;
  let consents = 0;
  let suppressed = 0;
  const work = [...byPerson.entries()];
  for (let at = 0; at < work.length; at += parallel) {
    await Promise.all(
      work.slice(at, at + parallel).map(async ([reference, list]) => {
        if (await isSuppressed(parts, reference)) {
          suppressed += list.length;
          return;
        }
        try {
          const older = await importOne(
            parts,
            operator,
            reference,
            list.map(({ record }) => record),
          );
          for (const { record, line } of list)
            if (older.has(record)) rejected.push({ line, code: 'newer_choice' });
          if (older.size < list.length) people += 1;
          consents += list.length - older.size;
        } catch (error) {
          // Erased while the file was being read.
          if (error instanceof Refusal && error.reason === 'person_erased') {
            suppressed += list.length;
            return;
          }
          if (!(error instanceof GatewayError && error.code === 'not_found')) throw error;
          for (const { line } of list) rejected.push({ line, code: 'unknown_person' });
        }
      }),
    );
  }
  rejected.sort((a, b) => a.line - b.line);
  if (suppressed > 0) await recordSuppressed(parts, operator, suppressed);
  return { people, consents, suppressed, rejected };
}

async function isSuppressed(parts: OperationParts, reference: string): Promise<boolean> {
  const at = reference.indexOf(':');
  if (at < 0) return false;
  return parts.read(async (reader) =>
    (await suppressedIn(reader, parts)).person(reference.slice(0, at), reference.slice(at + 1)),
  );
}

/** They concern nobody who is still here: one entry says how many. */
async function recordSuppressed(parts: OperationParts, operator: string, suppressed: number): Promise<void> {
  const request = staffRequest({ kind: 'operator', id: operator }, 'import-consents');
  await parts.gate.run(request, async () => ({
    value: undefined,
    counts: { suppressed },
    kind: 'imported',
    keyClass: 'evidence',
  }));
}

/** Returns the records that were left out: the person turned that switch after they were collected. */
async function importOne(
  parts: OperationParts,
  operator: string,
  reference: string,
  given: readonly ConsentRecord[],
): Promise<ReadonlySet<ConsentRecord>> {
  const nowMs = parts.system.clock.nowMs();
  const older = new Set<ConsentRecord>();
  let records: readonly ConsentRecord[] = [];
  await parts.gate.run(
    async (tx) => {
      const [row] = await tx.db
        .select({ id: personTable.id })
        .from(personTable)
        .where(eq(personTable.reference, reference));
      if (row === undefined) throw new GatewayError('not_found', 'no such person');
      for (const record of given) if (await hasNewerChoice(tx, row.id, record)) older.add(record);
      records = given.filter((record) => !older.has(record));
      return {
        ...staffRequest({ kind: 'operator', id: operator }, 'import-consents', {
          switches: records.map(({ category, purpose, recipient, notice_hash, method, collected_at }) => ({
            category,
            purpose,
            recipient,
            action: 'on',
            notice: notice_hash,
            method: 'migrated',
            collected_by: method,
            collected_at,
          })),
        }),
        person: row.id,
      };
    },
    async (permit, tx) => {
      const person = permit.terms.person ?? '';
      const before = await populationsOf(tx, person, nowMs);
      for (const record of records) {
        if (
          !isCategory(record.category) ||
          !isPurpose(record.purpose) ||
          !isSwitchRecipient(record.recipient)
        ) {
          throw new GatewayError('internal', 'a record passed its check and is not valid');
        }
        await turnSwitch(
          tx,
          {
            person,
            category: record.category,
            purpose: record.purpose,
            recipient: record.recipient,
            action: 'on',
            method: 'migrated',
            noticeHash: record.notice_hash,
            validUntilMs: null,
            extent: {},
            collectedMs: Date.parse(record.collected_at),
          },
          nowMs,
        );
      }
      return {
        value: undefined,
        counts: { consents: records.length },
        about: membershipChange(before, await populationsOf(tx, person, nowMs)),
        kind: 'consent',
        keyClass: 'evidence',
      };
    },
  );
  return older;
}

async function hasNewerChoice(tx: Tx, person: string, record: ConsentRecord): Promise<boolean> {
  const [newer] = await tx.db
    .select({ number: consentEvent.number })
    .from(consentEvent)
    .where(
      and(
        eq(consentEvent.person, person),
        eq(consentEvent.category, record.category),
        eq(consentEvent.purpose, record.purpose),
        eq(consentEvent.recipient, record.recipient),
        gt(consentEvent.collectedMs, Date.parse(record.collected_at)),
      ),
    )
    .limit(1);
  return newer !== undefined;
}

function problemOf(record: ConsentRecord, nowMs: number): string | undefined {
  if (typeof record.person !== 'string' || record.person.length === 0 || record.person.length > 200)
    return 'missing_value';
  if (!isCategory(record.category)) return 'unknown_category';
  if (!isPurpose(record.purpose)) return 'unknown_purpose';
  if (!isSwitchRecipient(record.recipient)) return 'unknown_recipient';
  if (!/^[0-9a-f]{64}$/.test(record.notice_hash ?? '')) return 'invalid_notice_hash';
  if (typeof record.method !== 'string' || record.method.length === 0 || record.method.length > 64)
    return 'missing_value';
  const collectedMs = Date.parse(record.collected_at);
  if (Number.isNaN(collectedMs)) return 'invalid_time';
  return collectedMs > nowMs ? 'time_in_future' : undefined;
}
