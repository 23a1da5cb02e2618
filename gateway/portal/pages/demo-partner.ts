import { html, link, type Html } from '../html.ts';
import { layout } from '../layout.ts';
import { formatNumber } from '../messages/format.ts';
import { say, type Text } from '../messages/pick.ts';
import { postForm } from '../parts/form.ts';
import { words, type PageContext } from '../parts/page.ts';
import { effect, switchForm, type SwitchView } from '../parts/switch.ts';
import { facts } from '../parts/table.ts';
import { hash, mark, time } from '../parts/text.ts';
import { timeline, type ActivityLine } from '../parts/timeline.ts';
import { myEntryPath, paths } from '../paths.ts';

/** What the partner got for its last request, as it came over HTTP. */
export type PartnerAnswer =
  | {
      readonly status: 200;
      /** At most as many as fit a screen; `total` is the count in the answer. */
      readonly rows: readonly {
        readonly title: Text;
        readonly atMs: number;
        readonly value: number | null;
      }[];
      readonly total: number;
      readonly index: number;
      readonly leafHash: string;
    }
  | {
      readonly status: number;
      /** The stable code of the problem, e.g. `consent_required`. */
      readonly code: string;
      readonly title: string;
      readonly decisionId: string;
      readonly index: number;
      readonly leafHash: string;
      /** Where the partner can ask the person again. */
      readonly askUrl: string;
      /** The problem+json body, indented. */
      readonly body: string;
    };

export interface DemoPartnerModel {
  readonly partnerName: Text;
  readonly personName: Text;
  /** Request line as sent, without the token. */
  readonly request: string;
  readonly isConnected: boolean;
  readonly answer: PartnerAnswer | null;
  readonly view: SwitchView;
  readonly latest: readonly ActivityLine[];
}

/** The partner and the person's switch side by side; every button is a plain form post. */
export function demoPartnerPage(model: DemoPartnerModel, ctx: PageContext): Html {
  const m = words(ctx).demoPartner;
  const partner = say(model.partnerName, ctx.lang);
  const person = say(model.personName, ctx.lang);
  const main = html`
    <h1>${m.title}</h1>
    <p class="lead">${m.lead(partner, person)}</p>
    <div class="two-sides">
      <section class="side" aria-labelledby="partner-side">
        <h2 id="partner-side"><span class="eyebrow">${m.partnerSide}</span>${partner}</h2>
        <p class="request"><code>${model.request}</code></p>
        ${
          model.isConnected
            ? postForm(paths.demoPartner, { do: 'ask' }, html`<button>${m.ask}</button>`, ctx)
            : html`<p>${m.notConnected}</p>
                ${postForm(paths.demoPartner, { do: 'connect' }, html`<button>${m.connect}</button>`, ctx)}`
        }
        <div role="status" aria-live="polite">${model.answer && answer(model.answer, ctx)}</div>
      </section>
      <section class="side" aria-labelledby="person-side">
        <h2 id="person-side"><span class="eyebrow">${m.personSide}</span>${person}</h2>
        <div class="cell big">
          <p class="switch-title">
            <strong>${words(ctx).categories[model.view.category]}</strong>
            <span class="quiet">${words(ctx).activity.for(words(ctx).purposes[model.view.purpose])}</span>
          </p>
          ${switchForm(model.view, partner, ctx)} ${effect(model.view, ctx)}
        </div>
      </section>
    </div>
    <section aria-labelledby="timeline">
      <h2 id="timeline">${m.timeline}</h2>
      ${model.latest.length === 0 ? html`<p class="quiet">${m.noTimeline}</p>` : timeline(model.latest, ctx)}
      <p><a href="${paths.activity}">${m.fullTimeline}</a></p>
    </section>
  `;
  return layout({ title: m.title, main, width: 'wide' }, ctx);
}

function answer(got: PartnerAnswer, ctx: PageContext): Html {
  const m = words(ctx).demoPartner;
  const receipt = [
    [m.entry, html`<a href="${myEntryPath(got.index)}">${formatNumber(got.index, ctx.lang)}</a>`],
    [m.leaf, hash(got.leafHash)],
  ] as const;
  if ('rows' in got) {
    return html`<div class="answer ok">
      <h3>
        <span class="http">200 OK</span>${m.rows(got.total, html`${formatNumber(got.total, ctx.lang)}`)}
      </h3>
      <ul class="rows">
        ${got.rows.map(
          (row) =>
            html`<li>
              <span>${say(row.title, ctx.lang)}</span>
              <span class="quiet"
                >${row.value !== null && html`${m.rowValue} ${formatNumber(row.value, ctx.lang)} · `}${time(row.atMs, 'day', ctx)}</span
              >
            </li>`,
        )}
      </ul>
      <h4 class="eyebrow">${m.receipt}</h4>
      ${facts(receipt)}
    </div>`;
  }
  return html`<div class="answer refused">
    <h3>${mark('bar')}<span class="http">${got.status}</span>${m.refusedTitle}</h3>
    <p class="quiet"><code>${got.code}</code></p>
    ${facts([
      [m.decision, html`<code>${got.decisionId}</code>`],
      ...receipt,
      [m.askPerson, html`<a href="${link(got.askUrl)}">${got.askUrl}</a>`],
    ])}
    <details>
      <summary>${m.body}</summary>
      <pre tabindex="0"><code>${got.body}</code></pre>
    </details>
  </div>`;
}
