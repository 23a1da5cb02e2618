// What `assent verify` says. Levels, states and their sentences are the portal's own words.
import {
  checkNames,
  type CheckName,
  type Level,
  type LevelWords,
  type Verification,
} from '../audit/verify.ts';
import type { CheckWords } from '../audit/check-words.ts';
import { pick } from '../portal/messages/pick.ts';
import { checkWords } from '../portal/messages/verify-details.ts';

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
  /** For the details of checks; undefined where they are shown as they are. */
  readonly details: CheckWords | undefined;
  readonly passed: string;
  readonly failed: string;
  readonly firstFailing: string;
  readonly entry: (index: number, kind: string, time: string) => string;
  readonly noPayload: string;
  readonly nothingToAsk: string;
  readonly badAddress: string;
  readonly notAnchored: string;
  readonly contradicts: string;
  /** What comparing with the state file says; "contradicts" has a sentence of its own. */
  readonly kept: Readonly<Record<'same' | 'extends' | 'cannot-tell', string>>;
  readonly printed: PrintedWords;
}

/** Of the report that can be printed. */
export interface PrintedWords {
  readonly title: string;
  readonly holds: string;
  readonly doesNotHold: string;
  readonly notAnchored: string;
  readonly contradicts: string;
  readonly file: string;
  readonly fileHash: string;
  readonly trustHash: string;
  readonly checkedAt: string;
  readonly head: (size: number, root: string) => string;
  readonly level: string;
  readonly state: string;
  readonly meaning: string;
  readonly check: string;
  readonly result: string;
  readonly detail: string;
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
  checkNames: Object.fromEntries(checkNames.map((name) => [name, name])) as Record<CheckName, string>,
  details: checkWords('en'),
  passed: 'passed',
  failed: 'FAILED',
  firstFailing: 'First failing check',
  entry: (index, kind, time) => `Entry ${index}, kind "${kind}", ${time}.`,
  noPayload:
    'The payload is not in this bundle: it was erased, or was not shown to the reader it was made for.',
  nothingToAsk: 'The chain was not asked: the bundle names no anchor, or the trust file no chain.',
  badAddress: 'The chain address (--rpc) is not an http(s) URL.',
  notAnchored:
    'Not anchored yet: your trust file names a chain, and this file carries no anchor. Ask for it again later.',
  contradicts:
    'This file is well made, but it CONTRADICTS a head that you kept: the log was shown to you in two versions. Keep both files.',
  kept: {
    same: 'Its head is one that you have kept.',
    extends: 'Its head is of one history with those you keep.',
    'cannot-tell':
      'Nothing connects its head with those you keep; --earlier FILE or --log URL can. Until then it is only kept beside them.',
  },
  printed: {
    title: 'Verification report',
    holds: 'The file holds.',
    doesNotHold: 'The file does not hold. Do not rely on it.',
    notAnchored: 'The file holds, but it is not anchored yet.',
    contradicts: 'The file contradicts what was shown before.',
    file: 'File',
    fileHash: 'SHA-256 of the file',
    trustHash: 'SHA-256 of the trust file',
    checkedAt: 'Checked',
    head: (size, root) => `Signed summary of the log: ${size} entries, root ${root}`,
    level: 'Level',
    state: 'Result',
    meaning: 'What it means',
    check: 'Check',
    result: 'Result',
    detail: 'Detail',
  },
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
  details: checkWords('zh'),
  passed: '通过',
  failed: '未通过',
  firstFailing: '最先未通过的检查',
  entry: (index, kind, time) => `第 ${index} 条，类型“${kind}”，${time}。`,
  noPayload: '凭证中没有内容：内容已删除，或未向此凭证的收件人披露。',
  nothingToAsk: '未查询区块链：凭证中没有上链位置，或信任文件中没有链。',
  badAddress: '区块链地址（--rpc）不是 http(s) 网址。',
  notAnchored: '尚未上链：信任文件中写有区块链，而此文件没有上链位置。请稍后重新索取。',
  contradicts: '此文件本身无误，但与您留存的摘要相矛盾：日志向您出示了两个不同的版本。请保留两份文件。',
  kept: {
    same: '其摘要是您已留存的。',
    extends: '其摘要与您留存的摘要属于同一段历史。',
    'cannot-tell':
      '尚无法判断其摘要与您留存的摘要是否一致；可用 --earlier FILE 或 --log URL 核对。此前仅并列留存。',
  },
  printed: {
    title: '验证报告',
    holds: '文件成立。',
    doesNotHold: '文件不成立，请勿采信。',
    notAnchored: '文件成立，但尚未上链。',
    contradicts: '文件与先前出示的内容相矛盾。',
    file: '文件',
    fileHash: '文件的 SHA-256',
    trustHash: '信任文件的 SHA-256',
    checkedAt: '验证时间',
    head: (size, root) => `日志的签名摘要：共 ${size} 条，根值 ${root}`,
    level: '级别',
    state: '结果',
    meaning: '含义',
    check: '检查项目',
    result: '结果',
    detail: '说明',
  },
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
