import { html, type Html } from '../html.ts';
import { layout } from '../layout.ts';
import { langTag, say, type Lang, type Text } from '../messages/pick.ts';
import { postForm } from '../parts/form.ts';
import { words, type PageContext } from '../parts/page.ts';
import { paths } from '../paths.ts';

/** One door of the demo: posting it opens a session for that user. */
export interface DemoDoor {
  /** Value of the form's `door` field. */
  readonly id: string;
  readonly name: Text;
  readonly about: 'lin' | 'maya' | 'officer' | 'analyst' | 'partner';
  /** The language this user reads, shown beside the name. */
  readonly speaks?: Lang;
}

export interface DemoModel {
  readonly doors: readonly DemoDoor[];
}

/** Loopback and demo data only; the route refuses everything else. */
export function demoPage(model: DemoModel, ctx: PageContext): Html {
  const m = words(ctx).demo;
  const main = html`
    <h1>${m.title}</h1>
    <p class="lead">${m.lead}</p>
    <section aria-labelledby="doors">
      <h2 id="doors" class="eyebrow">${m.doors}</h2>
      <ul class="demo-doors">
        ${model.doors.map((door) => {
          const name = say(door.name, ctx.lang);
          return html`<li>
            <div>
              <h3>
                ${name}${door.speaks && html`<span class="role" lang="${langTag(door.speaks)}">${door.speaks === 'zh' ? '中文' : 'English'}</span>`}
              </h3>
              <p>${m.about[door.about]}</p>
            </div>
            ${postForm(paths.demoEnter, { door: door.id }, html`<button>${m.enter(name)}</button>`, ctx)}
          </li>`;
        })}
      </ul>
    </section>
    <section aria-labelledby="steps">
      <h2 id="steps">${m.steps}</h2>
      <ol class="steps">
        ${m.step.map(
          ([title, text]) =>
            html`<li>
              <div>
                <strong>${title}</strong>
                <p>${text}</p>
              </div>
            </li>`,
        )}
      </ol>
    </section>
  `;
  return layout({ title: m.title, main }, ctx);
}
