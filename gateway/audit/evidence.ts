// What an officer hands to an authority: entries of a person, partner, purpose or period with their proofs.
// FORMAT.md section 12. Pure; runs in the browser too.
import { sha256 } from '@noble/hashes/sha2.js';
import { readAnchor, readShownEntry, type BundleAnchor, type ShownEntry } from './bundle.ts';
import { equalBytes, fromBase64, toHex, toUtf8 } from './bytes.ts';
import { fail } from './checks.ts';
import { decodeEntry, isMapHead, type Entry, type PlainObject } from './entry.ts';
import {
  exact,
  hash,
  list,
  misfit,
  note,
  oneOf,
  origin,
  orNull,
  parseFile,
  prose,
  record,
  sealedText,
  sealMessage,
  signature,
  text,
  utcTime,
  whole,
  type Read,
  type Sign,
} from './file-shape.ts';
import { isAscending } from './index-list.ts';
import { verifySignature } from './note.ts';
import { parseReceipt, receiptLimitBytes, type Receipt } from './receipt.ts';
import { leafHash } from './tree.ts';

export const evidenceFormat = 'assent-evidence/v1';
export const evidenceLimitBytes = 64 << 20;

/** Byte strings are canonical base64 where nothing else is said. */
export interface Evidence {
  readonly format: typeof evidenceFormat;
  readonly origin: string;
  readonly selection: Selection;
  /** For a period: the entries from `first` up to but not including `end`, all of them here. */
  readonly range: { readonly first: number; readonly end: number } | null;
  readonly checkpoint: string;
  /** By ascending index. */
  readonly entries: readonly ShownEntry[];
  /** `multiProof` of the entries. */
  readonly paths: readonly string[];
  readonly notices: readonly EvidenceNotice[];
  /** Texts of receipts. */
  readonly receipts: readonly string[];
  readonly anchor: BundleAnchor | null;
  /** YYYY-MM-DDTHH:MM:SS.sssZ, as the times of the selection. */
  readonly madeAt: string;
  readonly seal: string;
}

export interface Selection {
  readonly kind: 'person' | 'partner' | 'purpose' | 'period';
  /** For a person the tag in hex. */
  readonly value: string;
  readonly from: string | null;
  readonly to: string | null;
}

export interface EvidenceNotice {
  /** Lower-case hex of SHA-256 of the body. */
  readonly hash: string;
  readonly id: string;
  readonly version: number;
  readonly language: string;
  readonly body: string;
}

/** @throws FormatError (check "format") unless this is the one canonical spelling of evidence */
export function parseEvidence(file: string | Uint8Array): Evidence {
  return parseFile(file, 'format', evidenceLimitBytes, readEvidence);
}

/** The file's text, sealed. @throws FormatError (check "format") when it does not have the shape */
export async function sealEvidence(evidence: Omit<Evidence, 'seal'>, sign: Sign): Promise<string> {
  const file = await sealedText(evidence, sign);
  parseEvidence(file);
  return file;
}

/** @throws FormatError unless a period, and nothing else, shows every index of its range */
export function checkRange({ selection, range, entries }: Evidence, size: number): void {
  if ((selection.kind === 'period') !== (range !== null))
    throw fail('range', 'a period, and nothing else, has a range');
  if (range === null) return;
  const isWhole =
    range.first <= range.end &&
    range.end <= size &&
    entries.length === range.end - range.first &&
    entries.every(({ index }, place) => index === range.first + place);
  if (!isWhole) throw fail('range', `not every entry from ${range.first} up to ${range.end} is here`);
}

/**
 * @param leaves of the entries, decoded
 * @throws FormatError unless the entries are of the person and the time that were chosen; a period shows by an entry
 *   before and one behind it that it is whole
 */
export function checkSelection(
  { selection, range, entries }: Evidence,
  leaves: readonly LeafFacts[],
  size: number,
): void {
  const wrong = (message: string) => fail('selection', message);
  const period = periodOf(selection);
  const isInner = leaves.map(({ atSeconds }) => isWithin(atSeconds, period));
  if (selection.kind === 'person') {
    const other = leaves.findIndex((leaf) => tagIn(leaf) !== selection.value);
    if (other !== -1) throw wrong(`entry ${entries[other]?.index} is not about the person that was chosen`);
  }
  if (range === null) {
    const other = isInner.indexOf(false);
    if (other !== -1) throw wrong(`entry ${entries[other]?.index} is of another time than was chosen`);
    return;
  }
  const seconds = leaves.map(({ atSeconds }) => atSeconds * 1000);
  if (range.first !== 0 && !((seconds[0] ?? Infinity) < period.fromMs))
    throw wrong('no entry before the period is shown: entries may be missing where it begins');
  if (range.end !== size && !((seconds.at(-1) ?? -Infinity) > period.toMs))
    throw wrong('no entry after the period is shown: entries may be missing where it ends');
  if (isInner.slice(1, -1).includes(false))
    throw wrong('entries of other times are among those of the period');
}

