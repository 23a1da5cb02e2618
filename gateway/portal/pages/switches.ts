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
import { mark, number } from '../parts/text.ts';
import { myEntryPath } from '../paths.ts';

/** One recipient's part of the matrix: its declared uses only, so that no switch governs nothing. */
export interface RecipientMatrix {
  readonly id: SwitchRecipient;
  readonly name: Text;
  readonly kind: 'any' | 'engine' | 'partner';
  readonly purposes: readonly Purpose[];
  readonly rows: readonly MatrixRow[];
}

export interface MatrixRow {
  readonly category: Category;
  readonly cells: readonly SwitchView[];
  /** Something is held in this category, or the person has decided about it: shown without being asked for. */
  readonly isFirst: boolean;
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
    ${model.recipients.map((recipient) => (recipient.kind === 'any' ? generalSection(recipient, ctx) : recipientSection(recipient, ctx)))}
  `;
  return layout({ title: m.title, main, width: 'wide' }, ctx);
}

function recipientLinks(model: SwitchesModel, ctx: PageContext): Html {
  return html`<ul class="jump">
    ${model.recipients.map((recipient) => html`<li><a href="#${anchorOf(recipient)}">${recipient.kind === 'any' ? words(ctx).switches.general : say(recipient.name, ctx.lang)}</a></li>`)}
  </ul>`;
}

function recipientSection(recipient: RecipientMatrix, ctx: PageContext): Html {
  const m = words(ctx);
  const name = say(recipient.name, ctx.lang);
  const kind = recipient.kind === 'any' ? null : m.switches[recipient.kind];
  const first = recipient.rows.filter((row) => row.isFirst);
  const rest = recipient.rows.filter((row) => !row.isFirst);
  return html`<section class="recipient" aria-labelledby="${anchorOf(recipient)}">
    <h2 id="${anchorOf(recipient)}">${name} ${kind && html`<span class="role">${kind}</span>`}</h2>
    ${first.length > 0 && matrix(recipient, first, ctx)}
    ${
      rest.length > 0 &&
      html`<details class="more-rows">
        <summary>
          ${m.switches.restRows(rest.length, number(rest.length, ctx))}
          <span class="quiet">${m.switches.restRowsWhy}</span>
        </summary>
        ${matrix(recipient, rest, ctx)}
      </details>`
    }
  </section>`;
}

/** Seven by seven, and rarely needed: folded, with what is set in it said outside. */
function generalSection(recipient: RecipientMatrix, ctx: PageContext): Html {
  const m = words(ctx).switches;
  const cells = recipient.rows.flatMap((row) => row.cells);
  const set = (state: SwitchView['state']): Html =>
    number(cells.filter((view) => view.state === state).length, ctx);
  return html`<section class="recipient" aria-labelledby="${anchorOf(recipient)}">
    <h2 id="${anchorOf(recipient)}">${m.general}</h2>
    <details class="more-rows">
      <summary>${m.generalText(set('on'), set('off'))}</summary>
      ${matrix(recipient, recipient.rows, ctx)}
    </details>
  </section>`;
}

function matrix(recipient: RecipientMatrix, rows: readonly MatrixRow[], ctx: PageContext): Html {
  const m = words(ctx);
  const name = say(recipient.name, ctx.lang);
  const { length } = recipient.purposes;
  const shape = length === 1 ? 'single' : length > 4 ? 'many' : '';
  return html`<table class="cards matrix ${shape}" role="table" aria-labelledby="${anchorOf(recipient)}">
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
      ${rows.map(
        (row) =>
          html`<tr role="row">
            <th role="rowheader" scope="row" class="title">
              ${m.categories[row.category]}<span class="hint">${m.categoryHints[row.category]}</span>
            </th>
            ${recipient.purposes.map((purpose) => {
              const view = row.cells.find((one) => one.purpose === purpose);
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
  </table>`;
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
