// The real program in a real browser: what a person, a partner and an officer do, in both languages.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { langTag, langs, pick, type Lang } from '../../gateway/portal/messages/pick.ts';
import { findBarriers, launchBrowser, sidewaysOverflow } from '../support/browser.ts';
import {
  beginAuthorization,
  connectPartner,
  finishAuthorization,
  readPersonData,
} from '../support/partner-client.ts';
import { startProgram, type Running } from '../support/running.ts';

let program: Running;
let browser: Browser;
const folder = mkdtempSync(join(tmpdir(), 'assent-browser-'));

beforeAll(async () => {
  [program, browser] = await Promise.all([startProgram(), launchBrowser()]);
});
afterAll(async () => {
  await browser?.close();
  await program?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const partnerName = '书角 Reading Corner';
const weekMs = 7 * 86_400_000;

/** Someone's window: its context ends with the work. */
async function inWindow<T>(
  work: (page: Page, context: BrowserContext) => Promise<T>,
  options: BrowserContextOptions = {},
): Promise<T> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, ...options });
  context.setDefaultTimeout(10_000);
  try {
    return await work(await context.newPage(), context);
  } finally {
    await context.close();
  }
}

async function visit(page: Page, path: string, lang: Lang): Promise<void> {
  const mark = path.includes('?') ? '&' : '?';
  await page.goto(`${program.url}${path}${mark}lang=${lang}`);
}

async function enter(page: Page, door: string, lang: Lang): Promise<void> {
  await visit(page, '/demo', lang);
  await page.locator(`form:has(input[name=door][value=${door}]) button`).click();
  await page.waitForLoadState();
}

const textOf = async (page: Page, selector: string): Promise<string> =>
  (await page.locator(selector).first().innerText()).replace(/\s+/g, ' ').trim();

const browsingSwitch = (lang: Lang, recipient = partnerName): string => {
  const m = pick(lang);
  return m.switches.label(m.categories.browsing, m.purposes.recommendation, recipient);
};

describe('a person', () => {
  it('reads on the home page exactly as many uses and refusals as the activity lists', () =>
    inWindow(async (page) => {
      await enter(page, 'lin', 'en');
      const shown = await page.locator('.hero h1 .number').allInnerTexts();
      const sinceMs = Date.now() - weekMs;
      const counted: string[] = [];
      for (const outcome of ['allowed', 'refused']) {
        let count = 0;
        await visit(page, `/me/activity?outcome=${outcome}`, 'en');
        for (;;) {
          const lines = page.locator('.timeline > li');
          const who = await lines.locator('.headline strong').allInnerTexts();
          const times = await lines
            .locator('.when time')
            .evaluateAll((all) => all.map((one) => Date.parse(one.getAttribute('datetime') ?? '')));
          count += who.filter((name, i) => name !== 'You' && (times[i] ?? 0) >= sinceMs).length;
          const older = page.getByRole('link', { name: 'Older' });
          if ((await older.count()) === 0) break;
          await older.click();
          await page.waitForLoadState();
        }
        counted.push(String(count));
      }
      expect(shown).toEqual(counted);
      expect(Number(shown[0])).toBeGreaterThan(0);
      expect(Number(shown[1])).toBeGreaterThan(0);
    }));

  it.each(langs)(
    'turns a switch off and the partner’s next request is refused, on and it is answered (%s)',
    (lang) =>
      inWindow(async (page) => {
        const m = pick(lang);
        const ask = async (): Promise<void> => {
          await visit(page, '/demo/partner', lang);
          await page.getByRole('button', { name: m.demoPartner.ask }).click();
          await page.locator('.answer').waitFor();
        };
        const flip = async (to: 'on' | 'off'): Promise<void> => {
          await visit(page, '/me/switches', lang);
          await page.getByRole('switch', { name: browsingSwitch(lang), exact: true }).click();
          await page.locator('.saved').waitFor();
          const saved = await textOf(page, '[role=status]');
          expect(saved).toContain(browsingSwitch(lang));
          expect(saved).toContain(m.switches.state[to]);
          expect(saved).toMatch(/[0-9a-f]{32}$/);
          expect(await page.locator('.saved a').getAttribute('href')).toMatch(/^\/me\/entries\/\d+$/);
        };

        await enter(page, 'lin', lang);
        expect(await page.locator('html').getAttribute('lang')).toBe(langTag(lang));
        await ask();
        expect(await textOf(page, '.answer .http')).toBe('200 OK');

        await flip('off');
        await ask();
        expect(await textOf(page, '.answer .http')).toBe('403');
        const refused = await textOf(page, '.answer');
        expect(refused).toContain(m.demoPartner.refusedTitle);
        expect(refused).toContain('consent_required');
        const decision = await textOf(page, '.answer .facts dd code');
        expect(decision).toMatch(/^[0-9a-f]{32}$/);
        expect(await textOf(page, '.timeline > li')).toContain(m.reasons.switch_off);
        expect(await textOf(page, '.timeline > li')).toContain(m.outcomes.refused);
        await page.locator('.timeline > li .links a').first().click();
        expect(await textOf(page, 'main')).toContain(decision);

        await flip('on');
        await ask();
        expect(await textOf(page, '.answer .http')).toBe('200 OK');
      }),
  );

  it('flips a switch with the keyboard alone, and the focus stays on it', () =>
    inWindow(async (page) => {
      await enter(page, 'lin', 'en');
      await visit(page, '/me/switches', 'en');
      const focused = (): Promise<string | null> =>
        page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? null);
      const name = browsingSwitch('en');
      for (let presses = 0; presses < 80 && (await focused()) !== name; presses++)
        await page.keyboard.press('Tab');
      expect(await focused()).toBe(name);
      for (const [key, state] of [
        ['Space', 'Off'],
        ['Enter', 'On'],
      ] as const) {
        await page.keyboard.press(key);
        await page.waitForURL(/saved=/);
        await page.locator('.saved', { hasText: `now ${state}` }).waitFor();
        expect(await focused()).toBe(name);
      }
    }));
});

