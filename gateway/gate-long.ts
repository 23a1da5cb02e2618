// Work over a population that computes outside any transaction: analytics, training, exports.
//
// The first transaction decides, reserves and records "started"; the last decides again for the same population. People
// who left meanwhile are dropped and the result is computed once more; if more leave then, it is withheld.
import { and, eq, inArray, isNotNull, ne, or } from 'drizzle-orm';
import { cohortOf } from './audit/entry.ts';
import type { Receipt } from './audit/log.ts';
import { activities } from './consent/activities.ts';
import { decide, Permit, type UseRequest } from './consent/decide.ts';
import type { PopulationName } from './consent/populations.ts';
import {
  activeRecipients,
  changedSince,
  lastConsentEvent,
  loadCandidates,
  loadPerson,
  staleSwitches,
} from './consent/switches.ts';
import { GatewayError } from './errors.ts';
import {
  insertMembers,
  receiptDetails,
  withCounts,
  type Done,
  type EntryWriter,
  type GateParts,
  type Released,
} from './gate-entries.ts';
import { onlyOne } from './store/processes.ts';
import type { Reader, Tx } from './store/store.ts';
import { person as personTable, run as runTable, runMember } from './store/tables.ts';
import { newTimedId } from './system.ts';

export interface LongRequest extends UseRequest {
  /** What the run is logged under. */
  readonly population: PopulationName;
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

export interface LongGate {
  runLong<Started, Result, Value>(
    request: LongRequest,
    work: LongWork<Started, Result, Value>,
  ): Promise<ReleasedRun<Value>>;
  closeAbandoned(whose?: 'all' | 'gone' | 'own'): Promise<number>;
}

const populationAttempts = 3;
/** A process that only lost its line to the database is back by then. */
const secondLookMs = 3000;

interface Population {
  readonly event: number;
  readonly people: readonly string[];
  readonly cohort: { root: Uint8Array; count: number };
}

export function createLongGate(
  { store, system, presence = onlyOne }: GateParts,
  { append, appendEntry, recordFailure, refuse, cohortOfPeople }: EntryWriter,
): LongGate {
  const { clock } = system;
  /** Runs this process computes now. */
  const own = new Set<string>();

  async function runLong<Started, Result, Value>(
    request: LongRequest,
    work: LongWork<Started, Result, Value>,
  ): Promise<ReleasedRun<Value>> {
    const id = newTimedId(system);
    await refuseUnlessRole(request, id);
    const process = await presence.number();
    const {
      population: first,
      started,
      start,
    } = await begin(request, work, { id, process }).catch((error: unknown) =>
      refuseToBegin(request, id, error),
    );
    let population = first;
    own.add(id);
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
    } finally {
      own.delete(id);
    }
  }

  /** First transaction. The population is found beside the writer; if it changed until here, it is found again. */
  async function begin<Started>(
    request: LongRequest,
    work: Pick<LongWork<Started, never, never>, 'eligible' | 'start'>,
    { id, process }: { id: string; process: number | null },
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
          process,
        });
        await insertMembers(tx, id, population.people);
        return { started: await work.start(tx, population.people, start), start };
      });
      if (begun !== undefined) return { population, ...begun };
    }
    throw new GatewayError('consent_withdrawn', 'people kept changing their switches; try again');
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

  type RunRow = typeof runTable.$inferSelect;

  /** Runs first, processes after: who began one of these had entered before. */
  async function ofGone(begun: readonly RunRow[]): Promise<RunRow[]> {
    const gone = await presence.gone(new Set(begun.flatMap(({ process }) => process ?? [])));
    return begun.filter(({ id, process }) => !own.has(id) && (process === null || gone.has(process)));
  }

  async function chosen(whose: 'all' | 'gone' | 'own'): Promise<readonly RunRow[]> {
    const begun = await store.read((reader) =>
      reader.db.select().from(runTable).where(eq(runTable.state, 'started')),
    );
    if (whose === 'all') return begun;
    if (whose === 'own') return begun.filter(({ id }) => own.has(id));
    const suspected = await ofGone(begun);
    if (suspected.every(({ process }) => process === null)) return suspected;
    await new Promise((resolve) => setTimeout(resolve, secondLookMs));
    return ofGone(suspected);
  }

  async function closeAbandoned(whose: 'all' | 'gone' | 'own' = 'all'): Promise<number> {
    let closed = 0;
    for (const row of await chosen(whose)) {
      const request = {
        caller: { kind: 'system', id: whose === 'own' ? 'stop' : 'start-up' },
        operation: row.operation,
        purpose: 'service',
        categories: [],
        recipients: ['operator'],
        population: row.population,
      } as unknown as LongRequest;
      const isClosed = await store.write(async (tx) => {
        // Its own process, or another that closes, may have been first.
        if (!(await isOpen(tx, row.id))) return false;
        await end(
          tx,
          request,
          row.id,
          { id: row.id, startedEntry: row.startedEntry, people: row.people },
          'abandoned',
          { decision: 'abandoned' },
          undefined,
        );
        return true;
      });
      if (isClosed) closed += 1;
    }
    return closed;
  }

  return { runLong, closeAbandoned };
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
