// What a verified file says, in sentences and rows: for the terminal and for the printed report.
import type { PersonSubject, Subject, VerifiedEntry } from '../audit/verify.ts';
import { pick, word, type Messages } from '../portal/messages/pick.ts';
import type { Language } from './verify-words.ts';

/** The parts a reader sees; only what is proven, or said to be the operator's word. */
export interface SubjectText {
  readonly claim: readonly string[];
  readonly columns: readonly string[];
  /** One for each entry shown, in the order of the columns. */
  readonly rows: readonly (readonly string[])[];
  /** Further facts, such as populations. */
  readonly further: readonly string[];
  readonly doesNotProve: readonly string[];
}

export function subjectText(language: Language, subject: Subject, headSize: number): SubjectText {
  const words = subjectWords[language];
  const rowsOf = (entries: readonly VerifiedEntry[]) =>
    entries.map((entry) => rowOf(words, pick(language), entry));
  const { columns } = words;
  switch (subject.kind) {
    case 'entry':
      return { claim: [], columns, rows: rowsOf([subject]), further: [], doesNotProve: words.limits.entry };
    case 'person':
      return {
        claim: personClaim(words, subject, headSize),
        columns,
        rows: rowsOf(subject.entries),
        further: personFacts(words, subject),
        doesNotProve: words.limits.person,
      };
    case 'evidence': {
      const { selection, range, notices, receipts, madeAt } = subject;
      return {
        claim: [
          words.evidence(subject.entries.length, headSize),
          words.selection(selection.kind, selection.value, selection.from, selection.to, madeAt),
          range === null ? words.noRange : words.range(range.first, range.end),
        ],
        columns,
        rows: rowsOf(subject.entries),
        further: [
          ...notices.map(({ id, version, language: of }) => words.notice(id, version, of)),
          ...receipts.map((one) => words.receipt(one.about, one.at, one.tag)),
        ],
        doesNotProve: words.limits.evidence,
      };
    }
    case 'receipt':
      return {
        claim: [words.receipt(subject.about, subject.at, subject.tag)],
        columns: words.receiptColumns,
        rows: subject.entries.map(({ index, leafHash }) => [String(index), leafHash]),
        further: [JSON.stringify(subject.statement)],
        doesNotProve: words.limits.receipt,
      };
  }
}

/** The heading above `doesNotProve`. */
export const limitsHeading = (language: Language): string => subjectWords[language].limitsHeading;

/** A leaf may name seconds that no calendar reaches. */
export function minuteOf(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? `${seconds} s` : date.toISOString().replace(/:00\.000Z$/, ' UTC');
}

function rowOf(words: SubjectWords, m: Messages, { index, entry, payload, erased }: VerifiedEntry): string[] {
  const place = [String(index), minuteOf(entry.atSeconds)];
  if (entry.kind === 'map-head') return [...place, words.mapHead, '', '', '', ''];
  const kind = word(m.kinds, entry.kind);
  if (payload === null) return [...place, kind, erased ? words.erased : '', '', '', ''];
  const told = (name: string): string => {
    const value = payload[name];
    return typeof value === 'string' ? value : '';
  };
  const recipients = payload['recipients'];
  const recipient = Array.isArray(recipients)
    ? recipients.filter((one) => typeof one === 'string').join(' ')
    : told('recipient');
  return [
    ...place,
    kind,
    word(m.operations, told('operation')),
    word(m.purposes, told('purpose')),
    recipient,
    word(m.outcomes, told('decision')),
  ];
}

function personClaim(words: SubjectWords, subject: PersonSubject, headSize: number): string[] {
  const { count, newCount, earlier, isWhole, tag } = subject;
  if (earlier === null) return [words.claim(count, headSize), words.tag(tag)];
  // Without the earlier bundle, an entry that came after its head could hide in the part that is not shown.
  if (!earlier.isCompared) return [words.notCompared(newCount, earlier.size), words.tag(tag)];
  if (!isWhole) return [words.notWhole(newCount, earlier.size), words.tag(tag)];
  return [
    words.claim(count, headSize),
    words.tag(tag),
    words.compared(earlier.size, count - newCount, newCount),
  ];
}

