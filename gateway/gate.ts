// THE place: decide, do, record — in one transaction. No entry, no data.
//
// `run` is for short operations, `runLong` for work that computes outside any transaction. Everything that reads,
// copies, loads or deletes personal data goes through one of the two; nothing else hands out permits.
import { and, eq, inArray, isNotNull, ne, or } from 'drizzle-orm';
import { cohortOf } from './audit/entry.ts';
import type { EntryKind } from './audit/entry.ts';
import type { Keyring, KeyClass } from './audit/keys.ts';
import type { Concern, Log, NewEntry, Receipt } from './audit/log.ts';
import { activities } from './consent/activities.ts';
import {
  decide,
  Permit,
  publicCode,
  type GrantState,
  type Reason,
  type UseRequest,
} from './consent/decide.ts';
import {
  activeRecipients,
  changedSince,
  lastConsentEvent,
  loadCandidates,
  loadPerson,
  staleSwitches,
} from './consent/switches.ts';
import { GatewayError } from './errors.ts';
import type { Reader, Store, Tx } from './store/store.ts';
import { person as personTable, run as runTable, runMember } from './store/tables.ts';
import { newId, type System } from './system.ts';

/** A use of one person's data, or (person null) of none. */
export interface GateRequest extends UseRequest {
  readonly person: string | null;
  /** A partner's live grant; null where none is needed. */
  readonly grant: GrantState | null;
  /** More for the payload: what was asked, never personal data beyond it. */
  readonly about?: Readonly<Record<string, unknown>>;
}

/** What an operation reports of what it did. */
export interface Done<Value> {
  readonly value: Value;
  /** How many rows of what, for the payload. */
  readonly counts?: Readonly<Record<string, number>>;
  /** Further payload fields, such as a digest of the result. */
  readonly about?: Readonly<Record<string, unknown>>;
  /** Kind of the entry when it is not a plain use. */
  readonly kind?: EntryKind;
  /** Which key opens the payload; uses of data are opened by the data key. */
  readonly keyClass?: KeyClass;
  /** Whom the operation touched, when that is not the person of the request. */
  readonly touched?: Touched;
}

/** People an operation touched: one leaf each up to 64, one leaf for the population above that. */
export interface Touched {
  readonly people: readonly string[];
  /** Names the population when there are more than 64. */
  readonly population: string;
}

export interface Released<Value> {
  readonly value: Value;
  readonly receipt: Receipt;
  /** Names this decision in answers, entries and help requests. */
  readonly decisionId: string;
}

/** A refusal, already recorded. The reason is for the person and the officer; callers see `code`. */
export class Refusal extends GatewayError {
  readonly reason: Reason;
  readonly decisionId: string;
  readonly receipt: Receipt;
  readonly request: GateRequest;

  constructor(reason: Reason, decisionId: string, receipt: Receipt, request: GateRequest) {
    super(publicCode(reason), undefined, {
      details: receiptDetails(decisionId, receipt),
    });
    this.name = 'Refusal';
    this.reason = reason;
    this.decisionId = decisionId;
    this.receipt = receipt;
    this.request = request;
  }
}

/** What a refused caller is told so that they can ask for the proof. */
function receiptDetails(
  decision: string,
  receipt: Receipt,
): { decision: string; entry: number; leaf_hash: string } {
  return { decision, entry: receipt.number, leaf_hash: Buffer.from(receipt.leafHash).toString('hex') };
}

export interface LongRequest extends UseRequest {
  /** Names the population in the log's local index, such as `recommendation/browsing`. */
  readonly population: string;
  readonly about?: Readonly<Record<string, unknown>>;
}

export interface LongWork<Started, Result, Value> {
  /** Narrows the population by what else must hold (a budget, say) before anything is recorded. */
  readonly eligible?: (reader: Reader, people: readonly string[]) => Promise<readonly string[]>;
  /** In the first transaction: reserves what the work needs. Throwing refuses the whole operation. */
  readonly start: (tx: Tx, people: readonly string[], run: RunStart) => Promise<Started>;
  /** Outside any transaction; may run a second time for fewer people. Reads with the permits of these people. */
  readonly compute: (permits: ReadonlyMap<string, Permit>, started: Started) => Promise<Result>;
  /** In the last transaction, after the second decision. */
  readonly finish: (tx: Tx, result: Result, started: Started, run: RunStart) => Promise<Done<Value>>;
}

