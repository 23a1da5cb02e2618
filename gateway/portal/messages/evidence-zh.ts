// 证据包的中文文本：合规官页面、证据包内的页面，以及核验结果。
import type { EvidenceWords } from './evidence-en.ts';

export const evidenceZh: EvidenceWords = {
  page: {
    title: '证据包',
    lead: '提交给主管部门的一个压缩包：日志条目及其凭证、当时出示的告知文本和回执。不依赖本服务器即可核验。',
    choose: '生成证据包',
    chooseHint: '请填写一个人、一个合作方或一项目的。三项都不填，即为一段时间内的全部条目。',
    kinds: { person: '一个人', partner: '一个合作方', purpose: '一项目的', period: '一段时间内的全部' },
    person: '个人',
    personHint: '来源编号，例如 shop:196，或者条目中的个人编号。',
    partner: '合作方',
    purpose: '目的',
    nobody: '不选',
    from: '起始时间',
    to: '截止时间（含该分钟）',
    timesHint: '选择目的或时间段时必须填写。时间段截至最近一个已经结束的分钟。',
    hold: '法定保留',
    holdHint:
      '对此人生效且保留使用情况内容的法定保留编号。填写后，证据包可打开其保留的内容，日志会记录该编号。',
    submit: '生成并下载',
    proves: '能够证明',
    provesList: [
      '每一条目确在日志中，与当时写入的一致。',
      '选择个人时：其条目无一遗漏，包内附有本人的完整凭证。',
      '选择时间段时：起止时间之间的全部条目都在其中。',
      '每份告知文本与条目所记散列值一致；每份回执均由本系统封签。',
    ],
    doesNot: '不能证明',
    doesNotList: [
      '按合作方或目的选取的结果是齐全的：这是您的检索结果。',
      '每一次数据使用都形成了条目，或者条目所述属实。',
    ],
    told: '告知相关个人',
    toldText:
      '生成证据包会为其中每个人记录一条（不超过 64 人时）；超过 64 人时，对群体“evidence”记录一条。本人可以在自己的记录中看到。',
    limits: '最多 10,000 条。更多时，请按较短的时间段分别生成。',
    asEvidence: '将这段时间作为证据',
    problems: {
      not_found: '所选范围内没有条目，或者没有这个人、合作方或生效中的法定保留。',
      malformed_request: '请选择范围；选择目的或时间段时，请填写已经结束的时间。',
      unknown_purpose: '没有这项目的。',
      too_many_entries: '超出一个证据包的上限，请缩短时间段。',
      one_of_them: '个人、合作方和目的只能填写一项。',
      conflict: '最新的条目尚未签名，请稍后再试。',
    },
  },

  summary: {
    title: '隐私日志证据',
    made: '生成时间',
    origin: '日志',
    about: '选取对象',
    rule: '选取规则',
    rules: {
      person: '标签属于此人的全部条目',
      partner: '该合作方请求或收到个人信息的条目，以及个人作出的涉及该合作方的选择，由运营方检索',
      purpose: '写明该目的的条目，由运营方检索',
      period: '这些分钟内的全部条目，以及前后各一条',
    },
    from: '自',
    to: '至',
    beginning: '日志开始之时',
    untilMade: '生成之时',
    head: '日志的签名摘要',
    headText: (size, root) => `共 ${size} 条，根 ${root}`,
    levels: '该摘要已达到的证据等级',
    reading: '本页仅供阅读。应以 evidence.json 为准，本页本身不证明任何内容。',
    counts: '统计',
    kind: '类型',
    outcome: '决定',
    count: '条目数',
    entries: '条目',
    columns: ['条目', '时间（UTC）', '事项', '行为人', '目的', '接收方', '依据', '决定', '证据'],
    mapHead: '索引摘要：属于日志本身',
    edge: '未出示：不在时间段内，仅用其时间界定起止',
    erased: '已删除，密钥已销毁',
    comma: '、',
    colon: '：',
    callers: {
      person: '本人',
      partner: '合作方',
      officer: '合规官',
      analyst: '分析人员',
      operator: '运营人员',
      system: '系统',
    },
    recipients: {
      self: '本人',
      officer: '合规官',
      operator: '运营方',
      'engine:recommend': '推荐服务',
      'engine:privacy': '隐私统计',
      'engine:integrate': '数据整合',
      '*': '所有接收方',
    },
    operations: { 'export-person': '导出了涉及此人的全部记录及完整性凭证' },
    partner: (name) => `合作方 ${name}`,
    actions: { on: '开启', off: '关闭', unset: '未询问' },
    person: '本人的完整凭证',
    personText: (count, size) =>
      `person.json 证明：就共 ${size} 条的签名摘要而言，涉及此人的条目恰为 ${count} 条，无一遗漏。`,
    notices: '出示的告知文本',
    notice: (id, version, language) => `${id}，第 ${version} 版（${language}）`,
    noNotices: '这些条目未涉及告知文本。',
    receipts: '回执',
    receipt: (about, at, indices) => `${about}，${at}，第 ${indices} 条`,
    receiptKinds: { consent: '选择', erasure: '删除' },
    noReceipts: '这些条目没有回执。',
    proves: '能够证明',
    provesList: {
      all: [
        '每一条目都在签名摘要之下的日志中，与所示完全一致，此后未被更改。',
        '每份告知文本与条目所记散列值一致。每份回执均由运营方封签。',
      ],
      person: ['结合 person.json：截至其签名摘要，涉及此人的条目无一遗漏。'],
      partner: [],
      purpose: [],
      period: ['该时间段内的全部条目都在其中：编号连续，前后相邻条目的时间均在时间段之外。'],
    },
    doesNot: '不能证明',
    doesNotList: {
      all: [
        '每一次数据使用都形成了条目，或者条目所述属实。',
        '已删除条目的内容。',
        '本页和 README.txt：二者均未签名。',
      ],
      person: ['此人没有第二个标签。'],
      partner: ['选取结果是齐全的：这是运营方的检索。需要全部条目时，请要求提供一段时间的证据。'],
      purpose: ['选取结果是齐全的：这是运营方的检索。需要全部条目时，请要求提供一段时间的证据。'],
      period: [],
    },
    verify: '不信任运营方时如何核验',
    steps: [
      '取出您或您信任的人此前从运营方取得并另行保存的信任文件。切勿使用与本证据包一同提供的信任文件。',
      '在您自己的计算机上，从公开来源而非运营方处取得程序 assent。',
      '运行下列命令，无需联网。程序会说明哪些内容成立、依据哪项检查，并列出没有任何依据的文件。',
      '退出代码 0：成立。4：成立，但尚未上链。3：与您留存的摘要相矛盾。1：不成立。',
      '也可以在断网状态下，用已保存的 /verify 页面直接打开证据包，无需解压。',
      '信任文件中写有见证方或区块链的，请一并核对：查询区块链请加 --rpc URL。',
    ],
  },

  readme: (command, origin) => `证据包

隐私日志 ${origin} 的条目及其凭证。

  evidence.json     条目、凭证、告知文本和回执，由运营方封签
  person.json       选择个人时：涉及此人的全部条目，且无一遗漏
  notices/          当时出示的告知文本，与 evidence.json 中的一致
  receipts/         作出选择的回执，与 evidence.json 中的一致
  summary.*.html    供阅读，本身不证明任何内容

核验：

  ${command}

或者在断网状态下，用已保存的 /verify 页面直接打开证据包，无需解压。

本证据包有意不附信任文件。信任文件说明谁的签名有效，伪造证据包的人也会附上与之相配的信任文件。请使用您此前取得并另行保存的信任文件。
`,

  check: {
    inside: '压缩包中的文件',
    holds: '证据包成立。',
    doesNotHold: '证据包不成立，请勿采信。',
    newer: (count) => `选取之后另有 ${count} 条涉及此人，仅在 person.json 中。`,
    states: {
      proven: '成立',
      'not-proven': '未经证明：仅供阅读',
      unknown: '未经证明：不属于证据包',
      'trust-inside': '未使用：随证据一同提供的信任文件没有证明作用',
      missing: '缺失',
      differs: '与证据中的内容不同',
      'does-not-hold': '不成立',
      'other-kind': '不是此处应有的文件类型',
      'other-person': '属于另一个人',
      'incomplete-bundle': '不完整：接续先前的凭证',
      'person-disagrees': '与证据不一致',
      'not-the-period': '不是完整的时间段',
    },
  },
};
