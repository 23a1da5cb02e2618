// What `assent verify` says. Levels and their sentences are those of the portal.
import type { CheckName, Level, LevelWords, Verification } from '../audit/verify.ts';

export type Language = 'en' | 'zh';

export interface VerifyWords {
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
  holds: 'The proof holds.',
  doesNotHold: (check) => `The proof does not hold: the check "${check}" failed. Do not rely on this bundle.`,
  cannotTell: (why) =>
    `No verdict: the chain could not be asked. ${why}. Without --rpc the rest can be checked.`,
  levels: {
    recorded: 'recorded',
    checkpointed: 'checkpointed',
    witnessed: 'witnessed',
    anchored: 'anchored',
    anchoredLocal: 'anchored (local chain)',
    anchoredFinal: 'anchored, final',
  },
  states: { holds: 'holds', fails: 'does not hold', absent: 'not there', 'not-checked': 'not checked' },
  meanings: {
    recorded: 'The bundle contains an entry, and what it says is exactly what was recorded.',
    checkpointed: 'The operator signed a summary of the log that includes this entry, and cannot deny it.',
    anchored: 'The summary was placed on the chain named in your trust file.',
    'anchored-local-chain':
      'The summary was placed on the chain beside the gateway. That shows order, but the operator runs that chain.',
    'anchored-final':
      'The summary stands on a public chain. Nobody, the operator included, can take it back.',
    failed: 'This does not hold, because a check failed.',
    'no-witnesses': 'No party other than the operator has signed.',
    'no-anchor': 'This bundle was made before the entry was anchored.',
    'chain-not-asked': 'The bundle names an anchor, but the chain was not asked; --rpc URL does.',
    'local-chain-never-final': 'A local chain is never final: whoever runs it can rebuild it.',
    'not-final-yet': 'The block is there, but it is not final yet.',
    'finality-not-asked': 'Whether the block is final was not asked.',
  },
  evidence: 'Evidence, level by level',
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
  holds: '凭证成立。',
  doesNotHold: (check) => `凭证不成立:检查“${check}”未通过。请勿采信此凭证。`,
  cannotTell: (why) => `没有结论:无法查询区块链。${why}。不带 --rpc 时,其余部分仍可核对。`,
  levels: {
    recorded: '已记录',
    checkpointed: '已签名',
    witnessed: '已见证',
    anchored: '已上链',
    anchoredLocal: '已上链(本地链)',
    anchoredFinal: '已上链,不可撤销',
  },
  states: { holds: '成立', fails: '不成立', absent: '没有', 'not-checked': '未核对' },
  meanings: {
    recorded: '凭证中有一条记录,其内容与当时所记完全一致。',
    checkpointed: '运营方对包含此条的日志摘要作了签名,无法否认。',
    anchored: '摘要已写入信任文件所指的链。',
    'anchored-local-chain': '摘要已写入与网关同处的链。可证明先后次序,但该链由运营方运行。',
    'anchored-final': '摘要已写入公共区块链,包括运营方在内,无人能够收回。',
    failed: '有检查未通过,此级不成立。',
    'no-witnesses': '除运营方外,没有其他方签名。',
    'no-anchor': '此凭证制作时,该条目尚未上链。',
    'chain-not-asked': '凭证中写明了上链位置,但未查询区块链;可用 --rpc URL 核对。',
    'local-chain-never-final': '本地链不存在不可撤销的说法:运行者可以重建它。',
    'not-final-yet': '区块已存在,但尚可撤销。',
    'finality-not-asked': '未核对区块是否已不可撤销。',
  },
  evidence: '逐级证据',
  checks: '检查项目',
  checkNames: {
    format: '文件格式',
    trust: '信任文件',
    leaf: '叶节点',
    payload: '内容',
    'checkpoint signature': '摘要签名',
    checkpoint: '签名摘要',
    inclusion: '包含关系',
    'anchor identity': '上链身份',
    'anchor consistency': '上链一致性',
    'anchor on chain': '链上核对',
    seal: '封印',
  },
  passed: '通过',
  failed: '未通过',
  firstFailing: '最先未通过的检查',
  entry: (index, kind, time) => `第 ${index} 条,类型“${kind}”,${time}。`,
  noPayload: '凭证中没有内容:内容已删除,或未向此凭证的收件人披露。',
  nothingToAsk: '未查询区块链:凭证中没有上链位置,或信任文件中没有链。',
  badAddress: '区块链地址(--rpc)不是 http(s) 网址。',
};

export const verifyWords: Readonly<Record<Language, VerifyWords>> = { en, zh };
