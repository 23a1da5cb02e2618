// A file of any of the four kinds, told apart and read; and where it says that it is anchored.
import { bundleFormat, bundleLimitBytes, readBundle, type Bundle, type BundleAnchor } from './bundle.ts';
import { fromBase64, toHex } from './bytes.ts';
import { fail } from './checks.ts';
import { evidenceFormat, evidenceLimitBytes, readEvidence, type Evidence } from './evidence.ts';
import { readJson, shapedFile } from './file-shape.ts';
import { logIdOf } from './log-id.ts';
import { personFormat, personLimitBytes, readPersonBundle, type PersonBundle } from './person-bundle.ts';
import { readReceipt, receiptFormat, receiptLimitBytes, type Receipt } from './receipt.ts';

export type LogFile = Bundle | PersonBundle | Evidence | Receipt;

/** A file of any of the four kinds. @throws FormatError (check "format") */
export function readFile(file: string | Uint8Array): LogFile {
  const json = readJson(file, 'format', personLimitBytes);
  switch ((json.value as { format?: unknown } | null)?.format) {
    case bundleFormat:
      return shapedFile(json, 'format', bundleLimitBytes, readBundle);
    case personFormat:
      return shapedFile(json, 'format', personLimitBytes, readPersonBundle);
    case evidenceFormat:
      return shapedFile(json, 'format', evidenceLimitBytes, readEvidence);
    case receiptFormat:
      return shapedFile(json, 'format', receiptLimitBytes, readReceipt);
    default:
      throw fail('format', 'not a file of a known format');
  }
}

/** A bundle of one entry, and no other file. @throws FormatError (check "format") */
export function readEntryBundle(file: string | Uint8Array): LogFile {
  const json = readJson(file, 'format', bundleLimitBytes);
  return shapedFile(json, 'format', bundleLimitBytes, readBundle);
}

/** A receipt has none. */
export function anchorOf(file: { readonly anchor: BundleAnchor | null } | Receipt): BundleAnchor | null {
  return 'anchor' in file ? file.anchor : null;
}

/** What to look up on the chain: the event and the state of the contract for this anchor. 0x-hex as EVM tools write it. */
export interface AnchorToCheck extends Omit<BundleAnchor, 'consistency' | 'root' | 'checkpointHash'> {
  /** SHA-256 of the origin: the log's name in the contract. */
  readonly logId: string;
  readonly root: string;
  readonly checkpointHash: string;
}

/** Null when the file has no anchor. The contract's code hash and the finality rule are in the trust file. */
export function anchorToCheck(file: Pick<Bundle, 'origin' | 'anchor'> | Receipt): AnchorToCheck | null {
  const anchor = anchorOf(file);
  if (anchor === null) return null;
  const { consistency: _, root, checkpointHash, ...place } = anchor;
  return {
    ...place,
    logId: logIdOf(file.origin),
    root: `0x${toHex(fromBase64(root, 'format'))}`,
    checkpointHash: `0x${toHex(fromBase64(checkpointHash, 'format'))}`,
  };
}
