import { en, type Messages } from './en.ts';
import { zh } from './zh.ts';

export type { Messages } from './en.ts';

/** The languages the portal is written in. */
export const langs = ['en', 'zh'] as const;
export type Lang = (typeof langs)[number];

/** Text that exists in both languages, or a name that is the same in both. */
export type Text = string | Readonly<Record<Lang, string>>;

const catalogues: Readonly<Record<Lang, Messages>> = { en, zh };

/** The catalogue of one language. */
export function pick(lang: Lang): Messages {
  return catalogues[lang];
}

/** The text in this language. */
export function say(text: Text, lang: Lang): string {
  return typeof text === 'string' ? text : text[lang];
}

/** A word from a closed list; a code that the list does not know is shown as it is rather than hidden. */
export function word(words: Readonly<Record<string, string>>, code: string): string {
  return Object.hasOwn(words, code) ? (words[code] ?? code) : code;
}

/** The value of `<html lang>`. */
export function langTag(lang: Lang): string {
  return lang === 'zh' ? 'zh-CN' : 'en';
}

/**
 * The language of a page: an explicit choice first, then the browser's list in its order of preference, then English.
 *
 * @param acceptLanguage the header as sent; at most its first 1,000 characters are looked at
 * @see RFC 9110 section 12.5.4
 */
export function chooseLang(explicit: string | undefined, acceptLanguage: string | undefined): Lang {
  for (const lang of langs) if (lang === explicit) return lang;
  const wanted = (acceptLanguage ?? '')
    .slice(0, 1000)
    .split(',')
    .map((item) => {
      const [tag = '', ...parameters] = item.trim().toLowerCase().split(';');
      const q = parameters.map((p) => /^\s*q=([\d.]+)$/.exec(p)?.[1]).find((value) => value !== undefined);
      return {
        lang: langs.find((lang) => tag === lang || tag.startsWith(`${lang}-`)),
        weight: q ? Number(q) : 1,
      };
    })
    .filter((item) => item.weight > 0)
    .sort((a, b) => b.weight - a.weight);
  return wanted.find((item) => item.lang !== undefined)?.lang ?? 'en';
}
