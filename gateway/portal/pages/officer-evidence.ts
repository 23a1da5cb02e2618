import { purposeNames } from '../../consent/vocabulary.ts';
import { html, type Html } from '../html.ts';
import { layout } from '../layout.ts';
import { evidenceWords } from '../messages/evidence-words.ts';
import { word } from '../messages/pick.ts';
import { field, postForm, type Choice } from '../parts/form.ts';
import { words, type PageContext } from '../parts/page.ts';
import { paths } from '../paths.ts';

export interface OfficerEvidenceModel {
  readonly partners: readonly { readonly id: string; readonly name: string }[];
  /** Code of what went wrong with the form; null: nothing. */
  readonly problem: string | null;
  /** What was typed; times as `datetime-local` values in the page's zone. */
  readonly typed: {
    readonly person: string;
    readonly partner: string;
    readonly purpose: string;
    readonly from: string;
    readonly to: string;
    readonly hold: string;
  };
}

export function officerEvidencePage(model: OfficerEvidenceModel, ctx: PageContext): Html {
  const m = evidenceWords[ctx.lang].page;
  const { typed, problem } = model;
  const partners = model.partners.map(({ id, name }) => ({
    value: id,
    label: name === id ? id : `${name} (${id})`,
  }));
  const purposes = purposeNames.map((name) => ({ value: name, label: words(ctx).purposes[name] }));
  const form = html`
    <p class="hint">${m.chooseHint}</p>
    ${field({ name: 'person', label: m.person, hint: m.personHint, value: typed.person, isOptional: true })}
    ${oneOrNone('partner', m.partner, partners, typed.partner, m.nobody)}
    ${oneOrNone('purpose', m.purpose, purposes, typed.purpose, m.nobody)}
    ${field({ name: 'from', label: m.from, hint: m.timesHint, type: 'datetime-local', value: typed.from, isOptional: true })}
    ${field({ name: 'to', label: m.to, type: 'datetime-local', value: typed.to, isOptional: true })}
    ${field({ name: 'hold', label: m.hold, hint: m.holdHint, value: typed.hold, isOptional: true })}
    <button>${m.submit}</button>
    <p class="hint">${m.limits}</p>
  `;
  const main = html`
    <h1>${m.title}</h1>
    <p class="lead">${m.lead}</p>
    ${problem !== null && html`<p class="alert" role="alert">${word(m.problems, problem)}</p>`}
    <section>
      <h2>${m.choose}</h2>
      ${postForm(paths.officerEvidence, {}, form, ctx, 'stack')}
    </section>
    <section>
      <h2>${m.proves}</h2>
      ${lines(m.provesList)}
    </section>
    <section>
      <h2>${m.doesNot}</h2>
      ${lines(m.doesNotList)}
    </section>
    <section>
      <h2>${m.told}</h2>
      <p>${m.toldText}</p>
    </section>
  `;
  return layout({ title: m.title, main }, ctx);
}

const lines = (texts: readonly string[]): Html =>
  html`<ul class="points">
    ${texts.map((text) => html`<li>${text}</li>`)}
  </ul>`;

function oneOrNone(
  name: string,
  label: string,
  choices: readonly Choice[],
  chosen: string,
  none: string,
): Html {
  return html`<div class="field">
    <label for="${name}">${label}</label>
    <select id="${name}" name="${name}">
      ${[{ value: '', label: `– ${none} –` }, ...choices].map(
        (one) =>
          html`<option value="${one.value}" ${one.value === chosen && html`selected`}>${one.label}</option>`,
      )}
    </select>
  </div>`;
}
