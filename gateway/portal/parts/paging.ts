import { html, type Html } from '../html.ts';
import { formatNumber } from '../messages/format.ts';
import { words, type PageContext } from './page.ts';

/** Where a list stands. `from` and `to` count from 1; the links keep the filters. */
export interface Paging {
  readonly from: number;
  readonly to: number;
  readonly of: number;
  readonly newerUrl: string | null;
  readonly olderUrl: string | null;
}

export function pager(paging: Paging, ctx: PageContext): Html {
  const m = words(ctx).layout;
  if (paging.of === 0) return html``;
  const [from, to, of] = [paging.from, paging.to, paging.of].map((n) => formatNumber(n, ctx.lang));
  return html`<nav class="pager" aria-label="${m.pages}">
    <span class="quiet">${m.range(from ?? '', to ?? '', of ?? '')}</span>
    ${paging.newerUrl && html`<a class="button plain" rel="prev" href="${paging.newerUrl}">${m.newer}</a>`}
    ${paging.olderUrl && html`<a class="button plain" rel="next" href="${paging.olderUrl}">${m.older}</a>`}
  </nav>`;
}
