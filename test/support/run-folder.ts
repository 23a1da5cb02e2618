// What test files of one run share: a folder, emptied when the run ends, whether it failed or not.
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

export default function setup(project: TestProject): () => Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'assent-run-'));
  // A server that runs as another user passes through.
  chmodSync(folder, 0o711);
  project.provide('run', { folder, pid: process.pid });
  return async () => {
    const server = join(folder, 'postgres');
    if (existsSync(server)) {
      writeFileSync(join(server, 'stop'), '');
      // The keeper removes its folder last; should it not, it does so once this process is gone.
      for (let tries = 0; tries < 100 && existsSync(server); tries++)
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
    rmSync(folder, { recursive: true, force: true });
  };
}
