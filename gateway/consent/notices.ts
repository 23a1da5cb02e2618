// The versioned texts shown before a consent: built in, in two languages, each found again by its SHA-256.
import { createHash } from 'node:crypto';
import { and, desc, eq } from 'drizzle-orm';
import { GatewayError } from '../errors.ts';
import type { Reader, Tx } from '../store/store.ts';
import { notice as noticeTable } from '../store/tables.ts';
import type { Purpose } from './vocabulary.ts';

export const noticeLanguages = ['en', 'zh'] as const;
export type NoticeLanguage = (typeof noticeLanguages)[number];

export interface Notice {
  readonly id: string;
  readonly version: number;
  readonly language: NoticeLanguage;
  /** Paragraphs, separated by an empty line. */
  readonly body: string;
  /** SHA-256 of the body (UTF-8), hex. */
  readonly hash: string;
}

/**
 * The texts. Each says who, what, what for, how long, how to withdraw, and that refusing costs nothing
 * (GDPR Art. 7, 13; PIPL Art. 17, 23; the items follow GB/T 42574-2023, notice and consent).
 * A changed text gets a new version: never edit one that was published.
 */
const builtIn: Readonly<Record<string, { version: number } & Record<NoticeLanguage, readonly string[]>>> = {
  'partner-access': {
    version: 1,
    en: [
      'Who: the operator of this gateway keeps the data. The partner named on this page, with its contact, receives it and is itself responsible for what it does with it.',
      'What and what for: only the categories you tick, each only for the purpose written beside it. The partner asks for them one call at a time through a secured interface; nothing is sent in advance.',
      'How long: until you withdraw, and at most for the time stated on this page. After that the partner must ask you again.',
      'Withdrawing: switch it off, or revoke the partner, on the pages “Switches” and “Partners”. It takes effect on the partner’s very next call. It does not undo what was lawful before; ask the partner to delete what it already received.',
      'Your choice: you may tick some, all or none. Refusing, or withdrawing later, has no disadvantage for the services you use here.',
      'Your rights: you can see every access and every refusal, get a copy of your data, have it corrected or erased, restrict its use, and complain to the supervisory authority.',
    ],
    zh: [
      '处理者与接收方：您的个人信息由本网关的运营者保存。本页所列合作方（名称及联系方式见本页）为接收方，并对其处理活动独立承担责任。',
      '种类、目的与方式：仅限您勾选的个人信息种类，且每一类仅用于其旁注明的处理目的。合作方通过安全接口逐次请求，不会预先提供任何信息。',
      '期限：至您撤回同意为止，且最长不超过本页载明的期限。期满后，合作方须重新取得您的同意。',
      '撤回方式：您可随时在“授权开关”页面关闭相应开关，或在“合作方”页面撤销授权，合作方的下一次请求即被拒绝。撤回不影响撤回前基于您的同意已进行的处理活动的效力；对已接收的信息，您可以要求合作方删除。',
      '自主选择：本同意为单独同意，您可以全部勾选、部分勾选或不勾选。拒绝同意或者之后撤回同意，不影响您使用本网关的其他服务。',
      '您的权利：您可以查阅每一次访问和每一次拒绝的记录，查阅、复制、更正、删除您的个人信息，限制或者拒绝他人对其进行处理，并有权向履行个人信息保护职责的部门投诉、举报。',
    ],
  },
  recommendation: {
    version: 1,
    en: [
      'Who: the operator of this gateway, with its own recommendation engine. No one else receives the data.',
      'What and what for: the categories you switch on are used to find items that may interest you and to order what you are shown. Your data also takes part in training the model from which these suggestions come.',
      'How long: until you switch it off. You are then left out of the suggestions at once, and of the next training.',
      'Automated: suggestions are made by a computer without a person deciding. They have no legal effect on you, and you can always look at the list that is the same for everyone.',
      'Your choice: without this permission you see that common list. There is no other disadvantage.',
    ],
    zh: [
      '处理者：本网关的运营者及其自有推荐引擎，不向任何第三方提供。',
      '种类与目的：您开启的个人信息种类用于为您发现可能感兴趣的内容并对展示内容排序，也用于训练生成推荐结果的模型。',
      '期限与撤回：至您关闭开关为止。关闭后立即不再用于为您生成推荐，也不再参与下一次模型训练。',
      '自动化决策：推荐结果由计算机程序自动生成，对您不产生法律效力；您始终可以查看不针对个人特征的通用列表。',
      '自主选择：不同意时，您看到的是通用列表，此外没有任何不利影响。',
    ],
  },
  analytics: {
    version: 1,
    en: [
      'Who: the operator of this gateway. Analysts and partners get counts and averages only, never your single data.',
      'What and what for: the categories you switch on are counted together with those of many others, to understand how services are used.',
      'Protection: each result is blurred with random noise (differential privacy), so that it hardly depends on whether you take part. You set the limit of how much may be learned from you on the page “Privacy budget”.',
      'How long: until you switch it off. A result that is being computed at that moment leaves you out or is withheld.',
      'Your choice: taking part or not makes no difference to what you get here.',
    ],
    zh: [
      '处理者：本网关的运营者。分析人员和合作方只能获得计数、平均值等统计结果，不会获得您的单条信息。',
      '种类与目的：您开启的个人信息种类将与众多用户的信息一并统计，用于了解服务的使用情况。',
      '保护措施：每个统计结果均加入随机噪声（差分隐私），结果几乎不取决于您是否参与。您可以在“隐私预算”页面设定最多允许从您的信息中获知多少。',
      '期限与撤回：至您关闭开关为止。关闭时正在计算的结果将剔除您的信息，或者不予发布。',
      '自主选择：是否参与不影响您在此获得的任何服务。',
    ],
  },
  general: {
    version: 1,
    en: [
      'Who: the operator of this gateway, and only the recipient named beside the switch.',
      'What and what for: the category and the purpose written beside the switch, nothing else.',
      'How long: until you switch it off; that takes effect on the very next use.',
      'Your choice: refusing, or withdrawing later, has no disadvantage for the services you use here. You can see every use and every refusal on the page “Activity”.',
    ],
    zh: [
      '处理者与接收方：本网关的运营者，以及开关旁注明的接收方。',
      '种类与目的：仅限开关旁注明的个人信息种类和处理目的。',
      '期限与撤回：至您关闭开关为止，自下一次使用起即生效。',
      '自主选择：拒绝同意或者之后撤回同意，不影响您使用本网关的其他服务。您可以在“使用记录”页面查看每一次使用和每一次拒绝。',
    ],
  },
};

