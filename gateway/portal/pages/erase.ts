import { html, type Html } from '../html.ts';
import type { Category } from '../../consent/vocabulary.ts';
import { layout } from '../layout.ts';
import { formatList } from '../messages/format.ts';
import type { Messages } from '../messages/en.ts';
import { field, postForm } from '../parts/form.ts';
import { words, type PageContext } from '../parts/page.ts';
import { facts } from '../parts/table.ts';
import { time } from '../parts/text.ts';
import { paths } from '../paths.ts';

export interface EraseModel {
  /** How the person shows once more that it is them: the demo's people have no password. */
  readonly confirmBy: 'password' | 'word';
  readonly problem: keyof Messages['erase']['problems'] | null;
  readonly evidenceUntilMs: number;
  /** Holds whose rule allows to tell the person. */
  readonly holds: readonly {
    readonly categories: readonly Category[];
    readonly payloads: boolean;
    readonly untilMs: number;
  }[];
}

/** Says what goes, what stays until when and why, before anything is asked. */
export function erasePage(model: EraseModel, ctx: PageContext): Html {
  const m = words(ctx).erase;
  const main = html`
    <h1>${m.title}</h1>
    <p class="lead">${m.lead}</p>
    <section>
      <h2>${m.goes}</h2>
      <ul class="points">
        ${m.goesList.map((line) => html`<li>${line}</li>`)}
      </ul>
    </section>
    <section>
      <h2>${m.stays}</h2>
      <ul class="points">
        ${m.staysList(time(model.evidenceUntilMs, 'day', ctx)).map((line) => html`<li>${line}</li>`)}
      </ul>
    </section>
    ${model.holds.length > 0 && held(model, ctx)}
    <section>
      <h2>${m.sure}</h2>
      ${postForm(
        paths.erase,
        {},
        html`${
            model.confirmBy === 'password'
              ? field({
                  name: 'password',
                  label: m.password,
                  type: 'password',
                  autocomplete: 'current-password',
                  problem: problemOf(model, ctx),
                })
              : field({ name: 'word', label: m.word, hint: m.wordHint, problem: problemOf(model, ctx) })
          }<button class="grave">${m.submit}</button>`,
        ctx,
        'stack',
      )}
    </section>
  `;
  return layout({ title: m.title, main, width: 'narrow' }, ctx);
}

function problemOf(model: EraseModel, ctx: PageContext): string | undefined {
  return model.problem === null ? undefined : words(ctx).erase.problems[model.problem];
}

function held(model: EraseModel, ctx: PageContext): Html {
  const m = words(ctx);
  const what = ({ categories, payloads }: EraseModel['holds'][number]): string =>
    formatList(
      [...categories.map((name) => m.categories[name]), ...(payloads ? [m.erase.payloads] : [])],
      ctx.lang,
    );
  return html`<section>
    <h2>${m.erase.held}</h2>
    <ul class="points">
      ${model.holds.map((hold) => html`<li>${m.erase.heldLine(what(hold), time(hold.untilMs, 'day', ctx))}</li>`)}
    </ul>
  </section>`;
}

export interface ErasedModel {
  readonly code: string;
  readonly evidenceUntilMs: number;
}

/** The answer to the form, shown once: nobody is signed in any more. */
export function erasedPage(model: ErasedModel, ctx: PageContext): Html {
  const m = words(ctx).erase;
  const main = html`
    <h1>${m.doneTitle}</h1>
    <p class="lead">${m.doneText}</p>
    ${facts([[m.code, html`<code class="whole">${model.code}</code>`]])}
    <p class="quiet">${m.until(time(model.evidenceUntilMs, 'day', ctx))}</p>
    <p>${m.goingOn}</p>
    ${receiptButton(model.code, false, ctx)}
  `;
  return layout({ title: m.doneTitle, main, width: 'narrow' }, ctx);
}

export interface ReceiptModel {
  readonly code: string;
  readonly hasFailed: boolean;
  readonly found: {
    readonly requestedMs: number;
    readonly completedMs: number | null;
    readonly evidenceUntilMs: number;
  } | null;
}

/** For whoever has the code, without an account. */
export function receiptPage(model: ReceiptModel, ctx: PageContext): Html {
  const m = words(ctx).erase;
  const { found } = model;
  const main = html`
    <h1>${m.receiptTitle}</h1>
    <p class="lead">${m.receiptLead}</p>
    ${
      found === null
        ? postForm(
            paths.erasure,
            {},
            html`${field({ name: 'code', label: m.code, value: model.code, problem: model.hasFailed ? m.wrongCode : undefined })}<button>
                ${m.fetch}
              </button>`,
            ctx,
            'stack',
          )
        : html`${facts([
            [m.asked, time(found.requestedMs, 'minute', ctx)],
            [m.completed, found.completedMs === null ? m.waiting : time(found.completedMs, 'minute', ctx)],
            [m.evidenceUntil, time(found.evidenceUntilMs, 'day', ctx)],
          ])}
          ${found.completedMs === null && html`<p>${m.goingOn}</p>`}
          ${receiptButton(model.code, found.completedMs !== null, ctx)}`
    }
  `;
  return layout({ title: m.receiptTitle, main, width: 'narrow' }, ctx);
}

function receiptButton(code: string, isCompleted: boolean, ctx: PageContext): Html {
  const m = words(ctx).erase;
  return postForm(
    paths.erasure,
    isCompleted ? { code, download: '1' } : { code },
    html`<button>${isCompleted ? m.download : m.fetch}</button>`,
    ctx,
    'stack',
  );
}
