// Says in another language what a check found. The English sentence is the code: a language has one sentence for each,
// with {places} for the values in it. Pure; the command line and the page opened from disk say the same.
import type { Check, CheckName } from './checks.ts';

export interface CheckWords {
  /** By English sentence. Both have the same {places}; a {check} is the name of one. */
  readonly sentences: Readonly<Record<string, string>>;
  readonly names: Readonly<Record<CheckName, string>>;
  /** What is wrong when only the program's own message says more; by check. */
  readonly faults: Readonly<Record<CheckName, string>>;
  /** Shows that message, {detail}, as it is. */
  readonly technical: string;
}

/** A check's detail, in words the reader knows. @param words undefined for English, which details are written in */
export function sayDetail(words: CheckWords | undefined, { name, ok, detail }: Check): string {
  if (words === undefined) return detail;
  const known = saySentence(words, detail);
  if (known !== undefined) return known;
  const quoted = fill(words.technical, { detail });
  return ok ? quoted : words.faults[name] + quoted;
}

/** Undefined when the language has no sentence for this one. */
export function saySentence({ sentences, names }: CheckWords, english: string): string | undefined {
  const fitting = Object.entries(sentences).flatMap(([template, said]) => {
    const values = valuesIn(template, english);
    return values === undefined ? [] : [{ said, values, size: Object.values(values).join('').length }];
  });
  // Where several fit, the one that leaves least to its places says most.
  const [best] = fitting.sort((a, b) => a.size - b.size);
  if (best === undefined) return undefined;
  const { check } = best.values;
  return fill(best.said, check === undefined ? best.values : { ...best.values, check: named(names, check) });
}

const place = /\{(\w+)\}/g;

/** The values at the places of the template; undefined when the text is another one. */
function valuesIn(template: string, text: string): Record<string, string> | undefined {
  const parts = template.split(place);
  const pattern = parts.map((part, i) =>
    i % 2 === 1 ? '(.+?)' : part.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`),
  );
  const found = new RegExp(`^${pattern.join('')}$`, 's').exec(text);
  if (found === null) return undefined;
  return Object.fromEntries(
    found.slice(1).map((value, i): [string, string] => [parts[2 * i + 1] ?? '', value]),
  );
}

const fill = (template: string, values: Readonly<Record<string, string>>): string =>
  template.replace(place, (_, name: string) => values[name] ?? '');

const named = (names: CheckWords['names'], check: string): string =>
  Object.hasOwn(names, check) ? names[check as CheckName] : check;
