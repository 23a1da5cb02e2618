// Which notice a switch is turned on under: offered beside it, sent back with the form, recorded with the consent.
import {
  currentNotice,
  noticeByHash,
  noticeByLabel,
  noticeIdOf,
  noticeLabel,
  type NoticeLanguage,
} from '../consent/notices.ts';
import { purposeNames, type Purpose } from '../consent/vocabulary.ts';
import { GatewayError } from '../errors.ts';
import type { Reader } from '../store/store.ts';

export interface NoticeLabels {
  /** Hash of a notice given before → its label. */
  readonly given: ReadonlyMap<string, string>;
  /** Notice id → label of its current version in the page's language. */
  readonly offered: ReadonlyMap<string, string>;
}

export function offeredNoticeId(purpose: Purpose, recipient: string): string {
  return recipient.startsWith('partner:') ? 'partner-access' : noticeIdOf(purpose);
}

export async function noticeLabels(
  reader: Reader,
  hashes: readonly string[],
  language: NoticeLanguage,
): Promise<NoticeLabels> {
  const given = new Map<string, string>();
  for (const hash of new Set(hashes)) {
    const notice = await noticeByHash(reader, hash);
    if (notice !== undefined) given.set(hash, noticeLabel(notice));
  }
  const offered = new Map<string, string>();
  for (const id of new Set(['partner-access', ...purposeNames.map((purpose) => noticeIdOf(purpose))])) {
    offered.set(id, noticeLabel(await currentNotice(reader, id, language)));
  }
  return { given, offered };
}

/**
 * Hash of the notice that was beside the switch.
 * @throws GatewayError `notice_changed` when that is not the current one: what was not shown is not agreed to
 */
export async function agreedNotice(
  reader: Reader,
  purpose: Purpose,
  recipient: string,
  label: string | undefined,
): Promise<string> {
  const shown = label === undefined ? undefined : await noticeByLabel(reader, label);
  if (shown !== undefined) {
    const current = await currentNotice(reader, offeredNoticeId(purpose, recipient), shown.language);
    if (current.hash === shown.hash) return shown.hash;
  }
  throw new GatewayError('notice_changed');
}
