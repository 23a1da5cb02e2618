// Checks one bundle against one trust file. Pure: no network, clock, file or state, so that the command line,
// the tests and a page opened from disk run the very same checks.
import { sha256 } from '@noble/hashes/sha2.js';
import {
  parseBundle,
  parseTrust,
  sealMessage,
  type Bundle,
  type BundleAnchor,
  type Trust,
} from './bundle.ts';
import { FormatError, fromBase64, toHex, toUtf8 } from './bytes.ts';
import { decodeEntry, opens, parsePayload, type Entry, type PlainObject } from './entry.ts';
import {
  parseCheckpoint,
  parseNote,
  parseVerifierKey,
  verifyNote,
  verifySignature,
  type Checkpoint,
} from './note.ts';
import { leafHash, verifyConsistency, verifyInclusion } from './tree.ts';

export { bundleText, parseBundle, parseTrust, sealBundle, sealKeyName, trustText } from './bundle.ts';
export type { Bundle, BundleAnchor, Finality, Trust, TrustedChain } from './bundle.ts';

/** Every check, in the order in which they are made and the first failing one is named. */
export const checkNames = [
  'format',
  'trust',
  'leaf',
  'payload',
  'checkpoint signature',
  'checkpoint',
  'inclusion',
  'anchor identity',
  'anchor consistency',
  'anchor on chain',
  'seal',
] as const;
export type CheckName = (typeof checkNames)[number];

export interface Check {
  readonly name: CheckName;
  readonly ok: boolean;
  /** A sentence for the reader, in English. */
  readonly detail: string;
}

/** Codes of the sentences that say what a level means here; pages translate them. */
export type LevelWords =
  | 'recorded'
  | 'checkpointed'
  | 'anchored'
  | 'anchored-local-chain'
  | 'anchored-final'
  | 'failed'
  | 'no-witnesses'
  | 'no-anchor'
  | 'chain-not-asked'
  | 'local-chain-never-final'
  | 'not-final-yet'
  | 'finality-not-asked';

export interface Level {
  readonly state: 'holds' | 'fails' | 'absent' | 'not-checked';
  /** The check that settled the state. */
  readonly check: CheckName;
  readonly words: LevelWords;
}

export interface Verification {
  readonly verdict: 'holds' | 'does-not-hold';
  readonly levels: Readonly<
    Record<'recorded' | 'checkpointed' | 'witnessed' | 'anchored' | 'anchoredFinal', Level>
  >;
  /** Those that could be made, in order. */
  readonly checks: readonly Check[];
  readonly firstFailing?: CheckName;
  /** Only to be shown as true when the verdict is "holds". */
  readonly entry?: Entry;
  readonly payload?: PlainObject;
  /** There is no payload in the bundle: it is erased, or was not shown to this reader. */
  readonly erased: boolean;
}

/** What the caller found when it asked the chain about `anchorToCheck`. */
export interface ChainCheck {
  readonly ok: boolean;
  /** Name of the caller's own check, for the detail. */
  readonly check: string;
  readonly detail: string;
  /** Whether the block is final by the trust file's rule; leave out when that was not asked. */
  readonly final?: boolean;
}

/**
 * Makes every check that can be made. Never throws, whatever the two files hold.
 * Pass bytes rather than a string where there is a choice: text that is not UTF-8 is then found, not repaired.
 */
export function verifyBundle(
  bundleFile: string | Uint8Array,
  trustFile: string | Uint8Array,
  options: { readonly chainCheck?: ChainCheck | undefined } = {},
): Verification {
  const { chainCheck } = options;
  const { checks, check } = startChecks();
  const bundle = check('format', 'canonical JSON of the known form', () => parseBundle(bundleFile));
  const trust = check('trust', 'the trust file is about this log', () => trustFor(bundle, trustFile));
  if (bundle === undefined) return conclude(checks, bundle, trust, chainCheck);

  const { disclosure } = bundle;
  const { leaf, index } = bundle.entry;
  const entry = check('leaf', 'an entry of version 1', () => decodeEntry(fromBase64(leaf, 'leaf')));
  const payload =
    entry === undefined || disclosure === null
      ? undefined
      : check('payload', 'the payload is the one committed to', () => openPayload(disclosure, entry));
  if (trust !== undefined) {
    check('checkpoint signature', 'signed by the log key of the trust file', () => {
      verifyNote(parseNote(bundle.checkpoint), [parseVerifierKey(trust.logKey)]);
    });
  }
  const head = check('checkpoint', 'a head of this log', () => headOf(bundle));
  if (head !== undefined) {
    check('inclusion', `entry ${index} lies under the head of size ${head.size}`, () =>
      checkInclusion(bundle, head),
    );
  }
  const { anchor } = bundle;
  if (anchor !== null) {
    if (trust !== undefined) {
      check('anchor identity', 'the chain and contract of the trust file', () =>
        checkIdentity(anchor, trust),
      );
    }
    if (head !== undefined) {
      check('anchor consistency', 'head and anchored head are one history', () => checkHistory(anchor, head));
    }
    if (chainCheck !== undefined) {
      const { ok, check: name, detail } = chainCheck;
      checks.push({ name: 'anchor on chain', ok, detail: `${name}: ${detail}` });
    }
  }
  if (trust !== undefined) {
    check('seal', 'sealed by the seal key of the trust file', () => checkSeal(bundle, trust));
  }
  return {
    ...conclude(checks, bundle, trust, chainCheck),
    ...(entry === undefined ? {} : { entry }),
    ...(payload === undefined ? {} : { payload }),
  };
}

