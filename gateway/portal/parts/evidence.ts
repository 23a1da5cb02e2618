// Evidence has five levels, shown everywhere in the same order and the same words.
import { html, type Html } from '../html.ts';
import type { EvidenceLevel } from '../messages/en.ts';
import { words, type PageContext } from './page.ts';
import { mark } from './text.ts';

export const evidenceLevels = [
  'recorded',
  'checkpointed',
  'witnessed',
  'anchored_local',
  'anchored_final',
] as const satisfies readonly EvidenceLevel[];

/** Which levels an entry has reached. Not a single number: a log without witnesses can be anchored. */
export type Evidence = readonly EvidenceLevel[];

/** Five small steps and the words of the highest level reached. */
export function evidenceLine(evidence: Evidence, ctx: PageContext): Html {
  const m = words(ctx).evidence;
  const highest = evidenceLevels.findLast((level) => evidence.includes(level)) ?? 'recorded';
  return html`<span class="evidence-line">
    <svg viewBox="0 0 50 10" width="50" height="10" aria-hidden="true" focusable="false">
      ${evidenceLevels.map(
        (level, i) =>
          html`<rect
            class="${evidence.includes(level) ? 'reached' : 'open'}"
            x="${i * 10 + 0.75}"
            y="${1.75}"
            width="7"
            height="6.5"
            rx="1.5"
          />`,
      )}
    </svg>
    <span><span class="unseen">${m.title}: </span>${m.levels[highest]}</span>
  </span>`;
}

/** All five levels with what each means. */
export function evidenceSteps(evidence: Evidence, ctx: PageContext): Html {
  const m = words(ctx).evidence;
  return html`<ol class="evidence-steps">
    ${evidenceLevels.map((level) => {
      const isReached = evidence.includes(level);
      return html`<li class="${isReached ? 'reached' : 'open'}">
        ${mark(isReached ? 'tick' : 'dot')}
        <div>
          <strong>${m.levels[level]}</strong>
          <span class="quiet">${isReached ? m.reached : m.notReached}</span>
          <p>${m.meanings[level]}</p>
        </div>
      </li>`;
    })}
  </ol>`;
}