function personFacts(
  words: SubjectWords,
  { populations, changes, isWhole, isErased }: PersonSubject,
): string[] {
  if (populations === null) return [words.noPopulations];
  return [
    ...populations.map(({ name, count, newCount, members }) =>
      isWhole
        ? words.population(name, count, newCount, members.length)
        : words.populationPart(name, newCount, members.length),
    ),
    ...(isErased ? [words.membersForgotten] : []),
    ...changes.flatMap(({ index, joined, left }) => [
      ...joined.map((name) => words.joined(index, name)),
      ...left.map((name) => words.left(index, name)),
    ]),
  ];
}

interface SubjectWords {
  readonly claim: (count: number, size: number) => string;
  readonly tag: (tag: string) => string;
  readonly compared: (size: number, before: number, now: number) => string;
  readonly notCompared: (now: number, size: number) => string;
  readonly notWhole: (now: number, size: number) => string;
  readonly noPopulations: string;
  readonly population: (name: string, count: number, shown: number, members: number) => string;
  readonly populationPart: (name: string, shown: number, members: number) => string;
  readonly membersForgotten: string;
  readonly joined: (index: number, name: string) => string;
  readonly left: (index: number, name: string) => string;
  readonly evidence: (count: number, size: number) => string;
  readonly selection: (
    kind: string,
    value: string,
    from: string | null,
    to: string | null,
    madeAt: string,
  ) => string;
  readonly range: (first: number, end: number) => string;
  readonly noRange: string;
  readonly notice: (id: string, version: number, language: string) => string;
  readonly receipt: (about: string, at: string, tag: string) => string;
  readonly erased: string;
  readonly mapHead: string;
  readonly columns: readonly string[];
  readonly receiptColumns: readonly string[];
  readonly limitsHeading: string;
  readonly limits: Readonly<Record<Subject['kind'], readonly string[]>>;
}

const plural = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;

const notEverything = {
  en: 'that every use of data became an entry, or that an entry tells the truth',
  zh: '每一次数据使用都形成了条目，或条目所述属实',
};

const en: SubjectWords = {
  claim: (count, size) =>
    `Relative to this checkpoint (${plural(size, 'leaf', 'leaves')}) exactly ` +
    `${count === 1 ? 'this 1 entry concerns' : `these ${count} entries concern`} this tag; none is missing.`,
  tag: (tag) => `Tag: ${tag}`,
  compared: (size, before, now) =>
    `It goes on from the earlier bundle (head of size ${size}) that was given, and fits: ${before} there, ${now} here.`,
  notCompared: (now, size) =>
    `${plural(now, 'entry', 'entries')} of this tag ${now === 1 ? 'is' : 'are'} shown here. That nothing else came after ` +
    `the earlier bundle (head of size ${size}) is the operator’s word until you give that bundle with --earlier FILE.`,
  notWhole: (now, size) =>
    `${plural(now, 'entry', 'entries')} of this tag ${now === 1 ? 'is' : 'are'} shown here, and the earlier bundle (head of ` +
    `size ${size}) fits. But that one goes on from another: how many there are in all, and that none is missing, is ` +
    'proven only when each is checked with the one before it, from a whole bundle on.',
  noPopulations: 'The trust file names no populations: nothing is proven of uses of many people at once.',
  population: (name, count, shown, members) =>
    `Population ${name}: ${plural(count, 'use', 'uses')} in all, ${shown} here, ${members} with this person (the operator’s word).`,
  membersForgotten:
    'The person was erased: since then the gateway does not know which of these uses they were in, and “0 with this person” means nothing.',
  populationPart: (name, shown, members) =>
    `Population ${name}: ${plural(shown, 'use', 'uses')} here, ${members} with this person (the operator’s word). How many there are in all is not proven here.`,
  joined: (index, name) => `Entry ${index}: joined ${name}.`,
  left: (index, name) => `Entry ${index}: left ${name}.`,
  evidence: (count, size) =>
    `${plural(count, 'entry lies', 'entries lie')} in the log of ${plural(size, 'leaf', 'leaves')}, exactly as shown.`,
  selection: (kind, value, from, to, madeAt) =>
    `Chosen by the operator on ${madeAt}: ${kind} ${value}${from === null ? '' : ` from ${from}`}${to === null ? '' : ` to ${to}`}.`,
  range: (first, end) => `Every leaf from ${first} up to, not including, ${end} is here.`,
  noRange: 'A selection: nothing proves that it is complete.',
  notice: (id, version, language) => `Notice ${id}, version ${version} (${language}): its text has its hash.`,
  receipt: (about, at, tag) => `Receipt for ${about}, ${at}, tag ${tag}: sealed by the operator.`,
  erased: '(erased, or not shown)',
  mapHead: 'Map head',
  columns: ['Entry', 'Time', 'Kind', 'Operation', 'Purpose', 'Recipient', 'Decision'],
  receiptColumns: ['Entry', 'Leaf hash'],
  limitsHeading: 'What this does not prove',
  limits: {
    entry: [notEverything.en, 'that there are no other entries'],
    person: [
      notEverything.en,
      'that the person has no second tag',
      'who was in a group that was used: that is the operator’s word, sealed',
    ],
    evidence: [notEverything.en, 'that a selection by partner, purpose or person is complete'],
    receipt: [notEverything.en, 'that the entries named are in the log: a bundle of them shows that'],
  },
};

