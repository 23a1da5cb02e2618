// The inclusion path as a picture: a ladder from the leaf at the foot to the root at the top.
import { html, type Html } from '../html.ts';
import { words, type PageContext } from './page.ts';
import { cardTable } from './table.ts';
import { wholeHash } from './text.ts';

export interface InclusionView {
  readonly index: number;
  readonly size: number;
  readonly leafHash: string;
  /** Sibling hashes from the leaf upwards, at most 64. */
  readonly path: readonly string[];
  readonly root: string;
}

export interface InclusionStep {
  readonly side: 'left' | 'right';
  readonly hash: string;
}

/**
 * On which side of the path each sibling stands.
 * @see RFC 9162 section 2.1.3.2 for the walk that decides it
 */
export function inclusionSteps(
  view: Pick<InclusionView, 'index' | 'size' | 'path'>,
): readonly InclusionStep[] {
  let node = view.index;
  let last = view.size - 1;
  return view.path.map((hash) => {
    const isLeft = node % 2 === 1 || node === last;
    if (isLeft) {
      while (node % 2 === 0 && node > 0) {
        node = Math.floor(node / 2);
        last = Math.floor(last / 2);
      }
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
    return { side: isLeft ? 'left' : 'right', hash };
  });
}

const rowHeight = 46;
const middle = 160;
const reach = 92;

/** The picture with its twin, a table of the whole hashes. */
export function inclusionPicture(view: InclusionView, ctx: PageContext): Html {
  const m = words(ctx).entry;
  const steps = inclusionSteps(view);
  const height = steps.length * rowHeight + 54;
  const y = (level: number) => height - 24 - level * rowHeight;
  const lines = steps.map((step, level) => {
    const x = step.side === 'left' ? middle - reach : middle + reach;
    return html`<path
      class="edge"
      d="M${middle} ${y(level)}V${y(level + 1)}M${x} ${y(level)}C${x} ${y(level) - 30} ${middle} ${y(level) - 16} ${middle} ${y(level + 1)}"
    />`;
  });
  const siblings = steps.map((step, level) => {
    const isLeft = step.side === 'left';
    const x = isLeft ? middle - reach : middle + reach;
    return html`<circle class="given" cx="${x}" cy="${y(level)}" r="6" />
      <text x="${x + (isLeft ? -12 : 12)}" y="${y(level) + 4}" ${isLeft && html`text-anchor="end"`}
        >${step.hash.slice(0, 6)}</text
      >`;
  });
  const own = Array.from({ length: steps.length + 1 }, (_, level) => {
    const className = level === 0 ? 'leaf' : level === steps.length ? 'root' : 'computed';
    return html`<circle
      class="${className}"
      cx="${middle}"
      cy="${y(level)}"
      r="${level === 0 || level === steps.length ? 8 : 5}"
    />`;
  });
  return html`<div class="inclusion">
    <svg
      viewBox="0 0 320 ${height}"
      width="320"
      height="${height}"
      role="img"
      aria-label="${m.inclusionAlt(steps.length)}"
    >
      ${lines} ${siblings} ${own}
      <text class="name" x="${middle + 16}" y="${y(steps.length) + 4}">
        ${m.root} ${view.root.slice(0, 6)}
      </text>
      <text class="name" x="${middle}" y="${height - 4}" text-anchor="middle">${m.thisLeaf}</text>
    </svg>
    <details>
      <summary>${m.showSteps}</summary>
      ${cardTable(
        m.inclusion,
        [{ label: m.step, kind: 'title' }, { label: m.side }, { label: m.hash }],
        [
          [m.thisLeaf, '–', wholeHash(view.leafHash)],
          ...steps.map((step, i) => [
            String(i + 1),
            step.side === 'left' ? m.left : m.right,
            wholeHash(step.hash),
          ]),
          [m.root, '–', wholeHash(view.root)],
        ],
      )}
    </details>
  </div>`;
}