/** Which notice goes with a switch for an engine part and this purpose. */
export function noticeIdOf(purpose: Purpose): string {
  return Object.hasOwn(builtIn, purpose) ? purpose : 'general';
}

/** Publishes the built-in texts that are not there yet. Returns how many were new. */
export async function ensureNotices(tx: Tx, nowMs: number): Promise<number> {
  let added = 0;
  for (const [id, text] of Object.entries(builtIn)) {
    for (const language of noticeLanguages) {
      const body = text[language].join('\n\n');
      const rows = await tx.db
        .insert(noticeTable)
        .values({ id, version: text.version, language, body, hash: hashOf(body), publishedMs: nowMs })
        .onConflictDoNothing()
        .returning({ id: noticeTable.id });
      added += rows.length;
    }
  }
  return added;
}

/**
 * The newest version of a notice.
 * @throws GatewayError `not_found`
 */
export async function currentNotice(reader: Reader, id: string, language: NoticeLanguage): Promise<Notice> {
  const [row] = await reader.db
    .select()
    .from(noticeTable)
    .where(and(eq(noticeTable.id, id), eq(noticeTable.language, language)))
    .orderBy(desc(noticeTable.version))
    .limit(1);
  if (row === undefined) throw new GatewayError('not_found', 'no such notice');
  return asNotice(row);
}

/** The notice someone was shown, by the hash in their consent event; undefined for one that was never published. */
export async function noticeByHash(reader: Reader, hash: string): Promise<Notice | undefined> {
  const [row] = await reader.db.select().from(noticeTable).where(eq(noticeTable.hash, hash)).limit(1);
  return row === undefined ? undefined : asNotice(row);
}

/** The notice with this label (`noticeLabel`); undefined when there is none. */
export async function noticeByLabel(reader: Reader, label: string): Promise<Notice | undefined> {
  const match = /^([a-z-]{1,64})-(\d{1,6})-(en|zh)$/.exec(label);
  if (match === null) return undefined;
  const [, id = '', version, language = ''] = match;
  const [row] = await reader.db
    .select()
    .from(noticeTable)
    .where(
      and(
        eq(noticeTable.id, id),
        eq(noticeTable.version, Number(version)),
        eq(noticeTable.language, language),
      ),
    );
  return row === undefined ? undefined : asNotice(row);
}

/** Names one version in one language, such as `partner-access-1-en`. */
export function noticeLabel({ id, version, language }: Pick<Notice, 'id' | 'version' | 'language'>): string {
  return `${id}-${version}-${language}`;
}

export function paragraphsOf(notice: Pick<Notice, 'body'>): string[] {
  return notice.body.split('\n\n');
}

function hashOf(body: string): string {
  return createHash('sha256').update(body, 'utf8').digest('hex');
}

function asNotice(row: typeof noticeTable.$inferSelect): Notice {
  return {
    id: row.id,
    version: row.version,
    language: row.language as NoticeLanguage,
    body: row.body,
    hash: row.hash,
  };
}
