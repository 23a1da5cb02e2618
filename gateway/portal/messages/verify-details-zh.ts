import type { CheckWords } from '../../audit/check-words.ts';

// 各项检查说明的中文。左侧为程序所出的英文原句，右侧为中文；花括号内为句中的数值或名称，两侧相同。

const passed = {
  'canonical JSON of the known form': '文件采用规定的格式，书写形式唯一。',
  'the trust file is about this log': '信任文件所指即为此日志。',
  'an entry of version 1': '该条目为第 1 版格式。',
  'each leaf is an entry': '每个叶节点均为条目。',
  'the payload is the one committed to': '内容与条目当时承诺的一致。',
  'each payload is the one committed to': '每份内容均与条目当时承诺的一致。',
  'signed by the log key of the trust file': '由信任文件中的日志密钥签名。',
  'a head of this log': '签名摘要属于此日志。',
  'no wrong cosignature by a witness of the policy': '信任文件中的见证方没有错误的签名。',
  'entry {index} lies under the head of size {size}': '第 {index} 条包含在共 {size} 条的签名摘要之内。',
  'the {n} leaves lie under the head of size {size}': '{n} 个叶节点均包含在共 {size} 条的签名摘要之内。',
  'the map is of all {n} leaves before it': '索引覆盖其之前的全部 {n} 条。',
  'the own list is the one under the map, and each entry is shown':
    '涉及此人的条目清单与索引一致，且每一条均已出示。',
  'all of the trust file, and each list is the one under the map':
    '信任文件所列群体全部在此，且各份清单均与索引一致。',
  'goes on from the earlier bundle and its lists': '与先前的文件及其清单前后相接。',
  'goes on from the earlier head of size {size} and its lists':
    '接续共 {size} 条的先前摘要，与先前文件的清单前后相接。',
  'goes on from the earlier bundle; the bundle itself was not given': '接续先前的文件，但未提供该文件。',
  'goes on from the earlier head of size {size}; the bundle itself was not given':
    '接续共 {size} 条的先前摘要，但未提供先前的文件。',
  'a selection: nothing proves that it is complete': '此为选取结果，是否齐全无从证明。',
  'every entry from {first} up to {end} is here': '自第 {first} 条起，至第 {end} 条之前，全部在此。',
  'the entries are of the person and the time that were chosen': '所示条目均属于所选的个人和时间。',
  'each text of a notice has its hash, and an entry here names it':
    '每份告知文本均与其散列值一致，且此处有条目提及。',
  'each receipt is sealed and speaks of entries shown': '每份回执均已封签，且所述条目在此列出。',
  'the chain and contract of the trust file': '链与合约即信任文件所指。',
  'head and anchored head are one history': '签名摘要与上链的摘要属于同一段历史。',
  'head and the head on the chain are one history': '签名摘要与链上现存的摘要属于同一段历史。',
  'sealed by the seal key of the trust file': '由信任文件中的封签密钥封签。',
  'this very head was kept': '该摘要是您已留存的。',
  'of one history with what was kept': '与您留存的摘要属于同一段历史。',
  'no proof connects this head with one kept, so nothing can be told':
    '没有凭证将该摘要与您留存的摘要相连，无法判断两者是否一致。',
};

