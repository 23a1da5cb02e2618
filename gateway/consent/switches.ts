// One person's switches: read, turn, fold. State is nothing but the fold of the consent events.
import { and, asc, desc, eq, gt, inArray, lte, or, sql } from 'drizzle-orm';
import { bound, fixed, query, type Reader, type Tx } from '../store/store.ts';
import { consentEvent, notice, partner, person as personTable, switchRow } from '../store/tables.ts';
import type { Extent, PersonState, SwitchState } from './decide.ts';
import type { Category, Purpose, Recipient, SwitchRecipient } from './vocabulary.ts';

export type ConsentAction = 'on' | 'off' | 'unset';
export type ConsentMethod = 'portal' | 'oauth' | 'migrated' | 'erasure';

export interface ConsentEvent {
  readonly person: string;
  readonly category: Category;
  readonly purpose: Purpose;
  readonly recipient: SwitchRecipient;
  readonly action: ConsentAction;
  readonly method: ConsentMethod;
  readonly noticeHash: string | null;
  readonly validUntilMs: number | null;
  readonly extent: Extent;
  readonly collectedMs: number;
}

const personById = query((db) =>
  db
    .select({ status: personTable.status, gpcSinceMs: personTable.gpcSinceMs })
    .from(personTable)
    .where(eq(personTable.id, bound('person'))),
);
const switchColumns = {
  person: switchRow.person,
  category: switchRow.category,
  purpose: switchRow.purpose,
  recipient: switchRow.recipient,
  state: switchRow.state,
  validUntilMs: switchRow.validUntilMs,
  noticeHash: switchRow.noticeHash,
  extent: switchRow.extent,
  sinceMs: switchRow.sinceMs,
  asksAgain: notice.replacedAsksAgain,
};
const switchesOfPerson = query((db) =>
  db
    .select(switchColumns)
    .from(switchRow)
    .leftJoin(notice, eq(notice.hash, switchRow.noticeHash))
    .where(eq(switchRow.person, bound('person'))),
);
const switchesForPurpose = query((db) =>
  db
    .select(switchColumns)
    .from(switchRow)
    .leftJoin(notice, eq(notice.hash, switchRow.noticeHash))
    .where(and(eq(switchRow.person, bound('person')), eq(switchRow.purpose, bound('purpose')))),
);
const partnerStatus = query((db) =>
  db
    .select({ status: partner.status })
    .from(partner)
    .where(eq(partner.id, bound('id'))),
);
const lastEvent = query((db) =>
  db
    .select({ number: consentEvent.number })
    .from(consentEvent)
    .orderBy(desc(consentEvent.number))
    .limit(fixed(1)),
);
const insertEvent = query((db) =>
  db.insert(consentEvent).values({
    number: sql.placeholder('number'),
    person: sql.placeholder('person'),
    category: sql.placeholder('category'),
    purpose: sql.placeholder('purpose'),
    recipient: sql.placeholder('recipient'),
    action: sql.placeholder('action'),
    method: sql.placeholder('method'),
    noticeHash: sql.placeholder('noticeHash'),
    validUntilMs: sql.placeholder('validUntilMs'),
    extent: sql.placeholder('extent'),
    collectedMs: sql.placeholder('collectedMs'),
    recordedMs: sql.placeholder('recordedMs'),
  }),
);

/** What `decide` needs of one person, for one purpose or for all; undefined: no such person. */
export async function loadPerson(
  reader: Reader,
  person: string,
  purpose?: Purpose,
): Promise<PersonState | undefined> {
  const [[row], rows] = await Promise.all([
    reader.run(personById, { person }),
    purpose === undefined
      ? reader.run(switchesOfPerson, { person })
      : reader.run(switchesForPurpose, { person, purpose }),
  ]);
  if (row === undefined) return undefined;
  return {
    person,
    status: row.status as PersonState['status'],
    gpcSinceMs: row.gpcSinceMs,
    switches: rows.map(asSwitch),
  };
}

/** Everyone who has at least one "on" for this purpose and one of these categories, with all their switches for it. */
export async function loadCandidates(
  reader: Reader,
  purpose: Purpose,
  categories: readonly Category[],
): Promise<PersonState[]> {
  const rows = await reader.db
    .select({ ...switchColumns, status: personTable.status, gpcSinceMs: personTable.gpcSinceMs })
    .from(switchRow)
    .innerJoin(personTable, eq(personTable.id, switchRow.person))
    .leftJoin(notice, eq(notice.hash, switchRow.noticeHash))
    .where(and(eq(switchRow.purpose, purpose), inArray(switchRow.category, [...categories])))
    .orderBy(asc(switchRow.person));
  const people = new Map<string, PersonState & { switches: SwitchState[] }>();
  for (const row of rows) {
    let state = people.get(row.person);
    if (state === undefined) {
      state = {
        person: row.person,
        status: row.status as PersonState['status'],
        gpcSinceMs: row.gpcSinceMs,
        switches: [],
      };
      people.set(row.person, state);
    }
    state.switches.push(asSwitch(row));
  }
  return [...people.values()].filter(({ switches }) => switches.some(({ state }) => state === 'on'));
}

