// One made-up model per page, used by the tests and by the pictures. Every name here is invented.
import type { Html } from '../../gateway/portal/html.ts';
import type { Lang } from '../../gateway/portal/messages/pick.ts';
import type { Evidence } from '../../gateway/portal/parts/evidence.ts';
import type { PageContext, Viewer } from '../../gateway/portal/parts/page.ts';
import type { Paging } from '../../gateway/portal/parts/paging.ts';
import type { SwitchView } from '../../gateway/portal/parts/switch.ts';
import type { ActivityLine } from '../../gateway/portal/parts/timeline.ts';
import { activityPage } from '../../gateway/portal/pages/activity.ts';
import { budgetPage } from '../../gateway/portal/pages/budget.ts';
import { consentPage } from '../../gateway/portal/pages/consent.ts';
import { dataPage } from '../../gateway/portal/pages/data.ts';
import { demoPage } from '../../gateway/portal/pages/demo.ts';
import { demoPartnerPage, type DemoPartnerModel } from '../../gateway/portal/pages/demo-partner.ts';
import { enrolPage } from '../../gateway/portal/pages/enrol.ts';
import { entryPage, type EntryModel } from '../../gateway/portal/pages/entry.ts';
import { erasedPage, erasePage, receiptPage } from '../../gateway/portal/pages/erase.ts';
import { homePage } from '../../gateway/portal/pages/home.ts';
import { landingPage } from '../../gateway/portal/pages/landing.ts';
import { type AnchorLine, officerAnchorsPage } from '../../gateway/portal/pages/officer-anchors.ts';
import { officerCheckpointsPage } from '../../gateway/portal/pages/officer-checkpoints.ts';
import { officerEntriesPage } from '../../gateway/portal/pages/officer-entries.ts';
import { officerEvidencePage } from '../../gateway/portal/pages/officer-evidence.ts';
import { officerHoldsPage } from '../../gateway/portal/pages/officer-holds.ts';
import { officerOverviewPage } from '../../gateway/portal/pages/officer-overview.ts';
import { partnerGuidePage } from '../../gateway/portal/pages/partner-guide.ts';
import { partnersPage } from '../../gateway/portal/pages/partners.ts';
import { problemPage } from '../../gateway/portal/pages/problem.ts';
import { recommendationsPage } from '../../gateway/portal/pages/recommendations.ts';
import { signedOutPage, signInPage } from '../../gateway/portal/pages/sign-in.ts';
import { switchesPage } from '../../gateway/portal/pages/switches.ts';

export interface Sample {
  readonly name: string;
  readonly viewer: Viewer;
  readonly url: string;
  readonly render: (ctx: PageContext) => Html;
}

export const nowMs = Date.UTC(2026, 10, 22, 9, 41, 7);
const day = 86_400_000;
const reader = { en: 'Reading Corner', zh: '书角' };
const shop = { en: 'The shop’s suggestions', zh: '本店推荐' };
const statistics = { en: 'The shop’s statistics', zh: '本店统计' };
const lin = { en: 'Lin Xiao', zh: '林晓' };
const you = { en: 'You', zh: '您' };

export function contextFor(sample: Sample, lang: Lang): PageContext {
  return {
    lang,
    timeZone: 'Asia/Shanghai',
    csrfToken: 'sample-csrf-token',
    url: sample.url,
    viewer: sample.viewer,
    isDemo: true,
  };
}

const upTo = (...levels: Evidence): Evidence => levels;
const fresh = upTo('recorded');
const signed = upTo('recorded', 'checkpointed');
const anchored = upTo('recorded', 'checkpointed', 'anchored_local');

