// Thirty days in the invented world, as a list of timed actions. Each goes through the gate with the clock set to its time.
import { and, desc, eq } from 'drizzle-orm';
import { GatewayError } from '../errors.ts';
import type { Provider } from 'oidc-provider';
import type { Category, Purpose } from '../consent/vocabulary.ts';
import { currentNotice, type NoticeLanguage } from '../consent/notices.ts';
import { Refusal } from '../gate.ts';
import { addStaff, enrol, invite, openStaffSession, signInPerson } from '../operations/accounts.ts';
import { askPrivately } from '../operations/dp-query.ts';
import { listEntries, openEntry } from '../operations/entries.ts';
import { importConsents } from '../operations/import-consents.ts';
import { importData } from '../operations/import-data.ts';
import { viewActivity, viewHome } from '../operations/own.ts';
import type { OperationParts } from '../operations/parts.ts';
import { readData } from '../operations/read-data.ts';
import { createRecommender, type Recommender } from '../operations/recommend.ts';
import { setSwitches, type SwitchChange } from '../operations/set-switch.ts';
import { trainRecommender } from '../operations/train-recommender.ts';
import {
  account,
  consentEvent,
  entry,
  person as personTable,
  run as runTable,
  staff,
} from '../store/tables.ts';
import { newId } from '../system.ts';
import {
  allowPartner,
  demoPartner,
  identifyByGrant,
  keepRefreshToken,
  registerDemoPartner,
  registerTerminalPartner,
} from './partner.ts';
import { firstRows, inventConsents, namedPeople, shopSource, weekRows, type NoticeHashes } from './people.ts';

/** What the actions work with; `parts` reads the hand-set clock. */
export interface Stage {
  readonly parts: OperationParts;
  readonly provider: Provider;
  readonly recommender: Recommender;
  readonly startMs: number;
}

export interface Action {
  readonly atMs: number;
  readonly about: string;
  /** Writes more than one transaction, so a crash can leave it half done; it is then done again, without repeating. */
  readonly isLong?: true;
  readonly run: (stage: Stage) => Promise<unknown>;
}

export const staffMembers = {
  operator: { userName: 'He Ping', name: { en: 'He Ping', zh: '何平' } },
  officer: { userName: 'Chen Wei', name: { en: 'Chen Wei', zh: '陈薇' } },
  analyst: { userName: 'Sam Field', name: { en: 'Sam Field', zh: 'Sam Field' } },
} as const;

export const historyDays = 30;
const dayMs = 86_400_000;
const reads = { category: 'browsing', purpose: 'recommendation' } as const;

/** The whole history, in order of time; the same for the same start. */
export function planHistory(startMs: number): readonly Action[] {
  /** @param hour of the day, with minutes as a fraction */
  const at = (day: number, hour: number): number => startMs + day * dayMs + Math.round(hour * 60) * 60_000;
  const actions: Action[] = [];
  const add = (atMs: number, about: string, run: Action['run'], isLong?: true): void =>
    void actions.push({ atMs, about, run, ...(isLong === undefined ? {} : { isLong }) });

  (['operator', 'officer', 'analyst'] as const).forEach((role, index) => {
    add(at(0, 0.1 + index * 0.05), `${role} joins`, ({ parts }) =>
      addStaff(parts, 'first-start', {
        userName: staffMembers[role].userName,
        role,
        password: unknowable(parts),
      }),
    );
  });
  add(
    at(0, 0.5),
    'the shop’s records come in',
    async ({ parts }) =>
      importData(parts, {
        operator: await staffId(parts, 'operator'),
        source: shopSource,
        legalBasis: 'contract',
        open: () => firstRows(startMs),
        demo: true,
      }),
    true,
  );
  add(at(0, 1), 'consents collected before come in', migrateConsents, true);
  add(at(0, 2), 'a partner is registered', async ({ parts }) =>
    registerDemoPartner(parts, await staffId(parts, 'operator')),
  );
  add(at(0, 2.05), 'its terminal is registered', async ({ parts }) =>
    registerTerminalPartner(parts, await staffId(parts, 'operator')),
  );
  for (const day of [0, 7, 14, 21, 28]) {
    if (day > 0) add(at(day, 3), 'a week of browsing comes in', (stage) => importWeek(stage, at(day, 3)));
    add(at(day, 3.5), 'the recommender is trained', (stage) => train(stage, at(day, 3.5)), true);
  }
  addPeople(add, at);
  addPartner(add, at);
  addStaffWork(add, at);
  return actions.sort((a, b) => a.atMs - b.atMs);
}

