// `assent verify`: checks a file of the log against a trust file without the gateway, in plain words.
import { fromHex } from '../audit/bytes.ts';
import { sayDetail } from '../audit/check-words.ts';
import { parseCheckpoint, parseNote } from '../audit/note.ts';
import { logIdOf } from '../audit/log-id.ts';
import { emptyState, stateText, withHead } from '../audit/state.ts';
import type { FetchFile } from '../audit/tiles.ts';
import {
  anchorToCheck,
  type ChainCheck,
  type Level,
  parseTrust,
  readFile,
  type RelatedHead,
  type State,
  type Subject,
  type Verification,
  type VerifiedEntry,
  verifyFile,
} from '../audit/verify.ts';
import { GatewayError } from '../errors.ts';
import { reportHtml } from './verify-report.ts';
import { limitsHeading, minuteOf, subjectText } from './verify-subject.ts';
import { type Language, type VerifyWords, verifyWords } from './verify-words.ts';

export interface VerifyOrder {
  /** Bytes as read from the file, where there is a choice: text that is not UTF-8 is then found, not repaired. */
  readonly bundleText: string | Uint8Array;
  readonly trustText: string | Uint8Array;
  /** An earlier bundle of the same person. */
  readonly earlierText?: string | Uint8Array;
  /** Heads kept from before; null to begin keeping them. */
  readonly state?: State | null;
  /** Reads the public log, to compare heads of different sizes. */
  readonly log?: FetchFile;
  /** JSON-RPC of the trusted chain; without it the anchor is not looked up. */
  readonly rpcUrl?: string;
  readonly language?: Language;
  /** How long to wait for one answer of the chain. */
  readonly timeoutMs?: number;
  /** For a report: what cannot be read off the files' contents. */
  readonly report?: {
    readonly fileName: string;
    readonly fileHash: string;
    readonly trustHash: string;
    readonly checkedAt: string;
  };
}

/**
 * 0: holds. 1: checked, and does not hold. 2: no verdict, the chain could not be asked. 3: well made, but contradicts a
 * head that was kept. 4: holds, but is not anchored yet, although the trust file names a chain.
 */
export type VerifyExit = 0 | 1 | 2 | 3 | 4;

export interface VerifyResult {
  readonly exitCode: VerifyExit;
  readonly lines: string[];
  /** The same for programs. */
  readonly json: Record<string, unknown>;
  /** Text of the state file to keep from now on; only where the file may be relied upon. */
  readonly stateText?: string;
  /** Only where one was asked for and there is a verdict. */
  readonly reportHtml?: string;
}

type LevelName = keyof Verification['levels'];
const levelNames: readonly LevelName[] = [
  'recorded',
  'checkpointed',
  'witnessed',
  'anchored',
  'anchoredFinal',
];

/**
 * Makes every check that can be made. Never throws for what the files, or the chain, say.
 * @throws what `order.log` throws
 */
export async function verifyCommand(order: VerifyOrder): Promise<VerifyResult> {
  const words = verifyWords[order.language ?? 'en'];
  const { offline, consistency } = await verifyOffline(order);
  // A file that fails by itself needs no chain to say so.
  if (order.rpcUrl === undefined || offline.verdict !== 'holds') return report(words, order, offline);
  try {
    const later = offline.hasAnchor ? undefined : await headOnChain(order, order.rpcUrl, offline);
    if (later !== undefined) return report(words, order, verifyOnce(order, { ...later, consistency }));
    const chainCheck = await checkChain(order, order.rpcUrl);
    if (chainCheck !== undefined) return report(words, order, verifyOnce(order, { chainCheck, consistency }));
    const result = report(words, order, offline, words.nothingToAsk);
    // Who asks the chain must not read "holds" in the exit code when there was nothing to ask it.
    return result.exitCode === 0 ? unasked(result) : result;
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    if (error.code !== 'chain_unavailable' && error.code !== 'config_invalid') throw error;
    return noVerdict(words, offline, error);
  }
}

function verifyOnce(
  order: VerifyOrder,
  more: {
    chainCheck?: ChainCheck;
    chainHead?: RelatedHead;
    consistency?: readonly RelatedHead[];
  } = {},
): Verification {
  return verifyFile(order.bundleText, order.trustText, {
    ...more,
    earlier: order.earlierText,
    state: order.state ?? undefined,
  });
}

async function verifyOffline(
  order: VerifyOrder,
): Promise<{ offline: Verification; consistency: readonly RelatedHead[] }> {
  const offline = verifyOnce(order);
  const { log, state } = order;
  if (log === undefined || state == null || offline.keptHead !== 'cannot-tell' || offline.head === undefined)
    return { offline, consistency: [] };
  const consistency = await relatedHeads(log, offline.head.size, state);
  return { offline: verifyOnce(order, { consistency }), consistency };
}