const failed = {
  'could not be checked': '未能核对。',
  'not a file of a known format': '不是本日志的任何一种文件。',
  'not JSON': '文件不是完整的 JSON 文本，可能已损坏或被改动。',
  'not canonical JSON followed by one newline': '文件的书写形式与规定的唯一形式不同，签发之后可能被改动。',
  'not canonical base64': '有一处编码不合规定，可能已被改动。',
  'version {n} is not known here': '有条目的格式版本为 {n}，无法识别，可能已被改动。',
  'not valid UTF-8': '文件中有无法识别的字符编码。',
  'over {n} bytes': '文件超过 {n} 字节，大于规定的上限。',
  'the trust file is about {mine}, the bundle about {other}':
    '信任文件所指日志为 {mine}，而此文件出自 {other}。',
  'opening and payload are not what the leaf of entry {index} commits to':
    '第 {index} 条所示的内容与该条目当时承诺的不一致。',
  'entry {index} is a map head and has no payload': '第 {index} 条是索引摘要，不应附有内容。',
  'the payload is not a canonical JSON object': '所示内容的书写形式不合规定。',
  'no known key signed this': '签名摘要不是由信任文件中的日志密钥签名的。',
  'the signature by {name} is wrong': '以 {name} 名义作出的签名不成立。',
  'the cosignature by {name} is wrong': '以见证方 {name} 名义作出的签名不成立。',
  'the checkpoint is one of {origin}': '签名摘要属于另一日志 {origin}。',
  'the checkpoint has extension lines': '签名摘要中有规定以外的内容。',
  'a note is text, an empty line and signatures': '签名摘要不完整，缺少正文或签名。',
  'the path does not lead from this leaf to this head':
    '由该条目无法推算出此签名摘要：条目或路径被改动，或者该条目不在日志中。',
  'the paths do not lead from these leaves, each once, to this head':
    '由所示条目无法推算出此签名摘要：条目或路径被改动，或者有条目缺失。',
  'entry {index} says that it is older than one before it':
    '第 {index} 条所记时间早于排在其前的条目，次序颠倒。',
  'the map head is about {mapped} leaves, this one has {n} before it':
    '索引摘要覆盖 {mapped} 条，而其之前共有 {n} 条。',
  'not a map head': '应为索引摘要之处，不是索引摘要。',
  'the own list is one of a population': '应为个人清单之处，是群体的清单。',
  'entry {index} does not concern this tag': '第 {index} 条不涉及此人的标签。',
  'entry {index} says it is number {said}, its place is {place}':
    '第 {index} 条自称是涉及此人的第 {said} 条（自 0 起），实际排在第 {place}：有条目缺失、重复或移位。',
  'the populations are not those of the trust file': '所列群体与信任文件所列的不同。',
  'entry {index} is not about {name}': '第 {index} 条不是对群体 {name} 的使用。',
  'the members of {name} are not entries of it': '群体 {name} 中标明包含此人的条目，不在该群体的清单内。',
  'the entries shown are not those of the list': '出示的条目与清单不符：有条目缺失或多出。',
  'an index beyond the map': '清单中有索引未覆盖的条目。',
  'a list goes on from an earlier bundle that is not named': '清单接续先前的文件，却未写明是哪一份。',
  'the list does not go on where the earlier bundle ended': '清单没有从先前文件结束之处接续。',
  'the indices do not ascend, or do not fit the earlier ones': '清单中的序号没有递增，或与先前的清单不相接。',
  'the map does not say that there is no entry': '索引不能证明没有涉及此人或此群体的条目：可能有条目被隐去。',
  'the map does not say that these {n} entries are all':
    '索引不能证明全部条目恰为这 {n} 条：可能有条目缺失或多出。',
  'the head of size {size} is not the beginning of this one':
    '先前共 {size} 条的摘要不是此日志的开头部分，两者相矛盾。',
  'the earlier bundle is about another log': '先前的文件出自另一日志。',
  'the earlier bundle does not hold: its lists': '先前的文件本身不成立：清单有误。',
  'the earlier bundle does not hold: {check}': '先前的文件本身不成立：检查“{check}”未通过。',
  'the earlier bundle is about another tag': '先前的文件属于另一个人的标签。',
  'this bundle goes on from the head of size {size}, not from the one given':
    '此文件接续的是共 {size} 条的摘要，不是您提供的那一份。',
  'the bundle given as the earlier one is the newer one': '作为先前文件提供的，反而是较新的一份。',
  'two heads of size {size}: the log was shown in two versions':
    '同为 {size} 条，却有两个不同的摘要：日志被出示了两个版本。',
  'the own list: not the {n} entries of the earlier bundle, and more':
    '涉及此人的清单没有包含先前文件中的全部 {n} 条：先前出示的条目被删去或改动。',
  '{name}: not the {n} entries of the earlier bundle, and more':
    '群体 {name} 的清单没有包含先前文件中的全部 {n} 条：先前出示的条目被删去或改动。',
  'the own list is not in the earlier bundle': '先前的文件中没有涉及此人的清单。',
  '{name} is not in the earlier bundle': '先前的文件中没有群体 {name} 的清单。',
  'a period, and nothing else, has a range': '只有按时段选取才有起止序号，此文件与之不符。',
  'not every entry from {first} up to {end} is here': '自第 {first} 条至第 {end} 条之前，有条目缺失。',
  'entry {index} is not about the person that was chosen': '第 {index} 条不涉及所选的个人。',
  'entry {index} is of another time than was chosen': '第 {index} 条的时间不在所选范围内。',
  'no entry before the period is shown: entries may be missing where it begins':
    '没有出示时段之前的条目：时段开头可能有遗漏。',
  'no entry after the period is shown: entries may be missing where it ends':
    '没有出示时段之后的条目：时段末尾可能有遗漏。',
  'entries of other times are among those of the period': '时段的条目中混有其他时间的条目。',
  'the text of notice {id}, version {version}, is another one':
    '告知文本 {id} 第 {version} 版的文字与当时所记的不同。',
  'no entry shown here names notice {id}, version {version}':
    '此处没有条目提及告知文本 {id} 第 {version} 版。',
  'receipt {place} is one of another log': '回执 {place}（自 0 起编号）出自另一日志。',
  'receipt {place} was not sealed by the seal key':
    '回执 {place}（自 0 起编号）不是由信任文件中的封签密钥封签的。',
  'receipt {place} speaks of no entry shown here': '回执 {place}（自 0 起编号）没有述及此处的任何条目。',
  'receipt {place} speaks of another entry {index}':
    '回执 {place}（自 0 起编号）所述的第 {index} 条与此处所示的不同。',
  'receipt {place} is for another person than entry {index} is about':
    '回执 {place}（自 0 起编号）与第 {index} 条不属于同一个人。',
  'the trust file names no chain': '信任文件没有写明区块链，而此文件写有上链位置。',
  'another chainId than in the trust file': '上链位置的链编号与信任文件不同。',
  'another genesisHash than in the trust file': '上链位置的创世区块与信任文件不同：不是同一条链。',
  'another contract than in the trust file': '上链位置的合约与信任文件不同。',
  'the anchored head is empty': '上链的摘要是空的。',
  'the heads of size {older} and {newer} contradict each other':
    '共 {older} 条与共 {newer} 条的两个摘要互相矛盾，不属于同一段历史。',
  'the head of size {size} contradicts one that was kept': '共 {size} 条的摘要与您留存的摘要相矛盾。',
  'the seal does not fit: something in the file was changed, or another key sealed it':
    '封签不符：文件签发之后有改动，或者是由其他密钥封签的。',
  'the policy has not one log': '信任文件的见证规则没有恰好写明一个日志。',
  'the log key is not named after the origin': '信任文件中的日志密钥与日志名称不符。',
  'the seal key is not named after the origin': '信任文件中的封签密钥与日志名称不符。',
  'log and seal use the same key': '信任文件中日志密钥与封签密钥相同，不予采用。',
};

