// What the gate writes: one entry for an operation, or one for each person it touched, and who was in a population.
import { cohortOf, type EntryKind } from './audit/entry.ts';
import type { Keyring, KeyClass } from './audit/keys.ts';
import type { Concern, Log, NewEntry, Receipt } from './audit/log.ts';
import { publicCode, type GrantState, type Reason, type UseRequest } from './consent/decide.ts';
import type { PopulationName } from './consent/populations.ts';
import { GatewayError } from './errors.ts';
import type { Presence } from './store/processes.ts';
import type { Reader, Store, Tx } from './store/store.ts';
import { run as runTable, runMember } from './store/tables.ts';
import { newTimedId, type System } from './system.ts';

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
  /** Number of the entry this one ends. */
  readonly startedEntry?: number;
  /** Runs in the same transaction once the entry has its number. */
  readonly recorded?: (receipt: Receipt, tx: Tx) => Promise<void>;
}

/** People an operation touched: one leaf each up to 64, one leaf for the population above that. */
export interface Touched {
  readonly people: readonly string[];
  /** What they are logged under when there are more than 64; null where there never are. */
  readonly population: PopulationName | null;
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
export function receiptDetails(
  decision: string,
  receipt: Receipt,
): { decision: string; entry: number; leaf_hash: string } {
  return { decision, entry: receipt.number, leaf_hash: Buffer.from(receipt.leafHash).toString('hex') };
}

/** An operation that touches more people than this writes one leaf for the population. */
export const leavesPerOperation = 64;

export interface GateParts {
  readonly store: Store;
  readonly log: Log;
  readonly keyring: Keyring;
  readonly system: System;
  /** Without it this process has the data to itself. */
  readonly presence?: Pick<Presence, 'number' | 'gone'>;
}

export interface EntryBody {
  readonly kind: EntryKind;
  readonly outcome: 'allowed' | 'refused' | 'failed' | 'noted';
  readonly keyClass: KeyClass;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly touched?: Touched;
  readonly startedEntry?: number;
}

/** Writes for `gate.ts` and `gate-long.ts`; nothing else may. */
export interface EntryWriter {
  /** Writes the entry (or one for each person touched); returns the receipt of the first. */
  append(tx: Tx, request: Written, operationId: string, atMs: number, body: EntryBody): Promise<Receipt>;
  /** Whatever keeps the log from being written, the caller hears that: 503, and nothing was done. */
  appendEntry(tx: Tx, newEntry: NewEntry): Promise<Receipt>;
  /** The work failed and was undone; that it was tried and failed is recorded in a transaction of its own. */
  recordFailure(request: GateRequest, decisionId: string, error: unknown): Promise<void>;
  /** Records a refusal that was found before anything could be decided. @throws Refusal always */
  refuse(request: Written, reason: Reason, id?: string): Promise<never>;
  cohortOfPeople(reader: Reader, people: readonly string[]): Promise<{ root: Uint8Array; count: number }>;
}

type Written = UseRequest & {
  readonly person?: string | null;
  readonly about?: Readonly<Record<string, unknown>>;
};

export function createEntryWriter({ store, log, keyring, system }: GateParts): EntryWriter {
  const { clock } = system;

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

  async function append(
    tx: Tx,
    request: Written,
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
    if (touched?.population == null) return;
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
      if (touched.population === null)
        throw new GatewayError('log_unavailable', 'more people than leaves, and no population to name');
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

  async function refuse(request: Written, reason: Reason, id: string = newTimedId(system)): Promise<never> {
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

  return { append, appendEntry, recordFailure, refuse, cohortOfPeople };
}

export async function insertMembers(tx: Tx, run: string, people: readonly string[]): Promise<void> {
  for (let at = 0; at < people.length; at += 500) {
    await tx.db.insert(runMember).values(people.slice(at, at + 500).map((person) => ({ run, person })));
  }
}

/** Counts and further fields of what was done, for the payload. */
export function withCounts(done: Done<unknown>): Record<string, unknown> {
  return { ...(done.counts === undefined ? {} : { counts: { ...done.counts } }), ...done.about };
}
