// `assent verify`: checks a bundle against a trust file without the gateway, in plain words.
import {
  anchorToCheck,
  type ChainCheck,
  type Level,
  parseBundle,
  parseTrust,
  type Verification,
  verifyBundle,
} from '../audit/verify.ts';
import { GatewayError } from '../errors.ts';
import { type Language, type VerifyWords, verifyWords } from './verify-words.ts';

export interface VerifyOrder {
  /** Bytes as read from the file, where there is a choice: text that is not UTF-8 is then found, not repaired. */
  readonly bundleText: string | Uint8Array;
  readonly trustText: string | Uint8Array;
  /** JSON-RPC of the trusted chain; without it the anchor is not looked up. */
  readonly rpcUrl?: string;
  readonly language?: Language;
  /** How long to wait for one answer of the chain. */
  readonly timeoutMs?: number;
}

export interface VerifyResult {
  /** 0: holds. 1: checked, and does not hold. 2: no verdict, the chain could not be asked. */
  readonly exitCode: 0 | 1 | 2;
  readonly lines: string[];
  /** The same for programs. */
  readonly json: Record<string, unknown>;
}

type LevelName = keyof Verification['levels'];
const levelNames: readonly LevelName[] = [
  'recorded',
  'checkpointed',
  'witnessed',
  'anchored',
  'anchoredFinal',
];

/** Makes every check that can be made. Never throws for what the files, or the chain, say. */
export async function verifyCommand(order: VerifyOrder): Promise<VerifyResult> {
  const words = verifyWords[order.language ?? 'en'];
  const offline = verifyBundle(order.bundleText, order.trustText);
  // A bundle that fails by itself needs no chain to say so.
  if (order.rpcUrl === undefined || offline.verdict !== 'holds') return report(words, order, offline);
  try {
    const chainCheck = await checkChain(order, order.rpcUrl);
    // Who asks the chain must not read "holds" in the exit code when there was nothing to ask it.
    if (chainCheck === undefined) return unasked(report(words, order, offline, words.nothingToAsk));
    return report(words, order, verifyBundle(order.bundleText, order.trustText, { chainCheck }));
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    if (error.code !== 'chain_unavailable' && error.code !== 'config_invalid') throw error;
    return noVerdict(words, offline, error);
  }
}

async function checkChain(order: VerifyOrder, url: string): Promise<ChainCheck | undefined> {
  const anchor = anchorToCheck(parseBundle(order.bundleText));
  const { chain } = parseTrust(order.trustText);
  if (anchor === null || chain === null) return undefined;
  const { timeoutMs } = order;
  // Loaded here, because most proofs are checked without a chain and its library is the heaviest part.
  const { askChain } = await import('./ask-chain.ts');
  return askChain({ url, ...(timeoutMs === undefined ? {} : { timeoutMs }) }, chain, anchor);
}

function report(words: VerifyWords, order: VerifyOrder, found: Verification, note?: string): VerifyResult {
  const { firstFailing, entry } = found;
  const holds = firstFailing === undefined;
  // What a bundle claims is shown only when it is proven.
  const proven =
    !holds || entry === undefined
      ? undefined
      : {
          index: parseBundle(order.bundleText).entry.index,
          kind: entry.kind,
          at: timeOf(entry.atSeconds),
        };
  const lines = [
    holds ? words.holds : words.doesNotHold(words.checkNames[firstFailing]),
    ...(proven === undefined ? [] : [words.entry(proven.index, proven.kind, proven.at)]),
    ...(holds && found.erased ? [words.noPayload] : []),
    ...details(words, found),
    ...(note === undefined ? [] : ['', note]),
    ...(holds ? [] : ['', `${words.firstFailing}${words.colon}${words.checkNames[firstFailing]}`]),
  ];
  const exitCode = holds ? 0 : 1;
  return {
    exitCode,
    lines: lines.map(printable),
    json: {
      exitCode,
      ...summary(found),
      ...(proven === undefined ? {} : { entry: proven, payload: found.payload ?? null }),
    },
  };
}

function unasked(result: VerifyResult): VerifyResult {
  return { ...result, exitCode: 2, json: { ...result.json, exitCode: 2 } };
}

function noVerdict(words: VerifyWords, offline: Verification, error: GatewayError): VerifyResult {
  const why = error.code === 'config_invalid' ? words.badAddress : words.cannotTell(error.message);
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
    ({ name, ok, detail }) =>
      `  ${ok ? words.passed : words.failed}  ${words.checkNames[name]}${words.colon}${detail}`,
  );
  const levels = levelNames.map((name) => {
    const level = found.levels[name];
    return `  ${labelOf(words, name, level)}${words.colon}${words.states[level.state]}${words.stop}${words.meanings[level.words]}`;
  });
  return ['', words.evidence, ...levels, '', words.checks, ...checks];
}

const labelOf = (words: VerifyWords, name: LevelName, level: Level): string =>
  words.levels[level.words === 'anchored-local-chain' ? 'anchoredLocal' : name];

function summary(found: Verification): Record<string, unknown> {
  const { verdict, levels, checks, firstFailing, erased } = found;
  return { verdict, firstFailing: firstFailing ?? null, levels, checks, erased };
}

const timeOf = (seconds: number): string => {
  const date = new Date(seconds * 1000);
  // A leaf may name seconds that no calendar reaches.
  return Number.isNaN(date.getTime()) ? `${seconds} s` : date.toISOString().replace(/:00\.000Z$/, ' UTC');
};

// Details may quote the files or the chain: no escape sequence of theirs may reach a terminal.
const printable = (line: string): string => line.replace(/[\p{Cc}\p{Cf}]/gu, '?');