export const lines: readonly ActivityLine[] = [
  {
    index: 18_442,
    atMs: nowMs - 40_000,
    operation: 'read-data',
    who: reader,
    purpose: 'recommendation',
    categories: ['browsing'],
    outcome: 'refused',
    reason: 'switch_off',
    evidence: fresh,
  },
  {
    index: 18_441,
    atMs: nowMs - 65_000,
    operation: 'set-switch',
    who: you,
    purpose: 'recommendation',
    categories: ['browsing'],
    outcome: 'allowed',
    reason: null,
    evidence: signed,
  },
  {
    index: 18_430,
    atMs: nowMs - 400_000,
    operation: 'read-data',
    who: reader,
    purpose: 'recommendation',
    categories: ['browsing'],
    outcome: 'allowed',
    reason: null,
    evidence: signed,
  },
  {
    index: 18_102,
    atMs: nowMs - 9 * 3_600_000,
    operation: 'dp-query',
    who: statistics,
    purpose: 'analytics',
    categories: ['profile', 'browsing'],
    outcome: 'allowed',
    reason: null,
    evidence: anchored,
  },
  {
    index: 17_220,
    atMs: nowMs - 2 * day,
    operation: 'read-data',
    who: reader,
    purpose: 'marketing',
    categories: ['location', 'transactions'],
    outcome: 'refused',
    reason: 'switch_unset',
    evidence: anchored,
  },
];

const view: SwitchView = {
  category: 'browsing',
  purpose: 'recommendation',
  recipient: 'partner:reading-corner',
  state: 'on',
  effective: 'on',
  cause: 'own_on',
  sinceMs: nowMs - 12 * day,
  untilMs: nowMs + 78 * day,
  noticeVersion: 'n-2026-10',
  historyDays: 90,
  fields: [],
  needsSeparate: false,
  offeredNotice: 'recommendation-1-en',
  backUrl: '/me/switches',
};
const plain = { sinceMs: null, untilMs: null, noticeVersion: null, historyDays: null } as const;
const off: SwitchView = {
  ...view,
  ...plain,
  state: 'off',
  effective: 'off',
  cause: 'own_off',
  sinceMs: nowMs - 65_000,
  noticeVersion: 'n-2026-10',
};
const unset: SwitchView = { ...view, ...plain, state: 'unset', effective: 'off', cause: 'not_asked' };

const paging: Paging = { from: 1, to: 25, of: 412, newerUrl: null, olderUrl: '?page=2' };
const hexOf = (seed: number) =>
  Array.from({ length: 64 }, (_, i) => ((seed * 7 + i * (seed + 3)) % 16).toString(16)).join('');

const person: Viewer = { role: 'person', name: '林晓 Lin Xiao' };
const officer: Viewer = { role: 'officer', name: 'Chen Rui' };
const nobody: Viewer = { role: 'nobody' };

const demoPartner: DemoPartnerModel = {
  partnerName: reader,
  personName: lin,
  request: 'GET /v1/data/browsing?purpose=recommendation',
  isConnected: true,
  view: { ...view, backUrl: '/demo/partner' },
  latest: lines.slice(2),
  answer: {
    status: 200,
    total: 46,
    index: 18_430,
    leafHash: hexOf(5),
    rows: [
      { title: { en: 'The Paper Boat', zh: '纸船' }, atMs: nowMs - 2 * day, value: 5 },
      { title: { en: 'A Field Guide to Rain', zh: '雨的图鉴' }, atMs: nowMs - 3 * day, value: 4 },
      { title: { en: 'Tea Road Letters', zh: '茶路来信' }, atMs: nowMs - 6 * day, value: null },
    ],
  },
};

const refusedDemo: DemoPartnerModel = {
  ...demoPartner,
  view: { ...off, backUrl: '/demo/partner' },
  latest: lines,
  answer: {
    status: 403,
    code: 'consent_required',
    title: 'The person has not allowed this use',
    decisionId: 'dec_01JD9V8K3Q',
    index: 18_442,
    leafHash: hexOf(9),
    askUrl: 'http://127.0.0.1:8080/ask/dec_01JD9V8K3Q',
    body: JSON.stringify(
      { type: 'about:blank', status: 403, code: 'consent_required', decision: 'dec_01JD9V8K3Q' },
      null,
      2,
    ),
  },
};

