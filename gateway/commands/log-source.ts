// Where a log is read from: a gateway, or the folder of a mirror. Both give the file at a path of c2sp.org/tlog-tiles.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FetchFile } from '../audit/tiles.ts';
import { Usage } from './order.ts';

/** Gives the file at a path. @throws Unreadable */
export type LogSource = FetchFile;

/** The log, or a part of it, could not be read: nothing is said about it. */
export class Unreadable extends Error {}

// 256 entries of the greatest length.
const longestFileBytes = 256 * 0x10001;
const answerLimitMs = 30_000;
const longestPauseSeconds = 60;
const mostPauses = 60;

/**
 * @param from an http(s) address of a gateway (or of its log), or a folder
 * @param token a staff token; sent with requests for entries and no others
 */
export function openLogSource(from: string, token?: string): LogSource {
  if (/^https?:\/\//i.test(from)) return overHttp(addressOf(from), token);
  if (!existsSync(from) || !statSync(from).isDirectory()) throw new Usage(`there is no folder ${from}`);
  return async (path) => {
    const file = join(from, path);
    if (!existsSync(file)) throw new Unreadable(`the folder holds no ${path}`);
    if (statSync(file).size > longestFileBytes) throw new Unreadable(`${path} is too long`);
    return new Uint8Array(readFileSync(file));
  };
}

/** Keeps what is read in a new folder, from which it can be read again. @throws Usage unless it is new or empty */
export function mirrored(source: LogSource, folder: string): LogSource {
  // What an earlier reading left would pass for what this one read.
  if (existsSync(folder) && readdirSync(folder).length > 0) throw new Usage(`${folder} is not empty`);
  return async (path) => {
    const bytes = await source(path);
    const file = join(folder, path);
    // Leaves hold tags: for nobody else on this machine.
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, bytes, { mode: 0o600 });
    return bytes;
  };
}

function addressOf(from: string): URL {
  const url = URL.parse(from);
  if (url === null || url.username !== '' || url.search !== '' || url.hash !== '')
    throw new Usage(`${from} is not the address of a gateway`);
  url.pathname = url.pathname.replace(/\/*$/, '').replace(/(\/log)?$/, '/log/');
  return url;
}

function overHttp(base: URL, token: string | undefined): LogSource {
  return async (path) => {
    for (let pauses = 0; ; pauses++) {
      const response = await ask(base, path, token);
      if (response.status === 429 && pauses < mostPauses) {
        // A whole log is more requests than a gateway takes from one caller in a minute.
        await response.body?.cancel();
        await sleep(1000 * pauseSeconds(response.headers.get('retry-after')));
        continue;
      }
      if (response.ok) return bytesOf(response, path);
      await response.body?.cancel();
      throw new Unreadable(explain(response.status, path, token));
    }
  };
}

function ask(base: URL, path: string, token: string | undefined): Promise<Response> {
  const isForOfficers = path.startsWith('tile/entries/');
  // oxlint-disable-next-line no-restricted-globals -- it reads the very log it is pointed at
  return fetch(new URL(path, base), {
    headers: isForOfficers && token !== undefined ? { authorization: `Bearer ${token}` } : {},
    // Another address must not get the token.
    redirect: 'error',
    signal: AbortSignal.timeout(answerLimitMs),
  }).catch((error: unknown) => {
    throw new Unreadable(`${base.origin} did not give ${path}`, { cause: error });
  });
}

async function bytesOf(response: Response, path: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for await (const part of response.body ?? []) {
      sizeBytes += part.length;
      if (sizeBytes > longestFileBytes) break;
      parts.push(part);
    }
  } catch (error) {
    throw new Unreadable(`${path} broke off`, { cause: error });
  }
  if (sizeBytes > longestFileBytes) throw new Unreadable(`${path} is too long`);
  return new Uint8Array(Buffer.concat(parts));
}

function pauseSeconds(retryAfter: string | null): number {
  const wanted = Number(retryAfter ?? 1);
  return Number.isFinite(wanted) ? Math.min(Math.max(wanted, 1), longestPauseSeconds) : 1;
}

function explain(status: number, path: string, token: string | undefined): string {
  if (status === 401 && token === undefined)
    return `entries are for officers: give --token-file FILE with a token from "assent staff token NAME"`;
  if (status === 401 || status === 403)
    return `the token does not open ${path} (${status}): it needs an officer's`;
  return `${path} was answered with ${status}`;
}
