// Legal holds: what an erasure must leave for the time being, ordered by one officer and confirmed by another.
//
// A hold has effect from its confirmation until its end. An order that waits for confirmation keeps what it names too,
// for 72 hours: nobody can outrun the second officer with an erasure. What is kept permits no use: the person is erased.
import { and, desc, eq, gt, isNull, lte, or, type SQL } from 'drizzle-orm';
import { isCategory, type Category } from '../consent/vocabulary.ts';
import { GatewayError } from '../errors.ts';
import type { Done, GateRequest, Released } from '../gate.ts';
import { ownRequest, staffRequest } from '../operations/accounts.ts';
import type { OperationParts } from '../operations/parts.ts';
import type { Reader, Tx } from '../store/store.ts';
import { legalHold, person as personTable } from '../store/tables.ts';
import { newId } from '../system.ts';

export const confirmWithinMs = 72 * 3_600_000;
export const longestHoldMs = 366 * 86_400_000;
/** How long an officer whose order nobody confirmed cannot order again for the same person. */
export const unconfirmedRestMs = 30 * 86_400_000;
const holdsShown = 200;

export interface HoldOrder {
  /** The person's id, or their reference in a source. */
  readonly person: string;
  /** Whose rows it preserves; may be empty: then it keeps the evidence alone. */
  readonly categories: readonly string[];
  /** Whether it preserves what entries say about uses of data, too. */
  readonly payloads: boolean;
  /** Which case and rule; 1 to 500 characters. */
  readonly reason: string;
  /** Whether the rule allows to tell the person. */
  readonly disclose: boolean;
  /** At most a year ahead; a longer one is ordered again. */
  readonly expiresMs: number;
}

export type HoldState = 'ordered' | 'live' | 'lapsed' | 'expired' | 'ended';

export interface Hold {
  readonly id: string;
  readonly person: string;
  readonly categories: readonly Category[];
  readonly payloads: boolean;
  readonly reason: string;
  readonly disclose: boolean;
  readonly state: HoldState;
  readonly orderedBy: string;
  readonly orderedMs: number;
  readonly confirmedBy: string | null;
  readonly confirmedMs: number | null;
  readonly expiresMs: number;
  readonly endedBy: string | null;
  readonly endedMs: number | null;
}

/** What holds keep of a person. Anything they keep, they keep the evidence too. */
export interface Kept {
  readonly any: boolean;
  readonly categories: ReadonlySet<Category>;
  readonly payloads: boolean;
}

type HoldRow = typeof legalHold.$inferSelect;

/** What must stay of this person now. */
export async function keptByHolds(reader: Reader, person: string, nowMs: number): Promise<Kept> {
  const rows = await reader.db
    .select()
    .from(legalHold)
    .where(and(eq(legalHold.person, person), inForce(nowMs)));
  const holds = rows.map((row) => holdOf(row, nowMs));
  return {
    any: holds.length > 0,
    categories: new Set(holds.flatMap(({ categories }) => categories)),
    payloads: holds.some(({ payloads }) => payloads),
  };
}

/** Whether this hold is confirmed, in force, about this person, and keeps payloads: then an operation that names it may open them. */
export async function keepsPayloads(
  reader: Reader,
  id: string,
  person: string,
  nowMs: number,
): Promise<boolean> {
  const [row] = await reader.db
    .select()
    .from(legalHold)
    .where(and(eq(legalHold.id, id), eq(legalHold.person, person), eq(legalHold.payloads, 1)));
  return row !== undefined && stateOf(row, nowMs) === 'live';
}

/** Holds that the person may know of and that had force at that time. */
export async function toldHolds(reader: Reader, person: string, atMs: number): Promise<Hold[]> {
  const rows = await reader.db
    .select()
    .from(legalHold)
    .where(and(eq(legalHold.person, person), eq(legalHold.disclose, 1)));
  return rows
    .filter(
      (row) =>
        row.confirmedMs !== null &&
        row.confirmedMs <= atMs &&
        row.expiresMs > atMs &&
        (row.endedMs === null || row.endedMs > atMs),
    )
    .map((row) => holdOf(row, atMs));
}

