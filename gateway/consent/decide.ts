// The decision: a pure function of (request, state, now). Makes Permit, and nothing else can.
import { GatewayError } from '../errors.ts';
import { activities, isOperation, type Basis, type Operation } from './activities.ts';
import {
  isCategory,
  isPurpose,
  isRecipient,
  purposes,
  scopeOf,
  type Caller,
  type Category,
  type Purpose,
  type Recipient,
  type SwitchRecipient,
} from './vocabulary.ts';

export interface UseRequest {
  readonly caller: Caller;
  readonly operation: Operation;
  readonly purpose: Purpose;
  readonly categories: readonly Category[];
  /** Everyone who gets to see the data; all must be allowed. */
  readonly recipients: readonly Recipient[];
}

/** How far an "on" reaches. Absent parts do not limit. */
export interface Extent {
  readonly historyDays?: number;
  readonly fields?: readonly string[];
}

/** One switch as stored: unset switches have no row. */
export interface SwitchState {
  readonly category: Category;
  readonly purpose: Purpose;
  readonly recipient: SwitchRecipient;
  readonly state: 'on' | 'off';
  readonly validUntilMs: number | null;
  /** False when the notice it was given under was replaced by one that asks again. */
  readonly noticeCurrent: boolean;
  /** SHA-256 of the notice shown, hex; null where none is recorded. */
  readonly noticeHash: string | null;
  readonly sinceMs: number;
  readonly extent: Extent;
}

export interface PersonState {
  readonly person: string;
  readonly status: 'active' | 'restricted' | 'erased';
  /** When a Global Privacy Control signal was first seen; null: never. */
  readonly gpcSinceMs: number | null;
  readonly switches: readonly SwitchState[];
}

/** What a partner's token and grant allow; null for callers that need none. */
export interface GrantState {
  readonly live: boolean;
  readonly person: string;
  readonly scopes: readonly string[];
}

export interface DecisionState {
  /** Whose data it is; null for operations on no person's data. */
  readonly subject: PersonState | null;
  readonly grant: GrantState | null;
  /** Registered recipients among those asked for; an absent one is refused. */
  readonly activeRecipients: readonly Recipient[];
}

/** Why a use was refused: the closed list. The person and the officer see it; a partner does not. */
export type Reason =
  | 'unknown_term'
  | 'unknown_recipient'
  | 'role_not_allowed'
  | 'not_own_data'
  | 'grant_gone'
  | 'scope_not_granted'
  | 'person_erased'
  | 'person_restricted'
  | 'gpc_signal'
  | 'switch_off'
  | 'switch_unset'
  | 'consent_expired'
  | 'notice_changed';

export type Decision =
  { readonly allowed: true; readonly permit: Permit } | { readonly allowed: false; readonly reason: Reason };

interface Terms {
  readonly person: string | null;
  readonly basis: Basis;
  readonly extent: Extent;
  /** Hashes of the notices under which the person agreed. */
  readonly notices: readonly string[];
  readonly issuedMs: number;
}

let issue: (request: UseRequest, terms: Terms) => Permit;
// `private` ends with the types: at run time only who holds this gets past the constructor.
const decided = Symbol('decided');

/**
 * Proof that the gate said yes: for one person, these categories, this purpose, until the gate retires it.
 *
 * Only `decide` can construct one; a look-alike (cast, prototype, clone, JSON) fails `Permit.check`.
 */
export class Permit {
  readonly #categories: readonly Category[];
  readonly #terms: Terms;
  #retired = false;

  private constructor(by: symbol, request: UseRequest, terms: Terms) {
    if (by !== decided) throw new GatewayError('permit_invalid', 'only a decision makes a permit');
    // Copies: what was decided must not change when the request does.
    this.#categories = [...request.categories];
    this.#terms = Object.freeze({ ...terms });
  }

  static {
    issue = (request, terms) => new Permit(decided, request, terms);
  }

