// Erasing a person. What is asked for is done in the transaction that records it: access ends, rows go, the data key is
// destroyed. Then the files are rewritten, and only then "completed" is recorded. A crash anywhere in between is made up
// for at the next start or round: the state in the erasure's row says what is still to do.
//
//   (asked) → deleted → completed → (no row)           nothing is kept but the evidence
//   (asked) → held    → deleted → completed → (no row) a legal hold keeps a part until it ends
import { and, count, eq, gt, inArray, isNull, sql, type SQL } from 'drizzle-orm';
import type { AnySQLiteTable } from 'drizzle-orm/sqlite-core';
import { membershipChange, populationsOf } from '../consent/populations.ts';
import { loadPerson, turnSwitch } from '../consent/switches.ts';
import { categoryNames, type Category } from '../consent/vocabulary.ts';
import { GatewayError } from '../errors.ts';
import type { Done, GateRequest, Released } from '../gate.ts';
import { deletePersonRecords } from '../oauth/adapter.ts';
import { revokeGrants } from '../oauth/partners.ts';
import { hashSecret, staffRequest } from '../operations/accounts.ts';
import type { OperationParts } from '../operations/parts.ts';
import type { Reader, Tx } from '../store/store.ts';
import {
  account,
  attribute,
  budgetPerson,
  entry,
  erasure,
  event,
  invitation,
  model,
  oauthGrant,
  oauthRecord,
  person as personTable,
  quarantine,
  runMember,
  session,
  switchRow,
} from '../store/tables.ts';
import { newId } from '../system.ts';
import { noteCleaningDue } from './clean.ts';
import type { ErasedMark } from './erased-list.ts';
import { hasUntoldHold, keptByHolds, type Kept } from './holds.ts';
import { markOfPerson, markOfReference, suppress, wordsOf } from './suppression.ts';

export interface Erased {
  readonly erasure: string;
  /** Fetches the receipt later, without an account; shown once, only its hash is kept. */
  readonly code: string;
  /** Until when proof of consent and of this erasure stays readable. */
  readonly evidenceUntilMs: number;
}

/**
 * Who asks: the person themself, or the operator for a request that came by letter or telephone; `again`, when somebody who
 * was erased is back with an old backup.
 */
export type ErasureAsker =
  | { readonly kind: 'person'; readonly person: string }
  | { readonly kind: 'operator'; readonly id: string; readonly reference: string }
  | { readonly kind: 'again'; readonly person: string };

const dayMs = 86_400_000;
const quarantinePage = 500;

/**
 * Erases a person as far as it can be done at once; `resumeErasures` does the rest. From the moment this resolves nothing is
 * decided for them any more, and their rows and their data key are gone, save for what a legal hold keeps.
 * @throws GatewayError `not_found`; `conflict` when they are erased already
 */
export async function erasePerson(parts: OperationParts, asker: ErasureAsker): Promise<Released<Erased>> {
  const nowMs = parts.system.clock.nowMs();
  const id = newId(parts.system.random);
  const code = Buffer.from(parts.system.random.bytes(20)).toString('base64url');
  const evidenceUntilMs = nowMs + parts.config.evidenceDays * dayMs;
  const looked = await parts.read(async (reader) => {
    const { reference } = await findPerson(reader, asker);
    return strayRows(parts, reader, reference, 0);
  });
  const marks: ErasedMark[] = [];
  const released = await parts.gate.run(
    async (tx) => eraseRequest(asker, (await findPerson(tx, asker)).id, id, evidenceUntilMs),
    async (permit, tx) => {
      const person = permit.terms.person ?? '';
      const { reference } = await findPerson(tx, asker);
      marks.splice(0, marks.length, markOfPerson(parts, person));
      if (reference !== null) {
        marks.push(markOfReference(parts, reference));
        await suppress(tx, parts, reference, nowMs);
      }
      const stray = [...looked.rows, ...(await strayRows(parts, tx, reference, looked.upTo)).rows];
      const kept = await keptByHolds(tx, person, nowMs);
      const populations = await populationsOf(tx, person, nowMs);
      const counts = {
        ...(await endAccess(tx, person, nowMs)),
        quarantine: await deleteQuarantine(tx, person, stray),
        ...(await deleteData(parts, tx, person, kept)),
      };
      await tx.db
        .update(personTable)
        .set({ status: 'erased', gpcSinceMs: null })
        .where(eq(personTable.id, person));
      await noteCleaningDue(tx, parts.system.random);
      return {
        value: { erasure: id, code, evidenceUntilMs },
        kind: 'erasure-requested',
        keyClass: 'evidence',
        about: membershipChange(populations, new Set()),
        recorded: async (receipt) => {
          await tx.db.insert(erasure).values({
            id,
            person,
            state: kept.any ? 'held' : 'deleted',
            requestedMs: nowMs,
            requestedEntry: receipt.number,
            evidenceUntilMs,
            counts: JSON.stringify(counts),
            receiptHash: hashSecret(code),
          });
        },
      };
    },
  );
  try {
    parts.erased.add(marks);
  } catch {
    // It is done all the same, and its code must reach the person. Nothing is complete before the list has it.
  }
  return released;
}