/** The same for the person's own page; a look like any other. */
export function viewToldHolds(parts: OperationParts, person: string): Promise<Released<Hold[]>> {
  const nowMs = parts.system.clock.nowMs();
  const request = ownRequest(person, 'view-own', { about: { view: 'erase' } });
  return parts.gate.run(request, async (_permit, tx) => ({ value: await toldHolds(tx, person, nowMs) }));
}

/** Whether there is or was a hold on them, or an order of one, that they may not know of. */
export async function hasUntoldHold(reader: Reader, person: string): Promise<boolean> {
  const rows = await reader.db
    .select({ id: legalHold.id })
    .from(legalHold)
    .where(and(eq(legalHold.person, person), eq(legalHold.disclose, 0)))
    .limit(1);
  return rows.length > 0;
}

/**
 * @throws GatewayError `malformed_request`, `unknown_category`, `not_found`; `conflict` when nothing is left to keep, or
 *   when nobody confirmed what the same officer ordered for this person before
 */
export async function orderHold(
  parts: OperationParts,
  officer: string,
  order: HoldOrder,
): Promise<Released<string>> {
  const nowMs = parts.system.clock.nowMs();
  const reason = order.reason.trim();
  if (reason.length === 0 || reason.length > 500)
    throw new GatewayError('malformed_request', 'a hold names its case and rule in 1 to 500 characters');
  if (!(order.expiresMs > nowMs && order.expiresMs <= nowMs + longestHoldMs))
    throw new GatewayError('malformed_request', 'a hold ends within a year; a longer one is ordered again');
  const categories = [...new Set(order.categories)].sort();
  if (!categories.every(isCategory)) throw new GatewayError('unknown_category');
  const id = newId(parts.system.random);
  return parts.gate.run(holdRequest(officer, 'order-hold'), async (_permit, tx) => {
    const [row] = await tx.db
      .select({ id: personTable.id })
      .from(personTable)
      .where(or(eq(personTable.id, order.person), eq(personTable.reference, order.person)));
    if (row === undefined) throw new GatewayError('not_found', 'there is no such person');
    const { evidence } = await parts.keyring.open(tx, `person:${row.id}`);
    if (evidence === undefined) throw new GatewayError('conflict', 'nothing of this person is left to keep');
    if (await wasLeftUnconfirmed(tx, officer, row.id, nowMs))
      throw new GatewayError(
        'conflict',
        'nobody confirmed what you ordered for this person: within 30 days another officer has to order it',
      );
    const hold = {
      id,
      person: row.id,
      categories: JSON.stringify(categories),
      payloads: order.payloads ? 1 : 0,
      reason,
      disclose: order.disclose ? 1 : 0,
      orderedBy: officer,
      orderedMs: nowMs,
      confirmedBy: null,
      confirmedMs: null,
      expiresMs: order.expiresMs,
      endedBy: null,
      endedMs: null,
    };
    await tx.db.insert(legalHold).values(hold);
    return { value: id, ...(await entryOf(parts, tx, hold)) };
  });
}

/** @throws GatewayError `not_found`; `conflict` for the officer who ordered it, or when it is too late */
export function confirmHold(parts: OperationParts, officer: string, id: string): Promise<Released<void>> {
  const nowMs = parts.system.clock.nowMs();
  return parts.gate.run(holdRequest(officer, 'confirm-hold'), async (_permit, tx) => {
    const row = await findHold(tx, id);
    if (row.orderedBy === officer)
      throw new GatewayError(
        'conflict',
        'a hold is confirmed by another officer than the one who ordered it',
      );
    if (stateOf(row, nowMs) !== 'ordered')
      throw new GatewayError('conflict', 'this order cannot be confirmed any more');
    await tx.db
      .update(legalHold)
      .set({ confirmedBy: officer, confirmedMs: nowMs })
      .where(eq(legalHold.id, id));
    return { value: undefined, ...(await entryOf(parts, tx, row)) };
  });
}

/** Ends a hold, or takes back an order. What only it kept is deleted at the next retention round. */
export function endHold(parts: OperationParts, officer: string, id: string): Promise<Released<void>> {
  const nowMs = parts.system.clock.nowMs();
  return parts.gate.run(holdRequest(officer, 'end-hold'), async (_permit, tx) => {
    const row = await findHold(tx, id);
    if (!['ordered', 'live'].includes(stateOf(row, nowMs)))
      throw new GatewayError('conflict', 'this hold has ended already');
    await tx.db.update(legalHold).set({ endedBy: officer, endedMs: nowMs }).where(eq(legalHold.id, id));
    return { value: undefined, ...(await entryOf(parts, tx, row)) };
  });
}

