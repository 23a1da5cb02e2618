// Makes commits durable: fdatasync of SQLite's write-ahead log, on a thread of its own.
//
// Not libuv's shared pool: behind password hashes a sync waited 29 ms there (measured).
import { closeSync, fdatasyncSync, openSync } from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

export interface WalSync {
  /** Resolves once everything written to the file before the call is on the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Opens the sync thread for a `-wal` file, which must exist. */
export function openWalSync(path: string): WalSync {
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { path },
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  worker.unref();
  const waiting: { resolve: () => void; reject: (cause: Error) => void }[] = [];
  worker.on('message', (failure: string | null) => {
    const first = waiting.shift();
    if (failure === null) first?.resolve();
    else first?.reject(new Error(failure));
  });
  const failAll = (cause: Error): void => {
    for (const { reject } of waiting.splice(0)) reject(cause);
  };
  worker.on('error', failAll);
  worker.on('exit', () => failAll(new Error('the sync thread ended')));
  return {
    sync: () =>
      new Promise<void>((resolve, reject) => {
        waiting.push({ resolve, reject });
        worker.ref();
        worker.postMessage(null);
      }).then(() => {
        if (waiting.length === 0) worker.unref();
      }),
    close: async () => {
      await worker.terminate();
    },
  };
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  const file = openSync((workerData as { path: string }).path, 'r+');
  port.on('close', () => closeSync(file));
  port.on('message', () => {
    try {
      fdatasyncSync(file);
      port.postMessage(null);
    } catch (error) {
      port.postMessage(error instanceof Error ? error.message : 'fdatasync failed');
    }
  });
}
