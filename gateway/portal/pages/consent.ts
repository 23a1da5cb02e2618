import { html, link, type Html } from '../html.ts';
import type { Category, Purpose } from '../../consent/vocabulary.ts';
import { layout } from '../layout.ts';
import { say, type Text } from '../messages/pick.ts';
import { postForm } from '../parts/form.ts';
import { words, type PageContext } from '../parts/page.ts';
import { facts } from '../parts/table.ts';
import { number } from '../parts/text.ts';

export interface ConsentScope {
  /** As registered, `<category>.<purpose>:read`; the value of the ticked box. */
  readonly scope: string;
  readonly category: Category;
  readonly purpose: Purpose;
  readonly needsSeparate: boolean;
  readonly isAlreadyOn: boolean;
  /** A general "off" refuses it whatever is ticked. */
  readonly isBlocked: boolean;
}

export interface ConsentModel {
  /** Where the form posts: the interaction's own address. */
  readonly action: string;
  readonly personName: string;
  readonly partner: {
    readonly name: Text;
    readonly company: string;
    readonly contact: string;
    readonly siteUrl: string;
    readonly clientId: string;
  };
  readonly scopes: readonly ConsentScope[];
  /** Paragraphs of the notice in the page's language. */
  readonly notice: { readonly version: string; readonly paragraphs: readonly string[] };
  readonly durationDays: number;
}

/**
 * The OAuth consent step. Who asks and how to reach them comes first (PIPL Art. 23); nothing is ticked beforehand, and both
 * answers look alike (EDPB 03/2022; PIPL Art. 14).
 */
export function consentPage(model: ConsentModel, ctx: PageContext): Html {
  const m = words(ctx).consent;
  const { partner, notice } = model;
  const title = m.title(say(partner.name, ctx.lang));
  const main = html`
    <h1>${title}</h1>
    <p class="lead">${m.nothingYet}</p>
    <section>
      <h2>${m.who}</h2>
      ${facts([
        [m.company, partner.company],
        [m.contact, partner.contact],
        [m.site, html`<a href="${link(partner.siteUrl)}" rel="noreferrer">${partner.siteUrl}</a>`],
        [m.clientId, html`<code>${partner.clientId}</code>`],
      ])}
      <p class="quiet">${m.account(model.personName)}</p>
    </section>
    ${postForm(
      model.action,
      { notice: notice.version },
      html`
        <fieldset class="scopes">
          <legend><h2>${m.what}</h2></legend>
          ${model.scopes.map((scope, i) => scopeRow(scope, i, ctx))}
        </fieldset>
        <h2>${m.notice}</h2>
        <div class="notice">
          <p class="quiet">${m.version(notice.version)}</p>
          ${notice.paragraphs.map((paragraph) => html`<p>${paragraph}</p>`)}
        </div>
        <p>${m.duration(model.durationDays, number(model.durationDays, ctx))}${m.withdraw}</p>
        <div class="choices">
          <button class="choice" name="answer" value="allow">${m.allow}</button>
          <button class="choice" name="answer" value="deny">${m.deny}</button>
        </div>
      `,
      ctx,
      'consent',
    )}
  `;
  return layout({ title, main, width: 'narrow' }, ctx);
}

function scopeRow(scope: ConsentScope, i: number, ctx: PageContext): Html {
  const m = words(ctx);
  const notes = [
    scope.isAlreadyOn && m.consent.alreadyOn,
    scope.needsSeparate && m.consent.separate,
    scope.isBlocked && m.consent.blocked,
  ].filter((note) => note !== false);
  return html`<div class="scope">
    <input
      type="checkbox"
      id="scope-${i}"
      name="scope"
      value="${scope.scope}"
      aria-describedby="scope-${i}-about"
    />
    <div>
      <label for="scope-${i}"
        >${m.consent.scope(m.categories[scope.category], m.purposes[scope.purpose])}</label
      >
      <p class="hint" id="scope-${i}-about">
        ${m.consent.about(m.categoryHints[scope.category], m.purposeHints[scope.purpose])}${notes.map((note) => html`<span class="note">${note}</span>`)}
      </p>
    </div>
  </div>`;
}
