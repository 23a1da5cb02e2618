// Checks one file of the log against one trust file. Pure: no network, clock, file or state, so that the command line,
// the tests and a page opened from disk run the very same checks.
import {
  bundleFormat,
  bundleLimitBytes,
  keysOf,
  parseTrust,
  readBundle,
  type Bundle,
  type BundleAnchor,
  type Disclosure,
  type ShownEntry,
  type Trust,
} from './bundle.ts';
import { fromBase64, toHex } from './bytes.ts';
import { fail, startChecks, type Check, type Checking, type CheckName } from './checks.ts';
import {
  decodeEntry,
  decodeMapHead,
  isMapHead,
  opens,
  parsePayload,
  type Entry,
  type MapHead,
  type PlainObject,
} from './entry.ts';
import {
  checkNotices,
  checkRange,
  checkReceipts,
  checkSelection,
  evidenceFormat,
  evidenceLimitBytes,
  readEvidence,
  type Evidence,
  type Selection,
} from './evidence.ts';
import { readJson, sealMessage, shapedFile } from './file-shape.ts';
import { logIdOf } from './log-id.ts';
import { verifyMultiProof } from './multi-proof.ts';
import { parseCheckpoint, parseNote, verifyNote, verifySignature, type Checkpoint } from './note.ts';
import {
  checkAgainstEarlier,
  checkExtends,
  checkMapHead,
  checkOwnList,
  checkPopulations,
  parsePersonBundle,
  personFormat,
  personLimitBytes,
  readPersonBundle,
  type EarlierBundle,
  type PersonBundle,
  type ProvenList,
  type Section,
} from './person-bundle.ts';
import { checkCosignatures, parsePolicy, type WitnessVoice } from './policy.ts';
import { readReceipt, receiptFormat, receiptLimitBytes, type Receipt } from './receipt.ts';
import { compareWithState, type Comparison, type RelatedHead, type State } from './state.ts';
import { leafHash, verifyConsistency, verifyInclusion } from './tree.ts';

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

/** Codes of the sentences that say what a level means here; pages translate them. */
export type LevelWords =
  | 'recorded'
  | 'checkpointed'
  | 'witnessed'
  | 'anchored'
  | 'anchored-local-chain'
  | 'anchored-final'
  | 'failed'
  | 'no-checkpoint'
  | 'no-witnesses'
  | 'quorum-not-met'
  | 'no-anchor'
  | 'anchor-behind'
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
  /** What the file shows; only there when the verdict is "holds", or when nothing but a kept head contradicts it. */
  readonly subject?: Subject;
  /** The head everything is relative to. A receipt has none. */
  readonly head?: { readonly origin: string; readonly size: number; readonly root: Uint8Array };
  /** Witnesses of the trust file's policy who signed that head. */
  readonly witnesses: readonly WitnessVoice[];
  /** Whether an anchor is at hand, in the file or from the chain, that covers all the file shows. */
  readonly hasAnchor: boolean;
  /** With a state file: how this head stands to those kept. */
  readonly keptHead?: Comparison;
  /** Of a bundle of one entry. Only to be shown as true when the verdict is "holds". */
  readonly entry?: Entry;
  readonly payload?: PlainObject;
  /** Of a bundle of one entry: there is no payload in it. It is erased, or was not shown to this reader. */
  readonly erased: boolean;
}

export type Subject = EntrySubject | PersonSubject | EvidenceSubject | ReceiptSubject;

export interface EntrySubject extends VerifiedEntry {
  readonly kind: 'entry';
}

/** Relative to the head exactly `count` entries concern this tag; none is missing. */
export interface PersonSubject {
  readonly kind: 'person';
  /** Hex. */
  readonly tag: string;
  readonly count: number;
  /** How many of them are in this file: all, unless it goes on from an earlier one. */
  readonly newCount: number;
  readonly indices: readonly number[];
  readonly entries: readonly VerifiedEntry[];
  /**
   * The earlier bundle this one goes on from; null when everything is here. Only a comparison with that bundle shows
   * that the earlier entries are those shown then: `isCompared`.
   */
  readonly earlier: { readonly size: number; readonly isCompared: boolean } | null;
  /**
   * Everything is here, or here and in the earlier bundle that was given. Otherwise the counts of this file, of the person
   * and of populations, are the operator's word: a part that is not shown may be of any length.
   */
  readonly isWhole: boolean;
  /** Null when the trust file says nothing of populations: then nothing is proven of them. */
  readonly populations: readonly PopulationSubject[] | null;
  /** An entry shown asks for erasure: since then the gateway does not know which groups held the person. */
  readonly isErased: boolean;
  /** When entries shown here say that the person joined or left populations. */
  readonly changes: readonly {
    readonly index: number;
    readonly joined: readonly string[];
    readonly left: readonly string[];
  }[];
}