/** The log's own heads at the sizes kept, as its tiles show them, with paths to or from this size. */
async function relatedHeads(log: FetchFile, size: number, state: State): Promise<RelatedHead[]> {
  const { createTileClient } = await import('../audit/tiles.ts');
  const published = parseCheckpoint(parseNote(await log('checkpoint')).text).size;
  const tiles = createTileClient(published, log);
  const found: RelatedHead[] = [];
  for (const kept of state.heads) {
    if (Math.max(kept.size, size) > published) continue;
    const path = await tiles.consistencyPath(Math.min(kept.size, size), Math.max(kept.size, size));
    found.push({ size: kept.size, root: await tiles.root(kept.size), consistency: path });
  }
  return found;
}

/**
 * A file made before its anchor: what the contract holds now covers it too, and the public tiles connect both. Needs
 * `--log` beside `--rpc`; undefined where that is missing, or nothing on the chain covers the file.
 */
async function headOnChain(
  order: VerifyOrder,
  url: string,
  { head }: Verification,
): Promise<{ chainHead?: RelatedHead; chainCheck: ChainCheck } | undefined> {
  const { chain } = parseTrust(order.trustText);
  if (order.log === undefined || head === undefined || chain === null) return undefined;
  const { askHead } = await import('./ask-chain.ts');
  const { timeoutMs } = order;
  const target = { url, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
  const found = await askHead(target, chain, logIdOf(head.origin));
  if (found === undefined) return undefined;
  if ('ok' in found) return { chainCheck: found };
  if (found.size < head.size) return undefined;
  const { createTileClient } = await import('../audit/tiles.ts');
  const tiles = createTileClient(found.size, order.log);
  const path = await tiles.consistencyPath(head.size, found.size);
  return {
    chainHead: { size: found.size, root: fromHex(found.root.slice(2), 'anchor on chain'), consistency: path },
    chainCheck: { ok: true, check: 'head', detail: `the contract holds the head of size ${found.size}` },
  };
}

async function checkChain(order: VerifyOrder, url: string): Promise<ChainCheck | undefined> {
  const anchor = anchorToCheck(readFile(order.bundleText));
  const { chain } = parseTrust(order.trustText);
  if (anchor === null || chain === null) return undefined;
  const { timeoutMs } = order;
  // Loaded here, because most proofs are checked without a chain and its library is the heaviest part.
  const { askChain } = await import('./ask-chain.ts');
  return askChain({ url, ...(timeoutMs === undefined ? {} : { timeoutMs }) }, chain, anchor);
}

function exitOf(order: VerifyOrder, found: Verification): 0 | 1 | 3 | 4 {
  const failing = found.checks.filter(({ ok }) => !ok);
  if (failing.length > 0) return failing.every(({ name }) => name === 'kept head') ? 3 : 1;
  const isWaiting = parseTrust(order.trustText).chain !== null && !found.hasAnchor;
  return isWaiting && found.subject?.kind !== 'receipt' ? 4 : 0;
}

function report(words: VerifyWords, order: VerifyOrder, found: Verification, note?: string): VerifyResult {
  const { firstFailing, keptHead } = found;
  const language = order.language ?? 'en';
  const exitCode = exitOf(order, found);
  const holds = firstFailing === undefined;
  const kept = keptHead === undefined || keptHead === 'contradicts' ? undefined : words.kept[keptHead];
  const lines = [
    firstFailing === undefined ? words.holds : words.doesNotHold(words.checkNames[firstFailing]),
    // What a file claims is shown only when it is proven.
    ...(holds ? proven(words, language, found) : []),
    ...(exitCode === 3 ? [words.contradicts] : []),
    ...(exitCode === 4 ? [words.notAnchored] : []),
    ...(holds && kept !== undefined ? [kept] : []),
    ...details(words, found),
    ...(note === undefined ? [] : ['', note]),
    ...(firstFailing === undefined
      ? []
      : ['', `${words.firstFailing}${words.colon}${words.checkNames[firstFailing]}`]),
  ];
  return {
    exitCode,
    lines: lines.map(printable),
    json: { exitCode, ...summary(found), ...(holds ? provenJson(found) : {}) },
    ...keepHead(order, found, exitCode),
    ...(order.report === undefined
      ? {}
      : {
          reportHtml: reportHtml({
            found,
            exitCode,
            language,
            words,
            levels: labelled(words, found),
            ...order.report,
          }),
        }),
  };
}

function proven(words: VerifyWords, language: Language, found: Verification): string[] {
  const { subject, head } = found;
  if (subject === undefined) return [];
  if (subject.kind === 'entry') {
    const { index, entry, erased } = subject;
    const line = words.entry(index, entry.kind, minuteOf(entry.atSeconds));
    return erased ? [line, words.noPayload] : [line];
  }
  const { claim, rows, further, doesNotProve } = subjectText(language, subject, head?.size ?? 0);
  const section = (lines: readonly string[]) => (lines.length === 0 ? [] : ['', ...lines]);
  return [
    ...claim,
    ...section(rows.map(rowLine)),
    ...section(further),
    '',
    limitsHeading(language),
    ...doesNotProve.map((line) => `  - ${line}`),
  ];
}

const rowLine = (cells: readonly string[]): string => `  ${cells.filter((cell) => cell !== '').join('  ')}`;

function provenJson({ subject }: Verification): Record<string, unknown> {
  if (subject === undefined) return {};
  // Programs have read entries of a bundle under these names since the first version.
  if (subject.kind === 'entry') {
    const { payload } = subject;
    const { index, kind, at } = entryJson(subject);
    return { entry: { index, kind, at }, payload, subject: { kind: 'entry' } };
  }
  return { subject: subjectJson(subject) };
}

function subjectJson(subject: Exclude<Subject, { kind: 'entry' }>): Record<string, unknown> {
  switch (subject.kind) {
    case 'receipt':
      return { ...subject };
    case 'evidence':
      return { ...subject, entries: subject.entries.map(entryJson) };
    case 'person': {
      const { populations } = subject;
      return {
        ...subject,
        entries: subject.entries.map(entryJson),
        populations:
          populations?.map((one) => ({ ...one, entries: one.entries.map(({ index }) => index) })) ?? null,
      };
    }
  }
}

const entryJson = ({ index, entry, payload, erased }: VerifiedEntry) => ({
  index,
  kind: entry.kind,
  at: minuteOf(entry.atSeconds),
  payload,
  erased,
});

function keepHead(order: VerifyOrder, found: Verification, exitCode: VerifyExit): { stateText?: string } {
  const { head } = found;
  if (order.state === undefined || head === undefined || (exitCode !== 0 && exitCode !== 4)) return {};
  return { stateText: stateText(withHead(order.state ?? emptyState(head.origin), head)) };
}

function unasked(result: VerifyResult): VerifyResult {
  const { stateText: _, ...rest } = result;
  return { ...rest, exitCode: 2, json: { ...result.json, exitCode: 2 } };
}

function noVerdict(words: VerifyWords, offline: Verification, error: GatewayError): VerifyResult {
  const detail = sayDetail(words.details, { name: 'anchor on chain', ok: true, detail: error.message });
  const why = error.code === 'config_invalid' ? words.badAddress : words.cannotTell(detail);
  return {
    exitCode: 2,
    lines: [why, ...details(words, offline)].map(printable),
    json: {
      exitCode: 2,
      ...summary(offline),
      verdict: 'none',
      error: { code: error.code, message: error.message },
    },
  };
}

function details(words: VerifyWords, found: Verification): string[] {
  const checks = found.checks.map(
    (check) =>
      `  ${check.ok ? words.passed : words.failed}  ${words.checkNames[check.name]}${words.colon}${sayDetail(words.details, check)}`,
  );
  const levels = labelled(words, found).map(
    ({ label, level }) =>
      `  ${label}${words.colon}${words.states[level.state]}${words.stop}${words.meanings[level.words]}`,
  );
  return ['', words.evidence, ...levels, '', words.checks, ...checks];
}

function labelled(words: VerifyWords, found: Verification): { label: string; level: Level }[] {
  return levelNames.map((name) => {
    const level = found.levels[name];
    return { level, label: words.levels[level.words === 'anchored-local-chain' ? 'anchoredLocal' : name] };
  });
}

function summary(found: Verification): Record<string, unknown> {
  const { verdict, levels, checks, firstFailing, erased, keptHead, witnesses, head } = found;
  return {
    verdict,
    firstFailing: firstFailing ?? null,
    levels,
    checks,
    erased,
    witnesses,
    ...(head === undefined ? {} : { size: head.size }),
    ...(keptHead === undefined ? {} : { keptHead }),
  };
}

// Details may quote the files or the chain: no escape sequence of theirs may reach a terminal.
const printable = (line: string): string => line.replace(/[\p{Cc}\p{Cf}]/gu, '?');