export interface RunStart {
  readonly id: string;
  readonly startedEntry: number;
  readonly people: number;
}

export interface ReleasedRun<Value> extends Released<Value> {
  readonly run: string;
  readonly people: number;
}

export interface Gate {
  /**
   * One short operation in one transaction.
   * @param request or a function that finds out in the transaction who calls; what it throws is not recorded
   * @throws Refusal when the decision is no (recorded); GatewayError otherwise
   */
  run<Value>(
    request: GateRequest | ((tx: Tx) => Promise<GateRequest>),
    work: (permit: Permit, tx: Tx, decisionId: string) => Promise<Done<Value>>,
  ): Promise<Released<Value>>;
  /**
   * Work over a population that computes outside any transaction. Decides before and again after: people who left
   * meanwhile are dropped and the result is computed once more; if more leave then, it is withheld.
   * @throws GatewayError `consent_withdrawn` when withheld; Refusal when the caller may not
   */
  runLong<Started, Result, Value>(
    request: LongRequest,
    work: LongWork<Started, Result, Value>,
  ): Promise<ReleasedRun<Value>>;
  /** Records a refusal that was found before anything could be decided. @throws Refusal always */
  refuse(request: UseRequest & Pick<GateRequest, 'about'>, reason: Reason): Promise<never>;
  /** Closes work that began and never ended as "abandoned"; called once at start-up. Returns how many. */
  closeAbandoned(): Promise<number>;
}

/** An operation that touches more people than this writes one leaf for the population. */
export const leavesPerOperation = 64;
const populationAttempts = 3;

export interface GateParts {
  readonly store: Store;
  readonly log: Log;
  readonly keyring: Keyring;
  readonly system: System;
}

