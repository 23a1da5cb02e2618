// The gateway's own keys, one file each in `<home>/keys`, made on first start, readable by their owner alone.
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { GatewayError } from './errors.ts';
import type { Random } from './system.ts';

/** File name → what it is for. Each holds 32 random bytes in hex. */
export const keyFiles = {
  'wrapping.key':
    'wraps the keys of people in the database; whoever has it and the database can read payloads',
  'log.key': 'Ed25519 seed that signs checkpoints',
  'seal.key': 'Ed25519 seed that seals proof bundles and receipts',
  'chain.key': 'secp256k1 key that sends anchors',
  'cookie.key': 'signs cookies of OAuth interactions',
  'oidc.key': 'seed of the OpenID signing key',
  'bounding.key': 'chooses which groups of one person count in a private query',
} as const;

export type KeyFile = keyof typeof keyFiles;
export type Keys = Readonly<Record<KeyFile, Uint8Array>>;

/**
 * Reads the key files and makes those that are missing.
 * @throws GatewayError `config_invalid` when a file is readable by others or does not hold 32 bytes
 */
export function loadKeys(folder: string, random: Random): Keys {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const keys: Partial<Record<KeyFile, Uint8Array>> = {};
  for (const name of Object.keys(keyFiles) as KeyFile[]) keys[name] = loadKey(folder, name, random);
  return keys as Keys;
}

/**
 * Reads one key file and makes it where it is missing; the folder is there.
 * @throws GatewayError `config_invalid` as `loadKeys`
 */
export function loadKey(folder: string, name: string, random: Random): Uint8Array {
  const path = join(folder, name);
  if (!existsSync(path)) writeKey(folder, name, random.bytes(32));
  if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0) {
    throw new GatewayError(
      'config_invalid',
      `key file ${name} is readable by others; run: chmod 600 ${name}`,
    );
  }
  const text = readFileSync(path, 'utf8').trim();
  if (!/^[0-9a-f]{64}$/.test(text))
    throw new GatewayError('config_invalid', `key file ${name} does not hold 32 bytes in hex`);
  return Buffer.from(text, 'hex');
}

/**
 * Puts keys into a folder that holds none, all of them or none.
 * @throws GatewayError `conflict` when the folder is not empty
 */
export function putKeys(folder: string, keys: Partial<Keys>): void {
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new GatewayError('conflict', `${folder} is not empty; keys are never overwritten`);
  const beside = `${folder}.new`;
  rmSync(beside, { recursive: true, force: true });
  mkdirSync(beside, { recursive: true, mode: 0o700 });
  for (const [name, bytes] of Object.entries(keys) as [KeyFile, Uint8Array][]) writeKey(beside, name, bytes);
  // Windows renames onto no folder, an empty one included.
  if (existsSync(folder)) rmdirSync(folder);
  renameSync(beside, folder);
}

/** Writes beside and renames, so that a crash leaves no half key. */
function writeKey(folder: string, name: string, bytes: Uint8Array): void {
  const path = join(folder, `${name}.new`);
  const file = openSync(path, 'w', 0o600);
  try {
    writeSync(file, `${Buffer.from(bytes).toString('hex')}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  chmodSync(path, 0o600);
  renameSync(path, join(folder, name));
}