/** All entries about a population; which of them held the person is the operator's word. */
export interface PopulationSubject {
  readonly name: string;
  readonly count: number;
  readonly newCount: number;
  readonly entries: readonly VerifiedEntry[];
  readonly members: readonly number[];
}

export interface EvidenceSubject {
  readonly kind: 'evidence';
  readonly selection: Selection;
  /** Only of a period is it proven that all of its range is here. */
  readonly range: { readonly first: number; readonly end: number } | null;
  readonly madeAt: string;
  readonly entries: readonly VerifiedEntry[];
  readonly notices: Evidence['notices'];
  readonly receipts: readonly ReceiptSubject[];
}

export interface ReceiptSubject {
  readonly kind: 'receipt';
  readonly about: Receipt['kind'];
  /** Hex. */
  readonly tag: string;
  readonly at: string;
  readonly entries: Receipt['entries'];
  readonly statement: PlainObject;
}

export interface VerifiedEntry {
  readonly index: number;
  readonly entry: Entry | (MapHead & { readonly kind: 'map-head' });
  readonly payload: PlainObject | null;
  /** There is no payload: it is erased, or was not shown to this reader. */
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

export interface VerifyOptions {
  readonly chainCheck?: ChainCheck | undefined;
  /** Heads kept from before. */
  readonly state?: State | undefined;
  /** An earlier bundle of the same person. */
  readonly earlier?: string | Uint8Array | undefined;
  /** The head that the trusted contract holds now, with the path to or from the file's: stands in for the file's anchor. */
  readonly chainHead?: RelatedHead | undefined;
  /** Heads of other sizes that belong to this head's history, such as the public tiles show. */
  readonly consistency?: readonly RelatedHead[] | undefined;
}

type LogFile = Bundle | PersonBundle | Evidence | Receipt;

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

function readEntryBundle(file: string | Uint8Array): LogFile {
  const json = readJson(file, 'format', bundleLimitBytes);
  return shapedFile(json, 'format', bundleLimitBytes, readBundle);
}

interface Context extends Checking {
  readonly trust: Trust | undefined;
  readonly options: VerifyOptions;
}

/** What the checks of one file found; the levels and the verdict follow. */
interface Found {
  readonly subject?: Subject | undefined;
  readonly head?: Checkpoint | undefined;
  readonly cosigned?: Cosigned | undefined;
  readonly related?: readonly RelatedHead[];
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

function verifyEntry(context: Context, bundle: Bundle): Found {
  const { check } = context;
  const { index, leaf } = bundle.entry;
  const { disclosure } = bundle;
  const entry = check('leaf', 'an entry of version 1', () => decodeEntry(fromBase64(leaf, 'leaf')));
  const payload =
    entry === undefined || disclosure === null
      ? undefined
      : check('payload', 'the payload is the one committed to', () => openPayload(disclosure, entry, index));
  const { head, cosigned } = checkHead(context, bundle);
  if (head !== undefined) {
    check('inclusion', `entry ${index} lies under the head of size ${head.size}`, () =>
      checkInclusion(bundle, head),
    );
  }
  const subject: EntrySubject | undefined =
    entry === undefined
      ? undefined
      : { kind: 'entry', index, entry, payload: payload ?? null, erased: disclosure === null };
  return { subject, head, cosigned };
}

function verifyEvidence(context: Context, evidence: Evidence): Found {
  const { check, trust } = context;
  const shown = openEntries(context, evidence.entries, decodeAny);
  const { head, cosigned } = checkHead(context, evidence);
  if (head !== undefined) {
    checkMultiProof(context, evidence.entries, evidence.paths, head);
    check('range', rangeDetail(evidence), () => checkRange(evidence, head.size));
    if (shown !== undefined)
      check('selection', 'the entries are of the person and the time that were chosen', () => {
        const leaves = shown.map(({ entry }) => entry);
        checkSelection(evidence, leaves, head.size);
      });
  }
  check('notices', 'each text of a notice has its hash, and an entry here names it', () =>
    checkNotices(evidence, shown?.map(({ payload }) => payload) ?? []),
  );
  const receipts =
    trust === undefined
      ? undefined
      : check('receipts', 'each receipt is sealed and speaks of entries shown', () =>
          checkReceipts(evidence, keysOf(trust).sealKey.publicKey),
        );
  if (shown === undefined || receipts === undefined) return { head, cosigned };
  const { selection, range, madeAt, notices } = evidence;
  const subject: EvidenceSubject = {
    kind: 'evidence',
    selection,
    range,
    madeAt,
    notices,
    entries: shown,
    receipts: receipts.map(receiptSubject),
  };
  return { subject, head, cosigned };
}

const rangeDetail = ({ range }: Evidence): string =>
  range === null
    ? 'a selection: nothing proves that it is complete'
    : `every entry from ${range.first} up to ${range.end} is here`;

interface PersonFound extends Found {
  readonly lists?: ReadonlyMap<string | null, ProvenList>;
}

/** @param isEarlier whether this is the earlier bundle of another one: then populations added since may be missing */
function verifyPerson(context: Context, bundle: PersonBundle, isEarlier = false): PersonFound {
  const { check, trust, options } = context;
  const sections = [bundle.own, ...bundle.populations];
  const all = openEntries(
    context,
    sections.flatMap(({ entries }) => entries),
    decodeOne,
  );
  const shown = all === undefined ? undefined : regroup(all, sections);
  const { head, cosigned } = checkHead(context, bundle);
  if (head === undefined) return { cosigned };
  const mapHead = check('map head', `the map is of all ${head.size - 1} leaves before it`, () =>
    checkMapHead(bundle, head.size),
  );
  const mapLeaf = { index: head.size - 1, leaf: bundle.mapHead };
  checkMultiProof(context, [...sections.flatMap(({ entries }) => entries), mapLeaf], bundle.paths, head);
  if (shown === undefined || mapHead === undefined) return { head, cosigned };

  const entriesOf = (place: number) => (shown[place] ?? []).map(({ entry }) => entry as Entry);
  const own = check('completeness', 'the own list is the one under the map, and each entry is shown', () =>
    checkOwnList(bundle, entriesOf(0), mapHead),
  );
  const known = trust?.populations ?? null;
  const populations =
    known === null
      ? undefined
      : check('populations', 'all of the trust file, and each list is the one under the map', () =>
          checkPopulations(
            bundle,
            bundle.populations.map((_, i) => entriesOf(i + 1)),
            mapHead,
            { key: fromBase64(known.key, 'trust'), names: known.names },
            isEarlier,
          ),
        );
  if (own === undefined || (known !== null && populations === undefined)) return { head, cosigned };
  const lists = new Map<string | null, ProvenList>([[null, own], ...(populations ?? [])]);
  const from = bundle.extends;
  const { earlier } = options;
  let isWhole = from === null;
  if (from !== null || earlier !== undefined) {
    check('earlier bundle', earlierDetail(from, earlier !== undefined), () => {
      if (from !== null) checkExtends(from, head);
      if (earlier === undefined) return;
      const before = readEarlier(context, earlier);
      checkAgainstEarlier(bundle, lists, before);
      isWhole ||= before.isWhole;
    });
  }
  return {
    head,
    cosigned,
    lists,
    related:
      from === null
        ? []
        : [
            {
              size: from.size,
              root: fromBase64(from.root, 'earlier bundle'),
              consistency: from.consistency.map((step) => fromBase64(step, 'earlier bundle')),
            },
          ],
    subject: personSubject(bundle, shown, lists, {
      isCompared: earlier !== undefined,
      isWhole,
      isPopulationsProven: known !== null,
    }),
  };
}

function earlierDetail(from: PersonBundle['extends'], isCompared: boolean): string {
  const where = from === null ? 'the earlier bundle' : `the earlier head of size ${from.size}`;
  return isCompared
    ? `goes on from ${where} and its lists`
    : `goes on from ${where}; the bundle itself was not given`;
}

/** The earlier bundle holds by itself, or it is nothing to compare with. */
function readEarlier({ trust, options }: Context, file: string | Uint8Array): EarlierBundle {
  const bundle = parsePersonBundle(file);
  const checking = startChecks();
  if (trust === undefined || bundle.origin !== trust.origin)
    throw fail('earlier bundle', 'the earlier bundle is about another log');
  const { earlier: _, ...rest } = options;
  const { head, lists } = verifyPerson({ ...checking, trust, options: rest }, bundle, true);
  checking.check('seal', '', () => checkSeal(bundle, trust));
  const failing = checking.checks.find(({ ok }) => !ok);
  if (failing !== undefined || head === undefined || lists === undefined)
    throw fail('earlier bundle', `the earlier bundle does not hold: ${failing?.name ?? 'its lists'}`);
  return { tag: bundle.tag, head, lists, isWhole: bundle.extends === null };
}

function personSubject(
  bundle: PersonBundle,
  shown: readonly (readonly VerifiedEntry[])[],
  lists: ReadonlyMap<string | null, ProvenList>,
  how: { readonly isCompared: boolean; readonly isWhole: boolean; readonly isPopulationsProven: boolean },
): PersonSubject {
  const entries = shown[0] ?? [];
  return {
    kind: 'person',
    tag: toHex(fromBase64(bundle.tag, 'format')),
    count: lists.get(null)?.count ?? 0,
    newCount: entries.length,
    indices: bundle.own.indices,
    entries,
    isErased: entries.some(({ entry }) => entry.kind === 'erasure-requested'),
    earlier: bundle.extends === null ? null : { size: bundle.extends.size, isCompared: how.isCompared },
    isWhole: how.isWhole,
    populations: !how.isPopulationsProven
      ? null
      : bundle.populations.map(({ name, members }, i) => ({
          name: name ?? '',
          count: lists.get(name)?.count ?? 0,
          newCount: shown[i + 1]?.length ?? 0,
          entries: shown[i + 1] ?? [],
          members,
        })),
    changes: entries.flatMap(({ index, payload }) => {
      const change = payload?.['populations'] as { joined?: unknown; left?: unknown } | null | undefined;
      const joined = namesIn(change?.joined);
      const left = namesIn(change?.left);
      return joined.length + left.length === 0 ? [] : [{ index, joined, left }];
    }),
  };
}

const namesIn = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((name): name is string => typeof name === 'string') : [];

const receiptSubject = ({ kind, tag, at, entries, statement }: Receipt): ReceiptSubject => ({
  kind: 'receipt',
  about: kind,
  tag: toHex(fromBase64(tag, 'format')),
  at,
  entries,
  statement,
});

const decodeOne = (leaf: Uint8Array): VerifiedEntry['entry'] => decodeEntry(leaf);
const decodeAny = (leaf: Uint8Array): VerifiedEntry['entry'] =>
  isMapHead(leaf) ? { kind: 'map-head', ...decodeMapHead(leaf) } : decodeEntry(leaf);

/** The checks "leaf" and "payload" of many entries; undefined when one of them failed. */
function openEntries(
  { check }: Context,
  entries: readonly ShownEntry[],
  decode: (leaf: Uint8Array) => VerifiedEntry['entry'],
): VerifiedEntry[] | undefined {
  const decoded = check('leaf', 'each leaf is an entry', () =>
    entries.map(({ leaf }) => decode(fromBase64(leaf, 'leaf'))),
  );
  if (decoded === undefined) return undefined;
  const open = () =>
    entries.map(({ index, disclosure }, place): VerifiedEntry => {
      const entry = decoded[place] as VerifiedEntry['entry'];
      const payload = disclosure === null ? null : openPayload(disclosure, entry, index);
      return { index, entry, payload, erased: disclosure === null && entry.kind !== 'map-head' };
    });
  const isAnyOpen = entries.some(({ disclosure }) => disclosure !== null);
  return isAnyOpen ? check('payload', 'each payload is the one committed to', open) : open();
}

function regroup(all: readonly VerifiedEntry[], sections: readonly Section[]): VerifiedEntry[][] {
  let from = 0;
  return sections.map(({ entries }) => all.slice(from, (from += entries.length)));
}

function openPayload(disclosure: Disclosure, entry: VerifiedEntry['entry'], index: number): PlainObject {
  if (entry.kind === 'map-head') throw fail('payload', `entry ${index} is a map head and has no payload`);
  const payload = fromBase64(disclosure.payload, 'payload');
  if (!opens(entry.commitment, fromBase64(disclosure.opening, 'payload'), payload)) {
    throw fail('payload', `opening and payload are not what the leaf of entry ${index} commits to`);
  }
  return parsePayload(payload);
}

interface Cosigned {
  readonly isAsked: boolean;
  readonly voices: readonly WitnessVoice[];
  readonly isQuorum: boolean;
}

function checkHead(
  { check, trust }: Context,
  file: { readonly origin: string; readonly checkpoint: string },
): { head: Checkpoint | undefined; cosigned: Cosigned | undefined } {
  if (trust !== undefined) {
    check('checkpoint signature', 'signed by the log key of the trust file', () => {
      verifyNote(parseNote(file.checkpoint), [keysOf(trust).logKey]);
    });
  }
  const head = check('checkpoint', 'a head of this log', () => headOf(file));
  return { head, cosigned: trust === undefined ? undefined : checkWitnesses(check, trust, file.checkpoint) };
}

function checkWitnesses(check: Checking['check'], trust: Trust, note: string): Cosigned | undefined {
  const policy = parsePolicy(trust.policy);
  if (policy.witnesses.length === 0) return { isAsked: false, voices: [], isQuorum: false };
  return check('witnesses', 'no wrong cosignature by a witness of the policy', () => {
    const { valid, quorum } = checkCosignatures(parseNote(note), policy);
    return { isAsked: policy.quorum !== 'none', voices: valid, isQuorum: quorum };
  });
}

function headOf(file: { readonly origin: string; readonly checkpoint: string }): Checkpoint {
  const head = parseCheckpoint(parseNote(file.checkpoint).text);
  if (head.origin !== file.origin) throw fail('checkpoint', `the checkpoint is one of ${head.origin}`);
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

function checkMultiProof(
  { check }: Context,
  shown: readonly { readonly index: number; readonly leaf: string }[],
  paths: readonly string[],
  head: Checkpoint,
): void {
  check('inclusion', `the ${shown.length} leaves lie under the head of size ${head.size}`, () => {
    const leaves = shown
      .map(({ index, leaf }) => ({ index, bytes: fromBase64(leaf, 'inclusion') }))
      .map(({ index, bytes }) => ({ index, bytes, leafHash: leafHash(bytes) }))
      .sort((a, b) => a.index - b.index);
    const path = paths.map((step) => fromBase64(step, 'inclusion'));
    if (!verifyMultiProof({ size: head.size, leaves, path, root: head.root }))
      throw fail('inclusion', 'the paths do not lead from these leaves, each once, to this head');
    // The log never runs backwards: an entry put in later and dated back stands behind younger ones.
    const times = leaves.map(({ bytes }) => decodeAny(bytes).atSeconds);
    const backwards = leaves.find((_, place) => (times[place] ?? 0) < (times[place - 1] ?? 0));
    if (backwards !== undefined)
      throw fail('inclusion', `entry ${backwards.index} says that it is older than one before it`);
  });
}

function anchorOf(file: { readonly anchor: BundleAnchor | null } | Receipt): BundleAnchor | null {
  return 'anchor' in file ? file.anchor : null;
}

function checkAnchor(
  { check, checks, trust, options }: Context,
  anchor: BundleAnchor | null,
  head?: Checkpoint,
) {
  const { chainCheck, chainHead } = options;
  if (chainHead !== undefined && head !== undefined) {
    check('anchor consistency', 'head and the head on the chain are one history', () =>
      checkHistory(chainHead, head),
    );
  } else if (anchor === null) return;
  else if (trust !== undefined) {
    check('anchor identity', 'the chain and contract of the trust file', () => checkIdentity(anchor, trust));
  }
  if (chainHead === undefined && anchor !== null && head !== undefined) {
    check('anchor consistency', 'head and anchored head are one history', () =>
      checkHistory(anchoredHead(anchor), head),
    );
  }
  if (chainCheck !== undefined) {
    const { ok, check: name, detail } = chainCheck;
    checks.push({ name: 'anchor on chain', ok, detail: `${name}: ${detail}` });
  }
}

function checkIdentity(anchor: BundleAnchor, trust: Trust): void {
  const { chain } = trust;
  if (chain === null) throw fail('anchor identity', 'the trust file names no chain');
  for (const name of ['chainId', 'genesisHash', 'contract'] as const) {
    if (anchor[name] !== chain[name]) throw fail('anchor identity', `another ${name} than in the trust file`);
  }
}

function checkHistory(anchored: RelatedHead, head: Checkpoint): void {
  if (anchored.size === 0) throw fail('anchor consistency', 'the anchored head is empty');
  const [older, newer] = anchored.size < head.size ? [anchored, head] : [head, anchored];
  const holds = verifyConsistency({
    oldSize: older.size,
    newSize: newer.size,
    oldRoot: older.root,
    newRoot: newer.root,
    path: anchored.consistency,
  });
  if (!holds)
    throw fail(
      'anchor consistency',
      `the heads of size ${older.size} and ${newer.size} contradict each other`,
    );
}

function anchoredHead({ size, root, consistency }: BundleAnchor): RelatedHead {
  const bytes = (encoded: string) => fromBase64(encoded, 'anchor consistency');
  return { size, root: bytes(root), consistency: consistency.map(bytes) };
}

const comparisons: Readonly<Record<Exclude<Comparison, 'contradicts'>, string>> = {
  same: 'this very head was kept',
  extends: 'of one history with what was kept',
  'cannot-tell': 'no proof connects this head with one kept, so nothing can be told',
};

function checkKeptHead({ checks, options }: Context, file: LogFile, found: Found): Comparison | undefined {
  const { state, consistency = [] } = options;
  const { head } = found;
  if (state === undefined || head === undefined) return undefined;
  const anchor = anchorOf(file);
  const related = [
    ...(found.related ?? []),
    ...(anchor === null ? [] : [anchoredHead(anchor)]),
    ...consistency,
  ];
  const outcome = state.origin === head.origin ? compareWithState(head, state, related) : 'cannot-tell';
  const ok = outcome !== 'contradicts';
  checks.push({
    name: 'kept head',
    ok,
    detail: ok ? comparisons[outcome] : `the head of size ${head.size} contradicts one that was kept`,
  });
  return outcome;
}

function checkSeal(file: LogFile, trust: Trust): void {
  const { publicKey } = keysOf(trust).sealKey;
  if (!verifySignature(fromBase64(file.seal, 'seal'), sealMessage(file.format, file), publicKey)) {
    throw fail('seal', 'the seal does not fit: something in the file was changed, or another key sealed it');
  }
}

const recordedBy: readonly CheckName[] = [
  'format',
  'trust',
  'leaf',
  'payload',
  'notices',
  'receipts',
  'seal',
];
const checkpointedBy: readonly CheckName[] = [
  ...recordedBy,
  'checkpoint signature',
  'checkpoint',
  'map head',
  'inclusion',
  'completeness',
  'populations',
  'earlier bundle',
  'range',
  'selection',
];
const witnessedBy: readonly CheckName[] = [...checkpointedBy, 'witnesses', 'kept head'];
const anchoredBy: readonly CheckName[] = [
  ...checkpointedBy,
  'kept head',
  'anchor identity',
  'anchor consistency',
  'anchor on chain',
];

/** Each level rests on the ones before it: an anchor of a head that nobody signed proves nothing about the entry. */
function conclude(context: Context, file: LogFile | undefined, found: Found): Verification {
  const { checks, trust, options } = context;
  const failing = checks.filter(({ ok }) => !ok);
  const firstFailing = failing[0]?.name;
  const settle = (needed: readonly CheckName[], otherwise: Level): Level => {
    const first = failing.find(({ name }) => needed.includes(name));
    return first === undefined ? otherwise : { state: 'fails', check: first.name, words: 'failed' };
  };
  const { subject, head, cosigned } = found;
  const cover = coverOf(file, head, options.chainHead);
  const isShown = failing.every(({ name }) => name === 'kept head');
  const ofEntry = subject?.kind === 'entry' ? subject : undefined;
  return {
    verdict: firstFailing === undefined ? 'holds' : 'does-not-hold',
    levels: {
      recorded: settle(recordedBy, { state: 'holds', check: 'seal', words: 'recorded' }),
      checkpointed: settle(checkpointedBy, checkpointedLevel(file)),
      witnessed: settle(witnessedBy, witnessedLevel(file, cosigned)),
      anchored: settle(anchoredBy, anchoredLevel(cover, trust, options.chainCheck)),
      anchoredFinal: settle(anchoredBy, finalLevel(cover, trust, options.chainCheck)),
    },
    checks,
    ...(firstFailing === undefined ? {} : { firstFailing }),
    ...(subject !== undefined && isShown ? { subject } : {}),
    ...(head === undefined ? {} : { head: { origin: head.origin, size: head.size, root: head.root } }),
    witnesses: cosigned?.voices ?? [],
    hasAnchor: cover === 'whole',
    ...(ofEntry === undefined ? {} : { entry: ofEntry.entry as Entry }),
    ...(ofEntry?.payload == null ? {} : { payload: ofEntry.payload }),
    erased: file?.format === bundleFormat && file.disclosure === null,
  };
}

function checkpointedLevel(file: LogFile | undefined): Level {
  return file?.format === receiptFormat
    ? { state: 'absent', check: 'checkpoint', words: 'no-checkpoint' }
    : { state: 'holds', check: 'inclusion', words: 'checkpointed' };
}

function witnessedLevel(file: LogFile | undefined, cosigned: Cosigned | undefined): Level {
  if (file?.format === receiptFormat) return checkpointedLevel(file);
  if (cosigned?.isAsked !== true) {
    return { state: 'absent', check: 'checkpoint signature', words: 'no-witnesses' };
  }
  return cosigned.isQuorum
    ? { state: 'holds', check: 'witnesses', words: 'witnessed' }
    : { state: 'absent', check: 'witnesses', words: 'quorum-not-met' };
}

type Cover = 'none' | 'part' | 'whole';

/** How much of what the file shows lies under the anchored head: an older anchor says nothing about newer entries. */
function coverOf(file: LogFile | undefined, head: Checkpoint | undefined, chainHead?: RelatedHead): Cover {
  const anchored = chainHead ?? (file === undefined ? null : anchorOf(file));
  if (file === undefined || anchored === null) return 'none';
  return anchored.size >= sizeShown(file, head) ? 'whole' : 'part';
}

/** The smallest log that holds all the file shows; a person's bundle rests on the map head, which comes last. */
function sizeShown(file: LogFile, head: Checkpoint | undefined): number {
  switch (file.format) {
    case bundleFormat:
      return file.entry.index + 1;
    case evidenceFormat:
      return (file.entries.at(-1)?.index ?? -1) + 1;
    case personFormat:
      return head?.size ?? Infinity;
    case receiptFormat:
      return Infinity;
  }
}

const uncovered = (cover: Cover): Level | undefined =>
  cover === 'whole'
    ? undefined
    : {
        state: 'absent',
        check: 'anchor identity',
        words: cover === 'none' ? 'no-anchor' : 'anchor-behind',
      };

function anchoredLevel(cover: Cover, trust: Trust | undefined, chainCheck: ChainCheck | undefined): Level {
  const missing = uncovered(cover);
  if (missing !== undefined) return missing;
  const check = 'anchor on chain';
  if (chainCheck === undefined) return { state: 'not-checked', check, words: 'chain-not-asked' };
  const isLocal = trust?.chain?.finality === 'local';
  return { state: 'holds', check, words: isLocal ? 'anchored-local-chain' : 'anchored' };
}

function finalLevel(cover: Cover, trust: Trust | undefined, chainCheck: ChainCheck | undefined): Level {
  const missing = uncovered(cover);
  if (missing !== undefined) return missing;
  const check = 'anchor on chain';
  // Whoever runs a local chain can rebuild it, so what it holds is never final.
  if (trust?.chain?.finality === 'local') return { state: 'absent', check, words: 'local-chain-never-final' };
  if (chainCheck?.final === undefined) return { state: 'not-checked', check, words: 'finality-not-asked' };
  return chainCheck.final
    ? { state: 'holds', check, words: 'anchored-final' }
    : { state: 'absent', check, words: 'not-final-yet' };
}
