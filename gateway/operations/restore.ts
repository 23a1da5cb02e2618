// Puts a backup back. An old one is a rollback: the chain and the witnesses remember more than it holds. So nothing
// here ever makes the local chain's journal shorter, and the next start compares.
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { createSigner } from '../audit/publish.ts';
import { journalIn, readJournal } from '../chain/journal.ts';
import { GatewayError } from '../errors.ts';
import { readBackup, restoredSetting, takeManifestOff, type Manifest } from '../store/backup-file.ts';
import { makeNewFile, syncPath } from '../store/new-file.ts';
import { setting } from '../store/tables.ts';
import { newId, type System } from '../system.ts';
import { staffRequest } from './accounts.ts';
import type { OperationParts } from './parts.ts';

export interface RestoreOrder {
  readonly file: string;
  /** The data folder; nobody else may use it meanwhile (`lockHome`). */
  readonly home: string;
  /** Name of the database in it. */
  readonly databaseFile: string;
  /** What this program knows. */
  readonly newestSchema: number;
  /** Moves a database that is there aside instead of refusing. */
  readonly replace: boolean;
}

/** What became of the local chain's journal. */
export type JournalFate = 'none' | 'same' | 'restored' | 'kept-longer';

export interface Restored {
  readonly manifest: Manifest;
  readonly journal: JournalFate;
  /** Folder that a database which was there was moved to. */
  readonly movedTo: string | null;
  /** Whether the folder holds the keys that belong to this backup. */
  readonly hasKeys: boolean;
}

/**
 * Checks a backup, and puts its database into a data folder, with its journal unless the folder has a longer one.
 *
 * @throws GatewayError `backup_invalid` for a file that is damaged or another's; `conflict` for a folder with a
 *   database, with other keys, or with a chain that is neither older nor newer than the backup's. Nothing changes then
 */
export async function restoreData(order: RestoreOrder, system: System): Promise<Restored> {
  const { file, home, databaseFile } = order;
  const database = join(home, databaseFile);
  if (!existsSync(file)) throw new GatewayError('not_found', `there is no file ${file}`);
  const isThere = existsSync(database);
  if (isThere && !order.replace)
    throw new GatewayError('conflict', `${home} holds a database; --replace moves it aside`);
  const atMs = system.clock.nowMs();
  return makeNewFile(database, newId(system.random), async (temporary) => {
    // What is checked is the copy that will be used.
    await copyFile(file, temporary);
    chmodSync(temporary, 0o600);
    const { manifest, journal } = readBackup(temporary, order.newestSchema);
    const hasKeys = findKeys(join(home, 'keys'), manifest);
    const chain = join(home, 'chain');
    const fate = judgeJournals(await readJournal(chain), journal);
    takeManifestOff(temporary, { atMs, madeMs: manifest.madeMs, entries: manifest.entries });
    const movedTo = isThere ? moveAside(home, databaseFile, atMs) : null;
    if (fate === 'restored' && journal !== null) writeJournal(chain, journal);
    return { manifest, journal: fate, movedTo, hasKeys };
  });
}

/** The first start after a restore that is not refused says in the log that there was one. */
export async function recordRestore(parts: OperationParts): Promise<void> {
  const named = eq(setting.name, restoredSetting);
  const [row] = await parts.read(async (reader) => reader.db.select().from(setting).where(named));
  if (row === undefined) return;
  const { atMs, madeMs, entries } = JSON.parse(row.value) as Record<string, number>;
  const request = staffRequest({ kind: 'system', id: 'start-up' }, 'administer', {
    restored: { at: atMs, backup_made: madeMs, backup_entries: entries },
  });
  await parts.gate.run(request, async (_permit, tx) => {
    await tx.db.delete(setting).where(named);
    return { value: undefined, kind: 'configured', keyClass: 'evidence' };
  });
}

/** @throws GatewayError `conflict` when the folder holds the keys of another log */
function findKeys(folder: string, { origin, logKey }: Manifest): boolean {
  const path = join(folder, 'log.key');
  if (!existsSync(path)) return false;
  const text = readFileSync(path, 'utf8').trim();
  const isOurs =
    /^[0-9a-f]{64}$/.test(text) && createSigner(origin, Buffer.from(text, 'hex')).verifierKey === logKey;
  if (!isOurs) throw new GatewayError('conflict', `${folder} holds keys of another log than this backup`);
  return true;
}

/**
 * A longer journal in the folder stays: it is how the next start notices what an old backup lacks.
 * @throws GatewayError `conflict` when neither goes on where the other ends
 */
export function judgeJournals(found: Buffer | null, inBackup: Buffer | null): JournalFate {
  if (inBackup === null || inBackup.length === 0) return found === null ? 'none' : 'kept-longer';
  if (found === null) return 'restored';
  if (found.equals(inBackup)) return 'same';
  if (startsWith(inBackup, found)) return 'restored';
  // The backup's last line alone may differ: it was copied before the chain refused its transaction and took it off.
  if (startsWith(found, withoutLastLine(inBackup))) return 'kept-longer';
  throw new GatewayError(
    'conflict',
    "the local chain in this folder and the one in the backup contradict each other; move the folder's chain aside only if you know that it is not the real one",
  );
}

const startsWith = (longer: Buffer, shorter: Buffer): boolean =>
  shorter.length <= longer.length && longer.subarray(0, shorter.length).equals(shorter);

/** The first line is what the chain was started with; it stays. */
function withoutLastLine(journal: Buffer): Buffer {
  const end = journal.lastIndexOf(0x0a, journal.length - 2);
  return end === -1 ? journal : journal.subarray(0, end + 1);
}

/** The database with the files SQLite keeps beside it. Never deleted here: it may be the newest there is. */
function moveAside(home: string, databaseFile: string, atMs: number): string {
  const folder = join(home, `replaced-${new Date(atMs).toISOString().replaceAll(/[:.]/g, '-')}`);
  mkdirSync(folder, { mode: 0o700 });
  for (const ending of ['-wal', '-shm', '']) {
    const name = `${databaseFile}${ending}`;
    if (existsSync(join(home, name))) renameSync(join(home, name), join(folder, name));
  }
  syncPath(folder);
  syncPath(home);
  return folder;
}

function writeJournal(folder: string, journal: Buffer): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const beside = `${journalIn(folder)}.new`;
  writeFileSync(beside, journal, { mode: 0o600 });
  syncPath(beside);
  renameSync(beside, journalIn(folder));
  syncPath(folder);
}
