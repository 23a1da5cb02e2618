import { html, type Html } from '../html.ts';
import { layout } from '../layout.ts';
import { formatList } from '../messages/format.ts';
import { say, type Text } from '../messages/pick.ts';
import { words, type PageContext } from '../parts/page.ts';
import { number } from '../parts/text.ts';
import { paths } from '../paths.ts';

export interface Suggestion {
  readonly title: Text;
  /** Titles of what the person viewed that led here; at most three. */
  readonly because: readonly Text[];
}

export interface RecommendationsModel {
  /** `off`: a switch refuses it; `not_trained`: no model yet. Both show the list that is the same for everyone. */
  readonly mode: 'personalised' | 'off' | 'not_trained';
  readonly items: readonly Suggestion[];
  /** How many of the person's rows the personalised list rests on. */
  readonly basedOnCount: number;
}

export function recommendationsPage(model: RecommendationsModel, ctx: PageContext): Html {
  const m = words(ctx).recommendations;
  const isPersonal = model.mode === 'personalised';
  const lead = isPersonal
    ? m.lead(model.basedOnCount, number(model.basedOnCount, ctx))
    : model.mode === 'off'
      ? m.offLead
      : m.notTrained;
  const main = html`
    ${!isPersonal && html`<p class="eyebrow">${m.off}</p>`}
    <h1>${isPersonal ? m.title : m.offTitle}</h1>
    <p class="lead">${lead}</p>
    <p><a href="${paths.switches}">${m.switch}</a></p>
    ${
      model.items.length === 0
        ? html`<p class="quiet">${m.none}</p>`
        : html`<ol class="suggestions">
            ${model.items.map(
              (item) =>
                html`<li>
                  <div>
                    <strong>${say(item.title, ctx.lang)}</strong>
                    ${isPersonal && html`<p class="quiet">${item.because.length === 0 ? m.noReason : m.because(titles(item.because, ctx))}</p>`}
                  </div>
                </li>`,
            )}
          </ol>`
    }
  `;
  return layout({ title: isPersonal ? m.title : m.offTitle, main }, ctx);
}

function titles(items: readonly Text[], ctx: PageContext): string {
  const [open, close] = ctx.lang === 'zh' ? ['《', '》'] : ['“', '”'];
  return formatList(
    items.map((item) => `${open}${say(item, ctx.lang)}${close}`),
    ctx.lang,
  );
}