/** The newest holds, those that have ended too. */
export function listHolds(parts: OperationParts, officer: string): Promise<Released<Hold[]>> {
  const nowMs = parts.system.clock.nowMs();
  const request = staffRequest({ kind: 'officer', id: officer }, 'list-entries', { view: 'holds' });
  return parts.gate.run(request, async (_permit, tx) => {
    const rows = await tx.db.select().from(legalHold).orderBy(desc(legalHold.orderedMs)).limit(holdsShown);
    return {
      value: rows.map((row) => holdOf(row, nowMs)),
      keyClass: 'evidence',
      counts: { holds: rows.length },
    };
  });
}

function stateOf(row: HoldRow, nowMs: number): HoldState {
  if (row.endedMs !== null) return 'ended';
  if (row.expiresMs <= nowMs) return 'expired';
  if (row.confirmedMs !== null) return 'live';
  return nowMs < row.orderedMs + confirmWithinMs ? 'ordered' : 'lapsed';
}

/** The same as "ordered or live" of `stateOf`, for the database. */
function inForce(nowMs: number): SQL | undefined {
  return and(
    isNull(legalHold.endedMs),
    gt(legalHold.expiresMs, nowMs),
    or(gt(legalHold.confirmedMs, 0), gt(legalHold.orderedMs, nowMs - confirmWithinMs)),
  );
}

function holdOf(row: HoldRow, nowMs: number): Hold {
  return {
    ...row,
    categories: (JSON.parse(row.categories) as string[]).filter(isCategory),
    payloads: row.payloads === 1,
    disclose: row.disclose === 1,
    state: stateOf(row, nowMs),
  };
}

/**
 * One officer alone keeps something for 72 hours, not for ever by ordering again and again. Within these 72 hours an order
 * can be corrected: the clock is that of the first one, taken back or not.
 */
async function wasLeftUnconfirmed(
  reader: Reader,
  officer: string,
  person: string,
  nowMs: number,
): Promise<boolean> {
  const rows = await reader.db
    .select({ id: legalHold.id })
    .from(legalHold)
    .where(
      and(
        eq(legalHold.person, person),
        eq(legalHold.orderedBy, officer),
        isNull(legalHold.confirmedMs),
        gt(legalHold.orderedMs, nowMs - unconfirmedRestMs),
        lte(legalHold.orderedMs, nowMs - confirmWithinMs),
      ),
    )
    .limit(1);
  return rows.length > 0;
}

async function findHold(tx: Tx, id: string): Promise<HoldRow> {
  const [row] = await tx.db.select().from(legalHold).where(eq(legalHold.id, id));
  if (row === undefined) throw new GatewayError('not_found', 'there is no such hold');
  return row;
}

function holdRequest(officer: string, operation: 'order-hold' | 'confirm-hold' | 'end-hold'): GateRequest {
  return staffRequest({ kind: 'officer', id: officer }, operation);
}

/**
 * A hold the person may know of is an entry of theirs. One they may not know of concerns the system, and names them by
 * their tag within the payload alone: their own list must not give it away. The reason stays out of the log.
 */
async function entryOf(
  parts: OperationParts,
  tx: Tx,
  row: Pick<HoldRow, 'id' | 'person' | 'categories' | 'payloads' | 'disclose' | 'expiresMs'>,
): Promise<Pick<Done<void>, 'kind' | 'keyClass' | 'about' | 'touched'>> {
  const { tag } = await parts.keyring.open(tx, `person:${row.person}`);
  return {
    kind: 'configured',
    keyClass: 'evidence',
    about: {
      hold: row.id,
      keeps: JSON.parse(row.categories) as string[],
      keeps_payloads: row.payloads === 1,
      until: new Date(row.expiresMs).toISOString(),
      ...(row.disclose === 1 || tag === undefined ? {} : { tag: Buffer.from(tag).toString('hex') }),
    },
    ...(row.disclose === 1 && tag !== undefined
      ? { touched: { people: [row.person], population: null } }
      : {}),
  };
}
