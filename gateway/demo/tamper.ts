// What somebody with the server's disk could try: an entry deleted straight from a copy of the database.
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import Sqlite from 'better-sqlite3';
import { databaseFile } from '../compose.ts';
import { mapHeadKind } from '../audit/entry.ts';
import { GatewayError } from '../errors.ts';

export interface Tampered {
  /** Number of the entry that the copy no longer has. */
  readonly entry: number;
  /** The copy: start the gateway with it and it refuses. */
  readonly folder: string;
}

/**
 * Copies a data folder and deletes one entry from the middle of the copy's log. The folder itself is only read.
 *
 * @param home the data folder; a gateway may be running on it
 * @param target a folder that does not exist or is empty
 * @throws GatewayError `not_found` without a database, `conflict` when the target is in use or no head was signed yet
 */
export async function tamperCopy(home: string, target: string): Promise<Tampered> {
  const folder = resolve(target);
  const database = join(resolve(home), databaseFile);
  if (!existsSync(database))
    throw new GatewayError('not_found', `there is no ${databaseFile} in that folder`);
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new GatewayError('conflict', 'the target folder is not empty');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const copy = join(folder, databaseFile);
  copyDatabase(database, copy);
  copySecretly(join(home, 'keys'), join(folder, 'keys'));
  if (existsSync(join(home, 'chain'))) copySecretly(join(home, 'chain'), join(folder, 'chain'));
  return { entry: deleteMiddleEntry(copy), folder };
}

/** SQLite's own copy: consistent even while the gateway writes. */
function copyDatabase(from: string, to: string): void {
  const source = new Sqlite(from, { readonly: true, fileMustExist: true });
  try {
    source.prepare('VACUUM INTO ?').run(to);
  } finally {
    source.close();
  }
  chmodSync(to, 0o600);
}

/** Plain files only: a socket or lock of a running gateway stays where it is. */
function copySecretly(from: string, to: string): void {
  mkdirSync(to, { recursive: true, mode: 0o700 });
  for (const found of readdirSync(from, { withFileTypes: true })) {
    if (!found.isFile() || found.name.startsWith('lock')) continue;
    cpSync(join(from, found.name), join(to, found.name));
    chmodSync(join(to, found.name), 0o600);
  }
}

function deleteMiddleEntry(path: string): number {
  const raw = new Sqlite(path);
  try {
    const signed = raw.prepare('SELECT max(size) AS size FROM checkpoint').get() as { size: number | null };
    if (signed.size === null || signed.size < 3)
      throw new GatewayError('conflict', 'no head is signed yet: nothing says how long the log was');
    // An entry of somebody's tells more than a map head, which every checkpoint ends in.
    const { number } = raw
      .prepare('SELECT min(number) AS number FROM entry WHERE kind <> ? AND number >= ?')
      .get(mapHeadKind, Math.floor(signed.size / 2) - 1) as { number: number };
    // Who has the disk has every right there is; a trigger stops mistakes, not them.
    raw.pragma('foreign_keys = OFF');
    raw.exec('DROP TRIGGER entry_is_kept');
    raw.prepare('DELETE FROM entry WHERE number = ?').run(number);
    return number;
  } finally {
    raw.close();
  }
}
