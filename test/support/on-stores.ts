// Tests that hold on every store are written once and run on each.
import { afterAll, assert, beforeAll, describe, it } from 'vitest';
import { hasPostgres, setCurrentStore, type StoreKind } from './postgres.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Folder of this run, for what test files share; and the process that ends last. */
    run: { folder: string; pid: number };
  }
}

// oxlint-disable-next-line node/no-process-env -- the switch our CI sets
const isRequired = process.env['ASSENT_REQUIRE_DATA'] === '1';

/**
 * Declares the same tests on each store; `openTestCore` and `openLedger` open that store in them. Without a PostgreSQL
 * server one visible skipped test says so; with ASSENT_REQUIRE_DATA=1 that is a failure.
 */
export function describeOnStores(name: string, tests: (store: StoreKind) => void): void {
  describe(`${name} (SQLite)`, () => tests('sqlite'));
  describeOnPostgres(`${name} (PostgreSQL)`, () => tests('postgres'));
}

export function describeOnPostgres(name: string, tests: () => void): void {
  if (hasPostgres) {
    describe(name, () => {
      beforeAll(() => setCurrentStore('postgres'));
      afterAll(() => setCurrentStore('sqlite'));
      tests();
    });
    return;
  }
  if (isRequired) throw new Error(`${name}: there is no PostgreSQL 15 here and ASSENT_REQUIRE_DATA=1`);
  describe.skip(name, () => {
    it('is skipped: no PostgreSQL server was found', () => assert.fail('a skipped test ran'));
  });
}

/** Runs another file's tests on PostgreSQL: those that open one store for all of them. */
export async function alsoOnPostgres(name: string, load: () => Promise<unknown>): Promise<void> {
  if (!hasPostgres) {
    describeOnPostgres(name, () => undefined);
    return;
  }
  setCurrentStore('postgres');
  await load();
}
