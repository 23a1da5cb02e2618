import { html, type Html } from '../html.ts';
import type { Category, Purpose, SwitchRecipient } from '../../consent/vocabulary.ts';
import { layout } from '../layout.ts';
import { formatNumber } from '../messages/format.ts';
import { say, type Text } from '../messages/pick.ts';
import { words, type PageContext } from '../parts/page.ts';
import {
  effect,
  isGoverned,
  switchDetails,
  switchForm,
  switchName,
  type SwitchView,
} from '../parts/switch.ts';
import { mark } from '../parts/text.ts';
import { myEntryPath } from '../paths.ts';

/** One recipient's part of the matrix: its declared uses only, so that no switch governs nothing. */
export interface RecipientMatrix {
  readonly id: SwitchRecipient;
  readonly name: Text;
  readonly kind: 'any' | 'engine' | 'partner';
  readonly purposes: readonly Purpose[];
  readonly rows: readonly { readonly category: Category; readonly cells: readonly SwitchView[] }[];
}

/** What was saved a moment ago; announced once (WCAG 4.1.3). */
export interface SwitchSaved {
  readonly view: SwitchView;
  readonly recipientName: Text;
  /** Index of the entry that records it. */
  readonly index: number;
  readonly decisionId: string;
}

export interface SwitchesModel {
  readonly recipients: readonly RecipientMatrix[];
  readonly saved: SwitchSaved | null;
}

/** Every switch with its effective state and cause. Below 700 px each row of the matrix is a card. */
export function switchesPage(model: SwitchesModel, ctx: PageContext): Html {
  const m = words(ctx).switches;
  const main = html`
    <h1>${m.title}</h1>
    <p class="lead">${m.lead}</p>
    <div class="status" role="status" aria-live="polite">
      ${model.saved && savedMessage(model.saved, ctx)}
    </div>
    ${model.recipients.length > 1 && recipientLinks(model, ctx)}
    ${model.recipients.map((recipient) => recipientSection(recipient, ctx))}
  `;
  return layout({ title: m.title, main, width: 'wide' }, ctx);
}

function recipientLinks(model: SwitchesModel, ctx: PageContext): Html {
  return html`<ul class="jump">
    ${model.recipients.map((recipient) => html`<li><a href="#${anchorOf(recipient)}">${say(recipient.name, ctx.lang)}</a></li>`)}
  </ul>`;
}

function recipientSection(recipient: RecipientMatrix, ctx: PageContext): Html {
  const m = words(ctx);
  const name = say(recipient.name, ctx.lang);
  const kind = recipient.kind === 'any' ? null : m.switches[recipient.kind];
  return html`<section class="recipient" aria-labelledby="${anchorOf(recipient)}">
    <h2 id="${anchorOf(recipient)}">${name} ${kind && html`<span class="role">${kind}</span>`}</h2>
    <table class="cards matrix" role="table" aria-labelledby="${anchorOf(recipient)}">
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" scope="col">${m.switches.category}</th>
          ${recipient.purposes.map(
            (purpose) =>
              html`<th role="columnheader" scope="col">
                ${m.purposes[purpose]}<span class="hint">${m.purposeHints[purpose]}</span>
              </th>`,
          )}
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${recipient.rows.map(
          (row) =>
            html`<tr role="row">
              <th role="rowheader" scope="row" class="title">
                ${m.categories[row.category]}<span class="hint">${m.categoryHints[row.category]}</span>
              </th>
              ${recipient.purposes.map((purpose) => {
                const view = row.cells.find((cell) => cell.purpose === purpose);
                return html`<td
                  role="cell"
                  data-label="${m.purposes[purpose]}"
                  ${view === undefined && html`class="empty"`}
                >
                  ${view === undefined ? html`<span class="quiet">${m.switches.notUsed}</span>` : cell(view, name, ctx)}
                </td>`;
              })}
            </tr>`,
        )}
      </tbody>
    </table>
  </section>`;
}

function cell(view: SwitchView, recipientName: string, ctx: PageContext): Html {
  const m = words(ctx);
  if (isGoverned(view)) {
    return html`<div class="cell">
      <p class="effect governed">
        ${mark('dot')}<span
          ><strong>${m.switches.locked}</strong><span class="cause">${m.causes[view.cause]}</span></span
        >
      </p>
    </div>`;
  }
  return html`<div class="cell">
    ${switchForm(view, recipientName, ctx)} ${effect(view, ctx)} ${switchDetails(view, recipientName, ctx)}
  </div>`;
}

function savedMessage(saved: SwitchSaved, ctx: PageContext): Html {
  const m = words(ctx);
  const name = switchName(saved.view, say(saved.recipientName, ctx.lang), ctx);
  return html`<p class="saved">
    ${mark('tick')}
    <span>
      ${m.switches.saved(name, m.switches.state[saved.view.state])}
      <a href="${myEntryPath(saved.index)}">${m.switches.savedEntry} ${formatNumber(saved.index, ctx.lang)}</a
      >, ${m.switches.savedDecision} <code>${saved.decisionId}</code>
    </span>
  </p>`;
}

function anchorOf(recipient: RecipientMatrix): string {
  return recipient.id === '*' ? 'recipient-any' : `recipient-${recipient.id.replace(/[^a-z0-9]+/g, '-')}`;
}
