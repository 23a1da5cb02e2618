// Rewrites a SQLite file so that no byte of a deleted row is left in it, on a thread of its own: it takes about a second
// for 100 MB, and whoever does not write need not notice.
//
// `secure_delete` zeroes rows, but pages that were balanced keep old bytes in their gaps: only a rewrite is sure.
import Sqlite from 'better-sqlite3';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

/** How a rewrite ended: null when it worked. */
interface Failure {
  /** Of SQLite, such as SQLITE_BUSY or SQLITE_IOERR_FSYNC. */
  readonly code: string | undefined;
  readonly message: string;
}

/** Everybody who writes waits meanwhile: rather try again later than wait long for a reader elsewhere. */
const busyTimeoutMs = 250;

/**
 * The caller must have no transaction open. Others may read meanwhile.
 * @throws Error with SQLite's `code` when another connection is in the way, or the disk is full or fails
 */
export function rewriteFile(path: string): Promise<void> {
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { path },
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  return new Promise((resolve, reject) => {
    worker.on('message', (failure: Failure | null) => {
      if (failure === null) resolve();
      else reject(Object.assign(new Error(failure.message), { code: failure.code }));
    });
    worker.on('error', reject);
    worker.on('exit', () => reject(new Error('the rewriting thread ended')));
  });
}

function rewriteHere(path: string): Failure | null {
  let database: Sqlite.Database | undefined;
  try {
    database = new Sqlite(path, { fileMustExist: true });
    database.pragma(`busy_timeout = ${busyTimeoutMs}`);
    database.pragma('synchronous = NORMAL');
    database.pragma('secure_delete = ON');
    database.exec('VACUUM');
    const [state] = database.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[];
    if (state?.busy === 0) return null;
    return { code: 'SQLITE_BUSY', message: 'another connection keeps the old pages from being cleaned' };
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return { code, message };
  } finally {
    database?.close();
  }
}

if (!isMainThread && parentPort !== null)
  parentPort.postMessage(rewriteHere((workerData as { path: string }).path));