  /**
   * Refuses unless this is a live permit for that person and category.
   * @returns rows older than `sinceMs` and fields outside `fields` must not be read
   * @throws GatewayError `permit_invalid`
   */
  static check(
    permit: Permit,
    person: string,
    category: Category,
  ): { sinceMs: number; fields?: readonly string[] } {
    if (typeof permit !== 'object' || permit === null || !(#terms in permit)) {
      throw new GatewayError('permit_invalid', 'not a permit');
    }
    if (permit.#retired)
      throw new GatewayError('permit_invalid', 'the permit was for an operation that has ended');
    if (permit.#terms.person !== person)
      throw new GatewayError('permit_invalid', 'the permit is for another person');
    if (!permit.#categories.includes(category)) {
      throw new GatewayError('permit_invalid', 'the permit does not cover this category');
    }
    const { historyDays, fields } = permit.#terms.extent;
    const sinceMs = historyDays === undefined ? 0 : permit.#terms.issuedMs - historyDays * 86_400_000;
    return fields === undefined ? { sinceMs } : { sinceMs, fields };
  }

  /** Ends a permit; the gate calls this when the operation it was made for is over. */
  static retire(permit: Permit): void {
    permit.#retired = true;
  }

  get terms(): Terms {
    return this.#terms;
  }
}

/**
 * Whether this use of one person's data is allowed now.
 *
 * Order (the first failing step decides; consent.md §7.2): known terms, caller's role, token and grant, holds,
 * legal basis, GPC, any live "off" that covers the request, the most specific live "on". Default: refusal.
 */
export function decide(request: UseRequest, state: DecisionState, nowMs: number): Decision {
  if (!isOperation(request.operation) || !isPurpose(request.purpose)) return refuse('unknown_term');
  if (request.categories.length === 0 || !request.categories.every(isCategory)) return refuse('unknown_term');
  if (request.recipients.length === 0 || !request.recipients.every(isRecipient))
    return refuse('unknown_term');
  if (!request.recipients.every((recipient) => state.activeRecipients.includes(recipient))) {
    return refuse('unknown_recipient');
  }

  const activity = activities[request.operation];
  if (!(activity.callers as readonly string[]).includes(request.caller.kind))
    return refuse('role_not_allowed');
  const { subject } = state;
  if (request.caller.kind === 'person' && request.caller.id !== subject?.person)
    return refuse('not_own_data');

  // Aggregates over a population need no grant of one person; every other partner call does.
  const isAggregate = request.operation === 'dp-query' || request.operation === 'dp-answer';
  if (request.caller.kind === 'partner' && !isAggregate) {
    if (state.grant === null || !state.grant.live || state.grant.person !== subject?.person)
      return refuse('grant_gone');
    for (const category of request.categories) {
      if (!state.grant.scopes.includes(scopeOf(category, request.purpose)))
        return refuse('scope_not_granted');
    }
  }

  if (subject === null) {
    if (activity.basis === 'consent' || activity.basis === 'own') return refuse('not_own_data');
    return allow(request, { person: null, basis: activity.basis, extent: {}, notices: [], issuedMs: nowMs });
  }
  if (subject.status === 'erased') return refuse('person_erased');
  const terms = { person: subject.person, basis: activity.basis, issuedMs: nowMs };
  if (activity.basis !== 'consent') return allow(request, { ...terms, extent: {}, notices: [] });
  if (subject.status === 'restricted') return refuse('person_restricted');

  let extent: Extent = {};
  const notices = new Set<string>();
  for (const category of request.categories) {
    for (const recipient of request.recipients) {
      const answer = decideSwitch(subject, category, request.purpose, recipient, nowMs);
      if (answer.effect === 'off') return refuse(answer.reason);
      extent = narrower(extent, answer.extent);
      if (answer.by.noticeHash !== null) notices.add(answer.by.noticeHash);
    }
  }
  return allow(request, { ...terms, extent, notices: [...notices].sort() });
}

export type SwitchAnswer =
  | { readonly effect: 'on'; readonly extent: Extent; readonly by: SwitchState }
  | { readonly effect: 'off'; readonly reason: Reason; readonly by?: SwitchState };

/** The effective state of one (category, purpose, recipient) and its cause; the portal shows this very answer. */
export function decideSwitch(
  subject: Pick<PersonState, 'switches' | 'gpcSinceMs'>,
  category: Category,
  purpose: Purpose,
  recipient: SwitchRecipient,
  nowMs: number,
): SwitchAnswer {
  const covering = subject.switches.filter(
    (s) =>
      s.category === category && s.purpose === purpose && (s.recipient === recipient || s.recipient === '*'),
  );
  const off = covering.find((s) => s.state === 'off');
  if (off !== undefined) return { effect: 'off', reason: 'switch_off', by: off };

  // Handing data to a third party needs a consent that names it (PIPL Art. 23): "any" reaches engine parts only.
  const reaching = recipient.startsWith('partner:')
    ? covering.filter((s) => s.recipient === recipient)
    : covering;
  const exactFirst = reaching.toSorted((a, b) => Number(a.recipient === '*') - Number(b.recipient === '*'));
  const live = exactFirst.filter(
    (s) => (s.validUntilMs === null || nowMs < s.validUntilMs) && s.noticeCurrent,
  );
  const by = live[0];
  if (by === undefined) {
    const stale = exactFirst[0];
    if (stale === undefined) return { effect: 'off', reason: 'switch_unset' };
    return { effect: 'off', reason: stale.noticeCurrent ? 'consent_expired' : 'notice_changed', by: stale };
  }

  if (purposes[purpose].share && recipient.startsWith('partner:') && subject.gpcSinceMs !== null) {
    // A later consent that names this partner outweighs the signal; anything else does not.
    const explicit = by.recipient === recipient && by.sinceMs > subject.gpcSinceMs;
    if (!explicit) return { effect: 'off', reason: 'gpc_signal', by };
  }
  return { effect: 'on', extent: live.reduce<Extent>((extent, s) => narrower(extent, s.extent), {}), by };
}

/** The narrowest of two extents: the shorter history, the fields both name. */
export function narrower(a: Extent, b: Extent): Extent {
  const historyDays = Math.min(a.historyDays ?? Infinity, b.historyDays ?? Infinity);
  const fields =
    a.fields === undefined
      ? b.fields
      : b.fields === undefined
        ? a.fields
        : a.fields.filter((f) => b.fields?.includes(f));
  return {
    ...(historyDays === Infinity ? {} : { historyDays }),
    ...(fields === undefined ? {} : { fields }),
  };
}

function allow(request: UseRequest, terms: Terms): Decision {
  return { allowed: true, permit: issue(request, terms) };
}

function refuse(reason: Reason): Decision {
  return { allowed: false, reason };
}

/** What a partner may be told of a reason: whether asking the person again can help. */
export function publicCode(
  reason: Reason,
): 'consent_required' | 'not_available' | 'insufficient_scope' | 'invalid_token' | 'forbidden' {
  switch (reason) {
    case 'switch_off':
    case 'switch_unset':
    case 'consent_expired':
    case 'notice_changed':
    case 'gpc_signal':
      return 'consent_required';
    case 'scope_not_granted':
      return 'insufficient_scope';
    case 'grant_gone':
      return 'invalid_token';
    case 'role_not_allowed':
    case 'not_own_data':
      return 'forbidden';
    case 'unknown_term':
    case 'unknown_recipient':
    case 'person_erased':
    case 'person_restricted':
      return 'not_available';
  }
}
