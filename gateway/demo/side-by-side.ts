// The view models of the side-by-side page: her one switch, and her timeline's newest lines.
import { levelOf, type Reached } from '../audit/proof.ts';
import type { Operation } from '../consent/activities.ts';
import { decideSwitch, type Reason } from '../consent/decide.ts';
import { noticeByHash, noticeLabel } from '../consent/notices.ts';
import { isCategory, isPurpose } from '../consent/vocabulary.ts';
import type { EffectiveSwitch, OwnEntry, SwitchMatrix } from '../operations/own.ts';
import type { Text } from '../portal/messages/pick.ts';
import type { Evidence } from '../portal/parts/evidence.ts';
import type { SwitchCause, SwitchView } from '../portal/parts/switch.ts';
import type { ActivityLine } from '../portal/parts/timeline.ts';
import { paths } from '../portal/paths.ts';
import type { Reader } from '../store/store.ts';
import { demoPartner } from './partner.ts';

const place = {
  category: 'browsing',
  purpose: 'recommendation',
  recipient: `partner:${demoPartner.id}`,
} as const;

/** The switch between the person and the partner, as it is decided now. */
export async function partnerSwitch(reader: Reader, matrix: SwitchMatrix): Promise<SwitchView> {
  const found = matrix.switches.find(
    ({ category, purpose, recipient }) =>
      category === place.category && purpose === place.purpose && recipient === place.recipient,
  );
  // Where she never touched it, at most a general “off” reaches it, and that has no end: the time does not matter.
  const effective =
    found?.effective ??
    decideSwitch(
      {
        switches: matrix.switches.flatMap(({ set }) => set ?? []),
        gpcSinceMs: matrix.gpcSinceMs,
      },
      place.category,
      place.purpose,
      place.recipient,
      0,
    );
  const set = found?.set ?? null;
  const notice = set?.noticeHash ? await noticeByHash(reader, set.noticeHash) : undefined;
  return {
    ...place,
    state: set?.state ?? 'unset',
    effective: effective.effect,
    cause: causeOf(effective),
    sinceMs: set?.sinceMs ?? null,
    untilMs: set?.validUntilMs ?? null,
    noticeVersion: notice === undefined ? null : noticeLabel(notice),
    historyDays: set?.extent.historyDays ?? null,
    fields: set?.extent.fields ?? [],
    needsSeparate: false,
    backUrl: paths.demoPartner,
  };
}

function causeOf(answer: EffectiveSwitch['effective']): SwitchCause {
  const isGeneral = answer.by?.recipient === '*';
  if (answer.effect === 'on') return isGeneral ? 'general_on' : 'own_on';
  const causes: Partial<Record<Reason, SwitchCause>> = {
    switch_off: isGeneral ? 'general_off' : 'own_off',
    switch_unset: 'not_asked',
    consent_expired: 'expired',
    notice_changed: 'notice_changed',
    gpc_signal: 'gpc_signal',
    person_restricted: 'restricted',
    grant_gone: 'no_grant',
  };
  return causes[answer.reason] ?? 'not_asked';
}

const knownRecipients: Readonly<Record<string, Text>> = {
  [`partner:${demoPartner.id}`]: demoPartner.shownName,
  'engine:recommend': { en: 'The shop’s suggestions', zh: '本店推荐' },
  'engine:privacy': { en: 'The shop’s statistics', zh: '本店统计' },
  'engine:integrate': { en: 'The shop’s records', zh: '本店档案' },
  officer: { en: 'The compliance officer', zh: '合规官' },
  operator: { en: 'The shop', zh: '本店' },
  self: { en: 'You', zh: '您' },
};

export function latestLines(entries: readonly OwnEntry[], reached: Reached): ActivityLine[] {
  return entries.map((one) => {
    const recipient = one.recipients[0] ?? '';
    return {
      index: one.number,
      atMs: one.atMs,
      operation: one.operation as Operation,
      who: knownRecipients[recipient] ?? recipient,
      purpose: isPurpose(one.purpose) ? one.purpose : null,
      categories: one.categories.filter(isCategory),
      outcome: outcomeOf(one),
      reason: one.reason,
      evidence: evidenceOf(one.number, reached),
    };
  });
}

function outcomeOf({ kind, outcome }: OwnEntry): ActivityLine['outcome'] {
  if (kind === 'withheld') return 'withheld';
  return outcome === 'noted' ? 'started' : outcome;
}

/** A local chain is never final, so the two levels of an anchor exclude each other here. */
function evidenceOf(number: number, reached: Reached): Evidence {
  const level = levelOf(number, reached);
  if (level === 'recorded') return ['recorded'];
  if (level === 'checkpointed') return ['recorded', 'checkpointed'];
  return ['recorded', 'checkpointed', level === 'anchored' ? 'anchored_local' : 'anchored_final'];
}
