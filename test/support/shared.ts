// Where outside vectors and data sets lie, and what to do when they are not there.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { assert, describe, it } from 'vitest';

const root = resolve(import.meta.dirname, '..', '..');
const overrides = { vectors: 'ASSENT_VECTORS', data: 'ASSENT_DATA' } as const;

/** Folder of outside vectors or data sets; undefined where it is absent (a user's clone). */
export function sharedPath(kind: keyof typeof overrides): string | undefined {
  // oxlint-disable-next-line node/no-process-env -- tests read where the shared folder is
  const path = process.env[overrides[kind]] ?? resolve(root, '..', 'shared', kind);
  return existsSync(path) ? path : undefined;
}

/**
 * Declares tests that need `../shared/<kind>`. Absent: one visible skipped test names what is missing;
 * with ASSENT_REQUIRE_DATA=1 absence is a failure.
 */
export function describeWithShared(
  kind: keyof typeof overrides,
  name: string,
  tests: (path: string) => void,
): void {
  const path = sharedPath(kind);
  // oxlint-disable-next-line node/no-process-env -- the switch our CI sets
  if (path === undefined && process.env['ASSENT_REQUIRE_DATA'] === '1') {
    throw new Error(`${name}: ../shared/${kind} is absent and ASSENT_REQUIRE_DATA=1`);
  }
  if (path !== undefined) {
    describe(name, () => tests(path));
    return;
  }
  // The tests themselves may read the folder while they are declared, so one visible line stands for all of them.
  describe.skip(name, () => {
    it(`is skipped: ../shared/${kind} is not here`, () => assert.fail('a skipped test ran'));
  });
}
