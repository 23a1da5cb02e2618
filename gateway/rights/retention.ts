// The retention round: finishes erasures, and destroys their evidence when its time is over and no hold needs it.
import { and, eq, inArray, lte, sql } from 'drizzle-orm';
import { lastConsentEvent } from '../consent/switches.ts';
import { staffRequest } from '../operations/accounts.ts';
import type { OperationParts } from '../operations/parts.ts';
import type { Tx } from '../store/store.ts';
import { consentEvent, entry, erasure, legalHold, person as personTable } from '../store/tables.ts';
import { noteCleaningDue } from './clean.ts';
import { resumeErasures } from './erase.ts';
import { keptByHolds } from './holds.ts';

export interface RetentionRound {
  readonly completed: number;
  /** People whose evidence and tag are destroyed now: nothing in the log can be told to be about them. */
  readonly closed: number;
}

const atOnce = 50;
/** Earlier versions kept the row of those whose evidence had ended, as `closed`. */
const ended = ['completed', 'closed'];

/** Repeated for as long as the gateway runs. @throws GatewayError `store_unavailable` when files cannot be cleaned now */
export async function retentionRound(parts: OperationParts): Promise<RetentionRound> {
  // In this order one cleaning is enough for both.
  const closed = await endEvidence(parts);
  const completed = await resumeErasures(parts);
  return { completed, closed };
}

async function endEvidence(parts: OperationParts): Promise<number> {
  const nowMs = parts.system.clock.nowMs();
  const due = await parts.read(async (reader) => {
    const rows = await reader.db
      .select({ id: erasure.id, person: erasure.person })
      .from(erasure)
      .where(and(inArray(erasure.state, ended), lte(erasure.evidenceUntilMs, nowMs)))
      .limit(atOnce);
    const free: typeof rows = [];
    for (const row of rows) if (!(await keptByHolds(reader, row.person, nowMs)).any) free.push(row);
    return free;
  });
  if (due.length === 0) return 0;
  const request = staffRequest({ kind: 'system', id: 'retention' }, 'administer', { retention: 'evidence' });
  const { value } = await parts.gate.run(request, async (_permit, tx) => {
    let people = 0;
    for (const { id, person } of due) {
      if ((await keptByHolds(tx, person, nowMs)).any) continue;
      await close(parts, tx, id, person);
      people += 1;
    }
    await deleteConsentEvents(tx);
    await noteCleaningDue(tx, parts.system.random);
    return { value: people, counts: { people }, kind: 'configured', keyClass: 'evidence' };
  });
  return value;
}

/** The leaves stay; what could open them, or tell whose they are, goes. */
async function close(parts: OperationParts, tx: Tx, id: string, person: string): Promise<void> {
  const holder = `person:${person}`;
  await tx.db
    .update(entry)
    .set({ holder: null, nonce: null, payload: null, recipient: null })
    .where(eq(entry.holder, holder));
  await parts.keyring.destroy(tx, holder, ['data', 'evidence', 'tag']);
  await tx.db.delete(legalHold).where(eq(legalHold.person, person));
  // It names entries beside the person: whose they are, nothing may tell any more. Its code finds nothing from now on.
  await tx.db.delete(erasure).where(eq(erasure.id, id));
}

/**
 * Consent events of everyone who is closed. The newest event of all stays until there is a newer one: its number must not
 * be given out again, because running work compares with it.
 */
async function deleteConsentEvents(tx: Tx): Promise<void> {
  const newest = await lastConsentEvent(tx);
  await tx.db.delete(consentEvent).where(
    sql`${consentEvent.number} < ${newest} AND ${consentEvent.person} IN (SELECT ${personTable.id} FROM ${personTable} WHERE ${personTable.status} = 'erased')
        AND ${consentEvent.person} NOT IN (SELECT ${erasure.person} FROM ${erasure})`,
  );
}
