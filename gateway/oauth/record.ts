// How a record of the OAuth library lies in the store: found by the hash of its id, readable only with the id itself.
//
// The id of a token, code, session or request is the secret its holder presents. Payloads repeat it and name other
// ids (a token its grant, an interaction its session), so they are sealed with a key made from the id: who has the
// database alone can neither use nor read any of them. Ids are 126 bits of chance or more, so one hash is enough.
import { createCipheriv, createDecipheriv, hash } from 'node:crypto';
import type { Random } from '../system.ts';

export type RecordPayload = Record<string, unknown>;

const longestId = 512;

/** SHA-256 of an id, hex; undefined for what cannot be an id. */
export function recordHash(id: string): string;
export function recordHash(id: unknown): string | undefined;
export function recordHash(id: unknown): string | undefined {
  return typeof id === 'string' && id.length > 0 && id.length <= longestId
    ? hash('sha256', id, 'hex')
    : undefined;
}

/** AES-256-GCM over the JSON; base64url of nonce ‖ ciphertext ‖ tag. The model's name is authenticated with it. */
export function sealRecord(model: string, id: string, payload: RecordPayload, random: Random): string {
  const nonce = random.bytes(12);
  const cipher = createCipheriv('aes-256-gcm', keyOf(id), nonce).setAAD(Buffer.from(model));
  const sealed = [nonce, cipher.update(JSON.stringify(payload), 'utf8'), cipher.final(), cipher.getAuthTag()];
  return Buffer.concat(sealed).toString('base64url');
}

/** The payload; undefined when it was not sealed with this id for this model. */
export function openRecord(model: string, id: string, sealed: string): RecordPayload | undefined {
  const bytes = Buffer.from(sealed, 'base64url');
  if (bytes.length < 28) return undefined;
  try {
    const decipher = createDecipheriv('aes-256-gcm', keyOf(id), bytes.subarray(0, 12))
      .setAAD(Buffer.from(model))
      .setAuthTag(bytes.subarray(-16));
    const plain = Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
    return JSON.parse(plain.toString('utf8')) as RecordPayload;
  } catch {
    return undefined;
  }
}

function keyOf(id: string): Buffer {
  return hash('sha256', `assent/v1/oauth-record\0${id}`, 'buffer');
}
