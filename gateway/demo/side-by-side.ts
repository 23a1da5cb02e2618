// The two halves of the side-by-side page as view models: her one switch, and her timeline's newest lines.
import type { Reached } from '../audit/proof.ts';
import { decideSwitch } from '../consent/decide.ts';
import type { EffectiveSwitch, OwnEntry, SwitchMatrix } from '../operations/own.ts';
import type { Lang } from '../portal/messages/pick.ts';
import { noticeLabels } from '../portal/offered-notices.ts';
import type { SwitchView } from '../portal/parts/switch.ts';
import type { ActivityLine } from '../portal/parts/timeline.ts';
import { paths } from '../portal/paths.ts';
import { activityLine, switchView } from '../portal/views.ts';
import type { Reader } from '../store/store.ts';
import { demoPartner } from './partner.ts';

const place = {
  category: 'browsing',
  purpose: 'recommendation',
  recipient: `partner:${demoPartner.id}`,
} as const;

/** The switch between the person and the partner, as it is decided now. */
export async function partnerSwitch(
  reader: Reader,
  matrix: SwitchMatrix,
  language: Lang,
): Promise<SwitchView> {
  const one =
    matrix.switches.find(
      ({ category, purpose, recipient }) =>
        category === place.category && purpose === place.purpose && recipient === place.recipient,
    ) ?? untouched(matrix);
  const hash = one.effective.by?.noticeHash;
  const notices = await noticeLabels(reader, hash ? [hash] : [], language);
  return switchView(one, notices, paths.demoPartner);
}

/** Where she never touched it, at most a general “off” reaches it, and that has no end: the time does not matter. */
function untouched(matrix: SwitchMatrix): EffectiveSwitch {
  const switches = matrix.switches.flatMap(({ set }) => set ?? []);
  const subject = { switches, gpcSinceMs: matrix.gpcSinceMs };
  return {
    ...place,
    set: null,
    effective: decideSwitch(subject, place.category, place.purpose, place.recipient, 0),
  };
}

export function latestLines(entries: readonly OwnEntry[], reached: Reached): ActivityLine[] {
  const names = new Map([[demoPartner.id, demoPartner.name]]);
  return entries.map((one) => activityLine(one, reached, names));
}