/** What to look up on the chain: the event and the state of the contract for this anchor. 0x-hex as EVM tools write it. */
export interface AnchorToCheck extends Omit<BundleAnchor, 'consistency' | 'root' | 'checkpointHash'> {
  /** SHA-256 of the origin: the log's name in the contract. */
  readonly logId: string;
  readonly root: string;
  readonly checkpointHash: string;
}

/** Null when the bundle has no anchor. The contract's code hash and the finality rule are in the trust file. */
export function anchorToCheck(bundle: Bundle): AnchorToCheck | null {
  if (bundle.anchor === null) return null;
  const { consistency: _, root, checkpointHash, ...place } = bundle.anchor;
  return {
    ...place,
    logId: `0x${toHex(sha256(toUtf8(bundle.origin)))}`,
    root: `0x${toHex(fromBase64(root, 'format'))}`,
    checkpointHash: `0x${toHex(fromBase64(checkpointHash, 'format'))}`,
  };
}

function trustFor(bundle: Bundle | undefined, trustFile: string | Uint8Array): Trust {
  const trust = parseTrust(trustFile);
  if (bundle !== undefined && bundle.origin !== trust.origin) {
    throw fail('trust', `the trust file is about ${trust.origin}, the bundle about ${bundle.origin}`);
  }
  return trust;
}

function openPayload(disclosure: NonNullable<Bundle['disclosure']>, entry: Entry): PlainObject {
  const payload = fromBase64(disclosure.payload, 'payload');
  if (!opens(entry.commitment, fromBase64(disclosure.opening, 'payload'), payload)) {
    throw fail('payload', 'opening and payload are not what the leaf commits to');
  }
  return parsePayload(payload);
}

function headOf(bundle: Bundle): Checkpoint {
  const head = parseCheckpoint(parseNote(bundle.checkpoint).text);
  if (head.origin !== bundle.origin) throw fail('checkpoint', `the checkpoint is one of ${head.origin}`);
  if (head.extensions.length > 0) throw fail('checkpoint', 'the checkpoint has extension lines');
  return head;
}

function checkInclusion(bundle: Bundle, head: Checkpoint): void {
  const { index, leaf } = bundle.entry;
  const path = bundle.inclusion.map((hash) => fromBase64(hash, 'inclusion'));
  const claim = {
    index,
    size: head.size,
    leafHash: leafHash(fromBase64(leaf, 'leaf')),
    path,
    root: head.root,
  };
  if (!verifyInclusion(claim)) throw fail('inclusion', 'the path does not lead from this leaf to this head');
}

function checkIdentity(anchor: BundleAnchor, trust: Trust): void {
  const { chain } = trust;
  if (chain === null) throw fail('anchor identity', 'the trust file names no chain');
  for (const name of ['chainId', 'genesisHash', 'contract'] as const) {
    if (anchor[name] !== chain[name]) throw fail('anchor identity', `another ${name} than in the trust file`);
  }
}

function checkHistory(anchor: BundleAnchor, head: Checkpoint): void {
  const anchored = { size: anchor.size, root: fromBase64(anchor.root, 'anchor consistency') };
  if (anchored.size === 0) throw fail('anchor consistency', 'the anchored head is empty');
  const [older, newer] = anchored.size < head.size ? [anchored, head] : [head, anchored];
  const holds = verifyConsistency({
    oldSize: older.size,
    newSize: newer.size,
    oldRoot: older.root,
    newRoot: newer.root,
    path: anchor.consistency.map((hash) => fromBase64(hash, 'anchor consistency')),
  });
  if (!holds)
    throw fail(
      'anchor consistency',
      `the heads of size ${older.size} and ${newer.size} contradict each other`,
    );
}

