// From what operations return to what pages show: names for recipients, words for causes, levels for entries.
import type { Reached } from '../audit/proof.ts';
import { activities, isOperation } from '../consent/activities.ts';
import type { SwitchAnswer } from '../consent/decide.ts';
import { isCategory, isPurpose, purposes, type SwitchRecipient } from '../consent/vocabulary.ts';
import type { EffectiveSwitch, OwnEntry, SwitchMatrix } from '../operations/own.ts';
import type { Text } from './messages/pick.ts';
import { offeredNoticeId, type NoticeLabels } from './offered-notices.ts';
import { evidenceLevels, type Evidence } from './parts/evidence.ts';
import type { Paging } from './parts/paging.ts';
import type { RecipientMatrix } from './pages/switches.ts';
import type { SwitchCause, SwitchView } from './parts/switch.ts';
import type { Outcome } from './parts/text.ts';
import type { ActivityLine } from './parts/timeline.ts';

/** Partner id → the name it registered. */
export type PartnerNames = ReadonlyMap<string, string>;

const partNames: Readonly<Record<string, Text>> = {
  '*': { en: 'Everyone', zh: '所有接收方' },
  'engine:recommend': { en: 'Recommendations', zh: '推荐服务' },
  'engine:privacy': { en: 'Private statistics', zh: '隐私统计' },
  'engine:integrate': { en: 'Data integration', zh: '数据整合' },
  self: { en: 'You', zh: '您本人' },
  officer: { en: 'Compliance officer', zh: '合规官' },
  operator: { en: 'The operator', zh: '运营方' },
};

export function recipientName(recipient: string, partners: PartnerNames): Text {
  const known = partNames[recipient];
  if (known !== undefined) return known;
  const id = recipient.replace(/^partner:/, '');
  return partners.get(id) ?? id;
}

export function evidenceOf(number: number, reached: Reached): Evidence {
  const sizes = {
    recorded: Infinity,
    checkpointed: reached.checkpointed,
    witnessed: reached.witnessed,
    anchored_local: reached.anchored,
    anchored_final: reached.final,
  };
  return evidenceLevels.filter((level) => number < sizes[level]);
}

export function outcomeOf(entry: Pick<OwnEntry, 'outcome' | 'kind'>): Outcome {
  if (entry.kind === 'withheld') return 'withheld';
  if (entry.outcome === 'noted') return 'started';
  return entry.outcome;
}

export function activityLine(entry: OwnEntry, reached: Reached, partners: PartnerNames): ActivityLine {
  return {
    index: entry.number,
    atMs: entry.atMs,
    operation: isOperation(entry.operation) ? entry.operation : 'administer',
    who: whoActed(entry, partners),
    purpose: isPurpose(entry.purpose) && entry.purpose !== 'service' ? entry.purpose : null,
    // Looks, imports and invitations use no category of theirs; only what consent decides names one.
    categories: usesData(entry.operation) ? entry.categories.filter(isCategory) : [],
    outcome: outcomeOf(entry),
    reason: entry.reason,
    evidence: evidenceOf(entry.number, reached),
  };
}

function usesData(operation: string): boolean {
  return isOperation(operation) && activities[operation].basis === 'consent';
}

/** Who the person would say it was: the partner, the part of the shop, themself. */
function whoActed(entry: OwnEntry, partners: PartnerNames): Text {
  if (entry.callerKind === 'partner') return recipientName(`partner:${entry.callerId}`, partners);
  if (entry.callerKind === 'person' && entry.recipients[0] === 'self') return recipientName('self', partners);
  return recipientName(entry.recipients[0] ?? 'operator', partners);
}

export function pagingOf(
  list: { offset: number; pageSize: number; total: number },
  shown: number,
  path: string,
  filters: Readonly<Record<string, string>>,
): Paging {
  const url = (offset: number): string => {
    const parameters = new URLSearchParams(Object.entries(filters).filter(([, value]) => value !== ''));
    if (offset > 0) parameters.set('offset', String(offset));
    const text = parameters.toString();
    return text === '' ? path : `${path}?${text}`;
  };
  return {
    from: shown === 0 ? 0 : list.offset + 1,
    to: list.offset + shown,
    of: list.total,
    newerUrl: list.offset > 0 ? url(Math.max(0, list.offset - list.pageSize)) : null,
    olderUrl: list.offset + shown < list.total ? url(list.offset + list.pageSize) : null,
  };
}

