// A person turns switches; a person or the operator changes nothing of consent any other way.
import {
  activeRecipients,
  loadPerson,
  turnSwitch,
  type ConsentAction,
  type ConsentEvent,
} from '../consent/switches.ts';
import { membershipChange, populationsOf } from '../consent/populations.ts';
import type { Extent } from '../consent/decide.ts';
import { isCategory, isPurpose, isSwitchRecipient } from '../consent/vocabulary.ts';
import { GatewayError } from '../errors.ts';
import type { Released } from '../gate.ts';
import type { Reader } from '../store/store.ts';
import { ownRequest } from './accounts.ts';
import type { OperationParts } from './parts.ts';

export interface SwitchChange {
  readonly category: string;
  readonly purpose: string;
  readonly recipient: string;
  readonly action: ConsentAction;
  /** Hash of the notice the person saw with the switch; null where none was shown. */
  readonly noticeHash: string | null;
  readonly validUntilMs?: number | null;
  readonly extent?: Extent;
}

/**
 * Turns switches in one step. From the moment this resolves every further call is decided on the new state.
 * @throws GatewayError `malformed_request`, `unknown_category`, `unknown_purpose`, `unknown_recipient`; nothing is turned
 */
export async function setSwitches(
  parts: OperationParts,
  person: string,
  changes: readonly SwitchChange[],
): Promise<Released<number[]>> {
  const events = eventsOf(parts, person, changes);
  return turnAll(parts, person, async () => events);
}

/**
 * "Allow only this one": a general switch becomes unset, every other recipient's "on" an explicit "off", this one
 * "on". One step, decided on the switches as they are in its transaction.
 */
export async function allowOnly(
  parts: OperationParts,
  person: string,
  only: { category: string; purpose: string; recipient: string; noticeHash: string | null },
): Promise<Released<number[]>> {
  const [on] = eventsOf(parts, person, [{ ...only, action: 'on' }]);
  if (on === undefined) throw new GatewayError('malformed_request');
  return turnAll(parts, person, async (reader) => {
    const { category, purpose, recipient } = on;
    const others = ((await loadPerson(reader, person, purpose))?.switches ?? []).filter(
      (one) => one.category === category && one.recipient !== recipient,
    );
    return [
      ...others.map((one) => ({
        ...on,
        recipient: one.recipient,
        action: one.recipient === '*' ? ('unset' as const) : ('off' as const),
        noticeHash: null,
      })),
      on,
    ];
  });
}

function eventsOf(parts: OperationParts, person: string, changes: readonly SwitchChange[]): ConsentEvent[] {
  if (changes.length === 0 || changes.length > 200)
    throw new GatewayError('malformed_request', '1 to 200 switches at a time');
  const nowMs = parts.system.clock.nowMs();
  return changes.map((change) => {
    const { category, purpose, recipient, action } = change;
    if (!isCategory(category)) throw new GatewayError('unknown_category');
    if (!isPurpose(purpose)) throw new GatewayError('unknown_purpose');
    if (!isSwitchRecipient(recipient)) throw new GatewayError('unknown_recipient');
    if (!['on', 'off', 'unset'].includes(action))
      throw new GatewayError('malformed_request', 'a switch is turned on, off or unset');
    return {
      person,
      category,
      purpose,
      recipient,
      action,
      method: 'portal' as const,
      noticeHash: change.noticeHash,
      validUntilMs: change.validUntilMs ?? null,
      extent: change.extent ?? {},
      collectedMs: nowMs,
    };
  });
}

async function turnAll(
  parts: OperationParts,
  person: string,
  eventsIn: (reader: Reader) => Promise<ConsentEvent[]>,
): Promise<Released<number[]>> {
  let events: ConsentEvent[] = [];
  return parts.gate.run(
    async (tx) => {
      events = await eventsIn(tx);
      return ownRequest(person, 'set-switch', {
        categories: [...new Set(events.map(({ category }) => category))],
        about: {
          switches: events.map(({ category, purpose, recipient, action, noticeHash }) => ({
            category,
            purpose,
            recipient,
            action,
            ...(noticeHash === null ? {} : { notice: noticeHash }),
          })),
        },
      });
    },
    async (_permit, tx) => {
      const named = events.flatMap(({ action, recipient }) =>
        action === 'on' && recipient !== '*' ? [recipient] : [],
      );
      // An "on" for a partner that does not exist (any more) would wait for whoever gets that name next.
      if ((await activeRecipients(tx, named)).length < named.length)
        throw new GatewayError('unknown_recipient');
      const nowMs = parts.system.clock.nowMs();
      const before = await populationsOf(tx, person, nowMs);
      const numbers: number[] = [];
      for (const event of events) numbers.push(await turnSwitch(tx, event, nowMs));
      const about = membershipChange(before, await populationsOf(tx, person, nowMs));
      return { value: numbers, kind: 'consent', keyClass: 'evidence', about };
    },
  );
}