describe('an account', () => {
  const userName = 'reader.one';
  const password = 'a long enough password';

  async function signIn(page: Page, given: string): Promise<void> {
    await page.locator('#name').fill(userName);
    await page.locator('#password').fill(given);
    await page.locator('main form button').click();
    await page.waitForLoadState();
  }

  it('is made with an invitation, opens with its password and with no other', async () => {
    const said = await program.command('invite', 'shop:p0001', '--json');
    const { invitation } = JSON.parse(said) as { invitation: string };
    await inWindow(async (page) => {
      await visit(page, '/enrol', 'en');
      await page.locator('#code').fill(invitation);
      await page.locator('#name').fill(userName);
      await page.locator('#password').fill('too short');
      await page.locator('main form button').click();
      expect(await textOf(page, '#password-problem')).toBe(pick('en').enrol.problems.password_short);
      await page.locator('#password').fill(password);
      await page.locator('main form button').click();
      await page.waitForURL(`${program.url}/me`);
      expect(await textOf(page, '.account .who')).toBe(userName);

      await page.getByRole('button', { name: 'Sign out' }).click();
      expect(await textOf(page, 'h1')).toBe(pick('en').signIn.out);
      await page.goto(`${program.url}/me`);
      expect(new URL(page.url()).pathname).toBe('/sign-in');
      await signIn(page, 'not the password');
      expect(await textOf(page, 'main')).toContain(pick('en').signIn.wrong);
      expect(new URL(page.url()).pathname).toBe('/sign-in');
      await signIn(page, password);
      expect(new URL(page.url()).pathname).toBe('/me');

      await visit(page, '/enrol', 'en');
      await page.locator('#code').fill(invitation);
      await page.locator('#name').fill('someone.else');
      await page.locator('#password').fill(password);
      await page.locator('main form button').click();
      expect(await textOf(page, '#code-problem')).toBe(pick('en').enrol.problems.invitation_invalid);
    });
  });

  it('signs in and flips a switch without scripts', () =>
    inWindow(
      async (page) => {
        await visit(page, '/sign-in', 'zh');
        await signIn(page, password);
        expect(new URL(page.url()).pathname).toBe('/me');
        await visit(page, '/me/switches', 'zh');
        const name = browsingSwitch('zh', '推荐服务');
        const before = await page.getByRole('switch', { name, exact: true }).getAttribute('aria-checked');
        await page.getByRole('switch', { name, exact: true }).click();
        expect(await textOf(page, '.saved')).toContain(name);
        const after = await page.getByRole('switch', { name, exact: true }).getAttribute('aria-checked');
        expect(after).toBe(before === 'true' ? 'false' : 'true');
      },
      { javaScriptEnabled: false },
    ));

  it('lets a partner in scope by scope: nothing is ticked beforehand, and what was not ticked is refused', async () => {
    const scopes = ['browsing.recommendation:read', 'transactions.marketing:read'];
    const callback = await listen();
    try {
      const redirectUri = `http://127.0.0.1:${(callback.address() as AddressInfo).port}/callback`;
      const added = await program.command(
        'partner',
        'add',
        'book-club',
        'Book Club',
        '--redirect',
        redirectUri,
        ...scopes.flatMap((scope) => ['--scope', scope]),
        '--json',
      );
      const { clientId, clientSecret } = JSON.parse(added) as { clientId: string; clientSecret: string };
      const client = await connectPartner({
        issuer: `${program.url}/oidc`,
        clientId,
        clientSecret,
        redirectUri,
      });
      const pending = await beginAuthorization(client, scopes);
      const back = await inWindow(async (page) => {
        await page.goto(pending.url.href);
        expect(new URL(page.url()).pathname).toBe('/sign-in');
        await signIn(page, password);
        expect(await textOf(page, 'h1')).toBe(pick('en').consent.title('Book Club'));
        const boxes = page.locator('.scopes input[type=checkbox]');
        expect(await boxes.count()).toBe(2);
        expect(await page.locator('.scopes input:checked').count()).toBe(0);
        await boxes.nth(0).check();
        await page.getByRole('button', { name: pick('en').consent.allow }).click();
        await page.waitForURL(/\/callback\?/);
        return new URL(page.url());
      });
      const tokens = await finishAuthorization(client, pending, back);
      expect(tokens.scopes).toEqual([scopes[0]]);
      const allowed = await readPersonData(client, tokens, program.url, 'browsing', 'recommendation');
      expect(allowed.status).toBe(200);
      const refused = await readPersonData(client, tokens, program.url, 'transactions', 'marketing');
      expect(refused.status).toBe(403);

      for (const lang of langs) {
        const again = await beginAuthorization(client, scopes, { extra: { prompt: 'consent' } });
        const said = await inWindow(
          async (page) => {
            await visit(page, '/sign-in', lang);
            await signIn(page, password);
            await page.goto(again.url.href);
            expect(await textOf(page, 'h1')).toBe(pick(lang).consent.title('Book Club'));
            expect(await findBarriers(page)).toEqual([]);
            await page.setViewportSize({ width: 360, height: 800 });
            expect(await sidewaysOverflow(page)).toBeLessThanOrEqual(0);
            await page.getByRole('button', { name: pick(lang).consent.deny }).click();
            await page.waitForURL(/\/callback\?/);
            return new URL(page.url());
          },
          { bypassCSP: true },
        );
        expect(said.searchParams.get('error')).toBe('access_denied');
      }
    } finally {
      callback.close();
    }
  });
});

