// One person's entries as they read them: on the home page, the activity page and beside the demo partner.
import { html, type Html } from '../html.ts';
import type { Operation } from '../../consent/activities.ts';
import type { Category, Purpose } from '../../consent/vocabulary.ts';
import { formatList, formatNumber } from '../messages/format.ts';
import { say, word, type Text } from '../messages/pick.ts';
import { myEntryPath, proofPath } from '../paths.ts';
import { evidenceLine, type Evidence } from './evidence.ts';
import { words, type PageContext } from './page.ts';
import { outcome, time, type Outcome } from './text.ts';

/** One entry about the person, as a line. */
export interface ActivityLine {
  /** Leaf index in the log. */
  readonly index: number;
  readonly atMs: number;
  readonly operation: Operation;
  /** Who acted: a partner, a part of the shop, or the person. */
  readonly who: Text;
  readonly purpose: Purpose | null;
  readonly categories: readonly Category[];
  readonly outcome: Outcome;
  /** A `Reason` code when refused or withheld; translated when the catalogue knows it. */
  readonly reason: string | null;
  readonly evidence: Evidence;
}

export function timeline(lines: readonly ActivityLine[], ctx: PageContext): Html {
  const m = words(ctx);
  return html`<ol class="timeline">
    ${lines.map((line) => {
      const entryName = m.activity.entry(formatNumber(line.index, ctx.lang));
      return html`<li class="${line.outcome}">
        <div class="when">${time(line.atMs, 'minute', ctx)}</div>
        <div class="what">
          <p class="headline">
            <strong>${say(line.who, ctx.lang)}</strong>
            <span>${didOrAsked(line.operation, line.outcome, ctx)}</span>
          </p>
          ${purposeAndCategories(line, ctx)}
          ${line.reason && html`<p class="reason">${word(m.reasons, line.reason)}</p>`}
        </div>
        <div class="result">${outcome(line.outcome, ctx)}</div>
        <div class="proof">
          ${evidenceLine(line.evidence, ctx)}
          <span class="links">
            <a href="${myEntryPath(line.index)}">${entryName}</a>
            <a href="${proofPath(line.index)}" download aria-label="${`${m.layout.proof}: ${entryName}`}"
              >${m.layout.proof}</a
            >
          </span>
        </div>
      </li>`;
    })}
  </ol>`;
}

function purposeAndCategories(line: ActivityLine, ctx: PageContext): Html | false {
  const m = words(ctx);
  if (line.purpose === null && line.categories.length === 0) return false;
  const names = formatList(
    line.categories.map((category) => m.categories[category]),
    ctx.lang,
  );
  return html`<p class="quiet">
    ${names}${line.purpose && html` ${m.activity.for(m.purposes[line.purpose])}`}
  </p>`;
}

/** What was done, or, when it was not, what was asked for: a refused reader read nothing. */
export function didOrAsked(operation: Operation, result: Outcome, ctx: PageContext): string {
  const m = words(ctx);
  const isDone = result === 'allowed' || result === 'started' || !Object.hasOwn(m.attempts, operation);
  return isDone ? m.operations[operation] : word(m.attempts, operation);
}