export function createGate({ store, log, keyring, system }: GateParts): Gate {
  const { clock, random } = system;

  async function run<Value>(
    request: GateRequest | ((tx: Tx) => Promise<GateRequest>),
    work: (permit: Permit, tx: Tx, decisionId: string) => Promise<Done<Value>>,
  ): Promise<Released<Value>> {
    const decisionId = newId(random);
    const atMs = clock.nowMs();
    let known: GateRequest | undefined;
    let permit: Permit | undefined;
    try {
      const outcome = await store.write(async (tx) => {
        known = typeof request === 'function' ? await request(tx) : request;
        const subject =
          known.person === null ? null : ((await loadPerson(tx, known.person, known.purpose)) ?? null);
        if (known.person !== null && subject === null) throw new GatewayError('not_found', 'no such person');
        const active = await activeRecipients(tx, known.recipients);
        const decision = decide(known, { subject, grant: known.grant, activeRecipients: active }, atMs);
        if (!decision.allowed) {
          // Returned, not thrown: throwing would roll the refusal's own entry back.
          const receipt = await append(tx, known, decisionId, atMs, {
            kind: 'refused',
            outcome: 'refused',
            keyClass: 'evidence',
            payload: { decision: 'refused', reason: decision.reason },
          });
          return { refused: decision.reason, receipt };
        }
        permit = decision.permit;
        const done = await work(decision.permit, tx, decisionId);
        const receipt = await append(tx, known, decisionId, atMs, {
          kind: done.kind ?? 'used',
          outcome: 'allowed',
          keyClass: done.keyClass ?? 'data',
          payload: allowedPayload(decision.permit, done),
          ...(done.touched === undefined ? {} : { touched: done.touched }),
        });
        return { done, receipt };
      });
      if ('refused' in outcome)
        throw new Refusal(outcome.refused, decisionId, outcome.receipt, known as GateRequest);
      return { value: outcome.done.value, receipt: outcome.receipt, decisionId };
    } catch (error) {
      if (error instanceof Refusal || known === undefined || permit === undefined) throw error;
      await recordFailure(known, decisionId, error);
      throw error;
    } finally {
      if (permit !== undefined) Permit.retire(permit);
    }
  }

  /** The work failed and was undone; that it was tried and failed is recorded in a transaction of its own. */
  async function recordFailure(request: GateRequest, decisionId: string, error: unknown): Promise<void> {
    const code = error instanceof GatewayError ? error.code : 'internal';
    if (code === 'store_unavailable' || code === 'log_unavailable') throw error;
    try {
      await store.write((tx) =>
        append(tx, request, decisionId, clock.nowMs(), {
          kind: 'failed',
          outcome: 'failed',
          keyClass: 'evidence',
          payload: { decision: 'failed', code },
        }),
      );
    } catch (cause) {
      throw new GatewayError('log_unavailable', undefined, { cause });
    }
  }

  interface EntryBody {
    readonly kind: EntryKind;
    readonly outcome: 'allowed' | 'refused' | 'failed' | 'noted';
    readonly keyClass: KeyClass;
    readonly payload: Readonly<Record<string, unknown>>;
    readonly touched?: Touched;
    readonly startedEntry?: number;
  }

  /** Writes the entry (or one for each person touched); returns the receipt of the first. */
  async function append(
    tx: Tx,
    request: UseRequest & {
      readonly person?: string | null;
      readonly about?: Readonly<Record<string, unknown>>;
    },
    operationId: string,
    atMs: number,
    body: EntryBody,
  ): Promise<Receipt> {
    const { caller, operation, purpose, categories, recipients } = request;
    let first: Receipt | undefined;
    for (const concern of await concernsOf(tx, request.person ?? null, body.touched)) {
      const receipt = await appendEntry(tx, {
        kind: body.kind,
        concern,
        operationId,
        atMs,
        outcome: body.outcome,
        recipient: recipients[0] ?? null,
        keyClass: body.keyClass,
        ...(body.startedEntry === undefined ? {} : { startedEntry: body.startedEntry }),
        payload: {
          caller: { ...caller },
          operation,
          purpose,
          categories: [...categories],
          recipients: [...recipients],
          ...(concern.kind === 'person' ? { person: concern.id } : {}),
          ...(concern.kind === 'population' ? { population: concern.key } : {}),
          ...request.about,
          ...body.payload,
        },
      });
      first ??= receipt;
      if (concern.kind === 'population')
        await recordMembers(tx, operation, operationId, receipt.number, body.touched, atMs);
    }
    if (first === undefined) throw new GatewayError('log_unavailable', 'an operation without an entry');
    return first;
  }

  /** Whatever keeps the log from being written, the caller hears that: 503, and nothing was done. */
  async function appendEntry(tx: Tx, newEntry: NewEntry): Promise<Receipt> {
    try {
      return await log.append(tx, newEntry);
    } catch (cause) {
      throw cause instanceof GatewayError ? cause : new GatewayError('log_unavailable', undefined, { cause });
    }
  }

  /** So that a person's own list shows the operations on many people that touched them too. */
  async function recordMembers(
    tx: Tx,
    operation: string,
    id: string,
    entryNumber: number,
    touched: Touched | undefined,
    atMs: number,
  ): Promise<void> {
    if (touched === undefined) return;
    await tx.db.insert(runTable).values({
      id,
      operation,
      state: 'released',
      population: touched.population,
      consentEvent: 0,
      people: touched.people.length,
      startedEntry: entryNumber,
      endedEntry: entryNumber,
      begunMs: atMs,
      endedMs: atMs,
    });
    await insertMembers(tx, id, touched.people);
  }

  async function concernsOf(tx: Tx, person: string | null, touched: Touched | undefined): Promise<Concern[]> {
    if (touched !== undefined && touched.people.length > leavesPerOperation) {
      return [await populationConcern(tx, touched.population, touched.people)];
    }
    const people = touched?.people ?? (person === null ? [] : [person]);
    if (people.length === 0) return [{ kind: 'system' }];
    return people.map((id) => ({ kind: 'person', id, role: 'subject' }));
  }

  async function populationConcern(reader: Reader, key: string, people: readonly string[]): Promise<Concern> {
    const cohort = await cohortOfPeople(reader, people);
    return { kind: 'population', key, cohortRoot: cohort.root, count: cohort.count };
  }

  async function cohortOfPeople(
    reader: Reader,
    people: readonly string[],
  ): Promise<{ root: Uint8Array; count: number }> {
    const tags: Uint8Array[] = [];
    for (const id of people) {
      const { tag } = await keyring.open(reader, `person:${id}`);
      if (tag !== undefined) tags.push(tag);
    }
    return cohortOf(tags);
  }

  // ---- long operations ----

  interface Population {
    readonly event: number;
    readonly people: readonly string[];
    readonly cohort: { root: Uint8Array; count: number };
  }

  /** Who may be used now, read beside the writer; stamped with the newest consent event it has surely seen. */
  async function findPopulation(
    request: LongRequest,
    eligible?: LongWork<unknown, unknown, unknown>['eligible'],
  ): Promise<Population> {
    return store.read(async (reader) => {
      const event = await lastConsentEvent(reader);
      const active = await activeRecipients(reader, request.recipients);
      const candidates = await loadCandidates(reader, request.purpose, request.categories);
      const now = clock.nowMs();
      let people: readonly string[] = candidates
        .filter((subject) => allowedFor(request, subject, active, now))
        .map(({ person }) => person);
      if (eligible !== undefined) people = await eligible(reader, people);
      return { event, people, cohort: await cohortOfPeople(reader, people) };
    });
  }

  /** Of these people, those who may not be used any more. Looks only at what changed since the event. */
  async function leavers(tx: Tx, request: LongRequest, population: Population): Promise<string[]> {
    const now = clock.nowMs();
    const active = await activeRecipients(tx, request.recipients);
    if (active.length !== request.recipients.length) return [...population.people];
    const members = new Set(population.people);
    const suspects = new Set(
      (await changedSince(tx, population.event, request.purpose)).filter((person) => members.has(person)),
    );
    // What ends a consent without a consent event: a hold, a signal, time, a notice that asks again.
    const held = await tx.db
      .select({ id: personTable.id })
      .from(personTable)
      .where(or(ne(personTable.status, 'active'), isNotNull(personTable.gpcSinceMs)));
    for (const { id } of [...held, ...(await staleSwitches(tx, request.purpose, now))])
      if (members.has(id)) suspects.add(id);
    const left: string[] = [];
    for (const person of suspects) {
      const subject = await loadPerson(tx, person, request.purpose);
      if (subject === undefined || !allowedFor(request, subject, active, now)) left.push(person);
    }
    return left;
  }

  function allowedFor(
    request: UseRequest,
    subject: NonNullable<Awaited<ReturnType<typeof loadPerson>>>,
    active: Awaited<ReturnType<typeof activeRecipients>>,
    now: number,
  ): boolean {
    const decision = decide(request, { subject, grant: null, activeRecipients: active }, now);
    if (decision.allowed) Permit.retire(decision.permit);
    return decision.allowed;
  }

  async function runLong<Started, Result, Value>(
    request: LongRequest,
    work: LongWork<Started, Result, Value>,
  ): Promise<ReleasedRun<Value>> {
    const id = newId(random);
    await refuseUnlessRole(request, id);
    const {
      population: first,
      started,
      start,
    } = await begin(request, work, id).catch((error: unknown) => refuseToBegin(request, id, error));
    let population = first;
    try {
      for (let attempt = 0; attempt < 2; attempt++) {
        const result = await computeWith(request, population.people, (permits) =>
          work.compute(permits, started),
        );
        const outcome = await store.write(async (tx) => {
          const left = await leavers(tx, request, population);
          if (left.length > 0 && attempt === 0) return { left };
          if (left.length > 0) {
            const receipt = await end(
              tx,
              request,
              id,
              start,
              'withheld',
              { decision: 'withheld', left: left.length },
              population,
            );
            return { withheld: receipt };
          }
          const done = await work.finish(tx, result, started, start);
          const receipt = await end(
            tx,
            request,
            id,
            start,
            'released',
            { decision: 'allowed', basis: activities[request.operation].basis, ...withCounts(done) },
            population,
          );
          return { done, receipt };
        });
        if ('left' in outcome) {
          population = await without(population, id, outcome.left);
          continue;
        }
        if ('withheld' in outcome) {
          throw new GatewayError('consent_withdrawn', undefined, {
            details: receiptDetails(id, outcome.withheld),
          });
        }
        return {
          value: outcome.done.value,
          receipt: outcome.receipt,
          decisionId: id,
          run: id,
          people: population.people.length,
        };
      }
      throw new GatewayError('consent_withdrawn');
    } catch (error) {
      await store.write(async (tx) => {
        if (await isOpen(tx, id))
          await end(tx, request, id, start, 'failed', { decision: 'failed' }, population);
      });
      throw error;
    }
  }

  /** The population less those who left, who also leave the run's list of members. */
  async function without(population: Population, run: string, left: readonly string[]): Promise<Population> {
    const gone = new Set(left);
    const people = population.people.filter((person) => !gone.has(person));
    await store.write(async (tx) => {
      await tx.db.delete(runMember).where(and(eq(runMember.run, run), inArray(runMember.person, [...gone])));
      await tx.db.update(runTable).set({ people: people.length }).where(eq(runTable.id, run));
    });
    return { ...population, people, cohort: await store.read((reader) => cohortOfPeople(reader, people)) };
  }

  /** The caller's role alone, before any population is looked at. */
  async function refuseUnlessRole(request: LongRequest, id: string): Promise<void> {
    if ((activities[request.operation].callers as readonly string[]).includes(request.caller.kind)) return;
    await refuse(request, 'role_not_allowed', id);
  }

  async function refuse(
    request: UseRequest & Pick<GateRequest, 'about'>,
    reason: Reason,
    id: string = newId(random),
  ): Promise<never> {
    const nobody = { ...request, person: null, grant: null };
    const receipt = await store.write((tx) =>
      append(tx, nobody, id, clock.nowMs(), {
        kind: 'refused',
        outcome: 'refused',
        keyClass: 'evidence',
        payload: { decision: 'refused', reason },
      }),
    );
    throw new Refusal(reason, id, receipt, nobody);
  }

  /** What the work needs could not be reserved (a budget is spent, say): recorded as a refusal, anything else as failed. */
  async function refuseToBegin(request: LongRequest, id: string, error: unknown): Promise<never> {
    const nobody = { ...request, person: null, grant: null };
    if (!(error instanceof GatewayError && error.status >= 400 && error.status < 500)) {
      await recordFailure(nobody, id, error);
      throw error;
    }
    const receipt = await store.write((tx) =>
      append(tx, nobody, id, clock.nowMs(), {
        kind: 'refused',
        outcome: 'refused',
        keyClass: 'evidence',
        payload: { decision: 'refused', reason: error.code },
      }),
    );
    throw new GatewayError(error.code, error.message, {
      details: { ...error.details, ...receiptDetails(id, receipt) },
      cause: error,
    });
  }

  /** First transaction. The population is found beside the writer; if it changed until here, it is found again. */
  async function begin<Started>(
    request: LongRequest,
    work: Pick<LongWork<Started, never, never>, 'eligible' | 'start'>,
    id: string,
  ): Promise<{ population: Population; started: Started; start: RunStart }> {
    for (let attempt = 0; attempt < populationAttempts; attempt++) {
      const population = await findPopulation(request, work.eligible);
      const begun = await store.write(async (tx) => {
        if ((await leavers(tx, request, population)).length > 0) return undefined;
        const atMs = clock.nowMs();
        const receipt = await appendEntry(tx, {
          kind: 'started',
          concern: {
            kind: 'population',
            key: request.population,
            cohortRoot: population.cohort.root,
            count: population.cohort.count,
          },
          operationId: id,
          atMs,
          outcome: 'noted',
          recipient: request.recipients[0] ?? null,
          keyClass: 'data',
          payload: {
            ...requestPayload(request),
            population: request.population,
            consent_event: population.event,
            people: population.people.length,
            decision: 'allowed',
            basis: activities[request.operation].basis,
          },
        });
        const start: RunStart = { id, startedEntry: receipt.number, people: population.people.length };
        await tx.db.insert(runTable).values({
          id,
          operation: request.operation,
          state: 'started',
          population: request.population,
          consentEvent: population.event,
          people: population.people.length,
          startedEntry: receipt.number,
          begunMs: atMs,
        });
        await insertMembers(tx, id, population.people);
        return { started: await work.start(tx, population.people, start), start };
      });
      if (begun !== undefined) return { population, ...begun };
    }
    throw new GatewayError('consent_withdrawn', 'people kept changing their switches; try again');
  }

  /** Hands out one permit per person for the length of the computation. */
  async function computeWith<Result>(
    request: LongRequest,
    people: readonly string[],
    compute: (permits: ReadonlyMap<string, Permit>) => Promise<Result>,
  ): Promise<Result> {
    const permits = await store.read(async (reader) => {
      const active = await activeRecipients(reader, request.recipients);
      const members = new Set(people);
      const now = clock.nowMs();
      const made = new Map<string, Permit>();
      for (const subject of await loadCandidates(reader, request.purpose, request.categories)) {
        if (!members.has(subject.person)) continue;
        const decision = decide(request, { subject, grant: null, activeRecipients: active }, now);
        if (decision.allowed) made.set(subject.person, decision.permit);
      }
      return made;
    });
    try {
      return await compute(permits);
    } finally {
      for (const permit of permits.values()) Permit.retire(permit);
    }
  }

  async function isOpen(tx: Tx, run: string): Promise<boolean> {
    const [row] = await tx.db.select({ state: runTable.state }).from(runTable).where(eq(runTable.id, run));
    return row?.state === 'started';
  }

  /** Ends a run once: what another process closed meanwhile is not released after all. */
  async function end(
    tx: Tx,
    request: LongRequest,
    id: string,
    start: RunStart,
    state: 'released' | 'withheld' | 'failed' | 'abandoned',
    payload: Readonly<Record<string, unknown>>,
    population: Population | undefined,
  ): Promise<Receipt> {
    if (!(await isOpen(tx, id))) {
      throw new GatewayError('conflict', 'this work was closed meanwhile; its result is not released');
    }
    const atMs = clock.nowMs();
    const receipt = await appendEntry(tx, {
      kind: state,
      concern: {
        kind: 'population',
        key: request.population,
        cohortRoot: population?.cohort.root ?? cohortOf([]).root,
        count: population?.cohort.count ?? 0,
      },
      operationId: id,
      atMs,
      outcome: state === 'released' ? 'allowed' : state === 'withheld' ? 'refused' : 'failed',
      recipient: request.recipients[0] ?? null,
      keyClass: state === 'released' ? 'data' : 'evidence',
      startedEntry: start.startedEntry,
      payload: { ...requestPayload(request), population: request.population, ...payload },
    });
    await tx.db
      .update(runTable)
      .set({ state, endedEntry: receipt.number, endedMs: atMs })
      .where(eq(runTable.id, id));
    return receipt;
  }

  async function closeAbandoned(): Promise<number> {
    const open = await store.read((reader) =>
      reader.db.select().from(runTable).where(eq(runTable.state, 'started')),
    );
    for (const row of open) {
      const request = {
        caller: { kind: 'system', id: 'start-up' },
        operation: row.operation,
        purpose: 'service',
        categories: [],
        recipients: ['operator'],
        population: row.population,
      } as unknown as LongRequest;
      await store.write((tx) =>
        end(
          tx,
          request,
          row.id,
          { id: row.id, startedEntry: row.startedEntry, people: row.people },
          'abandoned',
          { decision: 'abandoned' },
          undefined,
        ),
      );
    }
    return open.length;
  }

  return { run, runLong, refuse: (request, reason) => refuse(request, reason), closeAbandoned };
}

async function insertMembers(tx: Tx, run: string, people: readonly string[]): Promise<void> {
  for (let at = 0; at < people.length; at += 500) {
    await tx.db.insert(runMember).values(people.slice(at, at + 500).map((person) => ({ run, person })));
  }
}

function requestPayload(request: LongRequest): Record<string, unknown> {
  const { caller, operation, purpose, categories, recipients, about } = request;
  return {
    caller: { ...caller },
    operation,
    purpose,
    categories: [...categories],
    recipients: [...recipients],
    ...about,
  };
}

function allowedPayload(permit: Permit, done: Done<unknown>): Record<string, unknown> {
  const { basis, extent, notices } = permit.terms;
  return {
    decision: 'allowed',
    basis,
    ...(notices.length === 0 ? {} : { notices: [...notices] }),
    ...(Object.keys(extent).length === 0 ? {} : { extent: { ...extent } }),
    ...withCounts(done),
  };
}

function withCounts(done: Done<unknown>): Record<string, unknown> {
  return { ...(done.counts === undefined ? {} : { counts: { ...done.counts } }), ...done.about };
}
