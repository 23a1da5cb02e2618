// An evidence pack: one archive with evidence, what goes with it, and pages for reading. FORMAT.md section 12.
// Pure; runs in the browser too.
import { equalBytes, FormatError, toUtf8 } from './bytes.ts';
import { isWithin, parseEvidence, periodOf, type Evidence } from './evidence.ts';
import {
  verifyFile,
  type EvidenceSubject,
  type PersonSubject,
  type Verification,
  type VerifyOptions,
} from './verify.ts';
import { packZip, readZip, type ZipFiles } from './zip.ts';

/** What a pack is made of; the texts as they were sealed. */
export interface PackParts {
  readonly evidence: string;
  readonly person: string | null;
  /** For people; nothing vouches for them. By name. */
  readonly pages: ReadonlyMap<string, string>;
}

export const evidenceName = 'evidence.json';
export const personName = 'person.json';
/** Made for reading, in this order. */
export const pageNames = ['README.txt', 'summary.en.html', 'summary.zh.html'] as const;

/** The same parts on the same day give the same bytes. @throws FormatError when the evidence is none */
export function packEvidence({ evidence, person, pages }: PackParts, atMs: number): Uint8Array {
  const { notices, receipts } = parseEvidence(evidence);
  const files = new Map<string, string>();
  for (const [name, text] of pages) files.set(name, text);
  files.set(evidenceName, evidence);
  if (person !== null) files.set(personName, person);
  for (const [name, text] of textsOf(notices, receipts)) files.set(name, text);
  return packZip(new Map([...files].map(([name, text]) => [name, toUtf8(text)])), atMs);
}

/** The files that stand in the evidence too: each notice, each receipt. */
function textsOf(notices: Evidence['notices'], receipts: Evidence['receipts']): Map<string, string> {
  const texts = new Map<string, string>();
  notices.forEach(({ id, version, language, body }, place) => {
    const name = `notices/${plainName(id)}-${version}-${plainName(language)}.txt`;
    // Two ids may look alike once they are made fit for a file name.
    texts.set(texts.has(name) ? name.replace(/\.txt$/, `.${place}.txt`) : name, body);
  });
  receipts.forEach((text, place) => texts.set(`receipts/${place + 1}.json`, text));
  return texts;
}

const plainName = (text: string): string => text.replace(/[^A-Za-z0-9_-]/g, '_');

/** Why a member of a pack is what it is; pages and the command line have words for each. */
export type MemberState =
  | 'proven'
  /** Made for reading: nothing vouches for it. */
  | 'not-proven'
  /** Nothing that belongs into a pack; nothing vouches for it either. */
  | 'unknown'
  /** Whoever takes the trust file out of the file it is to judge trusts nobody but its maker. */
  | 'trust-inside'
  | 'missing'
  /** Another text than the evidence says. */
  | 'differs'
  /** Verified, and does not hold. */
  | 'does-not-hold'
  /** No file of the kind that belongs here. */
  | 'other-kind'
  /** The bundle of another person, or for nobody. */
  | 'other-person'
  /** It goes on from an earlier bundle, so it does not show everything. */
  | 'incomplete-bundle'
  /** An entry of the person's list that belongs into the selection is not in the evidence, or the other way round. */
  | 'person-disagrees'
  /** An entry of another time, or nothing that shows where the period begins and ends. */
  | 'not-the-period';

export interface Member {
  readonly name: string;
  readonly state: MemberState;
  readonly isWrong: boolean;
  /** More, in English. */
  readonly detail: string;
}

export interface PackVerification {
  readonly verdict: 'holds' | 'does-not-hold';
  readonly members: readonly Member[];
  /** Of the sealed files, where they are there. */
  readonly evidence?: Verification;
  readonly person?: Verification;
  /** For a person: entries after the selection was made, such as the one about this pack; they are in their bundle alone. */
  readonly newerCount: number;
}

/**
 * Makes every check that can be made of a pack. The files in it are checked against the trust file of the reader, never
 * against one inside.
 * @throws FormatError (check "format") when it is no archive that can be read
 */