function checkSeal(bundle: Bundle, trust: Trust): void {
  const { publicKey } = parseVerifierKey(trust.sealKey);
  if (!verifySignature(fromBase64(bundle.seal, 'seal'), sealMessage(bundle), publicKey)) {
    throw fail('seal', 'the seal does not fit: something in the file was changed, or another key sealed it');
  }
}

const fail = (check: CheckName, message: string) => new FormatError('mismatch', check, message);

function startChecks() {
  const checks: Check[] = [];
  const check = <T>(name: CheckName, detail: string, work: () => T): T | undefined => {
    try {
      const found = work();
      checks.push({ name, ok: true, detail });
      return found;
    } catch (error) {
      // Whatever goes wrong in a check, the file did not pass it.
      checks.push({
        name,
        ok: false,
        detail: error instanceof Error ? error.message : 'could not be checked',
      });
      return undefined;
    }
  };
  return { checks, check };
}

const recordedBy: readonly CheckName[] = ['format', 'trust', 'leaf', 'payload', 'seal'];
const checkpointedBy: readonly CheckName[] = [
  ...recordedBy,
  'checkpoint signature',
  'checkpoint',
  'inclusion',
];
const anchoredBy: readonly CheckName[] = [
  ...checkpointedBy,
  'anchor identity',
  'anchor consistency',
  'anchor on chain',
];

/** Each level rests on the ones before it: an anchor of a head that nobody signed proves nothing about the entry. */
function conclude(
  checks: readonly Check[],
  bundle: Bundle | undefined,
  trust: Trust | undefined,
  chainCheck: ChainCheck | undefined,
): Verification {
  const firstFailing = checks.find(({ ok }) => !ok)?.name;
  const settle = (needed: readonly CheckName[], otherwise: Level): Level => {
    const failing = checks.find(({ name, ok }) => !ok && needed.includes(name));
    return failing === undefined ? otherwise : { state: 'fails', check: failing.name, words: 'failed' };
  };
  return {
    verdict: firstFailing === undefined ? 'holds' : 'does-not-hold',
    levels: {
      recorded: settle(recordedBy, { state: 'holds', check: 'seal', words: 'recorded' }),
      checkpointed: settle(checkpointedBy, { state: 'holds', check: 'inclusion', words: 'checkpointed' }),
      witnessed: settle(checkpointedBy, {
        state: 'absent',
        check: 'checkpoint signature',
        words: 'no-witnesses',
      }),
      anchored: settle(anchoredBy, anchoredLevel(bundle, trust, chainCheck)),
      anchoredFinal: settle(anchoredBy, finalLevel(bundle, trust, chainCheck)),
    },
    checks,
    ...(firstFailing === undefined ? {} : { firstFailing }),
    erased: bundle !== undefined && bundle.disclosure === null,
  };
}

function anchoredLevel(
  bundle: Bundle | undefined,
  trust: Trust | undefined,
  chainCheck: ChainCheck | undefined,
): Level {
  if (bundle?.anchor == null) return { state: 'absent', check: 'anchor identity', words: 'no-anchor' };
  const check = 'anchor on chain';
  if (chainCheck === undefined) return { state: 'not-checked', check, words: 'chain-not-asked' };
  const isLocal = trust?.chain?.finality === 'local';
  return { state: 'holds', check, words: isLocal ? 'anchored-local-chain' : 'anchored' };
}

function finalLevel(
  bundle: Bundle | undefined,
  trust: Trust | undefined,
  chainCheck: ChainCheck | undefined,
): Level {
  if (bundle?.anchor == null) return { state: 'absent', check: 'anchor identity', words: 'no-anchor' };
  const check = 'anchor on chain';
  // Whoever runs a local chain can rebuild it, so what it holds is never final.
  if (trust?.chain?.finality === 'local') return { state: 'absent', check, words: 'local-chain-never-final' };
  if (chainCheck?.final === undefined) return { state: 'not-checked', check, words: 'finality-not-asked' };
  return chainCheck.final
    ? { state: 'holds', check, words: 'anchored-final' }
    : { state: 'absent', check, words: 'not-final-yet' };
}
