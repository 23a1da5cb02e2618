// A witness on a real port, a log that can be split, and what is sent between them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { toUtf8 } from '../../gateway/audit/bytes.ts';
import { sha256 } from '../../gateway/audit/log.ts';
import { formatCheckpoint, signNote, type NoteSigner } from '../../gateway/audit/note.ts';
import { createSigner } from '../../gateway/audit/publish.ts';
import { leafHash, MerkleTree } from '../../gateway/audit/tree.ts';
import { startWitness, type RunningWitness, type WitnessOrder } from '../../gateway/commands/witness.ts';
import { handClock, realSystem } from '../../gateway/system.ts';
import { formatAddCheckpoint } from '../../gateway/witness/add-checkpoint.ts';
import { openMemory, type Conflict, type Memory } from '../../gateway/witness/memory.ts';
import { createWitness, type Witness } from '../../gateway/witness/witness.ts';

export const origin = 'log.example/1';
export const logSigner = createSigner(origin, new Uint8Array(32).fill(21));
export const startMs = Date.parse('2026-03-01T12:00:00Z');

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'assent-witness-'));
  closing.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Closed when the test ends; closing it earlier is fine. */
export async function start(order: Partial<WitnessOrder> & { home: string }): Promise<
  RunningWitness & {
    readonly warnings: readonly string[];
    readonly clock: ReturnType<typeof handClock>;
    post(body: string | Uint8Array): Promise<{ status: number; type: string | null; body: string }>;
  }
> {
  const warnings: string[] = [];
  const clock = handClock(startMs);
  const running = await startWitness(
    {
      name: 'witness.example/w1',
      logs: [logSigner.verifierKey],
      logsFile: undefined,
      host: '127.0.0.1',
      port: 0,
      requestsPerMinute: 0,
      ...order,
    },
    { clock, random: realSystem.random },
    (line) => warnings.push(line),
  );
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => (closed ??= running.close());
  closing.push(close);
  return {
    ...running,
    close,
    warnings,
    clock,
    async post(body) {
      const answer = await fetch(`${running.url}/add-checkpoint`, {
        method: 'POST',
        body: Buffer.from(body),
      });
      return { status: answer.status, type: answer.headers.get('content-type'), body: await answer.text() };
    },
  };
}

/** A witness without network, over a memory of the caller's. */
export function bareWitness(
  path: string,
  parts: { signer?: NoteSigner; memory?: Memory } = {},
): {
  readonly witness: Witness;
  readonly memory: Memory;
  readonly conflicts: readonly Conflict[];
} {
  const conflicts: Conflict[] = [];
  const memory = parts.memory ?? openMemory(path);
  closing.push(() => memory.close());
  const witness = createWitness({
    memory,
    signer: parts.signer ?? createSigner('witness.example/w1', new Uint8Array(32).fill(31)),
    logs: [{ ...logSigner, keyId: Number.parseInt(logSigner.verifierKey.split('+')[1] ?? '', 16) }],
    clock: handClock(startMs),
    onConflict: (_, conflict) => conflicts.push(conflict),
  });
  return { witness, memory, conflicts };
}

/** A log whose leaves are texts: another list of leaves is another history. */
export function history(...leaves: readonly string[]) {
  const tree = new MerkleTree(sha256);
  for (const leaf of leaves) tree.append(leafHash(toUtf8(leaf)));
  return {
    tree,
    note: (size: number, signer: NoteSigner = logSigner): Promise<string> =>
      signNote(formatCheckpoint({ origin: signer.name, size, root: tree.root(size) }), signer),
    /** The honest request for this step. */
    async step(oldSize: number, newSize: number): Promise<string> {
      return formatAddCheckpoint(oldSize, tree.consistencyPath(oldSize, newSize), await this.note(newSize));
    },
  };
}
