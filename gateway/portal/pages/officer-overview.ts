import { html, type Html } from '../html.ts';
import type { EntryKind } from '../../audit/entry.ts';
import { layout } from '../layout.ts';
import { words, type PageContext } from '../parts/page.ts';
import { cardTable, facts } from '../parts/table.ts';
import { hash, number, time } from '../parts/text.ts';
import type { AnchorState } from './officer-anchors.ts';
import { paths } from '../paths.ts';

export interface OfficerOverviewModel {
  /** Entries in the log, durable ones only. */
  readonly entryCount: number;
  /** Counts of the last seven days. */
  readonly week: { readonly allowed: number; readonly refused: number; readonly withheld: number };
  readonly peopleCount: number;
  readonly partnerCount: number;
  readonly kinds: readonly { readonly kind: EntryKind; readonly count: number }[];
  readonly checkpoint: {
    readonly size: number;
    readonly root: string;
    readonly atMs: number;
    readonly signer: string;
  } | null;
  readonly anchor: {
    readonly size: number;
    readonly atMs: number;
    readonly state: AnchorState;
    readonly unanchoredCount: number;
  } | null;
}

export function officerOverviewPage(model: OfficerOverviewModel, ctx: PageContext): Html {
  const m = words(ctx).officer;
  const main = html`
    <section class="hero">
      <p class="eyebrow">${m.title}</p>
      <h1>${m.headline(number(model.entryCount, ctx))}</h1>
    </section>
    <section aria-labelledby="week">
      <h2 id="week" class="eyebrow">${m.week}</h2>
      <dl class="figures">
        ${figure(m.allowed, model.week.allowed, ctx)} ${figure(m.refused, model.week.refused, ctx)}
        ${figure(m.withheld, model.week.withheld, ctx)} ${figure(m.people, model.peopleCount, ctx)}
        ${figure(m.partners, model.partnerCount, ctx)}
      </dl>
    </section>
    <section class="pair">
      <div>
        <h2>${m.checkpoint}</h2>
        ${
          model.checkpoint === null
            ? html`<p class="quiet">${m.noCheckpoint}</p>`
            : facts([
                [m.size, number(model.checkpoint.size, ctx)],
                [m.root, hash(model.checkpoint.root)],
                [m.time, time(model.checkpoint.atMs, 'second', ctx)],
                [m.signature, html`<code>${model.checkpoint.signer}</code>`],
              ])
        }
        <p><a href="${paths.officerCheckpoints}">${m.checkpoints}</a></p>
      </div>
      <div>
        <h2>${m.anchor}</h2>
        ${
          model.anchor === null
            ? html`<p class="quiet">${m.noAnchor}</p>`
            : html`${facts([
                [m.size, number(model.anchor.size, ctx)],
                [m.state, m.states[model.anchor.state]],
                [m.time, time(model.anchor.atMs, 'second', ctx)],
              ])}
              ${model.anchor.unanchoredCount > 0 && html`<p class="quiet">${m.behind(model.anchor.unanchoredCount, number(model.anchor.unanchoredCount, ctx))}</p>`}`
        }
        <p><a href="${paths.officerAnchors}">${m.anchors}</a></p>
      </div>
    </section>
    <section>
      <h2>${m.kinds}</h2>
      ${cardTable(
        m.kinds,
        [
          { label: m.kind, kind: 'title' },
          { label: m.count, kind: 'number' },
        ],
        model.kinds.map((item) => [
          html`<a href="${paths.officerEntries}?kind=${item.kind}">${words(ctx).kinds[item.kind]}</a>`,
          number(item.count, ctx),
        ]),
      )}
    </section>
    <section class="invite">
      <div>
        <h2>${m.trust}</h2>
        <p>${m.trustText}</p>
      </div>
      <p class="buttons">
        <a class="button plain" href="/log/trust.json" download="assent-trust.json">${m.trustDownload}</a>
        <code>${m.trustCommand}</code>
      </p>
    </section>
  `;
  return layout({ title: m.title, main }, ctx);
}

function figure(label: string, value: number, ctx: PageContext): Html {
  return html`<div>
    <dt>${label}</dt>
    <dd>${number(value, ctx)}</dd>
  </div>`;
}