/**
 * Does what is left to do for erasures: deletes what no hold keeps any more, cleans the files, records completions. Called
 * at start and in every retention round, never within a request; calling it too often changes nothing.
 * @returns how many were completed
 * @throws GatewayError `store_unavailable` when the files cannot be cleaned now; the erasures wait
 */
export async function resumeErasures(parts: OperationParts): Promise<number> {
  for (const { id, person } of await erasuresWhere(parts, eq(erasure.state, 'held'))) {
    await releaseHeld(parts, id, person);
  }
  // Looked up before the cleaning: who is erased while it runs is in the files still. A held erasure is recorded as well:
  // for the person everything was done that may be done.
  const waiting = await erasuresWhere(parts, toComplete);
  if (!(await parts.clean())) return 0;
  let completed = 0;
  for (const { id, person } of waiting) if (await complete(parts, id, person)) completed += 1;
  return completed;
}

const toComplete = sql`(${erasure.state} = 'deleted' OR (${erasure.state} = 'held' AND ${erasure.completedEntry} IS NULL))`;

/** Records that an erasure was carried out; nothing when somebody else did meanwhile. */
async function complete(parts: OperationParts, id: string, person: string): Promise<boolean> {
  parts.erased.add([markOfPerson(parts, person)]);
  const nowMs = parts.system.clock.nowMs();
  let row: typeof erasure.$inferSelect | undefined;
  const request = async (tx: Tx): Promise<GateRequest> => {
    [row] = await tx.db
      .select()
      .from(erasure)
      .where(and(eq(erasure.id, id), toComplete));
    if (row === undefined) throw new GatewayError('conflict', 'this erasure was completed meanwhile');
    return systemRequest({ erasure: id });
  };
  return unlessDone(
    parts.gate.run(request, async (_permit, tx): Promise<Done<void>> => {
      if (row === undefined) throw new GatewayError('internal');
      const { state, requestedEntry, completedEntry, evidenceUntilMs } = row;
      // Two completions in the person's own list would give away a hold they may not know of.
      const isTheirs = completedEntry === null || !(await hasUntoldHold(tx, person));
      return {
        value: undefined,
        kind: 'erasure-completed',
        keyClass: 'evidence',
        // Without counts: they would show the person what a hold they may not know of keeps. The erasure's row has them.
        about: {
          evidence_until: new Date(evidenceUntilMs).toISOString(),
          // The same words whether a hold keeps something or not: one the person may not know of must not show here.
          keys: 'destroyed, save for what the law requires to be kept',
        },
        ...(isTheirs
          ? { touched: { people: [person], population: null }, startedEntry: requestedEntry }
          : {}),
        recorded: async (receipt) => {
          await tx.db
            .update(erasure)
            .set({
              state: state === 'deleted' ? 'completed' : 'held',
              // The receipt speaks of the first completion for ever.
              ...(completedEntry === null ? { completedMs: nowMs, completedEntry: receipt.number } : {}),
            })
            .where(eq(erasure.id, id));
        },
      };
    }),
  );
}

