// Backups: all data in one file, without keys; the keys in another, locked. Both are on the record.
import { createHash } from 'node:crypto';
import { createReadStream, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { readJournal } from '../chain/journal.ts';
import type { Done, Released } from '../gate.ts';
import { lockKeys } from '../key-archive.ts';
import type { Keys } from '../key-files.ts';
import { addManifest, type Manifest } from '../store/backup-file.ts';
import { makeNewFile, refuseExisting } from '../store/new-file.ts';
import { newId } from '../system.ts';
import { staffRequest } from './accounts.ts';
import type { OperationParts } from './parts.ts';

export interface BackupMade {
  readonly manifest: Manifest;
  readonly sizeBytes: number;
  /** SHA-256 of the file, hex; the entry holds it too. */
  readonly sha256: string;
}

/**
 * Copies the database and the local chain's journal into one new file. A gateway may write meanwhile.
 *
 * Two entries: one that is durable before anything is copied, and one that says what came of it.
 * @param order `logKey`: verifier key of checkpoints, so that a restore can tell whose keys belong to it
 * @throws GatewayError `conflict` when the file exists; what the disk says otherwise. Nothing is left half done
 */
export async function backUp(
  parts: OperationParts,
  operator: string,
  order: { readonly file: string; readonly logKey: string },
): Promise<Released<BackupMade>> {
  refuseExisting(order.file);
  const request = staffRequest({ kind: 'operator', id: operator }, 'backup', { of: 'data' });
  const begun = await parts.gate.run(request, async () => recorded(undefined, { backup: 'begun' }));
  const made = await copyAll(parts, order).then(
    (value) => ({ value }),
    (cause: unknown) => ({ cause }),
  );
  return parts.gate.run(request, async () => {
    // Thrown here, so that the gate records that it failed.
    if ('cause' in made) throw made.cause;
    const { manifest, sizeBytes, sha256 } = made.value;
    return {
      ...recorded(made.value, { backup: 'made', begun_entry: begun.receipt.number, file_sha256: sha256 }),
      counts: {
        size_bytes: sizeBytes,
        entries: manifest.entries,
        signed_entries: manifest.checkpoint?.size ?? 0,
      },
    };
  });
}

async function copyAll(
  { config, read, system }: OperationParts,
  { file, logKey }: { readonly file: string; readonly logKey: string },
): Promise<BackupMade> {
  return makeNewFile(file, newId(system.random), async (temporary) => {
    // The journal first: whatever the chain in it holds was in the database before. The other way round a backup
    // could hold an anchor of a head it does not have, and a restore of it would be refused as a rollback.
    const journal = await readJournal(join(config.home, 'chain'));
    // SQLite's own copy: one moment of the database, without free pages and what was deleted in them.
    await read(async (reader) => reader.db.run(sql`VACUUM INTO ${temporary}`));
    const manifest = addManifest(temporary, { logKey, journal, madeMs: system.clock.nowMs() });
    const { size: sizeBytes } = statSync(temporary);
    return { manifest, sizeBytes, sha256: await digestOf(temporary) };
  });
}

/**
 * Writes the key files, locked with a passphrase, into a new file of their own.
 * @throws GatewayError `malformed_request` for a passphrase too short, `conflict` when the file exists
 */
export async function backUpKeys(
  parts: OperationParts,
  operator: string,
  order: { readonly file: string; readonly keys: Keys; readonly passphrase: string },
): Promise<Released<{ readonly keys: number }>> {
  const { config, system } = parts;
  refuseExisting(order.file);
  const text = lockKeys(order.keys, config.origin, order.passphrase, system.random);
  const request = staffRequest({ kind: 'operator', id: operator }, 'backup', { of: 'keys' });
  const keys = Object.keys(order.keys).length;
  // The entry comes first: without it no key leaves.
  const released = await parts.gate.run(request, async () => ({
    ...recorded({ keys }, { backup: 'made' }),
    counts: { keys },
  }));
  await makeNewFile(order.file, newId(system.random), async (temporary) => writeFileSync(temporary, text));
  return released;
}

const recorded = <Value>(value: Value, about: Record<string, unknown>): Done<Value> => ({
  value,
  kind: 'used',
  keyClass: 'evidence',
  about,
});

async function digestOf(path: string): Promise<string> {
  const digest = createHash('sha256');
  for await (const chunk of createReadStream(path)) digest.update(chunk as Buffer);
  return digest.digest('hex');
}
