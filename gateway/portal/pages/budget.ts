import { html, type Html } from '../html.ts';
import { layout } from '../layout.ts';
import { formatNumber } from '../messages/format.ts';
import { say, type Text } from '../messages/pick.ts';
import { field, postForm } from '../parts/form.ts';
import { words, type PageContext } from '../parts/page.ts';
import { cardTable } from '../parts/table.ts';
import { time } from '../parts/text.ts';
import { myEntryPath, paths } from '../paths.ts';

export interface BudgetModel {
  /** Exact decimals as text, as the ledger keeps them; the fraction only draws the bar. */
  readonly spentEpsilon: string;
  readonly limitEpsilon: string;
  readonly spentFraction: number;
  /** The highest limit the operator allows. */
  readonly maxEpsilon: string;
  readonly problem: string | null;
  readonly charges: readonly {
    readonly question: Text;
    readonly by: Text;
    readonly atMs: number;
    readonly costEpsilon: string;
    readonly index: number;
  }[];
}

export function budgetPage(model: BudgetModel, ctx: PageContext): Html {
  const m = words(ctx).budget;
  const width = Math.min(1, Math.max(0, model.spentFraction)) * 400;
  const main = html`
    <h1>${m.title}</h1>
    <p class="lead">${m.lead}</p>
    <figure class="gauge">
      <svg
        viewBox="0 0 400 16"
        width="400"
        height="16"
        preserveAspectRatio="none"
        aria-hidden="true"
        focusable="false"
      >
        <rect class="limit" x="0.75" y="0.75" width="398.5" height="14.5" rx="4" />
        <rect class="used" x="0" y="0" width="${width.toFixed(1)}" height="16" rx="4" />
      </svg>
      <figcaption class="figure-line">${m.ofLimit(model.spentEpsilon, model.limitEpsilon)}</figcaption>
    </figure>
    <p class="quiet">${m.explain}</p>
    <section>
      <h2>${m.change}</h2>
      ${postForm(
        paths.budget,
        {},
        html`${field({ name: 'epsilon', label: m.limitField, hint: m.limitHint(model.maxEpsilon), value: model.limitEpsilon, inputmode: 'decimal', problem: model.problem ?? undefined })}<button>
            ${m.save}
          </button>`,
        ctx,
        'stack',
      )}
    </section>
    <section>
      <h2>${m.charges}</h2>
      ${
        model.charges.length === 0
          ? html`<p class="quiet">${m.none}</p>`
          : cardTable(
              m.charges,
              [
                { label: m.question, kind: 'title' },
                { label: m.by },
                { label: m.asked },
                { label: words(ctx).officer.entry, kind: 'number' },
                { label: m.cost, kind: 'number' },
              ],
              model.charges.map((charge) => [
                say(charge.question, ctx.lang),
                say(charge.by, ctx.lang),
                time(charge.atMs, 'minute', ctx),
                html`<a href="${myEntryPath(charge.index)}">${formatNumber(charge.index, ctx.lang)}</a>`,
                charge.costEpsilon,
              ]),
            )
      }
    </section>
  `;
  return layout({ title: m.title, main }, ctx);
}