const publicPages = [
  '/',
  '/demo',
  '/for-partners',
  '/sign-in',
  '/enrol',
  '/staff/sign-in',
  '/notices/none',
  '/verify',
];
const personPages = [
  '/me',
  '/me/switches',
  '/me/activity',
  '/me/data',
  '/me/data?category=profile',
  '/me/partners',
  '/me/recommendations',
  '/me/budget',
  '/me/entries/',
  '/demo/partner',
  '/notices/',
];
const officerPages = [
  '/officer',
  '/officer/entries',
  '/officer/entries?outcome=refused',
  '/officer/entries/1',
  '/officer/checkpoints',
  '/officer/anchors',
];
const doors = [
  ['nobody', publicPages],
  ['lin', personPages],
  ['officer', officerPages],
] as const;

/** Addresses that depend on what is in the log are taken from the page that links to them. */
async function visitListed(page: Page, path: string, lang: Lang): Promise<void> {
  if (!path.endsWith('/') || path === '/') return visit(page, path, lang);
  const from = path === '/notices/' ? '/me/switches' : '/me/activity';
  await visit(page, from, lang);
  const href = await page.locator(`main a[href^="${path}"]`).first().getAttribute('href');
  await visit(page, href ?? '', lang);
}

describe('every page', () => {
  for (const [door, pages] of doors) {
    const claim = `for ${door} has no finding of axe, and no sideways scrolling at 360 px`;
    it.concurrent.each(langs)(
      `${claim} (%s)`,
      (lang) =>
        inWindow(
          async (page) => {
            if (door !== 'nobody') await enter(page, door, lang);
            for (const path of pages) {
              await page.setViewportSize({ width: 1200, height: 800 });
              await visitListed(page, path, lang);
              expect(await page.locator('html').getAttribute('lang'), path).toBe(langTag(lang));
              // What is folded is part of the page too; it is the same in either language, and seven by seven takes its time.
              if (lang === 'en') {
                await page.locator('details').evaluateAll((all) => {
                  for (const one of all) one.setAttribute('open', '');
                });
              }
              expect(await findBarriers(page), path).toEqual([]);
              await page.setViewportSize({ width: 360, height: 800 });
              expect(await sidewaysOverflow(page), path).toBeLessThanOrEqual(0);
            }
          },
          // The page's own policy would not let axe in.
          { bypassCSP: true },
        ),
      // All of them at once, on however few cores there are.
      180_000,
    );
  }

  it('is looked at by checks that see what is wrong', () =>
    inWindow(
      async (page) => {
        await page.setContent('<img src="data:,"><p style="width: 3000px">wide</p>');
        expect((await findBarriers(page)).join('\n')).toContain('image-alt');
        expect(await sidewaysOverflow(page)).toBeGreaterThan(0);
      },
      { bypassCSP: true },
    ));

  it('keeps to its content security policy and throws nothing', () =>
    inWindow(async (page) => {
      const problems: string[] = [];
      page.on('pageerror', ({ message }) => problems.push(`${page.url()}: ${message}`));
      page.on('console', (message) => {
        const isOurs = /Content[- ]Security[- ]Policy|Refused to/i.test(message.text());
        if (isOurs) problems.push(`${page.url()}: ${message.text()}`);
      });
      for (const [door, pages] of doors) {
        if (door !== 'nobody') await enter(page, door, 'en');
        for (const path of pages) await visitListed(page, path, 'en');
      }
      expect(problems).toEqual([]);
      // The same watch sees a script that does not belong to the page.
      await page.evaluate(() => {
        const script = document.createElement('script');
        script.textContent = 'document.title = "owned"';
        document.body.append(script);
      });
      expect(problems).toHaveLength(1);
      expect(await page.title()).not.toBe('owned');
    }));
});

