// Where each page lives, in one place: pages link with these, routes are registered with these.

export const paths = {
  landing: '/',
  demo: '/demo',
  demoPartner: '/demo/partner',
  demoEnter: '/demo/enter',
  signIn: '/sign-in',
  signOut: '/sign-out',
  enrol: '/enrol',
  partnerGuide: '/for-partners',
  staffSignIn: '/staff/sign-in',
  home: '/me',
  switches: '/me/switches',
  switchesOnly: '/me/switches/only',
  activity: '/me/activity',
  data: '/me/data',
  erase: '/me/erase',
  erasure: '/erasure',
  partners: '/me/partners',
  partnersRevoke: '/me/partners/revoke',
  recommendations: '/me/recommendations',
  budget: '/me/budget',
  officer: '/officer',
  officerEntries: '/officer/entries',
  officerCheckpoints: '/officer/checkpoints',
  officerAnchors: '/officer/anchors',
  /** Everything about the person who is signed in, and that nothing is missing. */
  proofOfAll: '/proofs/all.json',
  officerHolds: '/officer/holds',
  officerEvidence: '/officer/evidence',
  verify: '/verify',
  stylesheet: '/assets/portal.css',
  script: '/assets/portal.js',
} as const;

/** One entry as the person it concerns sees it. */
export function myEntryPath(index: number): string {
  return `/me/entries/${index}`;
}

/** The signed receipt of a choice the person made. */
export function consentReceiptPath(index: number): string {
  return `/me/entries/${index}/receipt`;
}

/** One entry as the officer sees it. */
export function officerEntryPath(index: number): string {
  return `/officer/entries/${index}`;
}

/** The proof bundle of one entry, for whoever is signed in. */
export function proofPath(index: number): string {
  return `/proofs/${index}.json`;
}

/** The text of one notice version. */
export function noticePath(version: string): string {
  return `/notices/${encodeURIComponent(version)}`;
}
