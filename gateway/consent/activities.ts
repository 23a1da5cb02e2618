// What may be done with data at all: the declared activities. An operation that is not here is refused.
import type { CallerKind } from './vocabulary.ts';

/**
 * Why an operation is lawful.
 * - `consent`: the person's switches decide (GDPR Art. 6(1)(a), PIPL Art. 13(1)).
 * - `own`: the person acts on their own data (GDPR Art. 15–22; PIPL Art. 44–47).
 * - `accountability`: the operator must be able to show what was done (GDPR Art. 5(2), 7(1), 30).
 * - `declared`: the import names its own basis, which its entry records.
 */
export type Basis = 'consent' | 'own' | 'accountability' | 'declared';

interface Activity {
  readonly basis: Basis;
  readonly callers: readonly CallerKind[];
}

export const activities = {
  'read-data': { basis: 'consent', callers: ['partner'] },
  recommend: { basis: 'consent', callers: ['person', 'partner'] },
  'train-recommender': { basis: 'consent', callers: ['operator', 'system'] },
  'dp-query': { basis: 'consent', callers: ['analyst', 'partner'] },
  'dp-answer': { basis: 'accountability', callers: ['analyst', 'partner'] },
  'import-data': { basis: 'declared', callers: ['operator'] },
  'import-consents': { basis: 'accountability', callers: ['operator'] },
  invite: { basis: 'accountability', callers: ['operator'] },
  enrol: { basis: 'own', callers: ['person'] },
  'sign-in': { basis: 'own', callers: ['person'] },
  'set-switch': { basis: 'own', callers: ['person'] },
  'authorise-partner': { basis: 'own', callers: ['person'] },
  'revoke-partner': { basis: 'own', callers: ['person'] },
  'set-budget': { basis: 'own', callers: ['person'] },
  'view-own': { basis: 'own', callers: ['person'] },
  'export-proof': { basis: 'own', callers: ['person'] },
  'erase-person': { basis: 'own', callers: ['person', 'operator'] },
  'complete-erasure': { basis: 'accountability', callers: ['system'] },
  'fetch-receipt': { basis: 'accountability', callers: ['system'] },
  'order-hold': { basis: 'accountability', callers: ['officer'] },
  'confirm-hold': { basis: 'accountability', callers: ['officer'] },
  'end-hold': { basis: 'accountability', callers: ['officer'] },
  'list-entries': { basis: 'accountability', callers: ['officer'] },
  'open-entry': { basis: 'accountability', callers: ['officer'] },
  'export-evidence': { basis: 'accountability', callers: ['officer'] },
  'export-person': { basis: 'accountability', callers: ['officer'] },
  'read-log': { basis: 'accountability', callers: ['officer'] },
  'staff-sign-in': { basis: 'accountability', callers: ['officer', 'analyst', 'operator'] },
  backup: { basis: 'accountability', callers: ['operator'] },
  administer: { basis: 'accountability', callers: ['operator', 'system'] },
} as const satisfies Record<string, Activity>;

export type Operation = keyof typeof activities;

export function isOperation(text: unknown): text is Operation {
  return typeof text === 'string' && Object.hasOwn(activities, text);
}
