// Timestamped cosignatures of checkpoints: c2sp.org/tlog-cosignature v1, Ed25519 (signature type 0x04).
// Who cosigns says: at this time, this is the largest consistent head of this log that I have seen.
import { concat, exactly, FormatError, readU64, toUtf8, u64 } from './bytes.ts';
import {
  formatVerifierKey,
  keyId,
  keyTypes,
  parseVerifierKey,
  verifySignature,
  type Note,
  type NoteSignature,
  type NoteSigner,
  type VerifierKey,
} from './note.ts';

export interface Cosignature {
  readonly key: VerifierKey;
  /** When the witness says it signed: seconds since 1970 UTC. */
  readonly seconds: number;
}

const check = 'witnesses';
const timeBytes = 8;
const signatureBytes = 64;

/** Reads `name+id in hex+base64(0x04 ‖ public key)`. @throws FormatError `key` */
export function parseCosignatureKey(vkey: string): VerifierKey {
  return parseVerifierKey(vkey, keyTypes.cosignature);
}

/** The inverse of `parseCosignatureKey`. @throws FormatError `key` */
export function formatCosignatureKey(name: string, publicKey: Uint8Array): string {
  return formatVerifierKey(name, publicKey, keyTypes.cosignature);
}

/**
 * Cosigns a note's text.
 * @param seconds time of signing since 1970 UTC; above 0 and below 2^53
 * @throws FormatError `range` for another time, `signature` when the signer returns no valid signature
 */
export async function cosign(text: string, seconds: number, signer: NoteSigner): Promise<NoteSignature> {
  const message = signedMessage(text, seconds);
  const signature = await signer.sign(message);
  if (!verifySignature(signature, message, signer.publicKey)) {
    throw new FormatError('signature', check, `the signer ${signer.name} made no valid signature`);
  }
  return {
    name: signer.name,
    keyId: keyId(signer.name, signer.publicKey, keyTypes.cosignature),
    signature: concat(u64(seconds, check), signature),
  };
}

/** Whether this key is the one the signature line names; whether it signed is for `readCosignature`. */
export function isBy(key: VerifierKey, { name, keyId: id }: NoteSignature): boolean {
  return key.name === name && key.keyId === id;
}

/**
 * The time in a cosignature over this text by this key.
 * @throws FormatError `signature` when the key did not sign this text at this time
 * @throws FormatError `length` | `range` when it is no cosignature, or its time is 0 or of 2^53 or more
 */
export function readCosignature(signature: NoteSignature, text: string, key: VerifierKey): number {
  const bytes = exactly(signature.signature, timeBytes + signatureBytes, check);
  const seconds = readU64(bytes, 0, check);
  const message = signedMessage(text, seconds);
  if (!isBy(key, signature) || !verifySignature(bytes.subarray(timeBytes), message, key.publicKey)) {
    throw new FormatError('signature', check, `the cosignature by ${signature.name} is wrong`);
  }
  return seconds;
}

/**
 * The cosignatures of a note by these keys, each key once with its newest time. Lines by others are ignored.
 * @throws FormatError as `readCosignature` does: one wrong line by a known key spoils the note
 */
export function verifyCosignatures(note: Note, keys: readonly VerifierKey[]): Cosignature[] {
  const newest = new Map<VerifierKey, number>();
  for (const signature of note.signatures) {
    const key = keys.find((known) => isBy(known, signature));
    if (key === undefined) continue;
    const seconds = readCosignature(signature, note.text, key);
    newest.set(key, Math.max(seconds, newest.get(key) ?? 0));
  }
  return [...newest].map(([key, seconds]) => ({ key, seconds }));
}

function signedMessage(text: string, seconds: number): Uint8Array {
  if (!Number.isSafeInteger(seconds) || seconds <= 0) {
    throw new FormatError('range', check, 'the time of a cosignature is not from 1 to 2^53 - 1 seconds');
  }
  return toUtf8(`cosignature/v1\ntime ${seconds}\n${text}`);
}
