// Keys of those whom entries concern: made, wrapped, opened, destroyed. Erasing is destroying a key.
//
// Three random 32-byte keys for a person: *data* opens uses of data and is destroyed on erasure; *evidence* opens
// consent events, decisions and erasures and lives out its retention clock; *tag* makes the tag in leaves.
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { eq, sql } from 'drizzle-orm';
import { GatewayError } from '../errors.ts';
import { bound, query, type Reader, type Tx } from '../store/store.ts';
import { holderKey } from '../store/tables.ts';
import type { Random } from '../system.ts';

export type KeyClass = 'data' | 'evidence';

/** What one key gives by one labelled HMAC each (FORMAT.md). */
export interface ClassKey {
  /** Opens the commitment of this holder's entry with that sequence number; 32 bytes. */
  opening(sequence: number): Uint8Array;
  seal(plain: Uint8Array): { nonce: Uint8Array; sealed: Uint8Array };
  open(nonce: Uint8Array, sealed: Uint8Array): Uint8Array;
  /** Any other labelled value, 32 bytes. */
  derive(label: string, context?: Uint8Array): Uint8Array;
}

export interface HolderKeys {
  readonly holder: string;
  /** Undefined once destroyed. */
  readonly data: ClassKey | undefined;
  readonly evidence: ClassKey | undefined;
  /** 32 bytes; in every leaf that concerns this holder. Undefined once destroyed. */
  readonly tag: Uint8Array | undefined;
}

export interface Keyring {
  /** Makes the keys of a new holder, in the caller's transaction. */
  create(tx: Tx, holder: string): Promise<void>;
  /**
   * The holder's keys, checked against the key row in this transaction so that an erasure reaches every process.
   * @throws GatewayError `internal` when the holder has no keys or the wrapping key does not open them
   */
  open(reader: Reader, holder: string): Promise<HolderKeys>;
  /** Like `open`; undefined when the holder has no keys yet. One query. */
  find(reader: Reader, holder: string): Promise<HolderKeys | undefined>;
  /** Like `open`, and makes the keys when there are none yet. */
  openOrCreate(tx: Tx, holder: string): Promise<HolderKeys>;
  /** Overwrites these keys of a holder with nothing, in the caller's transaction. They cannot be made again. */
  destroy(tx: Tx, holder: string, names: readonly (KeyClass | 'tag')[]): Promise<void>;
}

const cacheLimit = 20_000;
const rowOf = query((db) =>
  db
    .select()
    .from(holderKey)
    .where(eq(holderKey.holder, bound('holder'))),
);
const insertRow = query((db) =>
  db.insert(holderKey).values({
    holder: sql.placeholder('holder'),
    data: sql.placeholder('data'),
    evidence: sql.placeholder('evidence'),
    tag: sql.placeholder('tag'),
  }),
);

interface Row {
  data: Buffer | null;
  evidence: Buffer | null;
  tag: Buffer | null;
}

/** @param wrappingKey 32 bytes, from a file of the configuration */
export function createKeyring(wrappingKey: Uint8Array, random: Random): Keyring {
  const wrapping = createSecretKey(wrappingKey);
  const cache = new Map<string, { row: Row; keys: HolderKeys }>();

  function wrap(holder: string, name: keyof Row): Buffer {
    const nonce = random.bytes(12);
    const cipher = createCipheriv('aes-256-gcm', wrapping, nonce).setAAD(Buffer.from(`${holder}/${name}`));
    return Buffer.concat([nonce, cipher.update(random.bytes(32)), cipher.final(), cipher.getAuthTag()]);
  }

  function unwrap(holder: string, name: keyof Row, wrapped: Buffer): Buffer {
    try {
      const decipher = createDecipheriv('aes-256-gcm', wrapping, wrapped.subarray(0, 12))
        .setAAD(Buffer.from(`${holder}/${name}`))
        .setAuthTag(wrapped.subarray(-16));
      return Buffer.concat([decipher.update(wrapped.subarray(12, -16)), decipher.final()]);
    } catch (cause) {
      throw new GatewayError('internal', 'the wrapping key does not open this key row', { cause });
    }
  }

  async function find(reader: Reader, holder: string): Promise<HolderKeys | undefined> {
    const [row] = await reader.run(rowOf, { holder });
    if (row === undefined) return undefined;
    const cached = cache.get(holder);
    if (cached !== undefined && sameRow(cached.row, row)) return cached.keys;
    const classKey = (name: KeyClass): ClassKey | undefined =>
      row[name] === null ? undefined : createClassKey(unwrap(holder, name, row[name]), random);
    const keys: HolderKeys = {
      holder,
      data: classKey('data'),
      evidence: classKey('evidence'),
      tag:
        row.tag === null
          ? undefined
          : labelled(createSecretKey(unwrap(holder, 'tag', row.tag)), 'assent/v1/tag'),
    };
    if (cache.size >= cacheLimit) cache.delete(cache.keys().next().value ?? '');
    cache.set(holder, { row, keys });
    return keys;
  }

  const keyring: Keyring = {
    find,
    async create(tx, holder) {
      await tx.run(insertRow, {
        holder,
        data: wrap(holder, 'data'),
        evidence: wrap(holder, 'evidence'),
        tag: wrap(holder, 'tag'),
      });
    },
    async open(reader, holder) {
      const keys = await find(reader, holder);
      if (keys === undefined) throw new GatewayError('internal', 'this holder has no keys');
      return keys;
    },
    async openOrCreate(tx, holder) {
      const keys = await find(tx, holder);
      if (keys !== undefined) return keys;
      await keyring.create(tx, holder);
      return keyring.open(tx, holder);
    },
    async destroy(tx, holder, names) {
      const gone = Object.fromEntries(names.map((name) => [name, null]));
      await tx.db.update(holderKey).set(gone).where(eq(holderKey.holder, holder));
      // The row is what counts; this copy would be replaced at the next use, and until then lie in memory.
      cache.delete(holder);
    },
  };
  return keyring;
}

function sameRow(a: Row, b: Row): boolean {
  const same = (x: Buffer | null, y: Buffer | null): boolean =>
    x === null || y === null ? x === y : x.equals(y);
  return same(a.data, b.data) && same(a.evidence, b.evidence) && same(a.tag, b.tag);
}

function createClassKey(key: Buffer, random: Random): ClassKey {
  const secret = createSecretKey(key);
  const aes = createSecretKey(labelled(secret, 'assent/v1/payload'));
  return {
    opening: (sequence) => labelled(secret, 'assent/v1/opening', uint64(sequence)),
    derive: (label, context) => labelled(secret, label, context),
    seal(plain) {
      const nonce = random.bytes(12);
      const cipher = createCipheriv('aes-256-gcm', aes, nonce);
      return { nonce, sealed: Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]) };
    },
    open(nonce, sealed) {
      const decipher = createDecipheriv('aes-256-gcm', aes, nonce).setAuthTag(sealed.subarray(-16));
      return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
    },
  };
}

/** HMAC-SHA256(key, label ‖ 0x00 ‖ context), FORMAT.md "Derivation"; `entry.ts` has the same in portable form. */
function labelled(key: KeyObject, label: string, context: Uint8Array = new Uint8Array()): Buffer {
  return createHmac('sha256', key).update(label).update(zeroByte).update(context).digest();
}

const zeroByte = new Uint8Array(1);

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}
