import { html, type Html } from '../html.ts';
import type { Category } from '../../consent/vocabulary.ts';
import { layout } from '../layout.ts';
import { word } from '../messages/pick.ts';
import { words, type PageContext } from '../parts/page.ts';
import { pager, type Paging } from '../parts/paging.ts';
import { cardTable } from '../parts/table.ts';
import { number, time } from '../parts/text.ts';
import { paths } from '../paths.ts';

export interface DataSource {
  readonly name: string;
  /** A legal basis the import named, e.g. `contract`; shown as it is when not in the catalogue. */
  readonly basis: string;
  readonly importedMs: number;
  readonly rowCount: number;
}

/** A row: an attribute and its value, or a thing, what was done with it, and the number beside that. */
export interface DataRow {
  readonly atMs: number | null;
  readonly what: string;
  readonly value: string;
  /** What an event was, as the import called it; absent for attributes. */
  readonly kind?: string;
  readonly source: string;
}

export interface DataModel {
  readonly categories: readonly { readonly category: Category; readonly rowCount: number }[];
  /** The category whose rows are shown. */
  readonly chosen: Category | null;
  readonly sources: readonly DataSource[];
  readonly rows: readonly DataRow[];
  readonly paging: Paging;
}

export function dataPage(model: DataModel, ctx: PageContext): Html {
  const m = words(ctx);
  const main = html`
    <h1>${m.data.title}</h1>
    <p class="lead">${m.data.lead}</p>
    ${
      model.chosen === null
        ? html`<p>${m.data.none}</p>`
        : html`<nav aria-label="${m.data.categories}">
              <ul class="tabs">
                ${model.categories.map(
                  (item) =>
                    html`<li>
                      <a
                        href="${paths.data}?category=${item.category}"
                        ${item.category === model.chosen && html`aria-current="true"`}
                        >${m.categories[item.category]} ${number(item.rowCount, ctx)}</a
                      >
                    </li>`,
                )}
              </ul>
            </nav>
            ${sources(model, ctx)} ${rows(model, model.chosen, ctx)}`
    }
    <section>
      <p><a href="${paths.erase}">${m.erase.link}</a></p>
    </section>
  `;
  return layout({ title: m.data.title, main }, ctx);
}

function sources(model: DataModel, ctx: PageContext): Html {
  const m = words(ctx);
  return html`<section>
    <h2>${m.data.sources}</h2>
    ${cardTable(
      m.data.sources,
      [
        { label: m.data.source, kind: 'title' },
        { label: m.data.basis },
        { label: m.data.imported },
        { label: m.data.rowCount, kind: 'number' },
      ],
      model.sources.map((source) => [
        source.name,
        word(m.bases, source.basis.replaceAll('-', '_')),
        time(source.importedMs, 'day', ctx),
        number(source.rowCount, ctx),
      ]),
    )}
  </section>`;
}

function rows(model: DataModel, chosen: Category, ctx: PageContext): Html {
  const m = words(ctx);
  const title = m.data.rowsOf(m.categories[chosen]);
  return html`<section>
    <h2>${title}</h2>
    ${cardTable(
      title,
      [
        { label: m.data.what, kind: 'title' },
        { label: m.data.value },
        { label: m.data.when },
        { label: m.data.from },
      ],
      model.rows.map((row) => [
        row.kind === undefined ? word(m.data.names, row.what) : row.what,
        row.kind === undefined
          ? row.value
          : [word(m.data.names, row.kind), row.value].filter(Boolean).join(' '),
        row.atMs === null ? '–' : time(row.atMs, 'minute', ctx),
        row.source,
      ]),
    )}
    ${pager(model.paging, ctx)}
  </section>`;
}
