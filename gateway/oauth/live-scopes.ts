// Which scopes of a partner the person's switches allow right now. A grant says what was allowed once; this, what still is.
import { decideSwitch } from '../consent/decide.ts';
import { loadPerson } from '../consent/switches.ts';
import { parseScope } from '../consent/vocabulary.ts';
import type { Reader } from '../store/store.ts';

/**
 * Those of the scopes whose switch is effectively on for this partner; scopes that are no data scope are left out.
 * Nothing for a person who is unknown, erased or restricted.
 */
export async function liveScopes(
  reader: Reader,
  person: string,
  partner: string,
  scopes: readonly string[],
  nowMs: number,
): Promise<string[]> {
  const subject = await loadPerson(reader, person);
  if (subject === undefined || subject.status !== 'active') return [];
  return scopes.filter((scope) => {
    const parts = parseScope(scope);
    if (parts === undefined) return false;
    return decideSwitch(subject, parts.category, parts.purpose, `partner:${partner}`, nowMs).effect === 'on';
  });
}
