// What `assent verify` says. Levels, states and their sentences are the portal's own words.
import type { CheckName, Level, LevelWords, Verification } from '../audit/verify.ts';
import { pick } from '../portal/messages/pick.ts';

export type Language = 'en' | 'zh';

export interface VerifyWords {
  /** Between a name and what is said of it; and between two sentences. */
  readonly colon: string;
  readonly stop: string;
  readonly holds: string;
  readonly doesNotHold: (check: string) => string;
  readonly cannotTell: (why: string) => string;
  readonly levels: Readonly<Record<keyof Verification['levels'] | 'anchoredLocal', string>>;
  readonly states: Readonly<Record<Level['state'], string>>;
  readonly meanings: Readonly<Record<LevelWords, string>>;
  readonly evidence: string;
  readonly checks: string;
  readonly checkNames: Readonly<Record<CheckName, string>>;
  readonly passed: string;
  readonly failed: string;
  readonly firstFailing: string;
  readonly entry: (index: number, kind: string, time: string) => string;
  readonly noPayload: string;
  readonly nothingToAsk: string;
  readonly badAddress: string;
}

const en: VerifyWords = {
  ...portalWords('en', 'The bundle names an anchor, but the chain was not asked; --rpc URL does.'),
  colon: ': ',
  stop: '. ',
  holds: 'The proof holds.',
  doesNotHold: (check) => `The proof does not hold: the check "${check}" failed. Do not rely on this bundle.`,
  cannotTell: (why) =>
    `No verdict: the chain could not be asked. ${why}. Without --rpc the rest can be checked.`,
  checks: 'Checks',
  checkNames: {
    format: 'format',
    trust: 'trust',
    leaf: 'leaf',
    payload: 'payload',
    'checkpoint signature': 'checkpoint signature',
    checkpoint: 'checkpoint',
    inclusion: 'inclusion',
    'anchor identity': 'anchor identity',
    'anchor consistency': 'anchor consistency',
    'anchor on chain': 'anchor on chain',
    seal: 'seal',
  },
  passed: 'passed',
  failed: 'FAILED',
  firstFailing: 'First failing check',
  entry: (index, kind, time) => `Entry ${index}, kind "${kind}", ${time}.`,
  noPayload:
    'The payload is not in this bundle: it was erased, or was not shown to the reader it was made for.',
  nothingToAsk: 'The chain was not asked: the bundle names no anchor, or the trust file no chain.',
  badAddress: 'The chain address (--rpc) is not an http(s) URL.',
};

const zh: VerifyWords = {
  ...portalWords('zh', '凭证中写明了上链位置，但未查询区块链；可用 --rpc URL 核对。'),
  colon: '：',
  stop: '。',
  holds: '凭证成立。',
  doesNotHold: (check) => `凭证不成立：检查“${check}”未通过。请勿采信此凭证。`,
  cannotTell: (why) => `没有结论：无法查询区块链。${why}。不带 --rpc 时，其余部分仍可核对。`,
  checks: '检查项目',
  checkNames: pick('zh').verify.checkNames,
  passed: '通过',
  failed: '未通过',
  firstFailing: '最先未通过的检查',
  entry: (index, kind, time) => `第 ${index} 条，类型“${kind}”，${time}。`,
  noPayload: '凭证中没有内容：内容已删除，或未向此凭证的收件人披露。',
  nothingToAsk: '未查询区块链：凭证中没有上链位置，或信任文件中没有链。',
  badAddress: '区块链地址（--rpc）不是 http(s) 网址。',
};

export const verifyWords: Readonly<Record<Language, VerifyWords>> = { en, zh };

/** @param chainNotAsked the page cannot ask the chain, the command can: the one sentence that differs */
function portalWords(
  language: Language,
  chainNotAsked: string,
): Pick<VerifyWords, 'levels' | 'states' | 'meanings' | 'evidence'> {
  const { evidence, verify } = pick(language);
  const { recorded, checkpointed, witnessed, anchored_local, anchored_final } = evidence.levels;
  return {
    levels: {
      recorded,
      checkpointed,
      witnessed,
      anchored: verify.levelNames.anchored,
      anchoredLocal: anchored_local,
      anchoredFinal: anchored_final,
    },
    states: verify.levelStates,
    meanings: { ...verify.levelWords, 'chain-not-asked': chainNotAsked },
    evidence: verify.levels,
  };
}
