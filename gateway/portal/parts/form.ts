// Forms post and redirect back; each carries the session's CSRF token.
import { html, type Html, type Part } from '../html.ts';
import { words, type PageContext } from './page.ts';

/** @param hidden names and values that go with the form */
export function postForm(
  action: string,
  hidden: Readonly<Record<string, string>>,
  content: Part,
  ctx: PageContext,
  className = '',
): Html {
  return html`<form method="post" action="${action}" ${className && html`class="${className}"`}>
    <input type="hidden" name="_csrf" value="${ctx.csrfToken}" />
    ${Object.entries(hidden).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}" />`)}
    ${content}
  </form>`;
}

export interface Field {
  readonly name: string;
  readonly label: string;
  readonly hint?: string;
  /** Shown with the field and read out with it. */
  readonly problem?: string | undefined;
  readonly type?: 'text' | 'password' | 'number' | 'datetime-local';
  readonly value?: string | undefined;
  readonly autocomplete?: string;
  readonly inputmode?: 'decimal' | 'text';
  readonly isOptional?: true;
}

export function field(model: Field): Html {
  const hintId = `${model.name}-hint`;
  const problemId = `${model.name}-problem`;
  const described = [model.hint && hintId, model.problem && problemId].filter(Boolean).join(' ');
  return html`<div class="field">
    <label for="${model.name}">${model.label}</label>
    ${model.hint && html`<p class="hint" id="${hintId}">${model.hint}</p>`}
    <input
      id="${model.name}"
      name="${model.name}"
      type="${model.type ?? 'text'}"
      value="${model.value ?? ''}"
      ${!model.isOptional && html`required`}
      autocomplete="${model.autocomplete ?? 'off'}"
      ${model.inputmode && html`inputmode="${model.inputmode}"`}
      ${described && html`aria-describedby="${described}"`}
      ${model.problem && html`aria-invalid="true"`}
    />
    ${model.problem && html`<p class="problem-text" id="${problemId}">${model.problem}</p>`}
  </div>`;
}

export interface Choice {
  readonly value: string;
  readonly label: string;
}

/** A list to choose one from; the empty value stands for all. */
export function choose(
  name: string,
  label: string,
  choices: readonly Choice[],
  chosen: string,
  ctx: PageContext,
): Html {
  const options = [{ value: '', label: words(ctx).layout.all }, ...choices];
  return html`<div class="field">
    <label for="${name}">${label}</label>
    <select id="${name}" name="${name}">
      ${options.map(
        (option) =>
          html`<option value="${option.value}" ${option.value === chosen && html`selected`}>
            ${option.label}
          </option>`,
      )}
    </select>
  </div>`;
}