const onChain = {
  'event: anchor {seq} is in block {block}': '第 {seq} 次上链记录在区块 {block} 中。',
  'event: the contract announced no anchor {seq} of this log there':
    '合约在该处没有此日志的第 {seq} 次上链记录。',
  'event: the size on the chain is {found}, claimed is {claimed}':
    '链上摘要共 {found} 条，而文件称共 {claimed} 条。',
  'event: the root on the chain is {found}, claimed is {claimed}':
    '链上摘要的根值为 {found}，而文件称为 {claimed}。',
  'event: the checkpoint hash on the chain is {found}, claimed is {claimed}':
    '链上所记签名摘要的散列值为 {found}，而文件称为 {claimed}。',
  'head: the contract holds the head of size {size}': '合约现存共 {size} 条的摘要。',
  'head: the contract does not stand by this anchor': '合约现存的摘要与此上链记录不符。',
  'transaction: {hash} is not on this chain': '链上没有交易 {hash}。',
  'transaction: {hash} was reverted': '交易 {hash} 已被撤销，没有生效。',
  'transaction: the transaction hash is malformed': '交易散列值的写法有误。',
  'contract: there is no contract at {address}': '地址 {address} 处没有合约。',
  'contract: the trusted contract is not an address': '信任文件中的合约不是有效地址。',
  'chain id: this chain is {found}, trusted is {trusted}':
    '所查询的链编号为 {found}，信任文件所指为 {trusted}。',
  'genesis: block 0 is {found}, trusted is {trusted}':
    '所查询的链的创世区块为 {found}，信任文件所指为 {trusted}：不是同一条链。',
  "code: the contract's code is {found}, trusted is {trusted}":
    '合约代码的散列值为 {found}，信任文件所指为 {trusted}：合约已被替换。',
  '{what}: it is {found}, trusted is {trusted}': '链上的 {what} 为 {found}，信任文件所指为 {trusted}。',
};