/** What a leaf of either version tells. */
export interface LeafFacts {
  readonly atSeconds: number;
  readonly about?: Entry['about'];
}

function tagIn({ about }: LeafFacts): string | undefined {
  return about?.concern === 'person' ? toHex(about.tag) : undefined;
}

export interface Period {
  readonly fromMs: number;
  /** The last minute that belongs to it. */
  readonly toMs: number;
}

const minuteMs = 60_000;

export function periodOf({ from, to }: Selection): Period {
  return {
    fromMs: from === null ? -Infinity : Math.floor(Date.parse(from) / minuteMs) * minuteMs,
    toMs: to === null ? Infinity : Date.parse(to),
  };
}

/** Leaves name minutes, so a period of whole minutes is told from the leaves, whatever payloads say. */
export function isWithin(atSeconds: number, { fromMs, toMs }: Period): boolean {
  return atSeconds * 1000 >= fromMs && atSeconds * 1000 <= toMs;
}

/**
 * @param payloads those of the entries shown, where they are open
 * @throws FormatError unless each text has its hash, and an entry shown here names it
 */
export function checkNotices({ notices }: Evidence, payloads: readonly (PlainObject | null)[]): void {
  const named = new Set(payloads.flatMap(noticeHashesIn));
  for (const { hash: wanted, id, version, body } of notices) {
    if (toHex(sha256(toUtf8(body))) !== wanted)
      throw fail('notices', `the text of notice ${id}, version ${version}, is another one`);
    if (!named.has(wanted))
      throw fail('notices', `no entry shown here names notice ${id}, version ${version}`);
  }
}

/** Hashes of notices that a payload names, wherever in it: members whose name begins with "notice". */
export function noticeHashesIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(noticeHashesIn);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    name.startsWith('notice') ? [inner].flat().filter(isHashText) : noticeHashesIn(inner),
  );
}

const isHashText = (value: unknown): value is string =>
  typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);

/**
 * The receipts, read.
 * @throws FormatError unless each is sealed and speaks of entries shown here that are about its person, and of no other
 *   leaf at their places
 */
export function checkReceipts(evidence: Evidence, sealKey: Uint8Array): Receipt[] {
  const shown = new Map(evidence.entries.map((entry) => [entry.index, entry.leaf]));
  return evidence.receipts.map((file, place) => {
    const wrong = (what: string) => fail('receipts', `receipt ${place} ${what}`);
    const receipt = parseReceipt(file);
    if (receipt.origin !== evidence.origin) throw wrong('is one of another log');
    const sealed = sealMessage(receipt.format, receipt);
    if (!verifySignature(fromBase64(receipt.seal, 'receipts'), sealed, sealKey))
      throw wrong('was not sealed by the seal key');
    const spokenOf = receipt.entries.filter(({ index }) => shown.has(index));
    if (spokenOf.length === 0) throw wrong('speaks of no entry shown here');
    for (const entry of spokenOf) {
      const leaf = fromBase64(shown.get(entry.index) ?? '', 'receipts');
      if (!equalBytes(leafHash(leaf), fromBase64(entry.leafHash, 'receipts')))
        throw wrong(`speaks of another entry ${entry.index}`);
      if (!concerns(leaf, fromBase64(receipt.tag, 'receipts')))
        throw wrong(`is for another person than entry ${entry.index} is about`);
    }
    return receipt;
  });
}

function concerns(leaf: Uint8Array, tag: Uint8Array): boolean {
  if (isMapHead(leaf)) return false;
  const { about } = decodeEntry(leaf);
  return about.concern === 'person' && equalBytes(about.tag, tag);
}

const entriesLimit = 1 << 20;

export const readEvidence: Read<Evidence> = record<Evidence>({
  format: exact(evidenceFormat),
  origin,
  selection: record<Selection>({
    kind: oneOf('person', 'partner', 'purpose', 'period'),
    value: text(255, /^\P{Cc}*$/u),
    from: orNull(utcTime),
    to: orNull(utcTime),
  }),
  range: orNull(record({ first: whole, end: whole })),
  checkpoint: note,
  entries: (value, at) => {
    const entries = list(entriesLimit, readShownEntry)(value, at);
    if (!isAscending(entries.map(({ index }) => index))) throw misfit(at, 'ascending');
    return entries;
  },
  paths: list(entriesLimit, hash),
  notices: list(
    4096,
    record<EvidenceNotice>({
      hash: text(64, /^[0-9a-f]{64}$/, '32 bytes in lower-case hex'),
      id: text(255),
      version: whole,
      language: text(35),
      body: prose(1 << 20),
    }),
  ),
  receipts: list(4096, prose(receiptLimitBytes)),
  anchor: readAnchor,
  madeAt: utcTime,
  seal: signature,
});
