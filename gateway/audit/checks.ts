// The checks of a verification: their names, and how one is made and written down. FORMAT.md sections 6 and 10 to 13.
import { FormatError } from './bytes.ts';

/** Every check, in the order in which they are made and the first failing one is named. */
export const checkNames = [
  'format',
  'trust',
  'leaf',
  'payload',
  'checkpoint signature',
  'checkpoint',
  'witnesses',
  'map head',
  'inclusion',
  'completeness',
  'populations',
  'earlier bundle',
  'range',
  'selection',
  'notices',
  'receipts',
  'anchor identity',
  'anchor consistency',
  'anchor on chain',
  'kept head',
  'seal',
] as const;
export type CheckName = (typeof checkNames)[number];

export interface Check {
  readonly name: CheckName;
  readonly ok: boolean;
  /** A sentence for the reader, in English. */
  readonly detail: string;
}

export const fail = (check: CheckName, message: string): FormatError =>
  new FormatError('mismatch', check, message);

export interface Checking {
  readonly checks: Check[];
  /** Makes one check; undefined when it failed. The detail is what a pass says. */
  check<T>(name: CheckName, detail: string, work: () => T): T | undefined;
}

export function startChecks(): Checking {
  const checks: Check[] = [];
  return {
    checks,
    check(name, detail, work) {
      try {
        const found = work();
        checks.push({ name, ok: true, detail });
        return found;
      } catch (error) {
        // Whatever goes wrong in a check, the file did not pass it.
        checks.push({
          name,
          ok: false,
          detail: error instanceof Error ? error.message : 'could not be checked',
        });
        return undefined;
      }
    },
  };
}