describe('an officer', () => {
  it.each(langs)(
    'finds a refusal, downloads its proof and the trust file, and both hold on the verification page (%s)',
    (lang) =>
      inWindow(async (page, context) => {
        const m = pick(lang);
        await enter(page, 'officer', lang);
        expect(new URL(page.url()).pathname).toBe('/officer');
        const [trust] = await Promise.all([
          page.waitForEvent('download'),
          page.getByRole('link', { name: m.officer.trustDownload }).click(),
        ]);
        const trustPath = join(folder, `trust-${lang}.json`);
        await trust.saveAs(trustPath);

        await page.getByRole('link', { name: m.layout.nav.entries, exact: true }).click();
        await page.locator('#outcome').selectOption('refused');
        await page.getByRole('button', { name: m.layout.apply }).click();
        await page.waitForURL(/outcome=refused/);
        const outcomes = await page.locator('tbody .outcome').allInnerTexts();
        expect(new Set(outcomes)).toEqual(new Set([m.outcomes.refused]));
        await page.locator('tbody th a').first().click();
        await page.waitForURL(/\/officer\/entries\/\d+/);
        expect(await textOf(page, '.big-line')).toContain(m.outcomes.refused);
        const [proof] = await Promise.all([
          page.waitForEvent('download'),
          page.getByRole('link', { name: m.layout.proof }).click(),
        ]);
        expect(proof.suggestedFilename()).toMatch(/^assent-proof-\d+\.json$/);
        const proofPath = join(folder, `proof-${lang}.json`);
        await proof.saveAs(proofPath);

        const problems: string[] = [];
        page.on('console', (message) => {
          if (message.type() === 'error') problems.push(message.text());
        });
        await visit(page, '/verify', lang);
        const saved = join(folder, `verify-${lang}.html`);
        const [file] = await Promise.all([
          page.waitForEvent('download'),
          page.getByRole('link', { name: m.verify.save }).click(),
        ]);
        await file.saveAs(saved);
        await proves(page, lang, proofPath, trustPath);

        // From disk, with the network gone and the gateway out of reach.
        await context.setOffline(true);
        await page.goto(pathToFileURL(saved).href);
        await proves(page, lang, proofPath, trustPath);
        expect(problems).toEqual([]);
      }),
  );

  it.each(langs)('reads a verdict without barriers, whether the proof holds or not (%s)', (lang) =>
    inWindow(
      async (page, context) => {
        await enter(page, 'officer', lang);
        await visit(page, '/officer/entries', lang);
        const href = await page.locator('tbody th a').first().getAttribute('href');
        const number = href?.split('/').at(-1);
        for (const [id, path] of [
          ['bundle', `/proofs/${number}.json`],
          ['trust', '/log/trust.json'],
        ] as const) {
          const buffer = await (await context.request.get(`${program.url}${path}`)).body();
          writeFileSync(join(folder, `${id}-${lang}.json`), buffer);
        }
        await visit(page, '/verify', lang);
        await page.setInputFiles('#chosen', [
          join(folder, `bundle-${lang}.json`),
          join(folder, `trust-${lang}.json`),
        ]);
        for (const [button, verdict] of [
          ['#verify:not([disabled])', '.verdict:is(.holds, .waits)'],
          ['#change', '.verdict.fails'],
        ] as const) {
          await page.setViewportSize({ width: 1200, height: 800 });
          await page.locator(button).click();
          await page.locator(verdict).waitFor();
          expect(await findBarriers(page)).toEqual([]);
          await page.setViewportSize({ width: 360, height: 800 });
          expect(await sidewaysOverflow(page)).toBeLessThanOrEqual(0);
        }
      },
      { bypassCSP: true },
    ),
  );

  it('has a console no person and no analyst can open', () =>
    inWindow(async (page) => {
      for (const [door, status] of [
        ['lin', 200],
        ['analyst', 403],
      ] as const) {
        await enter(page, door, 'en');
        for (const path of officerPages) {
          const answer = await page.goto(`${program.url}${path}`);
          expect(answer?.status(), path).toBe(status);
          expect(new URL(page.url()).pathname === '/staff/sign-in', path).toBe(door === 'lin');
          expect(await page.locator('table, .figures').count(), path).toBe(0);
        }
      }
    }));
});

