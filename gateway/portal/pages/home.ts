import { html, type Html } from '../html.ts';
import { layout } from '../layout.ts';
import { say, type Text } from '../messages/pick.ts';
import { words, type PageContext } from '../parts/page.ts';
import { cardTable } from '../parts/table.ts';
import { number } from '../parts/text.ts';
import { timeline, type ActivityLine } from '../parts/timeline.ts';
import { paths } from '../paths.ts';

export interface HomeModel {
  readonly name: string;
  /** Counts of the last seven days, from the log. */
  readonly usedCount: number;
  readonly refusedCount: number;
  readonly askers: readonly {
    readonly name: Text;
    readonly usedCount: number;
    readonly refusedCount: number;
  }[];
  readonly switches: { readonly on: number; readonly off: number; readonly unset: number };
  readonly rowsHeld: number;
  readonly categoriesHeld: number;
  readonly latest: readonly ActivityLine[];
}

/** Says in true counts who used my data this week and what was refused. */
export function homePage(model: HomeModel, ctx: PageContext): Html {
  const m = words(ctx).home;
  const main = html`
    <section class="hero">
      <p class="eyebrow">${model.name !== '' && html`${model.name} · `}${m.period}</p>
      <h1>
        ${m.headline(model.usedCount, number(model.usedCount, ctx), model.refusedCount, number(model.refusedCount, ctx))}
      </h1>
    </section>
    ${model.askers.length > 0 && askers(model, ctx)}
    <section class="pair">
      <div>
        <h2>${m.switches}</h2>
        <p class="figure-line">
          ${m.switchSummary(number(model.switches.on, ctx), number(model.switches.off, ctx), number(model.switches.unset, ctx))}
        </p>
        <p><a href="${paths.switches}">${m.changeSwitches}</a></p>
      </div>
      <div>
        <h2>${m.held}</h2>
        <p class="figure-line">
          ${m.heldText(model.rowsHeld, number(model.rowsHeld, ctx))}${m.heldCategories(model.categoriesHeld, number(model.categoriesHeld, ctx))}
        </p>
        <p><a href="${paths.data}">${m.seeData}</a></p>
      </div>
    </section>
    <section aria-labelledby="latest">
      <h2 id="latest">${m.latest}</h2>
      ${model.latest.length === 0 ? html`<p class="quiet">${m.nothing}</p>` : timeline(model.latest, ctx)}
      <p><a href="${paths.activity}">${m.allActivity}</a></p>
    </section>
  `;
  return layout({ title: model.name === '' ? words(ctx).layout.nav.home : m.title(model.name), main }, ctx);
}

function askers(model: HomeModel, ctx: PageContext): Html {
  const m = words(ctx).home;
  const most = Math.max(1, ...model.askers.map((asker) => asker.usedCount + asker.refusedCount));
  return html`<section class="askers">
    <h2>${m.who}</h2>
    ${cardTable(
      m.who,
      [
        { label: m.asker, kind: 'title' },
        { label: m.share },
        { label: m.used, kind: 'number' },
        { label: m.refused, kind: 'number' },
      ],
      model.askers.map((asker) => [
        say(asker.name, ctx.lang),
        bar(asker.usedCount, asker.refusedCount, most),
        number(asker.usedCount, ctx),
        number(asker.refusedCount, ctx),
      ]),
    )}
  </section>`;
}

/** A picture of the two numbers that stand beside it in the table; hidden from readers who hear those. */
function bar(usedCount: number, refusedCount: number, most: number): Html {
  const unit = 236 / most;
  const usedWidth = usedCount * unit;
  const refusedWidth = refusedCount * unit;
  return html`<svg
    class="bar-picture"
    viewBox="0 0 240 14"
    width="240"
    height="14"
    preserveAspectRatio="none"
    aria-hidden="true"
    focusable="false"
  >
    ${usedCount > 0 && html`<rect class="used" x="0" y="1" width="${usedWidth.toFixed(1)}" height="12" rx="2" />`}
    ${
      refusedCount > 0 &&
      html`<rect
        class="refused"
        x="${(usedWidth + (usedCount > 0 ? 3 : 0.75)).toFixed(1)}"
        y="1.75"
        width="${Math.max(refusedWidth - 1, 3).toFixed(1)}"
        height="10.5"
        rx="2"
      />`
    }
  </svg>`;
}
