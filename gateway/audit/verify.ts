// Checks one file of the log against one trust file. Pure: no network, clock, file or state, so that the command line,
// the tests and a page opened from disk run the very same checks.
import { bundleFormat, parseTrust, type Trust } from './bundle.ts';
import { checkAnchor, checkKeptHead } from './check-anchor.ts';
import { checkSeal, type Context, type Found } from './check-head.ts';
import { fail, startChecks } from './checks.ts';
import { evidenceFormat } from './evidence.ts';
import { conclude } from './levels.ts';
import { anchorOf, readEntryBundle, readFile, type LogFile } from './log-file.ts';
import { personFormat } from './person-bundle.ts';
import { receiptFormat } from './receipt.ts';
import type { Verification, VerifyOptions } from './verification.ts';
import { verifyEntry } from './verify-entry.ts';
import { verifyEvidence } from './verify-evidence.ts';
import { verifyPerson } from './verify-person.ts';
import { receiptSubject } from './verify-receipt.ts';

export { bundleText, parseBundle, parseTrust, sealBundle, sealKeyName, trustText } from './bundle.ts';
export type {
  Bundle,
  BundleAnchor,
  Disclosure,
  Finality,
  ShownEntry,
  Trust,
  TrustedChain,
  TrustV1,
} from './bundle.ts';
export { checkNames, type Check, type CheckName } from './checks.ts';
export type { Comparison, RelatedHead, State } from './state.ts';
export { anchorToCheck, readFile, type AnchorToCheck } from './log-file.ts';
export type * from './verification.ts';

/**
 * Makes every check that can be made of a file of any kind. Never throws, whatever the files hold.
 * Pass bytes rather than a string where there is a choice: text that is not UTF-8 is then found, not repaired.
 */
export function verifyFile(
  file: string | Uint8Array,
  trustFile: string | Uint8Array,
  options: VerifyOptions = {},
): Verification {
  return verifyWith(readFile, file, trustFile, options);
}

/** `verifyFile` for the bundle of one entry, and for no other file. */
export function verifyBundle(
  bundleFile: string | Uint8Array,
  trustFile: string | Uint8Array,
  options: VerifyOptions = {},
): Verification {
  return verifyWith(readEntryBundle, bundleFile, trustFile, options);
}

function verifyWith(
  read: (file: string | Uint8Array) => LogFile,
  bytes: string | Uint8Array,
  trustFile: string | Uint8Array,
  options: VerifyOptions,
): Verification {
  const checking = startChecks();
  const { check } = checking;
  const file = check('format', 'canonical JSON of the known form', () => read(bytes));
  const trust = check('trust', 'the trust file is about this log', () => trustFor(file, trustFile));
  const context: Context = { ...checking, trust, options };
  if (file === undefined) return conclude(context, file, {});
  const found = verifyKind(context, file);
  checkAnchor(context, anchorOf(file), found.head);
  const keptHead = checkKeptHead(context, file, found);
  if (trust !== undefined) {
    check('seal', 'sealed by the seal key of the trust file', () => checkSeal(file, trust));
  }
  return {
    ...conclude(context, file, found),
    ...(keptHead === undefined ? {} : { keptHead }),
  };
}

function verifyKind(context: Context, file: LogFile): Found {
  switch (file.format) {
    case bundleFormat:
      return verifyEntry(context, file);
    case personFormat:
      return verifyPerson(context, file);
    case evidenceFormat:
      return verifyEvidence(context, file);
    case receiptFormat:
      return { subject: receiptSubject(file) };
  }
}

function trustFor(file: LogFile | undefined, trustFile: string | Uint8Array): Trust {
  const trust = parseTrust(trustFile);
  if (file !== undefined && file.origin !== trust.origin) {
    throw fail('trust', `the trust file is about ${trust.origin}, the bundle about ${file.origin}`);
  }
  return trust;
}
