import { html, type Html } from '../html.ts';
import { layout } from '../layout.ts';
import type { Messages } from '../messages/en.ts';
import { words, type PageContext } from '../parts/page.ts';
import { pager, type Paging } from '../parts/paging.ts';
import { cardTable, facts } from '../parts/table.ts';
import { hash, mark, number, time } from '../parts/text.ts';

export type AnchorState = keyof Messages['officer']['states'];

/** What becomes of an anchor, and how long it has waited. */
export type AnchorNext =
  | { readonly kind: 'sent-next' | 'replaced'; readonly waitsMs: number; readonly atMs: number }
  | { readonly kind: 'replaced-soon' | 'covered'; readonly waitsMs: number }
  | { readonly kind: 'final-later' | 'displaced' | 'reverted' | 'lost' | 'lost-back' };

export interface AnchorLine {
  readonly size: number;
  readonly root: string;
  readonly atMs: number;
  readonly state: AnchorState;
  readonly txHash: string | null;
  readonly blockNumber: number | null;
  readonly gasUsed: number | null;
  /** With its unit, e.g. `42 gwei`. */
  readonly cost: string | null;
  /** The same to the last digit. */
  readonly costWei: string | null;
  readonly next: AnchorNext | null;
}

export interface OfficerAnchorsModel {
  readonly anchors: readonly AnchorLine[];
  readonly paging: Paging;
  /** Chain id and contract address, to be compared with the trust file. */
  readonly chain: { readonly chainId: number; readonly contract: string; readonly finality: string } | null;
  readonly status: {
    readonly chain: 'unasked' | 'answers' | 'silent';
    readonly sinceMs: number;
    readonly nextRoundMs: number | null;
  } | null;
  readonly spent: {
    readonly days: number;
    readonly anchors: number;
    readonly gas: number;
    readonly cost: string;
  };
}

const marks = {
  prepared: 'dot',
  sent: 'dot',
  inBlock: 'dot',
  confirmed: 'tick',
  final: 'tick',
  failed: 'cross',
  lost: 'bar',
} as const;

export function officerAnchorsPage(model: OfficerAnchorsModel, ctx: PageContext): Html {
  const m = words(ctx).officer;
  const { chain, status, spent } = model;
  const main = html`
    <h1>${m.anchors}</h1>
    <p class="lead">${m.anchorsLead}</p>
    ${
      status?.chain === 'silent' &&
      html`<p class="notice" role="status">${m.chainSilent(time(status.sinceMs, 'second', ctx))}</p>`
    }
    ${facts([
      [m.chainId, chain && html`${chain.chainId}`],
      [m.contract, chain && html`<code class="whole">${chain.contract}</code>`],
      [m.finality, chain && m.finalityRule(chain.finality)],
      [m.nextRound, status?.nextRoundMs ? time(status.nextRoundMs, 'second', ctx) : null],
      [
        m.spent(spent.days),
        spent.anchors > 0 &&
          m.spentText(spent.anchors, number(spent.anchors, ctx), number(spent.gas, ctx), spent.cost),
      ],
    ])}
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
      html`<span class="outcome ${anchor.state}">${mark(marks[anchor.state])}${m.states[anchor.state]}</span
        >${anchor.next && html`<br /><span class="quiet">${nextText(anchor.next, ctx)}</span>`}`,
      time(anchor.atMs, 'second', ctx),
      anchor.txHash === null ? '–' : hash(anchor.txHash),
      orDash(anchor.blockNumber),
      orDash(anchor.gasUsed),
      anchor.cost === null
        ? '–'
        : html`<span class="number" title="${anchor.costWei} wei">${anchor.cost}</span>`,
    ]),
  );
}

function nextText(next: AnchorNext, ctx: PageContext): Html | string {
  const m = words(ctx).officer.next;
  switch (next.kind) {
    case 'sent-next':
      return m.sentNext(minutes(next.waitsMs));
    case 'replaced':
      return m.replaced(minutes(next.waitsMs), time(next.atMs, 'clock', ctx));
    case 'replaced-soon':
      return m.replacedSoon(minutes(next.waitsMs));
    case 'covered':
      return m.covered;
    case 'final-later':
      return m.finalLater;
    case 'displaced':
      return m.displaced;
    case 'reverted':
      return m.reverted;
    case 'lost':
      return m.lost;
    case 'lost-back':
      return m.lostBack;
  }
}

const minutes = (ms: number): number => Math.floor(ms / 60_000);
