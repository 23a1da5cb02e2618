// The two files a verifier reads first: the bundle (one entry and its proofs) and the trust file (whom to believe).
// Reading them proves nothing; `verifyFile` does that.
import { equalBytes, FormatError } from './bytes.ts';
import {
  base64,
  exact,
  fileText,
  hash,
  hex,
  inCheck,
  leaf,
  list,
  misfit,
  note,
  origin,
  orNull,
  parseFile,
  pathLimit,
  readJson,
  record,
  sealedText,
  shapedFile,
  signature,
  text,
  utcTime,
  whole,
  type Read,
  type Sign,
} from './file-shape.ts';
import { parseVerifierKey, type VerifierKey } from './note.ts';
import { mustBeAbout, parsePolicy } from './policy.ts';

export const bundleFormat = 'assent-bundle/v1';
export const bundleLimitBytes = 4 << 20;
export const trustFormat = 'assent-trust/v2';
const trustFormatV1 = 'assent-trust/v1';
const trustLimitBytes = 1 << 18;

/** One entry with everything that proves it. Byte strings are canonical base64. FORMAT.md section 6. */
export interface Bundle {
  readonly format: typeof bundleFormat;
  readonly origin: string;
  readonly entry: { readonly index: number; readonly leaf: string };
  /** Null when the payload is erased, or not shown to this reader. */
  readonly disclosure: Disclosure | null;
  /** A signed note. */
  readonly checkpoint: string;
  /** From the leaf to the checkpoint's root. */
  readonly inclusion: readonly string[];
  readonly anchor: BundleAnchor | null;
  /** Ed25519 signature by the seal key, see `sealMessage`. */
  readonly seal: string;
}

/** One of the entries of a file that shows several. */
export interface ShownEntry {
  readonly index: number;
  /** Base64. */
  readonly leaf: string;
  readonly disclosure: Disclosure | null;
}

/** What opens a commitment, in base64. */
export interface Disclosure {
  readonly opening: string;
  readonly payload: string;
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

/** Whom a verifier believes. Kept by the one who checks, away from the gateway. FORMAT.md section 9. */
export interface Trust {
  readonly format: typeof trustFormat;
  readonly origin: string;
  /** Signs checkpoints; its name is the origin. */
  readonly logKey: string;
  /** Signs bundles and receipts; its name is the origin and "/seal". */
  readonly sealKey: string;
  readonly chain: TrustedChain | null;
  /** c2sp.org/tlog-policy; its one log is the log key. */
  readonly policy: string;
  /** Null where the log has no populations key, and for a file of version 1. */
  readonly populations: TrustedPopulations | null;
  /** Milliseconds since 1970 UTC written as YYYY-MM-DDTHH:MM:SS.sssZ. */
  readonly exportedAt: string;
}

export interface TrustedPopulations {
  /** 32 bytes in base64. */
  readonly key: string;
  /** Every population there is, sorted by code unit and distinct. */
  readonly names: readonly string[];
}

/** As gateways wrote it before there were witnesses and populations: FORMAT.md section 5. */
export interface TrustV1 extends Omit<Trust, 'format' | 'policy' | 'populations'> {
  readonly format: typeof trustFormatV1;
  /** Version 1 knows no witnesses, and refuses a file that asks for some. */
  readonly witnesses: readonly never[];
  readonly quorum: 'none';
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
  return fileText(bundle);
}

/**
 * Reads a trust file of version 1 or 2; one of version 1 names no witnesses and no populations.
 * @throws FormatError (check "trust") unless this is the one canonical spelling of a trust file
 */
export function parseTrust(file: string | Uint8Array): Trust {
  const json = readJson(file, 'trust', trustLimitBytes);
  const isFirst = (json.value as { format?: unknown } | null)?.format === trustFormatV1;
  const trust = isFirst
    ? fromV1(shapedFile(json, 'trust', trustLimitBytes, readTrustV1))
    : shapedFile(json, 'trust', trustLimitBytes, readTrust);
  inCheck('trust', () => {
    const policy = parsePolicy(trust.policy);
    // A policy about no log would leave open whose heads its witnesses vouch for.
    if (policy.logs.length !== 1) throw new FormatError('policy', 'trust', 'the policy has not one log');
    mustBeAbout(policy, keysOf(trust).logKey);
  });
  return trust;
}

/** Canonical JSON and a newline. @throws FormatError (check "trust") for a trust file no verifier would read */
export function trustText(trust: Trust | TrustV1): string {
  const text = fileText(trust);
  parseTrust(text);
  return text;
}

/** The trust file's keys, read. @throws FormatError `key` when they are not two keys of this origin */
export function keysOf(trust: Pick<Trust, 'origin' | 'logKey' | 'sealKey'>): {
  readonly logKey: VerifierKey;
  readonly sealKey: VerifierKey;
} {
  const wrong = (message: string) => new FormatError('key', 'trust', message);
  const logKey = parseVerifierKey(trust.logKey);
  const sealKey = parseVerifierKey(trust.sealKey);
  if (logKey.name !== trust.origin) throw wrong('the log key is not named after the origin');
  if (sealKey.name !== sealKeyName(trust.origin)) throw wrong('the seal key is not named after the origin');
  if (equalBytes(logKey.publicKey, sealKey.publicKey)) throw wrong('log and seal use the same key');
  return { logKey, sealKey };
}

function fromV1({ origin: log, logKey, sealKey, chain, exportedAt }: TrustV1): Trust {
  const policy = `log ${logKey}\nquorum none\n`;
  return {
    format: trustFormat,
    origin: log,
    logKey,
    sealKey,
    chain,
    policy,
    populations: null,
    exportedAt,
  };
}

export const sealKeyName = (origin: string): string => `${origin}/seal`;

/** Signs a bundle. @throws FormatError (check "format") when it does not have a bundle's shape */
export async function sealBundle(bundle: Omit<Bundle, 'seal'>, sign: Sign): Promise<Bundle> {
  return parseBundle(await sealedText(bundle, sign));
}

export const readDisclosure: Read<Disclosure | null> = orNull(
  record<Disclosure>({ opening: hash, payload: base64(2, 1 << 20) }),
);

export const readShownEntry: Read<ShownEntry> = record<ShownEntry>({
  index: whole,
  leaf,
  disclosure: readDisclosure,
});

export const readAnchor: Read<BundleAnchor | null> = orNull(
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
);

export const readBundle: Read<Bundle> = record<Bundle>({
  format: exact(bundleFormat),
  origin,
  entry: record({ index: whole, leaf }),
  disclosure: readDisclosure,
  checkpoint: note,
  inclusion: list(pathLimit, hash),
  anchor: readAnchor,
  seal: signature,
});

const trustMembers = {
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
  exportedAt: utcTime,
};

const readTrustV1 = record<TrustV1>({
  ...trustMembers,
  format: exact(trustFormatV1),
  witnesses: list(0, (_, at) => {
    throw misfit(at, 'known to version 1');
  }),
  quorum: exact('none'),
});

const readTrust = record<Trust>({
  ...trustMembers,
  format: exact(trustFormat),
  policy: text(1 << 16, /^[^\0]+\n$/, 'a policy'),
  populations: orNull(
    record<TrustedPopulations>({
      key: hash,
      names: (value, at) => {
        const names = list(1024, text(255))(value, at);
        const isSorted = names.every((name, i) => i === 0 || name > (names[i - 1] ?? ''));
        if (!isSorted) throw misfit(at, 'sorted and distinct');
        return names;
      },
    }),
  ),
});
