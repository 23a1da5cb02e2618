// The key files in one file of their own, locked with a passphrase: scrypt (RFC 7914), then AES-256-GCM.
//
// Kept apart from backups of the data on purpose: whoever has both can read what is encrypted in the database.
import { createCipheriv, createDecipheriv, scryptSync } from 'node:crypto';
import { Type, type Static } from 'typebox';
import { Value } from 'typebox/value';
import { GatewayError } from './errors.ts';
import { keyFiles, type KeyFile, type Keys } from './key-files.ts';
import type { Random } from './system.ts';

const base64 = (least: number, most: number) =>
  Type.String({ pattern: '^[A-Za-z0-9+/]+={0,2}$', minLength: least, maxLength: most });

const archiveFields = {
  format: Type.Literal('assent-keys/v1'),
  /** Name of the log these keys belong to. */
  origin: Type.String({ minLength: 1, maxLength: 255 }),
  kdf: Type.Object(
    {
      name: Type.Literal('scrypt'),
      // Within these, memory (128 · N · r bytes) stays below 1 GiB, whoever wrote the file.
      log2N: Type.Integer({ minimum: 14, maximum: 20 }),
      r: Type.Integer({ minimum: 8, maximum: 8 }),
      p: Type.Integer({ minimum: 1, maximum: 4 }),
      salt: base64(24, 88),
    },
    { additionalProperties: false },
  ),
  cipher: Type.Object(
    { name: Type.Literal('aes-256-gcm'), nonce: base64(16, 16) },
    { additionalProperties: false },
  ),
};
const archiveSchema = Type.Object(archiveFields);
const sealedSchema = Type.Object(
  { ...archiveFields, sealed: base64(24, 16_384) },
  { additionalProperties: false },
);

type Archive = Static<typeof archiveSchema>;

/** Characters a passphrase has at least: it is guessed offline by whoever gets the file. */
export const passphraseLeast = 12;
const passphraseMost = 1024;
export const archiveLimitBytes = 64 * 1024;
const tagBytes = 16;

/** @returns text of the file. @throws GatewayError `malformed_request` for a passphrase that is too short or too long */
export function lockKeys(keys: Keys, origin: string, passphrase: string, random: Random): string {
  const archive: Archive = {
    format: 'assent-keys/v1',
    origin,
    kdf: { name: 'scrypt', log2N: 17, r: 8, p: 1, salt: encode(random.bytes(32)) },
    cipher: { name: 'aes-256-gcm', nonce: encode(random.bytes(12)) },
  };
  const plain = JSON.stringify(
    Object.fromEntries(
      Object.entries(keys).map(([name, bytes]) => [name, Buffer.from(bytes).toString('hex')]),
    ),
  );
  const cipher = createCipheriv('aes-256-gcm', stretched(passphrase, archive), decode(archive.cipher.nonce));
  cipher.setAAD(Buffer.from(JSON.stringify(archive)));
  const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return `${JSON.stringify({ ...archive, sealed: encode(sealed) }, null, 2)}\n`;
}

/** @throws GatewayError `backup_invalid` for a wrong passphrase, a changed file, or one of another format */
export function unlockKeys(
  text: string,
  passphrase: string,
): { readonly origin: string; readonly keys: Partial<Keys> } {
  const found = parsed(text);
  if (!Value.Check(sealedSchema, found)) throw invalid('this is no file that `assent backup --keys` made');
  const { sealed, ...archive } = found;
  const bytes = decode(sealed);
  const decipher = createDecipheriv(
    'aes-256-gcm',
    stretched(passphrase, archive),
    decode(archive.cipher.nonce),
    { authTagLength: tagBytes },
  );
  decipher.setAAD(Buffer.from(JSON.stringify(ordered(archive))));
  decipher.setAuthTag(bytes.subarray(-tagBytes));
  let plain: string;
  try {
    plain = Buffer.concat([decipher.update(bytes.subarray(0, -tagBytes)), decipher.final()]).toString('utf8');
  } catch (cause) {
    throw new GatewayError('backup_invalid', 'the passphrase is wrong, or the file was changed', { cause });
  }
  return { origin: archive.origin, keys: readKeys(parsed(plain)) };
}

function readKeys(found: unknown): Partial<Keys> {
  const keys: Partial<Record<KeyFile, Uint8Array>> = {};
  for (const [name, value] of Object.entries(found as Record<string, unknown>)) {
    if (!Object.hasOwn(keyFiles, name)) throw invalid(`it holds a key unknown here: use a newer program`);
    if (typeof value !== 'string' || !/^[0-9a-f]{64}$/.test(value))
      throw invalid(`its ${name} is not 32 bytes`);
    keys[name as KeyFile] = Buffer.from(value, 'hex');
  }
  for (const name of ['wrapping.key', 'log.key'] as const)
    if (keys[name] === undefined) throw invalid(`it does not hold ${name}`);
  return keys;
}

/** Fields in the order they were authenticated in, whatever order the file has them in. */
function ordered({ format, origin, kdf, cipher }: Archive): Archive {
  const { name, log2N, r, p, salt } = kdf;
  return {
    format,
    origin,
    kdf: { name, log2N, r, p, salt },
    cipher: { name: cipher.name, nonce: cipher.nonce },
  };
}

function stretched(passphrase: string, { kdf }: Archive): Buffer {
  // The same characters typed on another system may come as other code points.
  const text = passphrase.normalize('NFKC');
  const length = Array.from(text).length;
  if (length < passphraseLeast || length > passphraseMost) {
    throw new GatewayError(
      'malformed_request',
      `the passphrase has ${passphraseLeast} to ${passphraseMost} characters; it is read from standard input`,
    );
  }
  const cost = 2 ** kdf.log2N;
  const maxmem = 256 * cost * kdf.r;
  return scryptSync(text, decode(kdf.salt), 32, { N: cost, r: kdf.r, p: kdf.p, maxmem });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new GatewayError('backup_invalid', 'the keys in it cannot be read', { cause });
  }
}

const encode = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const decode = (text: string): Buffer => Buffer.from(text, 'base64');
const invalid = (message: string): GatewayError => new GatewayError('backup_invalid', message);
