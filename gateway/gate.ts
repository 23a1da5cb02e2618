// THE place: decide, do, record — in one transaction. No entry, no data.
//
// `run` is for short operations, `runLong` (gate-long.ts) for work that computes outside any transaction. Everything that
// reads, copies, loads or deletes personal data goes through one of the two; nothing else hands out permits.
import { decide, Permit, type Reason, type UseRequest } from './consent/decide.ts';
import { activeRecipients, loadPerson } from './consent/switches.ts';
import { GatewayError } from './errors.ts';
import {
  createEntryWriter,
  Refusal,
  withCounts,
  type Done,
  type GateParts,
  type GateRequest,
  type Released,
} from './gate-entries.ts';
import { createLongGate, type LongRequest, type LongWork, type ReleasedRun } from './gate-long.ts';
import type { Tx, WriteOptions } from './store/store.ts';
import { newTimedId } from './system.ts';

export { leavesPerOperation, Refusal } from './gate-entries.ts';
export type { Done, GateParts, GateRequest, Released, Touched } from './gate-entries.ts';
export type { LongRequest, LongWork, ReleasedRun, RunStart } from './gate-long.ts';

export interface Gate {
  /**
   * One short operation in one transaction.
   * @param options `mayOverlap` for work that only reads
   * @param request or a function that finds out in the transaction who calls; what it throws is not recorded
   * @throws Refusal when the decision is no (recorded); GatewayError otherwise
   */
  run<Value>(
    request: GateRequest | ((tx: Tx) => Promise<GateRequest>),
    work: (permit: Permit, tx: Tx, decisionId: string) => Promise<Done<Value>>,
    options?: WriteOptions,
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
  /**
   * Closes work that began and never ended as "abandoned": all of it, that of processes that are gone, or what this
   * process computes, when it must stop before that ends. Nothing of it is released any more. Returns how many.
   */
  closeAbandoned(whose?: 'all' | 'gone' | 'own'): Promise<number>;
}

export function createGate(parts: GateParts): Gate {
  const { store, system } = parts;
  const entries = createEntryWriter(parts);
  const long = createLongGate(parts, entries);

  async function run<Value>(
    request: GateRequest | ((tx: Tx) => Promise<GateRequest>),
    work: (permit: Permit, tx: Tx, decisionId: string) => Promise<Done<Value>>,
    options?: WriteOptions,
  ): Promise<Released<Value>> {
    const decisionId = newTimedId(system);
    const atMs = system.clock.nowMs();
    let known: GateRequest | undefined;
    let permit: Permit | undefined;
    try {
      const outcome = await store.write(async (tx) => {
        known = typeof request === 'function' ? await request(tx) : request;
        const { person, purpose, recipients } = known;
        const [subject = null, active] = await Promise.all([
          person === null ? null : loadPerson(tx, person, purpose),
          activeRecipients(tx, recipients),
        ]);
        if (person !== null && subject === null) throw new GatewayError('not_found', 'no such person');
        const decision = decide(known, { subject, grant: known.grant, activeRecipients: active }, atMs);
        if (!decision.allowed) {
          // Returned, not thrown: throwing would roll the refusal's own entry back.
          const receipt = await entries.append(tx, known, decisionId, atMs, {
            kind: 'refused',
            outcome: 'refused',
            keyClass: 'evidence',
            payload: { decision: 'refused', reason: decision.reason },
          });
          return { refused: decision.reason, receipt };
        }
        // A store may run this again when its transaction was undone: the permit of then is of no use any more.
        if (permit !== undefined) Permit.retire(permit);
        permit = decision.permit;
        const done = await work(decision.permit, tx, decisionId);
        const receipt = await entries.append(tx, known, decisionId, atMs, {
          kind: done.kind ?? 'used',
          outcome: 'allowed',
          keyClass: done.keyClass ?? 'data',
          payload: allowedPayload(decision.permit, done),
          ...(done.touched === undefined ? {} : { touched: done.touched }),
          ...(done.startedEntry === undefined ? {} : { startedEntry: done.startedEntry }),
        });
        await done.recorded?.(receipt, tx);
        return { done, receipt };
      }, options);
      if ('refused' in outcome)
        throw new Refusal(outcome.refused, decisionId, outcome.receipt, known as GateRequest);
      return { value: outcome.done.value, receipt: outcome.receipt, decisionId };
    } catch (error) {
      if (error instanceof Refusal || known === undefined || permit === undefined) throw error;
      await entries.recordFailure(known, decisionId, error);
      throw error;
    } finally {
      if (permit !== undefined) Permit.retire(permit);
    }
  }

  return {
    run,
    runLong: (request, work) => long.runLong(request, work),
    refuse: (request, reason) => entries.refuse(request, reason),
    closeAbandoned: (whose) => long.closeAbandoned(whose),
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
