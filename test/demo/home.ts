// Data folders for tests of the demo world: opened with the real clock and chance, closed, deleted.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { count } from 'drizzle-orm';
import { openCore, type Core, type CoreOptions } from '../../gateway/compose.ts';
import { loadConfig } from '../../gateway/config.ts';
import { openPayload } from '../../gateway/audit/payload.ts';
import { entry } from '../../gateway/store/tables.ts';
import { realSystem } from '../../gateway/system.ts';

export interface Home {
  readonly path: string;
  open(environment?: Record<string, string>, options?: CoreOptions): Promise<Core>;
  remove(): void;
}

export function makeHome(): Home {
  const path = mkdtempSync(join(tmpdir(), 'assent-demo-'));
  return {
    path,
    open: (environment = {}, options = {}) =>
      openCore(loadConfig({ ASSENT_HOME: path, ...environment }), realSystem, options),
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** How often each operation ended in each way: what two builds of the same history must agree on. */
export async function tally(core: Core): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  await core.store.read(async (reader) => {
    for (const row of await reader.db.select().from(entry)) {
      const disclosure = await openPayload(core.keyring, reader, row);
      const operation = disclosure?.payload['operation'];
      const key = `${typeof operation === 'string' ? operation : 'none'} ${row.outcome}`;
      found[key] = (found[key] ?? 0) + 1;
    }
  });
  return found;
}

export async function countEntries(core: Core): Promise<number> {
  const [row] = await core.store.read((reader) => reader.db.select({ times: count() }).from(entry));
  return row?.times ?? 0;
}
