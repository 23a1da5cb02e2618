// The two files a verifier reads: the bundle (one entry and its proofs) and the trust file (whom to believe).
// Reading them proves nothing; `verifyBundle` does that.
import canonicalize from 'canonicalize';
import { sha256 } from '@noble/hashes/sha2.js';
import { concat, FormatError, fromBase64, fromUtf8, toBase64, toHex, toUtf8 } from './bytes.ts';
import { parseJson } from './entry.ts';
import { parseVerifierKey } from './note.ts';

export const bundleFormat = 'assent-bundle/v1';
export const trustFormat = 'assent-trust/v1';

/** One entry with everything that proves it. Byte strings are canonical base64. FORMAT.md section 6. */
export interface Bundle {
  readonly format: typeof bundleFormat;
  readonly origin: string;
  readonly entry: { readonly index: number; readonly leaf: string };
  /** Null when the payload is erased, or not shown to this reader. */
  readonly disclosure: { readonly opening: string; readonly payload: string } | null;
  /** A signed note. */
  readonly checkpoint: string;
  /** From the leaf to the checkpoint's root. */
  readonly inclusion: readonly string[];
  readonly anchor: BundleAnchor | null;
  /** Ed25519 signature by the seal key, see `sealMessage`. */
  readonly seal: string;
}

export interface BundleAnchor {
  readonly chainId: number;
  /** 0x and 64 lower-case hex digits. */
  readonly genesisHash: string;
  /** 0x and 40 lower-case hex digits. */
  readonly contract: string;
  readonly transactionHash: string;
  readonly blockNumber: number;
  /** Number of this anchor in the contract. */
  readonly seq: number;
  readonly size: number;
  readonly root: string;
  /** SHA-256 of the signed note that was anchored. */
  readonly checkpointHash: string;
  /** Between the smaller and the larger of checkpoint and anchored head. */
  readonly consistency: readonly string[];
}

/** When a block of the chain counts as final; "local" is a chain that anybody at the keyboard can rebuild. */
export type Finality = 'local' | 'instant' | 'finalized' | 'safe' | `confirmations:${number}`;

/** Whom a verifier believes. Kept by the one who checks, away from the gateway. FORMAT.md section 5. */
export interface Trust {
  readonly format: typeof trustFormat;
  readonly origin: string;
  /** Signs checkpoints; its name is the origin. */
  readonly logKey: string;
  /** Signs bundles and receipts; its name is the origin and "/seal". */
  readonly sealKey: string;
  readonly chain: TrustedChain | null;
  /** Version 1 knows no witnesses, and refuses a file that asks for some. */
  readonly witnesses: readonly never[];
  readonly quorum: 'none';
  /** Milliseconds since 1970 UTC written as YYYY-MM-DDTHH:MM:SS.sssZ. */
  readonly exportedAt: string;
}

export interface TrustedChain {
  readonly chainId: number;
  readonly genesisHash: string;
  readonly contract: string;
  /** keccak-256 of the contract's code as the chain reports it. */
  readonly codeHash: string;
  readonly finality: Finality;
}

/** @throws FormatError (check "format") unless this is the one canonical spelling of a bundle */
export function parseBundle(text: string | Uint8Array): Bundle {
  return parseFile(text, 'format', bundleLimitBytes, readBundle);
}

/** Canonical JSON and a newline. */
export function bundleText(bundle: Bundle): string {
  return `${canonicalize(bundle)}\n`;
}

/** @throws FormatError (check "trust") unless this is the one canonical spelling of a trust file */
export function parseTrust(text: string | Uint8Array): Trust {
  const trust = parseFile(text, 'trust', trustLimitBytes, readTrust);
  const wrong = (message: string) => new FormatError('key', 'trust', message);
  const logKey = parseVerifierKey(trust.logKey);
  const sealKey = parseVerifierKey(trust.sealKey);
  if (logKey.name !== trust.origin) throw wrong('the log key is not named after the origin');
  if (sealKey.name !== sealKeyName(trust.origin)) throw wrong('the seal key is not named after the origin');
  if (toHex(logKey.publicKey) === toHex(sealKey.publicKey)) throw wrong('log and seal use the same key');
  return trust;
}

/** Canonical JSON and a newline. @throws FormatError (check "trust") for a trust file no verifier would read */
export function trustText(trust: Trust): string {
  const text = `${canonicalize(trust)}\n`;
  parseTrust(text);
  return text;
}

export const sealKeyName = (origin: string): string => `${origin}/seal`;

/** Signs a bundle. @throws FormatError (check "format") when it does not have a bundle's shape */
export async function sealBundle(
  bundle: Omit<Bundle, 'seal'>,
  sign: (message: Uint8Array) => Uint8Array | Promise<Uint8Array>,
): Promise<Bundle> {
  const seal = toBase64(await sign(sealMessage(bundle)));
  return parseBundle(bundleText({ ...bundle, seal }));
}

/** "assent-bundle/v1" ‖ 0x0A ‖ SHA-256(canonical JSON of the bundle without its seal, without newline). */
export function sealMessage(bundle: Omit<Bundle, 'seal'> & { readonly seal?: string }): Uint8Array {
  const unsealed: Record<string, unknown> = { ...bundle };
  delete unsealed['seal'];
  return concat(toUtf8(`${bundleFormat}\n`), sha256(toUtf8(canonicalize(unsealed) as string)));
}

