// An entry: the fixed bytes of a leaf, the commitment in it, and what is derived from a person's keys.
// FORMAT.md shows the bytes. No name, record id, purpose or free text may ever get in here.
import canonicalize from 'canonicalize';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import {
  compareBytes,
  concat,
  equalBytes,
  exactly,
  FormatError,
  fromUtf8,
  readU64,
  toUtf8,
  u64,
  writeU64,
} from './bytes.ts';
import { hashSizeBytes, leafHash, MerkleTree } from './tree.ts';

/** What happened; the number is the byte in the leaf. Closed: a verifier refuses kinds it does not know. */
export const entryKinds = {
  used: 1,
  refused: 2,
  failed: 3,
  started: 4,
  released: 5,
  withheld: 6,
  abandoned: 7,
  consent: 8,
  enrolled: 9,
  imported: 10,
  'signed-in': 11,
  'rejected-requests': 12,
  'key-event': 13,
  anchored: 14,
  incident: 15,
  'erasure-requested': 16,
  'erasure-completed': 17,
  configured: 18,
} as const;
export type EntryKind = keyof typeof entryKinds;

/** Kind of a map head, the only leaf of version 2: FORMAT.md section 7. */
export const mapHeadKind = 32;

/** The last leaf of a checkpoint: which leaves concern whom, in one root. */
export interface MapHead {
  /** A whole minute. */
  readonly atSeconds: number;
  /** How many leaves are mapped: all before this one. */
  readonly mapped: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

/** In which role the person of a leaf appears in what happened. */
export const personRoles = { subject: 1, actor: 2, counterpart: 3 } as const;
export type PersonRole = keyof typeof personRoles;

/** Whom an entry concerns: nobody, one person by tag, or a population of people. */
export type Concern =
  | { readonly concern: 'system' }
  | {
      readonly concern: 'person';
      readonly role: PersonRole;
      /** 32 bytes, `tagOf` the person's tag key. */
      readonly tag: Uint8Array;
      /** How many entries with this tag lie before this one. */
      readonly sequence: number;
    }
  | {
      readonly concern: 'population';
      /** 32 bytes, `populationKeyOf` its name. */
      readonly population: Uint8Array;
      /** 32 bytes, `cohortCommitment`. */
      readonly cohort: Uint8Array;
    };

export interface Entry {
  readonly kind: EntryKind;
  /** Seconds since 1970 UTC, a whole minute: finer times would help to tell people apart. */
  readonly atSeconds: number;
  /** 32 bytes, `commit` of the payload. */
  readonly commitment: Uint8Array;
  /** Index of the "started" entry that this one ends, or null. */
  readonly startedIndex: number | null;
  readonly about: Concern;
}

export const entryVersion = 1;
export const timeStepSeconds = 60;

const headSizeBytes = 52;
const mapHeadVersion = 2;
const mapHeadSizeBytes = 92;
const concernBytes = { system: 0, person: 1, population: 2 } as const;
const sizesBytes = { system: 52, person: 92, population: 116 } as const;

/** @throws FormatError (check "leaf") when a field does not fit; see FORMAT.md section 1 */
export function encodeEntry(entry: Entry): Uint8Array {
  const { about } = entry;
  const kind = numberOf(entryKinds, entry.kind);
  const concern = numberOf(concernBytes, about.concern);
  const role = about.concern === 'person' ? numberOf(personRoles, about.role) : 0;
  if (kind === undefined || concern === undefined || role === undefined)
    throw refuse('a word not in the list');
  checkTime(entry.atSeconds);
  if (entry.startedIndex !== null && entry.startedIndex < 0) throw refuse('an index below 0');
  const leaf = new Uint8Array(sizesBytes[about.concern]);
  leaf.set([entryVersion, kind, concern, role]);
  writeU64(leaf, 4, entry.atSeconds, 'leaf');
  leaf.set(exactly(entry.commitment, 32, 'leaf'), 12);
  if (entry.startedIndex !== null) writeU64(leaf, 44, entry.startedIndex + 1, 'leaf');
  switch (about.concern) {
    case 'system':
      break;
    case 'person':
      leaf.set(exactly(about.tag, 32, 'leaf'), 52);
      writeU64(leaf, 84, about.sequence, 'leaf');
      break;
    case 'population':
      leaf.set(exactly(about.population, 32, 'leaf'), 52);
      leaf.set(exactly(about.cohort, 32, 'leaf'), 84);
      break;
  }
  return leaf;
}

/** The inverse of `encodeEntry`: accepts no byte string that it does not produce. @throws FormatError */
export function decodeEntry(bytes: Uint8Array): Entry {
  if (bytes.length < headSizeBytes) throw refuse('too short');
  if (bytes[0] !== entryVersion) throw refuse(`version ${bytes[0]} is not known here`);
  const kind = nameOf(entryKinds, bytes[1]);
  const concern = nameOf(concernBytes, bytes[2]);
  if (kind === undefined) throw refuse(`kind ${bytes[1]} is not known in version 1`);
  if (concern === undefined) throw refuse(`concern ${bytes[2]} is not known`);
  exactly(bytes, sizesBytes[concern], 'leaf');
  const atSeconds = readU64(bytes, 4, 'leaf');
  checkTime(atSeconds);
  const reference = readU64(bytes, 44, 'leaf');
  return {
    kind,
    atSeconds,
    commitment: bytes.slice(12, 44),
    startedIndex: reference === 0 ? null : reference - 1,
    about: decodeConcern(bytes, concern),
  };
}

/** 92 bytes. @throws FormatError (check "leaf") when a field does not fit; see FORMAT.md section 7 */
export function encodeMapHead({ atSeconds, mapped, root }: MapHead): Uint8Array {
  checkTime(atSeconds);
  const leaf = new Uint8Array(mapHeadSizeBytes);
  leaf.set([mapHeadVersion, mapHeadKind]);
  writeU64(leaf, 4, atSeconds, 'leaf');
  writeU64(leaf, 52, mapped, 'leaf');
  leaf.set(exactly(root, hashSizeBytes, 'leaf'), 60);
  return leaf;
}

/** The inverse of `encodeMapHead`: accepts no byte string that it does not produce. @throws FormatError */
export function decodeMapHead(bytes: Uint8Array): MapHead {
  if (!isMapHead(bytes)) throw refuse('not a map head');
  exactly(bytes, mapHeadSizeBytes, 'leaf');
  const head = {
    atSeconds: readU64(bytes, 4, 'leaf'),
    mapped: readU64(bytes, 52, 'leaf'),
    root: bytes.slice(60, 92),
  };
  if (!equalBytes(encodeMapHead(head), bytes)) throw refuse('a map head with more than its fields');
  return head;
}

/** Whether the leaf says that it is a map head; `decodeMapHead` checks it. */
export function isMapHead(bytes: Uint8Array): boolean {
  return bytes[0] === mapHeadVersion && bytes[1] === mapHeadKind;
}

function decodeConcern(bytes: Uint8Array, concern: Concern['concern']): Concern {
  const role = nameOf(personRoles, bytes[3]);
  if (concern === 'person') {
    if (role === undefined) throw refuse(`role ${bytes[3]} is not known`);
    return { concern, role, tag: bytes.slice(52, 84), sequence: readU64(bytes, 84, 'leaf') };
  }
  if (bytes[3] !== 0) throw refuse('a role without a person');
  if (concern === 'system') return { concern };
  return { concern, population: bytes.slice(52, 84), cohort: bytes.slice(84, 116) };
}

function checkTime(atSeconds: number): void {
  if (!Number.isSafeInteger(atSeconds) || atSeconds < 0 || atSeconds % timeStepSeconds !== 0) {
    throw refuse('the time is not a whole minute');
  }
}

function numberOf<Name extends string>(
  numbers: Readonly<Record<Name, number>>,
  name: Name,
): number | undefined {
  return Object.hasOwn(numbers, name) ? numbers[name] : undefined;
}

function nameOf<Name extends string>(numbers: Readonly<Record<Name, number>>, wanted: number | undefined) {
  return (Object.keys(numbers) as Name[]).find((name) => numbers[name] === wanted);
}

const refuse = (message: string) => new FormatError('leaf', 'leaf', message);

/** What labels stand in for `derive`. One label, one use: outputs for different labels tell nothing of each other. */
export const labels = {
  /** Context: u64 of the entry's sequence number under this key. */
  opening: 'assent/v1/opening',
  /** AES-256-GCM key for all payloads under this key; no context, a fresh nonce lies beside each payload. */
  payload: 'assent/v1/payload',
  tag: 'assent/v1/tag',
  population: 'assent/v1/population',
  cohort: 'assent/v1/cohort',
} as const;
export type Label = (typeof labels)[keyof typeof labels];

/** HMAC-SHA256(opening, payload): hides the payload while the opening is secret, and binds to it. */
export function commit(opening: Uint8Array, payload: Uint8Array): Uint8Array {
  return hmac(sha256, exactly(opening, 32, 'payload'), payload);
}

/** Whether this opening and payload are the ones committed to. */
export function opens(commitment: Uint8Array, opening: Uint8Array, payload: Uint8Array): boolean {
  return equalBytes(commit(opening, payload), commitment);
}

/** HMAC-SHA256(key, label ‖ 0x00 ‖ context). */
export function derive(key: Uint8Array, label: Label, context?: Uint8Array): Uint8Array {
  return hmac(sha256, exactly(key, 32, 'key'), deriveMessage(label, context));
}

/** What `derive` authenticates; the server feeds it to a cached native key. */
export function deriveMessage(label: Label, context: Uint8Array = new Uint8Array(0)): Uint8Array {
  return concat(toUtf8(label), Uint8Array.of(0), context);
}

/** Opening of the entry with this sequence number under a person's data or evidence key. */
export function openingOf(key: Uint8Array, sequence: number): Uint8Array {
  return derive(key, labels.opening, u64(sequence));
}

/** The 32-byte tag that stands for a person in leaves. */
export function tagOf(tagKey: Uint8Array): Uint8Array {
  return derive(tagKey, labels.tag);
}

/** The 32-byte key that stands for a population in leaves: FORMAT.md section 8. */
export function populationKeyOf(populationsKey: Uint8Array, name: string): Uint8Array {
  return derive(populationsKey, labels.population, toUtf8(name));
}

/** RFC 6962 root over the distinct tags in byte order, and their number. */
export function cohortOf(tags: readonly Uint8Array[]): { root: Uint8Array; count: number } {
  const sorted = [...tags].sort(compareBytes);
  const tree = new MerkleTree();
  for (const [i, tag] of sorted.entries()) {
    exactly(tag, 32, 'cohort');
    const before = sorted[i - 1];
    if (before === undefined || !equalBytes(before, tag)) tree.append(leafHash(tag));
  }
  return { root: tree.root(), count: tree.size };
}

/** HMAC-SHA256(opening, "assent/v1/cohort" ‖ 0x00 ‖ root ‖ u64 count). */
export function cohortCommitment(opening: Uint8Array, sortedTagsRoot: Uint8Array, count: number): Uint8Array {
  return derive(
    opening,
    labels.cohort,
    concat(exactly(sortedTagsRoot, hashSizeBytes, 'cohort'), u64(count, 'cohort')),
  );
}

export const payloadLimitBytes = 1 << 20;
const payloadLimitDepth = 32;

/** JSON that has one spelling: what a payload may hold. */
export type PlainJson = null | boolean | number | string | readonly PlainJson[] | PlainObject;
export interface PlainObject {
  readonly [name: string]: PlainJson;
}

/**
 * RFC 8785 bytes of an object. Values that JSON would drop or change in silence are refused.
 * @throws FormatError `payload` for undefined, NaN, non-plain objects, lone surrogates, depth over 32;
 *   `size` over 1 MiB
 */
export function canonicalPayload(value: object): Uint8Array {
  if (Array.isArray(value)) throw new FormatError('payload', 'payload', 'a payload is an object');
  checkPlain(value, 0);
  const bytes = toUtf8(canonicalize(value) as string);
  if (bytes.length > payloadLimitBytes) throw new FormatError('size', 'payload', 'the payload is over 1 MiB');
  return bytes;
}

/** The inverse of `canonicalPayload`. @throws FormatError unless the bytes are a canonical object */
export function parsePayload(bytes: Uint8Array): PlainObject {
  if (bytes.length > payloadLimitBytes) throw new FormatError('size', 'payload', 'the payload is over 1 MiB');
  const value = parseJson(fromUtf8(bytes, 'payload'), 'payload');
  if (typeof value !== 'object' || value === null || !equalBytes(canonicalPayload(value), bytes)) {
    throw new FormatError('canonical', 'payload', 'the payload is not a canonical JSON object');
  }
  return value as PlainObject;
}

/** @throws FormatError `json` */
export function parseJson(text: string, check: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new FormatError('json', check, 'not JSON');
  }
}

function checkPlain(value: unknown, depth: number): void {
  const fail = (what: string) => new FormatError('payload', 'payload', `a payload cannot hold ${what}`);
  if (value === null || typeof value === 'boolean') return;
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw fail('half a character');
    return;
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw fail('a number that is not finite');
    return;
  }
  if (typeof value !== 'object') throw fail(`a value of type ${typeof value}`);
  if (depth >= payloadLimitDepth) throw fail(`more than ${payloadLimitDepth} levels`);
  if (Array.isArray(value)) {
    for (const item of value) checkPlain(item, depth + 1);
    return;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  const isPlain = prototype === Object.prototype || prototype === null;
  if (!isPlain || Reflect.ownKeys(value).length !== Object.keys(value).length) {
    throw fail('anything but plain objects');
  }
  for (const [name, item] of Object.entries(value)) {
    if (!name.isWellFormed()) throw fail('half a character');
    if (name === 'toJSON' && typeof item === 'function') throw fail('a function');
    checkPlain(item, depth + 1);
  }
}
