import { html, type Html } from '../html.ts';
import { layout } from '../layout.ts';
import { word } from '../messages/pick.ts';
import { words, type PageContext } from '../parts/page.ts';
import { paths } from '../paths.ts';

export interface ProblemModel {
  /** HTTP status. */
  readonly status: number;
  /** A code of `errors.ts`; stable, so that people can quote it. */
  readonly code: string;
  /** The request's id, to find it in the operator's application log. */
  readonly requestId: string | null;
}

export function problemPage(model: ProblemModel, ctx: PageContext): Html {
  const m = words(ctx).problem;
  const isKnown = Object.hasOwn(m.titles, model.code);
  const title = isKnown ? word(m.titles, model.code) : m.otherTitle;
  const main = html`
    <p class="eyebrow">${model.status}</p>
    <h1>${title}</h1>
    <p class="lead">${isKnown ? word(m.texts, model.code) : m.otherText}</p>
    <p class="quiet">
      ${m.code} <code>${model.code}</code>${model.requestId && html` · <code>${model.requestId}</code>`}
    </p>
    <p>
      ${model.code === 'unauthenticated' && html`<a class="button" href="${paths.signIn}">${words(ctx).layout.signIn}</a>`}
      <a class="button plain" href="${paths.landing}">${m.back}</a>
    </p>
  `;
  return layout({ title, main, width: 'narrow' }, ctx);
}
