import { evidenceEn, type EvidenceWords } from './evidence-en.ts';
import { evidenceZh } from './evidence-zh.ts';
import type { Lang } from './pick.ts';

/** Words of evidence packs; apart from the pages' catalogue, because a pack is read and checked without the portal. */
export const evidenceWords: Readonly<Record<Lang, EvidenceWords>> = { en: evidenceEn, zh: evidenceZh };
