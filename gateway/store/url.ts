// The address of a PostgreSQL database, which may hold a password: no part of it ever reaches a message.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { GatewayError } from '../errors.ts';

/** What is wrong with a database URL, in words that show none of it; undefined where nothing is. */
export function problemOfUrl(url: string): string | undefined {
  if (!/^postgres(ql)?:\/\//.test(url)) return 'must be postgres://USER@HOST/DATABASE';
  if (!URL.canParse(url) || new URL(url).pathname.length < 2) return 'is not a URL that names a database';
  return undefined;
}

/** @throws GatewayError `config_invalid` when the file is not there, is readable by others or holds no such URL */
export function readUrlFile(path: string): string {
  if (!existsSync(path)) throw new GatewayError('config_invalid', `ASSENT_STORE_FILE: there is no ${path}`);
  if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0)
    throw new GatewayError('config_invalid', `${path} is readable by others; run: chmod 600 ${path}`);
  const url = readFileSync(path, 'utf8').trim();
  const problem = problemOfUrl(url);
  if (problem !== undefined) throw new GatewayError('config_invalid', `what ${path} holds ${problem}`);
  return url;
}
