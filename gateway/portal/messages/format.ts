import { langTag, type Lang } from './pick.ts';

// Formatters are costly to make and few in number: languages × zones × shapes.
const formatters = new Map<string, Intl.DateTimeFormat>();
const maxFormatters = 200;

const shapes = {
  day: { year: 'numeric', month: 'short', day: 'numeric' },
  minute: { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
  second: {
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  },
  clock: { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' },
} as const satisfies Record<string, Intl.DateTimeFormatOptions>;

export type TimeShape = keyof typeof shapes;

/**
 * @param atMs milliseconds since 1970 UTC
 * @param timeZone an IANA name such as `Asia/Shanghai`
 */
export function formatTime(atMs: number, shape: TimeShape, lang: Lang, timeZone: string): string {
  const key = `${lang} ${timeZone} ${shape}`;
  let formatter = formatters.get(key);
  if (formatter === undefined) {
    const locale = lang === 'en' ? 'en-GB' : langTag(lang);
    formatter = new Intl.DateTimeFormat(locale, { ...shapes[shape], timeZone });
    if (formatters.size < maxFormatters) formatters.set(key, formatter);
  }
  return formatter.format(atMs);
}

const numbers: Readonly<Record<Lang, Intl.NumberFormat>> = {
  en: new Intl.NumberFormat('en-GB', { maximumFractionDigits: 3 }),
  zh: new Intl.NumberFormat('zh-CN', { maximumFractionDigits: 3 }),
};

export function formatNumber(value: number, lang: Lang): string {
  return numbers[lang].format(value);
}

/** Names joined as the language joins them: “a, b and c”, “a、b和c”. */
export function formatList(names: readonly string[], lang: Lang): string {
  return new Intl.ListFormat(lang === 'en' ? 'en-GB' : 'zh-CN', { type: 'conjunction' }).format(names);
}