/** Deletes what no hold in force keeps any more. No entry where nothing changes. */
async function releaseHeld(parts: OperationParts, id: string, person: string): Promise<void> {
  const nowMs = parts.system.clock.nowMs();
  const isDue = async (reader: Reader): Promise<boolean> => {
    const held = and(eq(erasure.id, id), eq(erasure.state, 'held'));
    if ((await tally(reader, erasure, held)) === 0) return false;
    const kept = await keptByHolds(reader, person, nowMs);
    return !kept.any || isMoreThanKept(reader, person, kept);
  };
  if (!(await parts.read(isDue))) return;
  const request = async (tx: Tx): Promise<GateRequest> => {
    if (!(await isDue(tx))) throw new GatewayError('conflict', 'this was deleted meanwhile');
    return systemRequest({ erasure: id, step: 'what no hold keeps any more' });
  };
  await unlessDone(
    parts.gate.run(request, async (_permit, tx): Promise<Done<void>> => {
      const kept = await keptByHolds(tx, person, nowMs);
      const counts = await deleteData(parts, tx, person, kept);
      if (!kept.any) await tx.db.update(erasure).set({ state: 'deleted' }).where(eq(erasure.id, id));
      await noteCleaningDue(tx, parts.system.random);
      return { value: undefined, kind: 'configured', keyClass: 'evidence', counts };
    }),
  );
}

/** False when another process or round had done it between our look and our transaction. */
async function unlessDone(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'conflict') return false;
    throw error;
  }
}

async function isMoreThanKept(reader: Reader, person: string, kept: Kept): Promise<boolean> {
  const others = otherThan(kept);
  const [rows] = await reader.db
    .select({ id: event.id })
    .from(event)
    .where(and(eq(event.person, person), inArray(event.category, others)))
    .limit(1);
  const [attributes] = await reader.db
    .select({ name: attribute.name })
    .from(attribute)
    .where(and(eq(attribute.person, person), inArray(attribute.category, others)))
    .limit(1);
  const [payloads] = kept.payloads
    ? []
    : await reader.db.select({ number: entry.number }).from(entry).where(usesOf(person)).limit(1);
  return rows !== undefined || attributes !== undefined || payloads !== undefined;
}

/** Rows, payloads and the data key, as far as no hold keeps them. */
async function deleteData(
  parts: OperationParts,
  tx: Tx,
  person: string,
  kept: Kept,
): Promise<Record<string, number>> {
  const others = otherThan(kept);
  const counts: Record<string, number> = {
    events: await deleteRows(tx, event, and(eq(event.person, person), inArray(event.category, others))),
    attributes: await deleteRows(
      tx,
      attribute,
      and(eq(attribute.person, person), inArray(attribute.category, others)),
    ),
  };
  if (!kept.payloads) {
    counts['payloads'] = await tally(tx, entry, usesOf(person));
    // To whom data went is told by the payload too: it goes with it. The leaf stays as it is.
    await tx.db.update(entry).set({ nonce: null, payload: null, recipient: null }).where(usesOf(person));
    await parts.keyring.destroy(tx, `person:${person}`, ['data']);
  }
  // While something is kept it must be known whose it is.
  if (!kept.any) await tx.db.update(personTable).set({ reference: null }).where(eq(personTable.id, person));
  return counts;
}

function otherThan(kept: Kept): Category[] {
  return categoryNames.filter((category) => !kept.categories.has(category));
}

/** Entries about uses of this person's data whose payload is still there. */
function usesOf(person: string): SQL | undefined {
  return and(
    eq(entry.holder, `person:${person}`),
    eq(entry.keyClass, 'data'),
    sql`${entry.payload} IS NOT NULL`,
  );
}

/** Everything through which data could still be asked for or used: sign-ins, grants, tokens, consents, models, memberships. */
async function endAccess(tx: Tx, person: string, nowMs: number): Promise<Record<string, number>> {
  const switches = (await loadPerson(tx, person))?.switches ?? [];
  for (const { category, purpose, recipient } of switches) {
    // As events, so that work that is running sees them leave and the history of the switches stays whole.
    await turnSwitch(
      tx,
      {
        person,
        category,
        purpose,
        recipient,
        action: 'unset',
        method: 'erasure',
        noticeHash: null,
        validUntilMs: null,
        extent: {},
        collectedMs: nowMs,
      },
      nowMs,
    );
  }
  await deleteRows(tx, switchRow, eq(switchRow.person, person));
  const records = await tally(tx, oauthRecord, eq(oauthRecord.account, person));
  await revokeGrants(tx, person, undefined, nowMs);
  await deletePersonRecords(tx, person);
  const runs = tx.db.select({ run: runMember.run }).from(runMember).where(eq(runMember.person, person));
  return {
    switches: switches.length,
    sessions: await deleteRows(tx, session, and(eq(session.kind, 'person'), eq(session.subject, person))),
    accounts: await deleteRows(tx, account, eq(account.person, person)),
    invitations: await deleteRows(tx, invitation, eq(invitation.person, person)),
    tokens: records,
    grants: await deleteRows(tx, oauthGrant, eq(oauthGrant.person, person)),
    budgets: await deleteRows(tx, budgetPerson, eq(budgetPerson.person, person)),
    // A model that learned from this person cannot unlearn them: it goes, and a new training makes another.
    models: await deleteRows(tx, model, inArray(model.run, runs)),
    memberships: await deleteRows(tx, runMember, eq(runMember.person, person)),
  };
}

