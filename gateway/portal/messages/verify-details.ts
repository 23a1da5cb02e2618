import type { CheckWords } from '../../audit/check-words.ts';
import { pick, type Lang } from './pick.ts';
import { checkDetailsZh } from './verify-details-zh.ts';

/** What checks say, in this language; undefined for English, in which they speak by themselves. */
export function checkWords(lang: Lang): CheckWords | undefined {
  return lang === 'en' ? undefined : { ...checkDetailsZh, names: pick(lang).verify.checkNames };
}
