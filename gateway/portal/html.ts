// Markup as values. Everything put into a template is escaped unless it is markup made here, so a page cannot
// forget to escape. Attribute values must stand in double quotes (a test looks at every page for that).

/** Markup that is safe to send. Made only by `html` and `trusted`. */
export class Html {
  readonly #markup: string;

  constructor(markup: string) {
    this.#markup = markup;
  }

  toString(): string {
    return this.#markup;
  }
}

/** What may stand in a template: text is escaped, lists are joined, `false`, `null` and `undefined` vanish. */
export type Part = string | number | Html | false | null | undefined | readonly Part[];

/** The tag for templates of markup. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  let markup = strings[0] ?? '';
  for (let i = 0; i < parts.length; i++) markup += renderPart(parts[i]) + (strings[i + 1] ?? '');
  return new Html(markup);
}

/** Markup from a source that is not a person or a partner: our own files, never stored text. */
export function trusted(markup: string): Html {
  return new Html(markup);
}

/**
 * A link target: a path on this site, a fragment, or an http(s) address. Anything else (`javascript:`, `//host`)
 * becomes `#`, so that a partner's registered address cannot run in the person's session.
 */
export function link(target: string): string {
  if (/^\/(?![/\\])/.test(target) || target.startsWith('#') || target.startsWith('?')) return target;
  return /^https?:\/\//i.test(target) ? target : '#';
}

/** A data block that scripts read; `<` is written as an escape so that the block cannot be closed from inside. */
export function dataBlock(id: string, value: unknown): Html {
  const json = JSON.stringify(value)
    .replaceAll('<', String.raw`\u003c`)
    .replaceAll('\u2028', String.raw`\u2028`);
  return html`<script type="application/json" id="${id}">
    ${trusted(json)}
  </script>`;
}

function renderPart(part: Part): string {
  if (part === false || part === null || part === undefined) return '';
  if (part instanceof Html) return part.toString();
  if (typeof part === 'string') return escapeText(part);
  if (typeof part === 'number') return String(part);
  return part.map(renderPart).join('');
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => escapes[character] ?? '');
}
