import { html, type Html } from '../html.ts';
import { categoryNames, type Category } from '../../consent/vocabulary.ts';
import { layout } from '../layout.ts';
import { formatList } from '../messages/format.ts';
import type { Messages } from '../messages/en.ts';
import { word } from '../messages/pick.ts';
import { field, postForm } from '../parts/form.ts';
import { words, type PageContext } from '../parts/page.ts';
import { cardTable } from '../parts/table.ts';
import { hash, time } from '../parts/text.ts';
import { paths } from '../paths.ts';

export interface HoldLine {
  readonly id: string;
  /** Opaque; an officer never sees a name. */
  readonly person: string;
  readonly categories: readonly Category[];
  readonly payloads: boolean;
  readonly reason: string;
  readonly disclose: boolean;
  readonly state: keyof Messages['holds']['states'];
  readonly untilMs: number;
  readonly orderedBy: string;
  readonly confirmedBy: string | null;
  /** Whether the officer who looks ordered it: then another must confirm. */
  readonly isOwn: boolean;
}

export interface OfficerHoldsModel {
  readonly holds: readonly HoldLine[];
  /** Code of what went wrong with the form; null: nothing. */
  readonly problem: string | null;
  /** What was typed, so that it need not be typed again. */
  readonly typed: { readonly person: string; readonly reason: string; readonly days: string };
}

export function officerHoldsPage(model: OfficerHoldsModel, ctx: PageContext): Html {
  const m = words(ctx).holds;
  const main = html`
    <h1>${m.title}</h1>
    <p class="lead">${m.lead}</p>
    ${model.problem !== null && html`<p class="alert" role="alert">${word(m.problems, model.problem)}</p>`}
    ${model.holds.length === 0 ? html`<p class="quiet">${m.none}</p>` : holdTable(model.holds, ctx)}
    <section>
      <h2>${m.order}</h2>
      ${orderForm(model, ctx)}
    </section>
  `;
  return layout({ title: m.title, main, width: 'wide' }, ctx);
}

function holdTable(holds: readonly HoldLine[], ctx: PageContext): Html {
  const m = words(ctx).holds;
  return cardTable(
    m.title,
    [
      { label: m.reason, kind: 'title' },
      { label: m.person },
      { label: m.keeps },
      { label: m.state },
      { label: m.until },
      { label: m.by },
      { label: m.told },
      { label: m.act },
    ],
    holds.map((hold) => [
      hold.reason,
      hash(hold.person),
      hold.payloads && hold.state === 'live'
        ? html`${keeps(hold, ctx)} · <a href="${evidenceOf(hold)}">${m.asEvidence}</a>`
        : keeps(hold, ctx),
      m.states[hold.state],
      time(hold.untilMs, 'day', ctx),
      formatList(hold.confirmedBy === null ? [hold.orderedBy] : [hold.orderedBy, hold.confirmedBy], ctx.lang),
      hold.disclose ? m.yes : m.no,
      actions(hold, ctx),
    ]),
  );
}

/** What it keeps of the uses is opened for its case alone: in a pack that names it. */
const evidenceOf = ({ id, person }: HoldLine): string =>
  `${paths.officerEvidence}?person=${encodeURIComponent(person)}&hold=${encodeURIComponent(id)}`;

function keeps(hold: HoldLine, ctx: PageContext): string {
  const m = words(ctx);
  const parts = [
    ...hold.categories.map((name) => m.categories[name]),
    ...(hold.payloads ? [m.holds.payloads] : []),
  ];
  return parts.length === 0 ? m.holds.evidenceOnly : formatList(parts, ctx.lang);
}

function actions(hold: HoldLine, ctx: PageContext): Html {
  const m = words(ctx).holds;
  const button = (act: 'confirm' | 'end', label: string): Html =>
    postForm(
      paths.officerHolds,
      { do: act, hold: hold.id },
      html`<button class="plain">${label}</button>`,
      ctx,
    );
  const mayConfirm = hold.state === 'ordered' && !hold.isOwn;
  const mayEnd = hold.state === 'ordered' || hold.state === 'live';
  if (!mayConfirm && !mayEnd) return html`–`;
  return html`${mayConfirm && button('confirm', m.confirm)} ${mayEnd && button('end', m.end)}`;
}

function orderForm(model: OfficerHoldsModel, ctx: PageContext): Html {
  const m = words(ctx);
  const { typed } = model;
  return postForm(
    paths.officerHolds,
    { do: 'order' },
    html`
      ${field({ name: 'person', label: m.holds.personField, hint: m.holds.personHint, value: typed.person })}
      ${field({ name: 'reason', label: m.holds.reasonField, hint: m.holds.reasonHint, value: typed.reason })}
      ${field({ name: 'days', label: m.holds.daysField, hint: m.holds.daysHint, value: typed.days, type: 'number' })}
      <fieldset class="scopes">
        <legend>${m.holds.categories}</legend>
        ${categoryNames.map((name) => tick(`keep-${name}`, m.categories[name], null))}
        ${tick('payloads', m.holds.payloadsField, m.holds.payloadsHint)}
      </fieldset>
      ${tick('disclose', m.holds.tell, m.holds.tellHint)}
      <button>${m.holds.submit}</button>
    `,
    ctx,
    'stack',
  );
}

function tick(name: string, label: string, hint: string | null): Html {
  return html`<div class="scope">
    <input
      type="checkbox"
      id="${name}"
      name="${name}"
      value="1"
      ${hint !== null && html`aria-describedby="${name}-hint"`}
    />
    <div>
      <label for="${name}">${label}</label>
      ${hint !== null && html`<p class="hint" id="${name}-hint">${hint}</p>`}
    </div>
  </div>`;
}
