import { html, type Html } from '../html.ts';
import { layout } from '../layout.ts';
import { langTag, type Lang } from '../messages/pick.ts';
import { words, type PageContext } from '../parts/page.ts';
import { wholeHash } from '../parts/text.ts';

export interface NoticeModel {
  /** Version as it is recorded, such as `partner-access-1-en`. */
  readonly label: string;
  readonly language: Lang;
  /** SHA-256 of the text, hex: what consent events and receipts name. */
  readonly hash: string;
  readonly paragraphs: readonly string[];
}

/** The text a person was shown, word for word. */
export function noticePage(model: NoticeModel, ctx: PageContext): Html {
  const m = words(ctx).notice;
  const main = html`
    <h1>${m.title}</h1>
    <div lang="${langTag(model.language)}">${model.paragraphs.map((text) => html`<p>${text}</p>`)}</div>
    <p class="quiet">${m.version} <code>${model.label}</code></p>
    <p class="quiet">SHA-256 ${wholeHash(model.hash)}</p>
  `;
  return layout({ title: m.title, main, width: 'narrow' }, ctx);
}