const ofPacks = {
  'a pack holds evidence': '证据包中应有证据文件。',
  'its head and that of evidence.json have one size and differ: two versions of one log':
    '其摘要与 evidence.json 的摘要条目数相同而内容不同：同一日志出现了两个版本。',
  'the check "{check}" failed': '检查“{check}”未通过',
  'this is not evidence': '此文件不是证据',
  'evidence about a person comes with their bundle': '关于个人的证据应附有其完整凭证',
  'this is not a bundle of a person': '此文件不是个人的完整凭证',
  'the evidence names it': '证据中写有此文件',
  'another text than the evidence has': '与证据中的文字不同',
  'the evidence that names it does not hold': '写有此文件的证据本身不成立',
  'made for reading': '仅供阅读',
  'never use a trust file that came with the proof': '切勿使用随凭证一同提供的信任文件',
  'the evidence names no such file': '证据中没有写明此文件',
  'nothing of a pack': '不属于证据包',
  'the evidence is not about this person': '证据并非关于此人',
  'it goes on from an earlier bundle': '它接续一份先前的凭证',
  'entry {index} of the evidence is not about them': '证据中的第 {index} 条不涉及此人',
  'entry {index} about them is left out': '证据遗漏了涉及此人的第 {index} 条',
  'the archive cannot be read: it does not end as one':
    '无法读取压缩包：结尾不完整，可能没有下载完，或者不是 zip 文件。',
  'the archive cannot be read: its directory is not at its end':
    '无法读取压缩包：其目录不在结尾处，前后可能附有其他内容。',
  'the archive cannot be read: its directory is broken': '无法读取压缩包：其目录已损坏。',
  'the archive cannot be read: something stands before its first member':
    '无法读取压缩包：第一个文件之前附有其他内容。',
  'the archive cannot be read: more than {n} members': '无法读取压缩包：其中的文件超过 {n} 个。',
  'the archive cannot be read: unpacks to more than {n} bytes': '无法读取压缩包：解压后超过 {n} 字节。',
  'the archive cannot be read: the name of a member leads elsewhere':
    '无法读取压缩包：其中有文件名指向压缩包之外。',
  'the archive cannot be read: "{name}" is in it twice': '无法读取压缩包：其中有两个“{name}”。',
  'the archive cannot be read: "{name}" is damaged': '无法读取压缩包：其中的“{name}”已损坏。',
  'the archive cannot be read: "{name}" is encrypted': '无法读取压缩包：其中的“{name}”已加密。',
  'the archive cannot be read: "{name}" overlaps another member':
    '无法读取压缩包：其中的“{name}”与另一文件重叠。',
  'the archive cannot be read: "{name}" is not where its directory says':
    '无法读取压缩包：其中的“{name}”不在目录所指的位置。',
  'the archive cannot be read: "{name}" has another name or form where it stands':
    '无法读取压缩包：其中的“{name}”与目录所记不符。',
  'the archive cannot be read: "{name}" runs into the directory':
    '无法读取压缩包：其中的“{name}”与目录重叠。',
  'the archive cannot be read: "{name}" is packed in a way that is not known here, or is broken':
    '无法读取压缩包：其中的“{name}”已损坏，或压缩方式无法识别。',
  'the archive cannot be read: the folder "{name}" has contents':
    '无法读取压缩包：其中的文件夹“{name}”附有内容。',
};

export const checkDetailsZh: Omit<CheckWords, 'names'> = {
  sentences: { ...passed, ...failed, ...ofPacks, ...onChain },
  faults: {
    format: '文件的书写形式不合规定，可能已损坏或被改动。',
    trust: '信任文件无法使用。',
    leaf: '有条目无法解码，可能已被改动。',
    payload: '有条目的内容无法读取，可能已被改动。',
    'checkpoint signature': '签名摘要的签名无法核对。',
    checkpoint: '签名摘要无法读取。',
    witnesses: '见证方的签名无法核对。',
    'map head': '索引摘要无法核对。',
    inclusion: '无法核对条目是否在签名摘要之内。',
    completeness: '无法核对涉及此人的条目是否齐全。',
    populations: '无法核对群体的使用记录是否齐全。',
    'earlier bundle': '无法与先前的文件核对。',
    range: '无法核对序号范围。',
    selection: '无法核对选取条件。',
    notices: '无法核对告知文本。',
    receipts: '有回执无法读取或核对。',
    'anchor identity': '无法核对上链位置。',
    'anchor consistency': '无法核对签名摘要与上链摘要是否属于同一段历史。',
    'anchor on chain': '与链上记录核对未通过。',
    'kept head': '无法与您留存的摘要核对。',
    seal: '封签无法核对。',
  },
  technical: '程序说明（英文）：“{detail}”',
};
