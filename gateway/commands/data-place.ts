// That a command finds data where the configuration points, and what only a data folder of files can do.
import { holdsData } from '../store/open.ts';
import { migrationsFolder } from '../compose.ts';
import type { Config } from '../config.ts';
import { GatewayError } from '../errors.ts';
import { Usage } from './order.ts';

/** A mistyped folder must not become a new, empty one. @throws Usage when nothing is there */
export async function needData(config: Config): Promise<void> {
  if (await holdsData(config, migrationsFolder)) return;
  throw new Usage(
    config.postgresUrl === undefined
      ? `${config.home} holds no data; name the folder with --home DIR`
      : 'the database of ASSENT_STORE holds no data',
  );
}

/** @throws GatewayError `config_invalid` that says what does it on PostgreSQL instead */
export function needFile(config: Config, instead: string): void {
  if (config.postgresUrl === undefined) return;
  throw new GatewayError('config_invalid', `the data is in PostgreSQL: ${instead}`);
}