async function deleteQuarantine(tx: Tx, person: string, stray: readonly number[]): Promise<number> {
  let gone = await deleteRows(tx, quarantine, eq(quarantine.person, person));
  for (let at = 0; at < stray.length; at += quarantinePage)
    gone += await deleteRows(tx, quarantine, inArray(quarantine.id, stray.slice(at, at + quarantinePage)));
  return gone;
}

/**
 * Rejected rows that came before the person was known name nobody in the table; their text may. One that merely looks as
 * if it did is deleted with them: it was rejected anyway.
 */
async function strayRows(
  parts: OperationParts,
  reader: Reader,
  reference: string | null,
  after: number,
): Promise<{ rows: number[]; upTo: number }> {
  const key = reference?.slice(reference.indexOf(':') + 1) ?? '';
  const found: number[] = [];
  let upTo = after;
  if (key === '') return { rows: found, upTo };
  for (;;) {
    const page = await reader.db
      .select({ id: quarantine.id, nonce: quarantine.nonce, raw: quarantine.raw })
      .from(quarantine)
      .where(and(gt(quarantine.id, upTo), isNull(quarantine.person)))
      .orderBy(quarantine.id)
      .limit(quarantinePage);
    const last = page.at(-1);
    if (last === undefined) return { rows: found, upTo };
    const { data } = await parts.keyring.open(reader, 'quarantine');
    for (const { id, nonce, raw } of page) {
      const text = data === undefined ? '' : Buffer.from(data.open(nonce, raw)).toString('utf8');
      const isLong = key.length >= 4 && text.includes(key);
      if (isLong || wordsOf(text).includes(key)) found.push(id);
    }
    upTo = last.id;
  }
}

async function findPerson(
  reader: Reader,
  asker: ErasureAsker,
): Promise<{ id: string; reference: string | null }> {
  const [row] = await reader.db
    .select({ id: personTable.id, reference: personTable.reference, status: personTable.status })
    .from(personTable)
    .where(
      asker.kind === 'operator'
        ? eq(personTable.reference, asker.reference)
        : eq(personTable.id, asker.person),
    );
  if (row === undefined) throw new GatewayError('not_found', 'there is no such person');
  if (row.status === 'erased') throw new GatewayError('conflict', 'this person was erased already');
  return row;
}

function eraseRequest(asker: ErasureAsker, person: string, id: string, evidenceUntilMs: number): GateRequest {
  return {
    caller:
      asker.kind === 'person'
        ? { kind: 'person', id: person }
        : { kind: 'operator', id: asker.kind === 'operator' ? asker.id : 'start-up' },
    operation: 'erase-person',
    purpose: 'service',
    categories: categoryNames,
    recipients: [asker.kind === 'person' ? 'self' : 'operator'],
    person,
    grant: null,
    about: {
      erasure: id,
      evidence_until: new Date(evidenceUntilMs).toISOString(),
      ...(asker.kind === 'again' ? { again: 'a restore had brought them back' } : {}),
    },
  };
}

function systemRequest(about: Record<string, unknown>): GateRequest {
  return staffRequest({ kind: 'system', id: 'erasure' }, 'complete-erasure', about);
}

function erasuresWhere(
  parts: OperationParts,
  where: SQL | undefined,
): Promise<{ id: string; person: string }[]> {
  return parts.read((reader) =>
    reader.db
      .select({ id: erasure.id, person: erasure.person })
      .from(erasure)
      .where(where)
      .orderBy(erasure.requestedMs),
  );
}

async function tally(reader: Reader, table: AnySQLiteTable, where: SQL | undefined): Promise<number> {
  const [row] = await reader.db.select({ times: count() }).from(table).where(where);
  return row?.times ?? 0;
}

async function deleteRows(tx: Tx, table: AnySQLiteTable, where: SQL | undefined): Promise<number> {
  const times = await tally(tx, table, where);
  if (times > 0) await tx.db.delete(table).where(where);
  return times;
}