type Add = (atMs: number, about: string, run: Action['run'], isLong?: true) => void;
type At = (day: number, hour: number) => number;

/** What Lin Xiao and Maya Ortiz do themselves. */
function addPeople(add: Add, at: At): void {
  const { lin, maya } = namedPeople;
  const switchAt = (day: number, hour: number, who: string, language: NoticeLanguage, change: Change): void =>
    add(at(day, hour), `${who} turns ${change.category} for ${change.purpose} ${change.action}`, (stage) =>
      turn(stage, who, language, change),
    );
  add(at(1, 9), 'Lin Xiao enrols', (stage) => join(stage, 'lin'), true);
  add(at(1, 9.1), 'Lin Xiao looks', async ({ parts }) =>
    viewHome(parts, await personId(parts, lin.reference)),
  );
  switchAt(1, 9.2, lin.reference, 'zh', {
    category: 'location',
    purpose: 'marketing',
    recipient: '*',
    action: 'off',
  });
  switchAt(1, 9.25, lin.reference, 'zh', {
    category: 'transactions',
    purpose: 'pricing',
    recipient: '*',
    action: 'off',
  });
  add(at(2, 12.5), 'Lin Xiao allows the partner', async (stage) => {
    const person = await personId(stage.parts, lin.reference);
    const granted = ['browsing.recommendation:read'];
    const grantId = await allow(stage, person, 'zh', granted, [
      'transactions.marketing:read',
      'location.marketing:read',
    ]);
    await keepRefreshToken(stage.parts.config, stage.provider, person, grantId, granted);
  });
  add(at(3, 18), 'Maya Ortiz enrols', (stage) => join(stage, 'maya'), true);
  for (const category of ['transactions', 'location', 'browsing'] as const) {
    const hour = 18.1 + ['transactions', 'location', 'browsing'].indexOf(category) * 0.05;
    switchAt(3, hour, maya.reference, 'en', {
      category,
      purpose: 'marketing',
      recipient: '*',
      action: 'off',
    });
  }
  add(at(4, 18.3), 'Maya Ortiz allows the partner', async (stage) => {
    const person = await personId(stage.parts, maya.reference);
    return allow(
      stage,
      person,
      'en',
      ['browsing.recommendation:read'],
      ['transactions.marketing:read', 'location.marketing:read'],
    );
  });
  for (const [day, hour] of [
    [5, 20],
    [11, 21],
    [16, 12],
    [20, 20.5],
    [24, 8.5],
    [27, 21],
    [29, 9.5],
  ] as const) {
    add(at(day, hour), 'suggestions for Lin Xiao', (stage) => suggest(stage, lin.reference));
  }
  for (const [day, hour] of [
    [6, 19],
    [13, 19.5],
    [22, 20],
    [28, 19],
  ] as const) {
    add(at(day, hour), 'suggestions for Maya Ortiz', (stage) => suggest(stage, maya.reference));
  }
  const partnerSwitch = { ...reads, recipient: `partner:${demoPartner.id}` };
  switchAt(24, 19, lin.reference, 'zh', { ...partnerSwitch, action: 'off' });
  add(at(26, 19.9), 'Lin Xiao signs in', async ({ parts }) =>
    signInPerson(parts, await personId(parts, lin.reference)),
  );
  add(at(26, 20), 'Lin Xiao looks at what was done', async ({ parts }) =>
    viewActivity(parts, await personId(parts, lin.reference), {}, 0),
  );
  switchAt(27, 8, lin.reference, 'zh', { ...partnerSwitch, action: 'on' });
}