/** The files hold together; one changed byte fails and a check is named. */
async function proves(page: Page, lang: Lang, proofPath: string, trustPath: string): Promise<void> {
  const { verify: m } = pick(lang);
  // The newest entries may not have reached the chain yet.
  const good = '.verdict:is(.holds, .waits)';
  expect(await page.locator('html').getAttribute('lang')).toBe(langTag(lang));
  await page.setInputFiles('#chosen', [proofPath, trustPath]);
  await page.locator('#verify:not([disabled])').click();
  await page.locator(good).waitFor();
  expect([m.holds, m.waits]).toContain(await textOf(page, '.verdict h2'));
  expect(await page.locator('.checks .failed').count()).toBe(0);
  expect(await page.locator('.checks .passed').count()).toBeGreaterThan(3);
  await page.locator('#change').click();
  await page.locator('.verdict.fails').waitFor();
  const name = await textOf(page, '.checks .failed strong');
  expect(Object.values<string>(m.checkNames)).toContain(name);
  expect(await textOf(page, '.verdict p')).toContain(name);
  await page.locator('#restore').click();
  await page.locator(good).waitFor();
}

/** A partner's own address: it only has to answer. */
function listen(): Promise<Server> {
  return new Promise((done) => {
    const server = createServer((_request, response) => response.end('back at the partner'));
    server.listen(0, '127.0.0.1', () => done(server));
  });
}
