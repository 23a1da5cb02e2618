import { html, type Html, type Part } from '../html.ts';

export interface Column {
  readonly label: string;
  readonly kind?: 'number' | 'title';
}

/**
 * A table that becomes a stack of cards where the window is narrow. The roles are written out because a change of
 * `display` takes them away in some browsers (WCAG 1.3.1).
 */
export function cardTable(
  caption: string,
  columns: readonly Column[],
  rows: readonly (readonly Part[])[],
): Html {
  return html`<table class="cards" role="table">
    <caption class="quiet">
      ${caption}
    </caption>
    <thead role="rowgroup">
      <tr role="row">
        ${columns.map((column) => html`<th role="columnheader" scope="col" class="${column.kind ?? ''}">${column.label}</th>`)}
      </tr>
    </thead>
    <tbody role="rowgroup">
      ${rows.map(
        (row) =>
          html`<tr role="row">
            ${row.map((cell, i) => {
              const column = columns[i];
              return column?.kind === 'title'
                ? html`<th role="rowheader" scope="row" class="title">${cell}</th>`
                : html`<td role="cell" class="${column?.kind ?? ''}" data-label="${column?.label ?? ''}">
                    <div>${cell}</div>
                  </td>`;
            })}
          </tr>`,
      )}
    </tbody>
  </table>`;
}

/** Names and values, one pair a line. Absent values leave no line. */
export function facts(pairs: readonly (readonly [string, Part])[]): Html {
  const shown = pairs.filter(
    ([, value]) => value !== null && value !== undefined && value !== false && value !== '',
  );
  return html`<dl class="facts">
    ${shown.map(
      ([name, value]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}
