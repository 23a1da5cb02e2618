// Small pieces of text with meaning: times, numbers, hashes, outcomes.
import { html, trusted, type Html } from '../html.ts';
import { formatNumber, formatTime, type TimeShape } from '../messages/format.ts';
import { word } from '../messages/pick.ts';
import { words, type PageContext } from './page.ts';

export function time(atMs: number, shape: TimeShape, ctx: PageContext): Html {
  const machine = new Date(atMs).toISOString();
  return html`<time datetime="${machine}">${formatTime(atMs, shape, ctx.lang, ctx.timeZone)}</time>`;
}

export function number(value: number, ctx: PageContext): Html {
  return html`<span class="number">${formatNumber(value, ctx.lang)}</span>`;
}

/** The first 12 characters, with the whole in the title and selectable by a script-free triple click. */
export function hash(hex: string): Html {
  return html`<code class="hash" title="${hex}">${hex.length > 14 ? `${hex.slice(0, 12)}…` : hex}</code>`;
}

/** A whole hash, broken where the column ends. */
export function wholeHash(hex: string): Html {
  return html`<code class="hash whole">${hex}</code>`;
}

export type Outcome = 'allowed' | 'refused' | 'withheld' | 'started' | 'failed';

/** A mark and a word: never colour alone (WCAG 1.4.1). */
export function outcome(code: Outcome, ctx: PageContext): Html {
  const icon = code === 'allowed' ? 'tick' : code === 'started' ? 'dot' : code === 'failed' ? 'cross' : 'bar';
  return html`<span class="outcome ${code}">${mark(icon)}${word(words(ctx).outcomes, code)}</span>`;
}

const shapes = {
  tick: '<path d="M4.5 8.4l2.4 2.4 4.8-5.2"/>',
  cross: '<path d="M5.2 5.2l5.6 5.6M10.8 5.2l-5.6 5.6"/>',
  bar: '<path d="M4.8 8h6.4"/>',
  warn: '<path d="M8 4.4v4.4M8 11.4v.2"/>',
  dot: '<circle cx="8" cy="8" r="1.4"/>',
} as const;

/** A round mark of 16 px; decoration, the word beside it carries the meaning. */
export function mark(shape: keyof typeof shapes): Html {
  return html`<svg
    class="mark mark-${shape}"
    viewBox="0 0 16 16"
    width="16"
    height="16"
    aria-hidden="true"
    focusable="false"
  >
    <circle class="disc" cx="8" cy="8" r="7.25" />
    ${trusted(shapes[shape])}
  </svg>`;
}
