// A file that appears whole or not at all, readable by its owner alone, and never in place of another.
import { closeSync, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { GatewayError } from '../errors.ts';

/** Before the work begins, so that nobody waits for a refusal. @throws GatewayError `conflict` */
export function refuseExisting(path: string): void {
  if (existsSync(path)) throw new GatewayError('conflict', `${path} exists; it is not overwritten`);
}

/**
 * Makes a file under a temporary name beside its place, and gives it its name once it is complete and on the disk.
 *
 * @param suffix makes the temporary name one that nobody else uses
 * @param fill fills the empty file (mode 0600) of the given path; what it throws leaves nothing behind
 * @throws GatewayError `conflict` when the file exists by then
 */
export async function makeNewFile<Result>(
  path: string,
  suffix: string,
  fill: (temporary: string) => Promise<Result>,
): Promise<Result> {
  const temporary = `${path}.${suffix}.part`;
  closeSync(openSync(temporary, 'wx', 0o600));
  try {
    const result = await fill(temporary);
    syncPath(temporary);
    giveName(temporary, path);
    syncPath(dirname(path));
    return result;
  } finally {
    // SQLite's own files beside it go too: a work cut short may have left one.
    for (const ending of ['', '-journal', '-wal', '-shm']) rmSync(`${temporary}${ending}`, { force: true });
  }
}

/** A link never replaces a file; where the file system has none, a look before must do. */
function giveName(temporary: string, path: string): void {
  try {
    linkSync(temporary, path);
  } catch {
    refuseExisting(path);
    renameSync(temporary, path);
  }
}

/** Windows can sync no folder and needs it not. */
export function syncPath(path: string): void {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (process.platform === 'win32') return;
    throw error;
  }
  try {
    fsyncSync(file);
  } catch (error) {
    if (process.platform !== 'win32') throw error;
  } finally {
    closeSync(file);
  }
}
