// assent migrate [--check]: brings the database to the newest schema, or says whether it is there.
import { migrationsFolder } from '../compose.ts';
import type { Config } from '../config.ts';
import { openStore, schemaOf } from '../store/open.ts';
import { needData } from './data-place.ts';
import { report, Usage, type Values } from './order.ts';

/**
 * Forward only; two that run at once do it once. A new PostgreSQL database gets its tables here; a new data folder
 * gets its own on the first start.
 *
 * @returns exit code: 1 when `--check` finds a schema that is not the newest
 * @throws Usage; GatewayError `store_unavailable` when the database is newer than this program or cannot be reached
 */
export async function runMigrate(config: Config, rest: readonly string[], values: Values): Promise<number> {
  if (rest.length > 0) throw new Usage('migrate [--check]');
  if (config.postgresUrl === undefined) await needData(config);
  const store = config.postgresUrl === undefined ? 'sqlite' : 'postgres';
  const { version: before, newest } = await schemaOf(config, migrationsFolder);
  if (values.check === true) {
    const isNewest = before === newest;
    report(values, { store, version: before, newest, isNewest }, [
      isNewest
        ? `schema ${before} is the newest`
        : `schema ${before}; this program has ${newest}: assent migrate`,
    ]);
    return isNewest ? 0 : 1;
  }
  const opened = await openStore(config, {
    migrations: migrationsFolder,
    onFatal: (cause) => {
      throw cause;
    },
  });
  await opened.close();
  report(values, { store, before, version: newest }, [
    before === newest ? `schema ${newest} is the newest; nothing to do` : `schema ${before} became ${newest}`,
  ]);
  return 0;
}
