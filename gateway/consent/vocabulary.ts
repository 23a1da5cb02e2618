// The words of the whole system: closed lists. A term that is not here is refused everywhere.

/** Data categories with their W3C DPV 2.3 terms (https://w3id.org/dpv/pd#). */
export const categories = {
  browsing: { dpv: 'https://w3id.org/dpv/pd#BrowsingBehaviour' },
  transactions: { dpv: 'https://w3id.org/dpv/pd#Transactional' },
  location: { dpv: 'https://w3id.org/dpv/pd#Location' },
  social: { dpv: 'https://w3id.org/dpv/pd#Social' },
  devices: { dpv: 'https://w3id.org/dpv/pd#DeviceBased' },
  sensors: { dpv: 'https://w3id.org/dpv/pd#Household' },
  profile: { dpv: 'https://w3id.org/dpv/pd#Demographic' },
} as const;
export type Category = keyof typeof categories;
export const categoryNames = Object.keys(categories) as Category[];

/**
 * Purposes with their DPV terms (https://w3id.org/dpv#). `share`: use that a Global Privacy Control signal
 * speaks against (11 CCR 7025: sale, sharing, cross-context advertising) when the recipient is a partner.
 */
export const purposes = {
  recommendation: { dpv: 'https://w3id.org/dpv#ProvidePersonalisedRecommendations', share: false },
  analytics: { dpv: 'https://w3id.org/dpv#ServiceUsageAnalytics', share: false },
  marketing: { dpv: 'https://w3id.org/dpv#DirectMarketing', share: true },
  prediction: { dpv: 'https://w3id.org/dpv#CustomerRelationshipManagement', share: false },
  pricing: { dpv: 'https://w3id.org/dpv#PersonalisedBenefits', share: false },
  integration: { dpv: 'https://w3id.org/dpv#InternalResourceOptimisation', share: false },
  service: { dpv: 'https://w3id.org/dpv#ServiceProvision', share: false },
} as const;
export type Purpose = keyof typeof purposes;
export const purposeNames = Object.keys(purposes) as Purpose[];

/** Engine parts that receive data. */
export const engineRecipients = ['engine:recommend', 'engine:privacy', 'engine:integrate'] as const;
/** Who receives data: an engine part, a partner app, or the person. */
export type Recipient =
  (typeof engineRecipients)[number] | `partner:${string}` | 'self' | 'officer' | 'operator';
/** A switch names one recipient or any of them. */
export type SwitchRecipient = Recipient | '*';

/** Who calls. */
export const callerKinds = ['person', 'partner', 'officer', 'analyst', 'operator', 'system'] as const;
export type CallerKind = (typeof callerKinds)[number];
export interface Caller {
  readonly kind: CallerKind;
  /** Person id, partner id, staff id, or the name of a system part. */
  readonly id: string;
}

export function isCategory(text: unknown): text is Category {
  return typeof text === 'string' && Object.hasOwn(categories, text);
}

export function isPurpose(text: unknown): text is Purpose {
  return typeof text === 'string' && Object.hasOwn(purposes, text);
}

const partnerPattern = /^partner:[a-z0-9][a-z0-9-]{0,63}$/;

/** Whether the text has the form of a recipient; whether a partner is registered is the store's to say. */
export function isRecipient(text: unknown): text is Recipient {
  return (
    typeof text === 'string' &&
    ((engineRecipients as readonly string[]).includes(text) ||
      text === 'self' ||
      text === 'officer' ||
      text === 'operator' ||
      partnerPattern.test(text))
  );
}

/** Recipients a person can switch: engine parts, partners, or any. */
export function isSwitchRecipient(text: unknown): text is SwitchRecipient {
  return text === '*' || (isRecipient(text) && (text.startsWith('engine:') || text.startsWith('partner:')));
}

/** Scope `<category>.<purpose>:read` → its parts; undefined for anything else. */
export function parseScope(scope: string): { category: Category; purpose: Purpose } | undefined {
  const match = /^([a-z]+)\.([a-z]+):read$/.exec(scope);
  const [, category, purpose] = match ?? [];
  return isCategory(category) && isPurpose(purpose) ? { category, purpose } : undefined;
}

export function scopeOf(category: Category, purpose: Purpose): string {
  return `${category}.${purpose}:read`;
}

/** Every data scope a partner can ask for. Engine-internal purposes are not for partners. */
export const dataScopes: readonly string[] = categoryNames.flatMap((category) =>
  purposeNames.filter((purpose) => purpose !== 'integration').map((purpose) => scopeOf(category, purpose)),
);