export function switchView(one: EffectiveSwitch, notices: NoticeLabels, backUrl: string): SwitchView {
  const { effective, set } = one;
  const by = effective.effect === 'on' ? effective.by : effective.by;
  return {
    category: one.category,
    purpose: one.purpose,
    recipient: one.recipient,
    state: set?.state ?? 'unset',
    effective: effective.effect,
    cause: causeOf(effective, one.recipient),
    sinceMs: set?.sinceMs ?? null,
    untilMs: set?.validUntilMs ?? null,
    noticeVersion: notices.given.get(by?.noticeHash ?? '') ?? null,
    offeredNotice: notices.offered.get(offeredNoticeId(one.purpose, one.recipient)) ?? '',
    historyDays: effective.effect === 'on' ? (effective.extent.historyDays ?? null) : null,
    fields: effective.effect === 'on' ? (effective.extent.fields ?? []) : [],
    needsSeparate: one.recipient.startsWith('partner:') || purposes[one.purpose].share,
    backUrl,
  };
}

function causeOf(answer: SwitchAnswer, recipient: SwitchRecipient): SwitchCause {
  const isGeneral = answer.by !== undefined && answer.by.recipient === '*' && recipient !== '*';
  if (answer.effect === 'on') return isGeneral ? 'general_on' : 'own_on';
  switch (answer.reason) {
    case 'switch_off':
      return isGeneral ? 'general_off' : 'own_off';
    case 'consent_expired':
      return 'expired';
    case 'notice_changed':
      return 'notice_changed';
    case 'gpc_signal':
      return 'gpc_signal';
    case 'grant_gone':
      return 'no_grant';
    case 'person_restricted':
      return 'restricted';
    case 'unknown_term':
    case 'unknown_recipient':
    case 'role_not_allowed':
    case 'not_own_data':
    case 'scope_not_granted':
    case 'person_erased':
    case 'switch_unset':
      return 'not_asked';
  }
}

/** The matrix recipient by recipient: engine parts and partners first, the general switches last. */
export function recipientMatrices(
  matrix: SwitchMatrix,
  notices: NoticeLabels,
  partners: PartnerNames,
  backUrl: string,
): RecipientMatrix[] {
  const order = [...matrix.recipients].sort((a, b) => Number(a.id === '*') - Number(b.id === '*'));
  return order.flatMap(({ id }) => {
    const own = matrix.switches.filter(({ recipient }) => recipient === id);
    if (own.length === 0) return [];
    const named = [...new Set(own.map(({ purpose }) => purpose))];
    const rows = [...new Set(own.map(({ category }) => category))];
    return [
      {
        id,
        name: recipientName(id, partners),
        kind:
          id === '*'
            ? ('any' as const)
            : id.startsWith('engine:')
              ? ('engine' as const)
              : ('partner' as const),
        purposes: named,
        rows: rows.map((category) => ({
          category,
          cells: own
            .filter((one) => one.category === category)
            .map((one) => switchView(one, notices, backUrl)),
          isFirst:
            matrix.held.includes(category) ||
            own.some((one) => one.category === category && one.set !== null),
        })),
      },
    ];
  });
}

/** Micro-ε as exact decimal text. */
export function epsilonText(micro: number): string {
  const whole = Math.floor(micro / 1_000_000);
  const rest = String(micro % 1_000_000)
    .padStart(6, '0')
    .replace(/0+$/, '');
  return rest === '' ? String(whole) : `${whole}.${rest}`;
}

/** Decimal text as micro-ε; undefined unless it is a number with at most six decimals. */
export function microOf(text: string): number | undefined {
  const match = /^(\d{1,4})(?:\.(\d{1,6}))?$/.exec(text.trim());
  if (match === null) return undefined;
  return Number(match[1]) * 1_000_000 + Number((match[2] ?? '').padEnd(6, '0'));
}
