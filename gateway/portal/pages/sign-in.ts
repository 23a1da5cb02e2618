import { html, type Html } from '../html.ts';
import { layout } from '../layout.ts';
import { field, postForm } from '../parts/form.ts';
import { words, type PageContext } from '../parts/page.ts';
import { paths } from '../paths.ts';

export interface SignInModel {
  readonly for: 'person' | 'staff';
  readonly name: string;
  readonly hasFailed: boolean;
  /** Where to go afterwards; a path on this site, checked by the route. */
  readonly next: string | null;
}

/** The failure says the same for an unknown name and a wrong password. */
export function signInPage(model: SignInModel, ctx: PageContext): Html {
  const m = words(ctx).signIn;
  const isStaff = model.for === 'staff';
  const main = html`
    <h1>${isStaff ? m.staffTitle : m.title}</h1>
    ${isStaff && html`<p class="lead">${m.staffLead}</p>`}
    ${model.hasFailed && html`<p class="alert" role="alert">${m.wrong}</p>`}
    ${postForm(
      isStaff ? paths.staffSignIn : paths.signIn,
      model.next === null ? {} : { next: model.next },
      html`
        ${field({ name: 'name', label: m.name, value: model.name, autocomplete: 'username' })}
        ${field({ name: 'password', label: m.password, type: 'password', autocomplete: 'current-password' })}
        <button>${m.submit}</button>
      `,
      ctx,
      'stack',
    )}
    <ul class="plain-list">
      ${
        isStaff
          ? html`<li><a href="${paths.signIn}">${m.person}</a></li>`
          : html`<li>${m.noAccount} <a href="${paths.enrol}">${m.enrol}</a></li>
              <li><a href="${paths.staffSignIn}">${m.staff}</a></li>`
      }
    </ul>
  `;
  return layout({ title: isStaff ? m.staffTitle : m.title, main, width: 'narrow' }, ctx);
}

export function signedOutPage(ctx: PageContext): Html {
  const m = words(ctx).signIn;
  const main = html`
    <h1>${m.out}</h1>
    <p class="lead">${m.outText}</p>
    <p><a class="button plain" href="${paths.signIn}">${m.again}</a></p>
  `;
  return layout({ title: m.out, main, width: 'narrow' }, ctx);
}