/** The partner reads a few times a week, and tries for more than it was given. */
function addPartner(add: Add, at: At): void {
  const { lin, maya } = namedPeople;
  const read = (day: number, hour: number, who: string, category: Category, purpose: Purpose): void =>
    add(at(day, hour), `the partner asks for ${category} for ${purpose}`, (stage) =>
      partnerReads(stage, who, category, purpose),
    );
  for (const [day, hour] of [
    [2, 12.6], [4, 7.2], [6, 7.2], [9, 7.2], [11, 7.2], [13, 7.2], [16, 7.2], [18, 7.2], [20, 7.2], [22, 7.2], [23, 7.2],
    [24, 7.2], [25, 7.2], [26, 7.2], [26, 17.4], [27, 9.2], [28, 7.2], [29, 7.2], [29, 16.8],
  ] as const) read(day, hour, lin.reference, 'browsing', 'recommendation'); // prettier-ignore
  for (const day of [8, 15, 25, 28]) read(day, 10.5, lin.reference, 'location', 'marketing');
  for (const day of [12, 26]) read(day, 10.6, lin.reference, 'transactions', 'marketing');
  for (const day of [5, 10, 17, 24, 29]) read(day, 7.4, maya.reference, 'browsing', 'recommendation');
  for (const day of [6, 14, 25, 28]) read(day, 10.7, maya.reference, 'transactions', 'marketing');
}

/** The analyst asks about groups; the officer looks the refusals up. */
function addStaffWork(add: Add, at: At): void {
  for (const [day, question] of [
    [15, 'people_by_age_band'],
    [26, 'people_by_genre'],
  ] as const) {
    add(at(day, 14), `the analyst asks: ${question}`, (stage) => count(stage, question, at(day, 14)), true);
  }
  for (const day of [10, 18, 27]) {
    add(at(day, 15), 'the officer signs in', async ({ parts }) =>
      openStaffSession(parts, await staffId(parts, 'officer'), 'officer'),
    );
    add(at(day, 15.1), 'the officer lists refusals', async ({ parts }) =>
      listEntries(parts, await staffId(parts, 'officer'), { outcome: 'refused' }, 0),
    );
    add(at(day, 15.2), 'the officer opens a refusal', openNewestRefusal);
  }
}

/** A row of `staff` needs a password; this one nobody has seen. */
function unknowable({ system }: OperationParts): string {
  return Buffer.from(system.random.bytes(32)).toString('base64url');
}

export async function staffId(
  parts: Pick<OperationParts, 'read'>,
  role: keyof typeof staffMembers,
): Promise<string> {
  const [row] = await parts.read((reader) =>
    reader.db.select({ id: staff.id }).from(staff).where(eq(staff.userName, staffMembers[role].userName)),
  );
  return found(row?.id, role);
}

/** @throws GatewayError `person_gone` once they were erased: the demo's people can be, too */
export async function personId(parts: Pick<OperationParts, 'read'>, reference: string): Promise<string> {
  const [row] = await parts.read((reader) =>
    reader.db.select({ id: personTable.id }).from(personTable).where(eq(personTable.reference, reference)),
  );
  if (row === undefined) throw new GatewayError('person_gone', `the demo world has no ${reference} any more`);
  return row.id;
}

function found(id: string | undefined, who: string): string {
  if (id === undefined) throw new Error(`the demo world has no ${who}`);
  return id;
}

/** The shop invites a customer, who enrols: from then on they have a name to sign in with. */
async function join({ parts }: Stage, who: keyof typeof namedPeople): Promise<void> {
  const { reference, userName } = namedPeople[who];
  const person = await personId(parts, reference);
  const known = await parts.read((reader) =>
    reader.db.select({ person: account.person }).from(account).where(eq(account.person, person)),
  );
  if (known.length > 0) return;
  const { value: code } = await invite(parts, await staffId(parts, 'operator'), reference);
  await enrol(parts, { code, userName, password: unknowable(parts) });
}