const entry: EntryModel = {
  seenBy: 'officer',
  index: 18_102,
  leaf: {
    version: 1,
    kind: 'refused',
    atMs: nowMs - (nowMs % 60_000),
    commitment: hexOf(3),
    startedIndex: 18_099,
    person: { tag: hexOf(11), sequence: 212 },
    population: null,
    leafHash: hexOf(6),
  },
  payload: {
    state: 'readable',
    atMs: nowMs,
    operation: 'read-data',
    personId: '9f2c41d07b5e4a1e8a35c2f6d0b7e913',
    recipientName: reader,
    purpose: 'recommendation',
    categories: ['browsing'],
    basis: 'consent',
    noticeVersion: 'n-2026-10',
    decisionId: 'dec_01JD9V8K3Q',
    outcome: 'refused',
    reason: 'switch_off',
    rowCount: 0,
    peopleCount: null,
  },
  evidence: anchored,
  inclusion: {
    index: 18_102,
    size: 18_443,
    leafHash: hexOf(6),
    path: Array.from({ length: 15 }, (_, i) => hexOf(i + 1)),
    root: hexOf(14),
  },
};

const mined = { blockNumber: 8_214_031, gasUsed: 51_204, cost: '76806.123 gwei', costWei: '76806122500000' };
const anchorLines: readonly AnchorLine[] = [
  anchorLine({ next: { kind: 'replaced', waitsMs: 400_000, atMs: nowMs + 200_000 } }),
  anchorLine({ size: 18_440, state: 'failed', next: { kind: 'displaced' } }),
  anchorLine({ size: 18_102, state: 'inBlock', ...mined, next: { kind: 'final-later' } }),
  anchorLine({ size: 17_960, state: 'final', ...mined }),
  anchorLine({ size: 17_211, state: 'lost', ...mined, next: { kind: 'lost' } }),
];

