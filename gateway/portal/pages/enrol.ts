import { html, type Html } from '../html.ts';
import { layout } from '../layout.ts';
import type { Messages } from '../messages/en.ts';
import { field, postForm } from '../parts/form.ts';
import { words, type PageContext } from '../parts/page.ts';
import { paths } from '../paths.ts';

export type EnrolProblem = keyof Messages['enrol']['problems'];

export interface EnrolModel {
  readonly code: string;
  readonly name: string;
  readonly problem: EnrolProblem | null;
}

export function enrolPage(model: EnrolModel, ctx: PageContext): Html {
  const m = words(ctx).enrol;
  const problemOf = (...codes: EnrolProblem[]) =>
    model.problem !== null && codes.includes(model.problem) ? m.problems[model.problem] : undefined;
  const main = html`
    <h1>${m.title}</h1>
    <p class="lead">${m.lead}</p>
    ${postForm(
      paths.enrol,
      {},
      html`
        ${field({ name: 'code', label: m.code, hint: m.codeHint, value: model.code, problem: problemOf('invitation_invalid') })}
        ${field({ name: 'name', label: m.name, hint: m.nameHint, value: model.name, autocomplete: 'username', problem: problemOf('name_taken', 'name_length') })}
        ${field({ name: 'password', label: m.password, hint: m.passwordHint, type: 'password', autocomplete: 'new-password', problem: problemOf('password_short') })}
        <p class="quiet">${m.nothing}</p>
        <button>${m.submit}</button>
      `,
      ctx,
      'stack',
    )}
  `;
  return layout({ title: m.title, main, width: 'narrow' }, ctx);
}
