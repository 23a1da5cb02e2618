import { html, type Html } from '../html.ts';
import { layout } from '../layout.ts';
import type { Messages } from '../messages/en.ts';
import { words, type PageContext } from '../parts/page.ts';
import { pager, type Paging } from '../parts/paging.ts';
import { cardTable } from '../parts/table.ts';
import { hash, mark, number, time } from '../parts/text.ts';

export type AnchorState = keyof Messages['officer']['states'];

export interface AnchorLine {
  readonly size: number;
  readonly root: string;
  readonly atMs: number;
  readonly state: AnchorState;
  readonly txHash: string | null;
  readonly blockNumber: number | null;
  readonly gasUsed: number | null;
  /** With its unit, e.g. `0.000042 ETH`; exact, so it arrives as text. */
  readonly cost: string | null;
}

export interface OfficerAnchorsModel {
  readonly anchors: readonly AnchorLine[];
  readonly paging: Paging;
  /** Chain id and contract address, to be compared with the trust file. */
  readonly chain: { readonly chainId: number; readonly contract: string } | null;
}

const marks = { prepared: 'dot', sent: 'dot', confirmed: 'tick', final: 'tick', failed: 'cross' } as const;

export function officerAnchorsPage(model: OfficerAnchorsModel, ctx: PageContext): Html {
  const m = words(ctx).officer;
  const main = html`
    <h1>${m.anchors}</h1>
    <p class="lead">${m.anchorsLead}</p>
    ${model.chain && html`<p class="quiet">${m.chainId} ${model.chain.chainId} · <code class="whole">${model.chain.contract}</code></p>`}
    ${model.anchors.length === 0 ? html`<p class="quiet">${m.noAnchor}</p>` : anchorTable(model.anchors, ctx)}
    ${pager(model.paging, ctx)}
  `;
  return layout({ title: m.anchors, main, width: 'wide' }, ctx);
}

function anchorTable(anchors: readonly AnchorLine[], ctx: PageContext): Html {
  const m = words(ctx).officer;
  const orDash = (value: number | null) => (value === null ? '–' : number(value, ctx));
  return cardTable(
    m.anchors,
    [
      { label: m.size, kind: 'title' },
      { label: m.state },
      { label: m.time },
      { label: m.tx },
      { label: m.block, kind: 'number' },
      { label: m.gas, kind: 'number' },
      { label: m.cost, kind: 'number' },
    ],
    anchors.map((anchor) => [
      number(anchor.size, ctx),
      html`<span class="outcome ${anchor.state}"
        >${mark(marks[anchor.state])}${m.states[anchor.state]}</span
      >`,
      time(anchor.atMs, 'second', ctx),
      anchor.txHash === null ? '–' : hash(anchor.txHash),
      orDash(anchor.blockNumber),
      orDash(anchor.gasUsed),
      anchor.cost ?? '–',
    ]),
  );
}
