// A person turns switches; a person or the operator changes nothing of consent any other way.
import { turnSwitch, type ConsentAction } from '../consent/switches.ts';
import { loadPerson } from '../consent/switches.ts';
import type { Extent } from '../consent/decide.ts';
import { isCategory, isPurpose, isSwitchRecipient, type SwitchRecipient } from '../consent/vocabulary.ts';
import { GatewayError } from '../errors.ts';
import type { Released } from '../gate.ts';
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
 * @throws GatewayError `unknown_category`, `unknown_purpose`, `unknown_recipient`
 */
export async function setSwitches(
  parts: OperationParts,
  person: string,
  changes: readonly SwitchChange[],
): Promise<Released<number[]>> {
  if (changes.length === 0 || changes.length > 200)
    throw new GatewayError('malformed_request', '1 to 200 switches at a time');
  const nowMs = parts.system.clock.nowMs();
  const events = changes.map((change) => {
    const { category, purpose, recipient } = change;
    if (!isCategory(category)) throw new GatewayError('unknown_category');
    if (!isPurpose(purpose)) throw new GatewayError('unknown_purpose');
    if (!isSwitchRecipient(recipient)) throw new GatewayError('unknown_recipient');
    return {
      person,
      category,
      purpose,
      recipient,
      action: change.action,
      method: 'portal' as const,
      noticeHash: change.noticeHash,
      validUntilMs: change.validUntilMs ?? null,
      extent: change.extent ?? {},
      collectedMs: nowMs,
    };
  });
  const request = ownRequest(person, 'set-switch', {
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
  return parts.gate.run(request, async (_permit, tx) => {
    const numbers: number[] = [];
    for (const event of events) numbers.push(await turnSwitch(tx, event, nowMs));
    return { value: numbers, kind: 'consent', keyClass: 'evidence' };
  });
}

/**
 * "Allow only this one": a general "off" becomes unset, every other "on" an explicit "off", this one "on". One step.
 */
export async function allowOnly(
  parts: OperationParts,
  person: string,
  only: { category: string; purpose: string; recipient: string; noticeHash: string | null },
): Promise<Released<number[]>> {
  const { category, purpose } = only;
  if (!isCategory(category)) throw new GatewayError('unknown_category');
  if (!isPurpose(purpose)) throw new GatewayError('unknown_purpose');
  const state = await parts.read((reader) => loadPerson(reader, person, purpose));
  const changes: SwitchChange[] = [];
  for (const one of state?.switches ?? []) {
    if (one.category !== category || one.recipient === only.recipient) continue;
    const action = one.recipient === '*' ? 'unset' : 'off';
    changes.push({
      category,
      purpose,
      recipient: one.recipient satisfies SwitchRecipient,
      action,
      noticeHash: null,
    });
  }
  changes.push({ category, purpose, recipient: only.recipient, action: 'on', noticeHash: only.noticeHash });
  return setSwitches(parts, person, changes);
}