export const samples: readonly Sample[] = [
  { name: 'landing', viewer: nobody, url: '/', render: (ctx) => landingPage(ctx) },
  {
    name: 'partner-guide',
    viewer: nobody,
    url: '/for-partners',
    render: (ctx) => partnerGuidePage({ issuer: 'http://127.0.0.1:8080' }, ctx),
  },
  {
    name: 'demo',
    viewer: nobody,
    url: '/demo',
    render: (ctx) =>
      demoPage(
        {
          doors: [
            { id: 'lin', name: lin, about: 'lin', speaks: 'zh' },
            { id: 'maya', name: 'Maya Ortiz', about: 'maya', speaks: 'en' },
            { id: 'partner', name: reader, about: 'partner' },
            { id: 'officer', name: { en: 'Chen Rui, officer', zh: '合规官陈睿' }, about: 'officer' },
            { id: 'analyst', name: { en: 'Sam Field, analyst', zh: '分析员 Sam Field' }, about: 'analyst' },
          ],
        },
        ctx,
      ),
  },
  {
    name: 'demo-partner',
    viewer: person,
    url: '/demo/partner',
    render: (ctx) => demoPartnerPage(demoPartner, ctx),
  },
  {
    name: 'demo-partner-refused',
    viewer: person,
    url: '/demo/partner',
    render: (ctx) => demoPartnerPage(refusedDemo, ctx),
  },
  {
    name: 'demo-partner-start',
    viewer: nobody,
    url: '/demo/partner',
    render: (ctx) => demoPartnerPage({ ...demoPartner, isConnected: false, answer: null, latest: [] }, ctx),
  },
  {
    name: 'sign-in',
    viewer: nobody,
    url: '/sign-in',
    render: (ctx) => signInPage({ for: 'person', name: 'lin', hasFailed: true, next: '/me/switches' }, ctx),
  },
  {
    name: 'staff-sign-in',
    viewer: nobody,
    url: '/staff/sign-in',
    render: (ctx) => signInPage({ for: 'staff', name: '', hasFailed: false, next: null }, ctx),
  },
  { name: 'signed-out', viewer: nobody, url: '/sign-out', render: (ctx) => signedOutPage(ctx) },
  {
    name: 'enrol',
    viewer: nobody,
    url: '/enrol',
    render: (ctx) => enrolPage({ code: 'K7QF-29TM-XH4W', name: 'li', problem: 'name_length' }, ctx),
  },
  {
    name: 'home',
    viewer: person,
    url: '/me',
    render: (ctx) =>
      homePage(
        {
          name: ctx.lang === 'zh' ? lin.zh : lin.en,
          usedCount: 38,
          refusedCount: 5,
          askers: [
            { name: shop, usedCount: 24, refusedCount: 0 },
            { name: reader, usedCount: 11, refusedCount: 4 },
            { name: statistics, usedCount: 3, refusedCount: 1 },
          ],
          switches: { on: 4, off: 2, unset: 9 },
          rowsHeld: 318,
          categoriesHeld: 4,
          latest: lines,
        },
        ctx,
      ),
  },
  {
    name: 'data',
    viewer: person,
    url: '/me/data?category=browsing',
    render: (ctx) =>
      dataPage(
        {
          categories: [
            { category: 'browsing', rowCount: 241 },
            { category: 'transactions', rowCount: 62 },
            { category: 'location', rowCount: 11 },
            { category: 'profile', rowCount: 4 },
          ],
          chosen: 'browsing',
          sources: [
            {
              name: 'shop-web-2026-10.ndjson',
              basis: 'contract',
              importedMs: nowMs - 24 * day,
              rowCount: 201,
            },
            { name: 'loyalty-card.csv', basis: 'consent', importedMs: nowMs - 20 * day, rowCount: 40 },
          ],
          rows: [
            {
              atMs: nowMs - 2 * day,
              what: '纸船 The Paper Boat',
              value: '5',
              source: 'shop-web-2026-10.ndjson',
            },
            {
              atMs: nowMs - 3 * day,
              what: '雨的图鉴 A Field Guide to Rain',
              value: '4',
              source: 'shop-web-2026-10.ndjson',
            },
            { atMs: null, what: '茶路来信 Tea Road Letters', value: '3', source: 'loyalty-card.csv' },
          ],
          paging: { from: 1, to: 3, of: 241, newerUrl: null, olderUrl: '?category=browsing&page=2' },
        },
        ctx,
      ),
  },
  {
    name: 'switches',
    viewer: person,
    url: '/me/switches',
    render: (ctx) =>
      switchesPage(
        {
          saved: { view: off, recipientName: reader, index: 18_441, decisionId: 'dec_01JD9V7A2M' },
          recipients: [
            {
              id: '*',
              name: { en: 'Everyone', zh: '所有接收方' },
              kind: 'any',
              purposes: ['marketing'],
              rows: [
                {
                  category: 'location',
                  isFirst: true,
                  cells: [{ ...off, category: 'location', purpose: 'marketing', recipient: '*' }],
                },
              ],
            },
            {
              id: 'engine:recommend',
              name: shop,
              kind: 'engine',
              purposes: ['recommendation', 'service'],
              rows: [
                { category: 'browsing', isFirst: true, cells: [{ ...view, recipient: 'engine:recommend' }] },
                {
                  category: 'transactions',
                  isFirst: true,
                  cells: [
                    { ...unset, category: 'transactions', recipient: 'engine:recommend' },
                    {
                      ...unset,
                      category: 'transactions',
                      purpose: 'service',
                      recipient: 'engine:recommend',
                      effective: 'on',
                      cause: 'contract',
                    },
                  ],
                },
              ],
            },
            {
              id: 'partner:reading-corner',
              name: reader,
              kind: 'partner',
              purposes: ['recommendation', 'marketing', 'pricing'],
              rows: [
                {
                  category: 'browsing',
                  isFirst: true,
                  cells: [
                    off,
                    { ...unset, purpose: 'marketing' },
                    { ...unset, purpose: 'pricing', needsSeparate: true },
                  ],
                },
                {
                  category: 'location',
                  isFirst: true,
                  cells: [
                    {
                      ...view,
                      category: 'location',
                      cause: 'expired',
                      effective: 'off',
                      untilMs: nowMs - day,
                    },
                    {
                      ...view,
                      category: 'location',
                      purpose: 'marketing',
                      cause: 'general_off',
                      effective: 'off',
                    },
                  ],
                },
              ],
            },
          ],
        },
        ctx,
      ),
  },
  {
    name: 'activity',
    viewer: person,
    url: '/me/activity',
    render: (ctx) =>
      activityPage(
        {
          lines,
          paging,
          recipients: [{ id: 'partner:reading-corner', name: reader }],
          chosen: { outcome: '', recipient: '' },
        },
        ctx,
      ),
  },
  {
    name: 'partners',
    viewer: person,
    url: '/me/partners',
    render: (ctx) =>
      partnersPage(
        {
          grants: [
            {
              id: 'gr_1',
              partnerName: reader,
              scopes: [
                { category: 'browsing', purpose: 'recommendation' },
                { category: 'transactions', purpose: 'recommendation' },
              ],
              sinceMs: nowMs - 12 * day,
              untilMs: nowMs + 78 * day,
              lastAccessMs: nowMs - 400_000,
              ended: null,
            },
            {
              id: 'gr_0',
              partnerName: { en: 'Parcel Post Box', zh: '包裹信箱' },
              scopes: [{ category: 'location', purpose: 'service' }],
              sinceMs: nowMs - 120 * day,
              untilMs: null,
              lastAccessMs: null,
              ended: { how: 'revoked', atMs: nowMs - 30 * day },
            },
          ],
        },
        ctx,
      ),
  },
  {
    name: 'recommendations',
    viewer: person,
    url: '/me/recommendations',
    render: (ctx) =>
      recommendationsPage(
        {
          mode: 'personalised',
          basedOnCount: 241,
          items: [
            {
              title: { en: 'Lanterns over the Canal', zh: '运河上的灯' },
              because: [{ en: 'The Paper Boat', zh: '纸船' }],
            },
            {
              title: { en: 'The Cartographer’s Aunt', zh: '制图师的姑妈' },
              because: [
                { en: 'A Field Guide to Rain', zh: '雨的图鉴' },
                { en: 'Tea Road Letters', zh: '茶路来信' },
              ],
            },
            { title: { en: 'Small Kitchens', zh: '小厨房' }, because: [] },
          ],
        },
        ctx,
      ),
  },
  {
    name: 'recommendations-off',
    viewer: person,
    url: '/me/recommendations',
    render: (ctx) =>
      recommendationsPage(
        {
          mode: 'off',
          basedOnCount: 0,
          items: [{ title: { en: 'Small Kitchens', zh: '小厨房' }, because: [] }],
        },
        ctx,
      ),
  },
  {
    name: 'erase',
    viewer: person,
    url: '/me/erase',
    render: (ctx) =>
      erasePage(
        {
          confirmBy: 'password',
          problem: 'wrong_password',
          evidenceUntilMs: nowMs + 1095 * day,
          holds: [{ categories: ['transactions', 'location'], payloads: true, untilMs: nowMs + 200 * day }],
        },
        ctx,
      ),
  },
  {
    name: 'erased',
    viewer: nobody,
    url: '/erasure',
    render: (ctx) =>
      erasedPage(
        {
          code: 'q7RkT2nP9wZx4vBm1sLd8yHc3fA',
          evidenceUntilMs: nowMs + 1095 * day,
        },
        ctx,
      ),
  },
  {
    name: 'erasure',
    viewer: nobody,
    url: '/erasure',
    render: (ctx) => receiptPage({ code: 'q7RkT2nP9wZx4vBm', hasFailed: true, found: null }, ctx),
  },
  {
    name: 'erasure-going-on',
    viewer: nobody,
    url: '/erasure',
    render: (ctx) =>
      receiptPage(
        {
          code: 'q7RkT2nP9wZx4vBm1sLd8yHc3fA',
          hasFailed: false,
          found: { requestedMs: nowMs, completedMs: null, evidenceUntilMs: nowMs + 1095 * day },
        },
        ctx,
      ),
  },
  {
    name: 'officer-evidence',
    viewer: officer,
    url: '/officer/evidence',
    render: (ctx) =>
      officerEvidencePage(
        {
          partners: [
            { id: 'reading-corner', name: 'Reading Corner' },
            { id: 'weather', name: 'Weather & Walks' },
          ],
          problem: 'one_of_them',
          typed: {
            person: 'shop:196',
            partner: 'weather',
            purpose: '',
            from: '2026-11-01T00:00',
            to: '2026-11-20T23:59',
            hold: '',
          },
        },
        ctx,
      ),
  },
  {
    name: 'officer-holds',
    viewer: officer,
    url: '/officer/holds',
    render: (ctx) =>
      officerHoldsPage(
        {
          problem: 'conflict',
          typed: { person: 'shop:196', reason: '', days: '90' },
          holds: [
            {
              id: '1f'.repeat(16),
              person: '3c'.repeat(16),
              categories: ['transactions', 'location'],
              payloads: true,
              reason: 'Case 2026-117, order of the district court of 12 November',
              disclose: true,
              state: 'ordered',
              untilMs: nowMs + 200 * day,
              orderedBy: 'He Yan',
              confirmedBy: null,
              isOwn: false,
            },
            {
              id: '2f'.repeat(16),
              person: '9a'.repeat(16),
              categories: [],
              payloads: false,
              reason: 'Case 2025-8, tax audit',
              disclose: false,
              state: 'ended',
              untilMs: nowMs - 20 * day,
              orderedBy: 'He Yan',
              confirmedBy: 'Chen Rui',
              isOwn: false,
            },
          ],
        },
        ctx,
      ),
  },
  {
    name: 'budget',
    viewer: person,
    url: '/me/budget',
    render: (ctx) =>
      budgetPage(
        {
          spentEpsilon: '1.4',
          limitEpsilon: '4',
          spentFraction: 0.35,
          maxEpsilon: '10',
          problem: null,
          charges: [
            {
              question: { en: 'People by age band', zh: '按年龄段统计人数' },
              by: 'Sam Field',
              atMs: nowMs - 9 * 3_600_000,
              costEpsilon: '0.4',
              index: 18_102,
            },
            {
              question: { en: 'Ratings by genre', zh: '按类型统计评分数' },
              by: 'Sam Field',
              atMs: nowMs - 4 * day,
              costEpsilon: '1',
              index: 15_310,
            },
          ],
        },
        ctx,
      ),
  },
  {
    name: 'consent',
    viewer: person,
    url: '/interaction/abc',
    render: (ctx) =>
      consentPage(
        {
          action: '/interaction/abc/consent',
          personName: '林晓 Lin Xiao',
          partner: {
            name: reader,
            company: 'Reading Corner Ltd (invented)',
            contact: 'privacy@reading-corner.example',
            siteUrl: 'https://reading-corner.example/',
            clientId: 'reading-corner',
          },
          scopes: [
            {
              scope: 'browsing.recommendation:read',
              category: 'browsing',
              purpose: 'recommendation',
              needsSeparate: false,
              isAlreadyOn: true,
              isBlocked: false,
            },
            {
              scope: 'transactions.recommendation:read',
              category: 'transactions',
              purpose: 'recommendation',
              needsSeparate: true,
              isAlreadyOn: false,
              isBlocked: false,
            },
            {
              scope: 'location.marketing:read',
              category: 'location',
              purpose: 'marketing',
              needsSeparate: true,
              isAlreadyOn: false,
              isBlocked: true,
            },
          ],
          notice: {
            version: 'n-2026-10',
            paragraphs:
              ctx.lang === 'zh'
                ? [
                    '书角（Reading Corner Ltd）希望读取下列个人信息，用于在其应用中向您推荐书籍。处理方式为读取与比对，不会向第三方提供。',
                    '保存期限为 90 天。您可以查阅、复制、更正、删除您的个人信息，并可随时撤回同意；撤回不影响此前基于同意已进行的处理。',
                  ]
                : [
                    'Reading Corner Ltd would like to read the data below to suggest books to you in its app. It reads and compares; it passes nothing on.',
                    'It keeps what it read for 90 days. You can see, copy, correct and delete your data, and withdraw at any time; what was done before stays lawful.',
                  ],
          },
          durationDays: 90,
        },
        ctx,
      ),
  },
  {
    name: 'officer',
    viewer: officer,
    url: '/officer',
    render: (ctx) =>
      officerOverviewPage(
        {
          entryCount: 18_443,
          week: { allowed: 3912, refused: 261, withheld: 2 },
          peopleCount: 302,
          partnerCount: 1,
          kinds: [
            { kind: 'used', count: 16_020 },
            { kind: 'refused', count: 1210 },
            { kind: 'consent', count: 911 },
            { kind: 'anchored', count: 30 },
          ],
          checkpoint: { size: 18_442, root: hexOf(14), atMs: nowMs - 20_000, signer: 'assent.local/log' },
          anchor: { size: 18_102, atMs: nowMs - 8 * 3_600_000, state: 'confirmed', unanchoredCount: 341 },
        },
        ctx,
      ),
  },
  {
    name: 'officer-entries',
    viewer: officer,
    url: '/officer/entries',
    render: (ctx) =>
      officerEntriesPage(
        {
          chosen: { kind: '', outcome: 'refused', from: '', to: '' },
          paging,
          lines: [
            {
              index: 18_442,
              atMs: nowMs,
              kind: 'refused',
              outcome: 'refused',
              about: { concern: 'person', tag: hexOf(11) },
              evidence: fresh,
            },
            {
              index: 18_441,
              atMs: nowMs,
              kind: 'consent',
              outcome: 'allowed',
              about: { concern: 'person', tag: hexOf(11) },
              evidence: signed,
            },
            {
              index: 18_102,
              atMs: nowMs - day,
              kind: 'released',
              outcome: 'allowed',
              about: { concern: 'population', key: 'c4'.repeat(32) },
              evidence: anchored,
            },
            {
              index: 18_100,
              atMs: nowMs - day,
              kind: 'anchored',
              outcome: null,
              about: { concern: 'system' },
              evidence: anchored,
            },
          ],
        },
        ctx,
      ),
  },
  {
    name: 'officer-entry',
    viewer: officer,
    url: '/officer/entries/18102',
    render: (ctx) => entryPage(entry, ctx),
  },
  {
    name: 'my-entry-closed',
    viewer: person,
    url: '/me/entries/18442',
    render: (ctx) =>
      entryPage(
        {
          ...entry,
          seenBy: 'person',
          index: 18_442,
          payload: { state: 'erased' },
          evidence: fresh,
          inclusion: null,
        },
        ctx,
      ),
  },
  {
    name: 'officer-checkpoints',
    viewer: officer,
    url: '/officer/checkpoints',
    render: (ctx) =>
      officerCheckpointsPage(
        {
          paging,
          checkpoints: [
            {
              size: 18_442,
              root: hexOf(14),
              atMs: nowMs - 20_000,
              signer: 'assent.local/log',
              witnesses: [],
            },
            {
              size: 18_430,
              root: hexOf(2),
              atMs: nowMs - 400_000,
              signer: 'assent.local/log',
              witnesses: ['north.example/w1', 'south.example/w1'],
            },
          ],
          quorum: 'two',
          witnessedSize: 18_430,
          states: [
            {
              witness: 'north.example/w1',
              url: 'https://north.example',
              outcome: 'cosigned',
              size: 18_430,
              triedMs: nowMs - 20_000,
            },
            {
              witness: 'south.example/w1',
              url: 'https://south.example',
              outcome: 'unreachable',
              size: 18_430,
              triedMs: nowMs - 19_000,
            },
          ],
        },
        ctx,
      ),
  },
  {
    name: 'officer-anchors',
    viewer: officer,
    url: '/officer/anchors',
    render: (ctx) =>
      officerAnchorsPage(
        {
          paging,
          chain: {
            chainId: 11_155_111,
            contract: '0x5fbdb2315678afecb367f032d93f642f64180aa3',
            finality: 'finalized',
          },
          status: { chain: 'silent', sinceMs: nowMs - 400_000, nextRoundMs: nowMs + 60_000 },
          spent: { days: 30, anchors: 611, gas: 31_285_644, cost: '0.046929 ether' },
          anchors: anchorLines,
        },
        ctx,
      ),
  },
  {
    name: 'problem',
    viewer: nobody,
    url: '/nowhere',
    render: (ctx) => problemPage({ status: 404, code: 'not_found', requestId: 'req-8f2k' }, ctx),
  },
];

function anchorLine(more: Partial<AnchorLine>): AnchorLine {
  return {
    size: 18_442,
    root: hexOf(14),
    atMs: nowMs,
    state: 'sent',
    txHash: `0x${hexOf(4)}`,
    blockNumber: null,
    gasUsed: null,
    cost: null,
    costWei: null,
    next: null,
    ...more,
  };
}