const zh: SubjectWords = {
  claim: (count, size) =>
    `就此签名摘要（共 ${size} 条）而言，涉及该标签的条目恰为以下 ${count} 条，无一遗漏。`,
  tag: (tag) => `标签：${tag}`,
  compared: (size, before, now) =>
    `已与先前的凭证（摘要共 ${size} 条）核对，前后相符：先前 ${before} 条，此处 ${now} 条。`,
  notCompared: (now, size) =>
    `此处出示该标签的条目 ${now} 条。先前的凭证（摘要共 ${size} 条）之后再无其他条目，仅为运营方所述；可用 --earlier FILE 核对。`,
  notWhole: (now, size) =>
    `此处出示该标签的条目 ${now} 条，与所给的先前凭证（摘要共 ${size} 条）相符。但先前凭证本身也接续更早的凭证：总数多少、有无遗漏，须自一份完整的凭证起逐份核对，方可证明。`,
  noPopulations: '信任文件未列出群体：对群体数据的使用，此处不作任何证明。',
  population: (name, count, shown, members) =>
    `群体 ${name}：共使用 ${count} 次，此处 ${shown} 次，其中 ${members} 次包含此人（运营方所述）。`,
  membersForgotten:
    '此人的个人信息已删除，网关不再知道这些使用中哪些包含此人，“0 次包含此人”不表示任何意义。',
  populationPart: (name, shown, members) =>
    `群体 ${name}：此处使用 ${shown} 次，其中 ${members} 次包含此人（运营方所述）。总次数在此未经证明。`,
  joined: (index, name) => `第 ${index} 条：加入 ${name}。`,
  left: (index, name) => `第 ${index} 条：退出 ${name}。`,
  evidence: (count, size) => `所示 ${count} 条确在日志中（共 ${size} 条），内容一致。`,
  selection: (kind, value, from, to, madeAt) =>
    `由运营方于 ${madeAt} 选取：${kind} ${value}${from === null ? '' : ` 自 ${from}`}${to === null ? '' : ` 至 ${to}`}。`,
  range: (first, end) => `自第 ${first} 条起，至第 ${end} 条之前，全部在此。`,
  noRange: '此为选取结果，是否齐全无从证明。',
  notice: (id, version, language) => `告知文本 ${id}，第 ${version} 版（${language}）：与其散列值一致。`,
  receipt: (about, at, tag) =>
    `${about === 'erasure' ? '删除' : '同意'}回执，${at}，标签 ${tag}：由运营方封签。`,
  erased: '（已删除，或未出示）',
  mapHead: '索引摘要',
  columns: ['条目', '时间', '类型', '操作', '目的', '接收方', '决定'],
  receiptColumns: ['条目', '叶散列值'],
  limitsHeading: '此文件不能证明',
  limits: {
    entry: [notEverything.zh, '没有其他条目'],
    person: [notEverything.zh, '此人没有第二个标签', '被使用的群体中具体有谁：此为运营方所述并封签'],
    evidence: [notEverything.zh, '按合作方、目的或个人选取的结果是齐全的'],
    receipt: [notEverything.zh, '所述条目确在日志中：该条目的凭证方可证明'],
  },
};

const subjectWords: Readonly<Record<Language, SubjectWords>> = { en, zh };
