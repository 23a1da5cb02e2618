import { html, type Html } from '../html.ts';
import { layout } from '../layout.ts';
import { say, type Text } from '../messages/pick.ts';
import { choose } from '../parts/form.ts';
import { words, type PageContext } from '../parts/page.ts';
import { pager, type Paging } from '../parts/paging.ts';
import type { Outcome } from '../parts/text.ts';
import { timeline, type ActivityLine } from '../parts/timeline.ts';
import { paths } from '../paths.ts';

export interface ActivityModel {
  readonly lines: readonly ActivityLine[];
  readonly paging: Paging;
  readonly recipients: readonly { readonly id: string; readonly name: Text }[];
  /** What is filtered for; empty text for all. */
  readonly chosen: { readonly outcome: Outcome | ''; readonly recipient: string };
}

/** Stands for every recipient, and for everything but the person's own sign-ins and looks. */
export const withoutVisits = 'others';

const outcomes = ['allowed', 'refused', 'withheld'] as const satisfies readonly Outcome[];

export function activityPage(model: ActivityModel, ctx: PageContext): Html {
  const m = words(ctx);
  const main = html`
    <h1>${m.activity.title}</h1>
    <p class="lead">${m.activity.lead}</p>
    <form method="get" action="${paths.activity}" class="filter" aria-label="${m.activity.filter}">
      ${choose(
        'outcome',
        m.activity.outcome,
        outcomes.map((value) => ({ value, label: m.outcomes[value] })),
        model.chosen.outcome,
        ctx,
      )}
      ${choose(
        'recipient',
        m.activity.recipient,
        [
          { value: withoutVisits, label: m.activity.withoutVisits },
          ...model.recipients.map((item) => ({ value: item.id, label: say(item.name, ctx.lang) })),
        ],
        model.chosen.recipient,
        ctx,
      )}
      <button class="plain">${m.layout.apply}</button>
    </form>
    ${model.lines.length === 0 ? html`<p class="quiet">${m.activity.none}</p>` : timeline(model.lines, ctx)}
    ${pager(model.paging, ctx)}
    <section class="invite tools" aria-labelledby="everything">
      <div>
        <h2 id="everything">${m.activity.proveAll}</h2>
        <p>${m.activity.proveAllText}</p>
        <p class="hint">${m.activity.proveAllHow(html`<a href="${paths.verify}">${m.verify.title}</a>`)}</p>
      </div>
      <form method="get" action="${paths.proofOfAll}">
        <button>${m.activity.proveAllButton}</button>
        <details>
          <summary>${m.activity.since}</summary>
          <label for="since">${m.activity.sinceLabel}</label>
          <input id="since" name="since" inputmode="numeric" pattern="[1-9][0-9]*" maxlength="15" />
        </details>
      </form>
    </section>
  `;
  return layout({ title: m.activity.title, main }, ctx);
}