/** Those whose consents came in before a crash are left out, so that nobody's come in twice. */
async function migrateConsents({ parts, startMs }: Stage): Promise<void> {
  const hashes = await parts.read(async (reader): Promise<NoticeHashes> => {
    const both = async (id: string) => ({
      en: (await currentNotice(reader, id, 'en')).hash,
      zh: (await currentNotice(reader, id, 'zh')).hash,
    });
    return { recommendation: await both('recommendation'), analytics: await both('analytics') };
  });
  const done = await parts.read((reader) =>
    reader.db
      .selectDistinct({ reference: personTable.reference })
      .from(consentEvent)
      .innerJoin(personTable, eq(personTable.id, consentEvent.person)),
  );
  const known = new Set(done.map(({ reference }) => reference));
  const records = inventConsents(startMs, hashes).filter(({ person }) => !known.has(person));
  if (records.length === 0) return;
  async function* lines(): AsyncGenerator<Uint8Array> {
    for (const record of records) yield Buffer.from(`${JSON.stringify(record)}\n`);
  }
  const report = await importConsents(parts, await staffId(parts, 'operator'), lines(), 'ndjson');
  if (report.rejected.length > 0)
    throw new Error(`the demo's consents were rejected: ${report.rejected[0]?.code}`);
}

async function importWeek({ parts, startMs }: Stage, untilMs: number): Promise<unknown> {
  return importData(parts, {
    operator: await staffId(parts, 'operator'),
    source: shopSource,
    legalBasis: 'contract',
    open: () => weekRows(startMs, untilMs),
    demo: true,
  });
}

/** Whether a run that began at this time gave its result before a crash. */
async function isReleased(parts: OperationParts, operation: string, begunMs: number): Promise<boolean> {
  const [row] = await parts.read((reader) =>
    reader.db
      .select({ id: runTable.id })
      .from(runTable)
      .where(
        and(eq(runTable.operation, operation), eq(runTable.begunMs, begunMs), eq(runTable.state, 'released')),
      ),
  );
  return row !== undefined;
}

async function train({ parts }: Stage, atMs: number): Promise<void> {
  if (await isReleased(parts, 'train-recommender', atMs)) return;
  await trainRecommender(parts, { kind: 'system', id: 'schedule' });
}

async function count({ parts }: Stage, question: string, atMs: number): Promise<void> {
  if (await isReleased(parts, 'dp-query', atMs)) return;
  const caller = { kind: 'analyst', id: await staffId(parts, 'analyst') } as const;
  const idempotencyKey = `demo-${newId(parts.system.random)}`;
  await askPrivately(parts, caller, { question, epsilon: '0.5', idempotencyKey });
}

async function suggest({ parts, recommender }: Stage, reference: string): Promise<void> {
  const person = await personId(parts, reference);
  await recommender.recommend(async () => ({ caller: { kind: 'person', id: person }, person, grant: null }));
}

type Change = Omit<SwitchChange, 'noticeHash'>;

async function turn(
  { parts }: Stage,
  reference: string,
  language: NoticeLanguage,
  change: Change,
): Promise<void> {
  const id = change.recipient.startsWith('partner:') ? 'partner-access' : 'general';
  const { hash } = await parts.read((reader) => currentNotice(reader, id, language));
  await setSwitches(parts, await personId(parts, reference), [{ ...change, noticeHash: hash }]);
}

async function allow(
  { parts, provider }: Stage,
  person: string,
  language: NoticeLanguage,
  granted: readonly string[],
  declined: readonly string[],
): Promise<string> {
  const notice = await parts.read((reader) => currentNotice(reader, 'partner-access', language));
  return allowPartner(parts, provider, { person, granted, declined, notice });
}

/** A refusal is part of the history: it is recorded, and the partner gets nothing. */
async function partnerReads(
  { parts }: Stage,
  reference: string,
  category: Category,
  purpose: Purpose,
): Promise<void> {
  const person = await personId(parts, reference);
  const identify = (tx: Parameters<typeof identifyByGrant>[0]) =>
    identifyByGrant(tx, person, parts.system.clock.nowMs());
  try {
    await readData(parts.gate, identify, { category, purpose, offset: 0, limit: 100 });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
}

async function openNewestRefusal({ parts }: Stage): Promise<void> {
  const officer = await staffId(parts, 'officer');
  const [refused] = await parts.read((reader) =>
    reader.db
      .select({ number: entry.number })
      .from(entry)
      .where(eq(entry.outcome, 'refused'))
      .orderBy(desc(entry.number))
      .limit(1),
  );
  if (refused !== undefined) await openEntry(parts, officer, refused.number);
}

export function createStage(parts: OperationParts, provider: Provider, startMs: number): Stage {
  return { parts, provider, recommender: createRecommender(parts), startMs };
}