export function verifyPack(
  archive: Uint8Array | ZipFiles,
  trustFile: string | Uint8Array,
  options: VerifyOptions = {},
): PackVerification {
  const files = archive instanceof Uint8Array ? readZip(archive) : archive;
  const members = new Map<string, Member>();
  const put = (name: string, state: MemberState, detail = ''): void => {
    const isWrong = !['proven', 'not-proven', 'unknown', 'trust-inside'].includes(state);
    if (members.get(name)?.isWrong !== true) members.set(name, { name, state, isWrong, detail });
  };

  const given = files.get(evidenceName);
  const evidence =
    given === undefined ? undefined : verifyFile(given, trustFile, { ...options, earlier: undefined });
  const subject = evidence?.subject?.kind === 'evidence' ? evidence.subject : undefined;
  if (evidence === undefined) put(evidenceName, 'missing', 'a pack holds evidence');
  else if (given !== undefined && evidence.firstFailing === 'selection')
    put(
      evidenceName,
      parseEvidence(given).range === null ? 'does-not-hold' : 'not-the-period',
      evidence.checks.find(({ ok }) => !ok)?.detail,
    );
  else if (evidence.verdict !== 'holds')
    put(evidenceName, 'does-not-hold', `the check "${evidence.firstFailing ?? ''}" failed`);
  else if (subject === undefined) put(evidenceName, 'other-kind', 'this is not evidence');
  else put(evidenceName, 'proven');

  const givenPerson = files.get(personName);
  const person = givenPerson === undefined ? undefined : verifyFile(givenPerson, trustFile, options);
  const own = person?.subject?.kind === 'person' ? person.subject : undefined;
  let newerCount = 0;
  if (person === undefined) {
    if (subject?.selection.kind === 'person')
      put(personName, 'missing', 'evidence about a person comes with their bundle');
  } else if (person.verdict !== 'holds') {
    put(personName, 'does-not-hold', `the check "${person.firstFailing ?? ''}" failed`);
  } else if (areTwoVersions(evidence?.head, person.head)) {
    put(
      personName,
      'does-not-hold',
      'its head and that of evidence.json have one size and differ: two versions of one log',
    );
  } else if (own === undefined) put(personName, 'other-kind', 'this is not a bundle of a person');
  else if (subject !== undefined) {
    const { state, detail, newer } = comparePerson(subject, own);
    newerCount = newer;
    put(personName, state, detail);
  } else put(personName, 'proven');

  for (const [name, text] of given === undefined ? [] : expectedTexts(given)) {
    const found = files.get(name);
    if (found === undefined) put(name, 'missing', 'the evidence names it');
    else if (!equalBytes(found, toUtf8(text))) put(name, 'differs', 'another text than the evidence has');
    else if (subject === undefined) put(name, 'not-proven', 'the evidence that names it does not hold');
    else if (!name.startsWith('receipts/')) put(name, 'proven');
    else {
      const receipt = verifyFile(found, trustFile);
      if (receipt.verdict === 'holds') put(name, 'proven');
      else put(name, 'does-not-hold', `the check "${receipt.firstFailing ?? ''}" failed`);
    }
  }

  for (const [name, content] of files) {
    if (members.has(name)) continue;
    if ((pageNames as readonly string[]).includes(name)) put(name, 'not-proven', 'made for reading');
    else if (looksLikeTrust(content))
      put(name, 'trust-inside', 'never use a trust file that came with the proof');
    else if (/^(?:notices|receipts)\//.test(name)) put(name, 'differs', 'the evidence names no such file');
    else put(name, 'unknown', 'nothing of a pack');
  }
  const all = [...members.values()];
  return {
    verdict: all.some(({ isWrong }) => isWrong) ? 'does-not-hold' : 'holds',
    members: all,
    ...(evidence === undefined ? {} : { evidence }),
    ...(person === undefined ? {} : { person }),
    newerCount,
  };
}

function areTwoVersions(one: Verification['head'], other: Verification['head']): boolean {
  if (one === undefined || other === undefined) return false;
  return one.size === other.size && !equalBytes(one.root, other.root);
}

/** Empty where the evidence cannot be read: then it is named by itself. */
function expectedTexts(file: Uint8Array): Map<string, string> {
  try {
    const { notices, receipts } = parseEvidence(file);
    return textsOf(notices, receipts);
  } catch (error) {
    if (error instanceof FormatError) return new Map();
    throw error;
  }
}

function comparePerson(
  { selection, entries }: EvidenceSubject,
  own: PersonSubject,
): { state: MemberState; detail: string; newer: number } {
  const newer = 0;
  if (selection.kind !== 'person' || selection.value !== own.tag)
    return { state: 'other-person', detail: 'the evidence is not about this person', newer };
  if (own.earlier !== null)
    return { state: 'incomplete-bundle', detail: 'it goes on from an earlier bundle', newer };
  const shown = new Set(entries.map(({ index }) => index));
  const listed = new Map(own.entries.map((entry) => [entry.index, entry]));
  for (const index of shown) {
    if (!listed.has(index))
      return { state: 'person-disagrees', detail: `entry ${index} of the evidence is not about them`, newer };
  }
  const period = periodOf(selection);
  const last = Math.max(-1, ...shown);
  const absent = own.entries.filter(
    ({ index, entry }) => !shown.has(index) && isWithin(entry.atSeconds, period),
  );
  // Without an end the selection was made up to some entry, and others came while it was made.
  const left = absent.find(({ index }) => index < last || selection.to !== null);
  if (left !== undefined)
    return { state: 'person-disagrees', detail: `entry ${left.index} about them is left out`, newer };
  return { state: 'proven', detail: '', newer: absent.length };
}

function looksLikeTrust(content: Uint8Array): boolean {
  const start = new TextDecoder().decode(content.subarray(0, 4096));
  return /"format"\s*:\s*"assent-trust\//.test(start) || /"logKey"\s*:/.test(start);
}
