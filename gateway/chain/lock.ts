// One process owns a folder. The lock is a file that names its process; the lock of a dead process is taken over.
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { GatewayError } from '../errors.ts';
import { unavailable } from './rpc.ts';

export interface FolderLock {
  release(): Promise<void>;
}

// After a restart a container often gives the same process number: what this process holds, it knows itself.
const heldHere = new Set<string>();

type Refuse = (what: string) => GatewayError;

const refuseChain: Refuse = (what) => unavailable(`The local chain ${what}`);

/** For a whole data folder. @throws GatewayError `conflict` when a living process holds it */
export function lockHome(home: string): Promise<FolderLock> {
  return lockFolder(home, (what) => new GatewayError('conflict', `${home} ${what}`));
}

/** @throws GatewayError `chain_unavailable`, or what `refuse` makes, when a living process holds the folder */
export async function lockFolder(folder: string, refuse = refuseChain): Promise<FolderLock> {
  const path = join(resolve(folder), 'lock');
  if (heldHere.has(path)) throw refuse('is already open in this process');
  heldHere.add(path);
  try {
    await take(path, refuse);
  } catch (error) {
    heldHere.delete(path);
    throw error;
  }
  return {
    async release() {
      if (heldHere.delete(path)) await rm(path, { force: true });
    },
  };
}

async function take(path: string, refuse: Refuse): Promise<void> {
  const mine = `${path}.${process.pid}`;
  await writeFile(mine, JSON.stringify({ pid: process.pid, startedAt: await startOf(process.pid) }), {
    mode: 0o600,
  });
  try {
    for (let attempt = 1; attempt <= 5; attempt++) {
      // A link appears with its content or not at all, and never replaces another.
      const error = await link(mine, path).then(
        () => undefined,
        (cause: NodeJS.ErrnoException) => cause,
      );
      if (error === undefined) return;
      if (error.code !== 'EEXIST') throw error;
      const text = await readFile(path, 'utf8').catch(() => undefined);
      if (text === undefined) continue;
      const owner = await livingOwner(text);
      if (owner !== undefined) {
        throw refuse(`is in use by process ${owner}; one process owns it at a time`);
      }
      // Moving it aside succeeds for one of several takers only.
      const stale = `${mine}.stale`;
      await rename(path, stale).catch(() => undefined);
      const moved = await readFile(stale, 'utf8').catch(() => undefined);
      if (moved !== undefined && moved !== text) await link(stale, path).catch(() => undefined);
      await rm(stale, { force: true });
    }
    throw refuse('could not be locked');
  } finally {
    await rm(mine, { force: true });
  }
}

/** Process number of the owner if that very process still lives. */
async function livingOwner(text: string): Promise<number | undefined> {
  let owner: { pid?: unknown; startedAt?: unknown };
  try {
    owner = JSON.parse(text) as typeof owner;
  } catch {
    return undefined;
  }
  const { pid, startedAt } = owner;
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid <= 0 || pid === process.pid) return undefined;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives and belongs to someone else.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return undefined;
  }
  // The same number with another start time is another process (Linux tells, elsewhere the number must do).
  const startedNow = await startOf(pid);
  if (typeof startedAt === 'string' && startedNow !== undefined && startedNow !== startedAt) return undefined;
  return pid;
}

/** Start time of a process in clock ticks since boot (proc(5), field 22); undefined where that is not offered. */
async function startOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The second field is the program's name in brackets and may hold spaces and brackets itself.
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19];
}
