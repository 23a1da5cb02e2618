// Signed notes and checkpoints: c2sp.org/signed-note v1.0.0 and c2sp.org/tlog-checkpoint v1.0.0, with Ed25519.
// Nothing in a note is to be believed before `verifyNote` accepted it.
import * as ed25519 from '@noble/ed25519';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import {
  concat,
  equalBytes,
  exactly,
  FormatError,
  fromBase64,
  fromUtf8,
  toBase64,
  toHex,
  toUtf8,
} from './bytes.ts';
import { hashSizeBytes } from './tree.ts';

ed25519.hashes.sha512 = sha512;

export interface NoteSignature {
  readonly name: string;
  /** First four bytes of a hash of name and key, as a number. Names a key, does not secure it. */
  readonly keyId: number;
  readonly signature: Uint8Array;
}

export interface Note {
  /** What is signed; ends in a newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** An Ed25519 key that may sign notes. */
export interface VerifierKey {
  readonly name: string;
  readonly keyId: number;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

export interface NoteSigner {
  readonly name: string;
  /** 32 bytes, Ed25519. */
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

export interface Checkpoint {
  /** Which log: a URL without schema. */
  readonly origin: string;
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

// The specification asks for at least 16 signatures; 64 leaves room for witnesses.
const signatureLimit = 64;
const noteLimitBytes = 1 << 20;

/** Signature types of c2sp.org/signed-note that hold an Ed25519 key. */
export const keyTypes = { note: 0x01, cosignature: 0x04 } as const;
export type KeyType = (typeof keyTypes)[keyof typeof keyTypes];

/** @throws FormatError `note` | `size` | `utf8` | `base64` (check "note") */
export function parseNote(note: string | Uint8Array): Note {
  if (note.length > noteLimitBytes) throw new FormatError('size', 'note', 'the note is over 1 MiB');
  const whole = typeof note === 'string' ? note : fromUtf8(note, 'note');
  if (!whole.isWellFormed()) throw new FormatError('utf8', 'note', 'not valid UTF-8');
  const blank = whole.lastIndexOf('\n\n');
  if (blank < 0 || !whole.endsWith('\n')) throw malformed('a note is text, an empty line and signatures');
  const text = whole.slice(0, blank + 1);
  checkText(text);
  const lines = whole.slice(blank + 2, -1).split('\n');
  if (lines.length > signatureLimit) throw malformed(`more than ${signatureLimit} signatures`);
  return { text, signatures: lines.map(parseSignatureLine) };
}

/** The inverse of `parseNote`. @throws FormatError `note` */
export function formatNote(note: Note): string {
  checkText(note.text);
  if (note.signatures.length === 0 || note.signatures.length > signatureLimit) {
    throw malformed(`a note has 1 to ${signatureLimit} signatures`);
  }
  return `${note.text}\n${note.signatures.map(formatSignatureLine).join('')}`;
}

/** One signature line with its newline. @throws FormatError `key` */
export function formatSignatureLine({ name, keyId: id, signature }: NoteSignature): string {
  checkName(name, 'note');
  return `— ${name} ${toBase64(concat(idBytes(id), signature))}\n`;
}

/**
 * Returns the known keys that signed the note, each once. Signatures by unknown keys are ignored, as the
 * specification demands: they may be of a type not understood here.
 * @throws FormatError `signature` when a known key's signature is wrong, or no known key signed
 */
export function verifyNote(note: Note, keys: readonly VerifierKey[]): VerifierKey[] {
  const message = toUtf8(note.text);
  const signed = new Set<VerifierKey>();
  for (const { name, keyId: id, signature } of note.signatures) {
    const key = keys.find((known) => known.name === name && known.keyId === id);
    if (key === undefined) continue;
    if (!verifySignature(signature, message, key.publicKey)) {
      throw new FormatError('signature', 'note', `the signature by ${name} is wrong`);
    }
    signed.add(key);
  }
  if (signed.size === 0) throw new FormatError('signature', 'note', 'no known key signed this');
  return [...signed];
}

/** Signs a text that ends in a newline. @throws FormatError when the signer returns no valid signature */
export async function signNote(text: string, ...signers: readonly NoteSigner[]): Promise<string> {
  checkText(text);
  const message = toUtf8(text);
  const signatures: NoteSignature[] = [];
  for (const signer of signers) {
    const signature = await signer.sign(message);
    // A wrong signature must not leave this process: others would take the log for forked.
    if (!verifySignature(signature, message, signer.publicKey)) {
      throw new FormatError('signature', 'note', `the signer ${signer.name} made no valid signature`);
    }
    signatures.push({ name: signer.name, keyId: keyId(signer.name, signer.publicKey), signature });
  }
  return formatNote({ text, signatures });
}

/** RFC 8032 verification; refuses non-canonical encodings and keys of small order. Never throws. */
export function verifySignature(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean {
  if (signature.length !== 64 || publicKey.length !== 32) return false;
  return ed25519.verify(signature, message, publicKey, { zip215: false });
}

/** First four bytes of SHA-256(name ‖ 0x0A ‖ type ‖ public key), big-endian. */
export function keyId(name: string, publicKey: Uint8Array, type: KeyType = keyTypes.note): number {
  const hashed = sha256(concat(toUtf8(name), Uint8Array.of(0x0a, type), publicKey));
  return new DataView(hashed.buffer, hashed.byteOffset).getUint32(0);
}

/** Reads `name+id in hex+base64(type ‖ public key)`. @throws FormatError `key` */
export function parseVerifierKey(vkey: string, type: KeyType = keyTypes.note): VerifierKey {
  const [name, id, encoded, ...rest] = vkey.length > 1024 ? [] : vkey.split('+');
  if (name === undefined || id === undefined || encoded === undefined) {
    throw new FormatError('key', 'key', 'not of the form name+id+key');
  }
  checkName(name, 'key');
  // Base64 may itself hold plus signs; names cannot.
  const bytes = fromBase64([encoded, ...rest].join('+'), 'key');
  if (bytes[0] !== type || bytes.length !== 33)
    throw new FormatError('key', 'key', `not an Ed25519 key of type 0x0${type}`);
  const publicKey = bytes.slice(1);
  const expected = keyId(name, publicKey, type);
  if (id !== toHex(idBytes(expected))) throw new FormatError('key', 'key', 'the key id does not fit the key');
  return { name, keyId: expected, publicKey };
}

/** @throws FormatError `key` */
export function formatVerifierKey(
  name: string,
  publicKey: Uint8Array,
  type: KeyType = keyTypes.note,
): string {
  checkName(name, 'key');
  exactly(publicKey, 32, 'key');
  const encoded = toBase64(concat(Uint8Array.of(type), publicKey));
  return `${name}+${toHex(idBytes(keyId(name, publicKey, type)))}+${encoded}`;
}

/** Reads a note's text. Extension lines are returned, not judged. @throws FormatError `checkpoint` */
export function parseCheckpoint(text: string): Checkpoint & { readonly extensions: readonly string[] } {
  const refuse = (message: string) => new FormatError('checkpoint', 'checkpoint', message);
  const lines = text.split('\n');
  if (lines.pop() !== '' || lines.length < 3 || lines.includes('')) {
    throw refuse('a checkpoint has at least three lines, none of them empty');
  }
  const [origin, size, root, ...extensions] = lines as [string, string, string, ...string[]];
  if (!/^(0|[1-9][0-9]{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) {
    throw refuse('the size is not a plain number below 2^53');
  }
  const rootBytes = fromBase64(root, 'checkpoint');
  if (rootBytes.length !== hashSizeBytes) throw refuse('the root is not 32 bytes');
  return { origin, size: Number(size), root: rootBytes, extensions };
}

/** The inverse of `parseCheckpoint`, without extension lines: nobody audits those. */
export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  const text = `${origin}\n${size}\n${toBase64(exactly(root, hashSizeBytes, 'checkpoint'))}\n`;
  const again = parseCheckpoint(text);
  if (again.origin !== origin || again.extensions.length > 0 || !equalBytes(again.root, root)) {
    throw new FormatError('checkpoint', 'checkpoint', 'the origin is not one line');
  }
  return text;
}

/** Reads one signature line, without its newline. @throws FormatError `note` | `key` | `base64` */
export function parseSignatureLine(line: string): NoteSignature {
  const [dash, name, encoded, ...rest] = line.split(' ');
  if (dash !== '—' || name === undefined || encoded === undefined || rest.length > 0) {
    throw malformed('a signature line is a dash, a name and base64');
  }
  checkName(name, 'note');
  const bytes = fromBase64(encoded, 'note');
  if (bytes.length < 5) throw malformed('a signature without bytes');
  return {
    name,
    keyId: new DataView(bytes.buffer, bytes.byteOffset).getUint32(0),
    signature: bytes.slice(4),
  };
}

function checkText(text: string): void {
  if (!text.endsWith('\n')) throw malformed('the text does not end in a newline');
  if (!text.isWellFormed()) throw new FormatError('utf8', 'note', 'not valid UTF-8');
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 && code !== 0x0a) throw malformed('a control character');
  }
}

function checkName(name: string, check: string): void {
  let isName = name.isWellFormed() && /^[^\p{White_Space}+]+$/u.test(name);
  for (let i = 0; i < name.length; i++) isName &&= name.charCodeAt(i) >= 0x20;
  if (!isName)
    throw new FormatError('key', check, 'a key name is not empty and has no space and no plus sign');
}

function idBytes(id: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, id);
  return bytes;
}

const malformed = (message: string) => new FormatError('note', 'note', message);