const bundleLimitBytes = 4 << 20;
const trustLimitBytes = 1 << 16;
// A tree of 2^53 leaves has paths of at most 53 hashes, and consistency paths of at most 54.
const pathLimit = 64;

// A reader returns the value as it is when it has the shape, and throws when it has not.
type Read<T> = (value: unknown, at: string) => T;

function parseFile<T>(text: string | Uint8Array, check: string, limitBytes: number, read: Read<T>): T {
  if (text.length > limitBytes) throw new FormatError('size', check, `over ${limitBytes} bytes`);
  const whole = typeof text === 'string' ? text : fromUtf8(text, check);
  const value = parseJson(whole, check);
  const shaped = inCheck(check, () => read(value, 'file'));
  // One spelling only: else a byte could change without any signature noticing.
  if (!whole.isWellFormed() || `${canonicalize(value)}\n` !== whole) {
    throw new FormatError('canonical', check, 'not canonical JSON followed by one newline');
  }
  return shaped;
}

function inCheck<T>(check: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof FormatError ? new FormatError(error.code, check, error.message) : error;
  }
}

const misfit = (at: string, what: string) => new FormatError('json', 'format', `${at} is not ${what}`);

const text =
  (limit: number, pattern = /^\P{Cc}+$/u, what = 'a line of text'): Read<string> =>
  (value, at) => {
    if (typeof value !== 'string' || value.length > limit || !pattern.test(value)) throw misfit(at, what);
    return value;
  };

const hex = (sizeBytes: number): Read<string> =>
  text(
    2 + 2 * sizeBytes,
    new RegExp(`^0x[0-9a-f]{${2 * sizeBytes}}$`),
    `0x and ${sizeBytes} bytes in lower-case hex`,
  );

const base64 =
  (leastBytes: number, mostBytes: number): Read<string> =>
  (value, at) => {
    if (typeof value !== 'string' || value.length > 4 * Math.ceil(mostBytes / 3)) throw misfit(at, 'base64');
    const { length } = fromBase64(value, 'format');
    if (length < leastBytes || length > mostBytes) throw misfit(at, `${leastBytes} to ${mostBytes} bytes`);
    return value;
  };

const whole: Read<number> = (value, at) => {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw misfit(at, 'a whole number');
  return value as number;
};

const exact =
  <T extends string>(wanted: T): Read<T> =>
  (value, at) => {
    if (value !== wanted) throw misfit(at, `"${wanted}"`);
    return wanted;
  };

const list =
  <T>(most: number, read: Read<T>): Read<readonly T[]> =>
  (value, at) => {
    if (!Array.isArray(value) || value.length > most) throw misfit(at, `a list of at most ${most}`);
    return value.map((item, i) => read(item, `${at}[${i}]`));
  };

const orNull =
  <T>(read: Read<T>): Read<T | null> =>
  (value, at) =>
    value === null ? null : read(value, at);

const record =
  <T extends object>(fields: { readonly [Name in keyof T]: Read<T[Name]> }): Read<T> =>
  (value, at) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw misfit(at, 'an object');
    const names = Object.keys(fields) as (keyof T & string)[];
    if (Object.keys(value).length !== names.length || !names.every((name) => Object.hasOwn(value, name))) {
      throw misfit(at, `an object of exactly ${names.join(', ')}`);
    }
    const shaped = names.map((name) => [name, fields[name]((value as T)[name], `${at}.${name}`)]);
    return Object.fromEntries(shaped) as T;
  };

const origin = text(255, /^[^\p{White_Space}\p{Cc}+]+$/u, 'an origin');
const hash = base64(32, 32);

const readBundle = record<Bundle>({
  format: exact(bundleFormat),
  origin,
  entry: record({ index: whole, leaf: base64(1, 116) }),
  disclosure: orNull(record({ opening: hash, payload: base64(2, 1 << 20) })),
  checkpoint: text(1 << 20, /\n$/, 'a signed note'),
  inclusion: list(pathLimit, hash),
  anchor: orNull(
    record<BundleAnchor>({
      chainId: whole,
      genesisHash: hex(32),
      contract: hex(20),
      transactionHash: hex(32),
      blockNumber: whole,
      seq: whole,
      size: whole,
      root: hash,
      checkpointHash: hash,
      consistency: list(pathLimit, hash),
    }),
  ),
  seal: base64(64, 64),
});

const readTrust = record<Trust>({
  format: exact(trustFormat),
  origin,
  logKey: text(1024),
  sealKey: text(1024),
  chain: orNull(
    record<TrustedChain>({
      chainId: whole,
      genesisHash: hex(32),
      contract: hex(20),
      codeHash: hex(32),
      finality: text(
        32,
        /^(local|instant|finalized|safe|confirmations:[1-9][0-9]{0,5})$/,
        'a finality',
      ) as Read<Finality>,
    }),
  ),
  witnesses: list(0, (_, at) => {
    throw misfit(at, 'known to version 1');
  }),
  quorum: exact('none'),
  exportedAt: text(24, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'a time in UTC'),
});