/** People whose switches for this purpose changed after that consent event. */
export async function changedSince(reader: Reader, event: number, purpose: Purpose): Promise<string[]> {
  const rows = await reader.db
    .selectDistinct({ person: consentEvent.person })
    .from(consentEvent)
    .where(and(gt(consentEvent.number, event), eq(consentEvent.purpose, purpose)));
  return rows.map((row) => row.person);
}

/** People with an "on" for this purpose that time or a newer notice has ended. */
export async function staleSwitches(
  reader: Reader,
  purpose: Purpose,
  nowMs: number,
): Promise<{ id: string }[]> {
  return reader.db
    .selectDistinct({ id: switchRow.person })
    .from(switchRow)
    .leftJoin(notice, eq(notice.hash, switchRow.noticeHash))
    .where(
      and(
        eq(switchRow.purpose, purpose),
        or(lte(switchRow.validUntilMs, nowMs), eq(notice.replacedAsksAgain, 1)),
      ),
    );
}

/** Number of the newest consent event; 0 when there is none. */
export async function lastConsentEvent(reader: Reader): Promise<number> {
  return (await reader.run(lastEvent))[0]?.number ?? 0;
}

/** Those of the recipients that may receive anything at all: engine parts, the person, and active partners. */
export async function activeRecipients(
  reader: Reader,
  recipients: readonly Recipient[],
): Promise<Recipient[]> {
  const isActive = await Promise.all(
    recipients.map(async (recipient) => {
      if (!recipient.startsWith('partner:')) return true;
      const [row] = await reader.run(partnerStatus, { id: recipient.slice('partner:'.length) });
      return row?.status === 'active';
    }),
  );
  return recipients.filter((_recipient, index) => isActive[index]);
}

/** Records a consent event and turns the switch, in the caller's transaction. Returns the event's number. */
export async function turnSwitch(tx: Tx, event: ConsentEvent, nowMs: number): Promise<number> {
  const number = (await lastConsentEvent(tx)) + 1;
  await tx.run(insertEvent, { ...event, extent: JSON.stringify(event.extent), number, recordedMs: nowMs });
  const key = and(
    eq(switchRow.person, event.person),
    eq(switchRow.category, event.category),
    eq(switchRow.purpose, event.purpose),
    eq(switchRow.recipient, event.recipient),
  );
  if (event.action === 'unset') {
    await tx.db.delete(switchRow).where(key);
    return number;
  }
  const row = {
    state: event.action,
    validUntilMs: event.validUntilMs,
    noticeHash: event.noticeHash,
    extent: JSON.stringify(event.extent),
    sinceMs: nowMs,
    event: number,
  };
  await tx.db
    .insert(switchRow)
    .values({
      person: event.person,
      category: event.category,
      purpose: event.purpose,
      recipient: event.recipient,
      ...row,
    })
    .onConflictDoUpdate({
      target: [switchRow.person, switchRow.category, switchRow.purpose, switchRow.recipient],
      set: row,
    });
  return number;
}

/** The switches that a history of events leads to; the independent statement of what `turnSwitch` maintains. */
export function foldEvents(
  events: readonly Pick<ConsentEvent, 'category' | 'purpose' | 'recipient' | 'action'>[],
): Map<string, 'on' | 'off'> {
  const state = new Map<string, 'on' | 'off'>();
  for (const { category, purpose, recipient, action } of events) {
    const key = `${category}/${purpose}/${recipient}`;
    if (action === 'unset') state.delete(key);
    else state.set(key, action);
  }
  return state;
}

function asSwitch(row: {
  category: string;
  purpose: string;
  recipient: string;
  state: string;
  validUntilMs: number | null;
  noticeHash: string | null;
  extent: string;
  sinceMs: number;
  asksAgain: number | null;
}): SwitchState {
  return {
    category: row.category as Category,
    purpose: row.purpose as Purpose,
    recipient: row.recipient as SwitchRecipient,
    state: row.state as SwitchState['state'],
    validUntilMs: row.validUntilMs,
    noticeCurrent: row.asksAgain !== 1,
    noticeHash: row.noticeHash,
    sinceMs: row.sinceMs,
    extent: row.extent === '{}' ? {} : (JSON.parse(row.extent) as Extent),
  };
}
