// assent backup FILE, and assent backup --keys FILE. Beside a running gateway or without one.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { openCore } from '../compose.ts';
import type { Config } from '../config.ts';
import { backUp, backUpKeys } from '../operations/backup.ts';
import { realSystem } from '../system.ts';
import { needData, needFile } from './data-place.ts';
import { need, report, Usage, type Values } from './order.ts';

const operator = 'cli';

/** @returns exit code. @throws Usage, GatewayError */
export async function runBackup(config: Config, rest: readonly string[], values: Values): Promise<number> {
  if (values.keys === undefined) need(rest[0], 'a file for the backup, or --keys FILE');
  else if (rest.length > 0)
    throw new Usage('backup FILE, or backup --keys FILE: data and keys are never in one file');
  if (values.keys === undefined)
    needFile(
      config,
      "back it up with pg_dump or by the server's own archiving, and keep the keys apart from it: " +
        'assent backup --keys FILE; with the local chain, keep the folder chain too',
    );
  await needData(config);
  const passphrase = values.keys === undefined ? '' : readPassphrase();
  const core = await openCore(config, realSystem);
  try {
    if (values.keys !== undefined) {
      const file = resolve(values.keys);
      const { value } = await backUpKeys(core.operations, operator, { file, keys: core.keys, passphrase });
      report(values, { file, ...value }, [
        `wrote ${value.keys} keys, locked with the passphrase, to ${file}`,
        'keep it apart from backups of the data, and the passphrase apart from it: without one of them nothing can be restored',
      ]);
      return 0;
    }
    const file = resolve(rest[0] ?? '');
    const logKey = core.logSigner.verifierKey;
    const { value } = await backUp(core.operations, operator, { file, logKey });
    const { manifest, sizeBytes, sha256 } = value;
    report(values, { file, sizeBytes, sha256, manifest }, [
      `wrote ${file}`,
      `${sizeBytes.toLocaleString('en')} bytes, ${manifest.entries.toLocaleString('en')} entries, ${headOf(manifest.checkpoint)}`,
      `SHA-256 ${sha256}`,
      'it holds personal data and no keys; keep the keys elsewhere: assent backup --keys FILE',
    ]);
    return 0;
  } finally {
    await core.close();
  }
}

/** From standard input, so that it is in no list of processes and no history of commands. */
export function readPassphrase(): string {
  return readFileSync(0, 'utf8').replace(/\r?\n$/, '');
}

function headOf(checkpoint: { readonly size: number } | null): string {
  return checkpoint === null
    ? 'no signed head yet'
    : `signed head of ${checkpoint.size.toLocaleString('en')}`;
}
