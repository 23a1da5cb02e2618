// The verification page in a real browser, opened from a file with the network off, with files made by the real parts.
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createHash } from 'node:crypto';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseState } from '../../gateway/audit/state.ts';
import { verifyFile } from '../../gateway/audit/verify.ts';
import { portalAssets } from '../../gateway/portal/assets.ts';
import { langs, pick, type Lang } from '../../gateway/portal/messages/pick.ts';
import { findBarriers, launchBrowser, sidewaysOverflow } from '../support/browser.ts';
import { closeCores } from '../support/core.ts';
import { manyCount, writeVerifyFiles, type VerifyFileName } from './verify-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'assent-verify-'));
const fileOf = (name: VerifyFileName): string => join(folder, `${name}.json`);
const pageOf = (lang: Lang): string => join(folder, `page-${lang}.html`);
let browser: Browser;

beforeAll(async () => {
  const { verify } = portalAssets();
  for (const lang of langs) writeFileSync(pageOf(lang), verify[lang].page.toString());
  [browser] = await Promise.all([launchBrowser(), writeVerifyFiles(folder)]);
});
afterAll(async () => {
  await browser?.close();
  await closeCores();
  rmSync(folder, { recursive: true, force: true });
});

/** A window that opens the page from disk, without a network, and saw no error at the end. */
async function onPage<T>(
  lang: Lang,
  work: (page: Page) => Promise<T>,
  options: BrowserContextOptions = {},
): Promise<T> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, ...options });
  context.setDefaultTimeout(15_000);
  await context.setOffline(true);
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('pageerror', ({ message }) => problems.push(message));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  try {
    await page.goto(pathToFileURL(pageOf(lang)).href);
    const result = await work(page);
    expect(problems).toEqual([]);
    return result;
  } finally {
    await context.close();
  }
}

async function give(page: Page, paths: readonly string[]): Promise<void> {
  await page.setInputFiles('#chosen', paths);
  await page.locator('#files:not([aria-busy])').waitFor();
}
const choose = (page: Page, ...names: VerifyFileName[]) => give(page, names.map(fileOf));

/** Chooses the files at once, checks them, and returns the kind of the verdict. */
async function verify(page: Page, ...names: VerifyFileName[]): Promise<string> {
  await choose(page, ...names);
  await page.locator('#verify:not([disabled])').click();
  return verdictOf(page);
}

async function verdictOf(page: Page): Promise<string> {
  await page.locator('.verdict').waitFor();
  return (await page.locator('.verdict').getAttribute('class'))?.replace('verdict ', '') ?? '';
}

const textOf = async (page: Page, selector: string): Promise<string> =>
  (await page.locator(selector).first().innerText()).replace(/\s+/g, ' ').trim();

const read = (name: VerifyFileName): Buffer => readFileSync(fileOf(name));

describe('the page opened from disk, offline', () => {
  const verdicts: readonly (readonly [string, string, readonly VerifyFileName[]])[] = [
    ['an entry', 'holds', ['entry', 'trust']],
    ['all about a person', 'holds', ['person', 'trust']],
    ['what is new about a person, alone', 'holds', ['trust', 'person-later']],
    ['what is new about a person, with the earlier file', 'holds', ['person-later', 'person', 'trust']],
    ['evidence of a period', 'holds', ['evidence-period', 'trust']],
    ['evidence about a partner', 'holds', ['evidence-partner', 'trust']],
    ['a receipt of a choice', 'holds', ['receipt-consent', 'trust']],
    ['a receipt of an erasure', 'holds', ['receipt-erasure', 'trust']],
    ['a file that goes on from a kept head', 'holds', ['person-later', 'trust', 'state-before']],
    ['a file without an anchor, where there is a chain', 'waits', ['person', 'trust-with-chain']],
    ['a receipt, where there is a chain', 'holds', ['receipt-consent', 'trust-with-chain']],
    ['a file against a kept head', 'contradicts', ['person', 'trust', 'state-contradicting']],
    ['a file of another log', 'fails', ['person', 'trust-of-another']],
  ];
  it.each(langs)('gives every kind of file its verdict in words (%s)', (lang) =>
    onPage(lang, async (page) => {
      const m = pick(lang).verify;
      const headings = { holds: m.holds, waits: m.waits, contradicts: m.contradicts, fails: m.fails };
      for (const [what, verdict, files] of verdicts) {
        await page.reload();
        expect(await verify(page, ...files), what).toBe(verdict);
        expect(await textOf(page, '.verdict h2'), what).toBe(headings[verdict as keyof typeof headings]);
        expect((await page.locator('.verdict .mark-tick').count()) === 1, what).toBe(
          verdict === 'holds' || verdict === 'waits',
        );
        expect(await page.locator('.limits li').count(), what).toBeGreaterThan(verdict === 'fails' ? -1 : 1);
        expect(await page.locator('#subject').innerText(), what).not.toMatch(/undefined|\[object|\{\w+\}/);
      }
    }),
  );

  it('names the first failing check of a forged file, and holds again when it is put back', () =>
    onPage('en', async (page) => {
      for (const name of ['entry', 'person', 'evidence-period', 'receipt-consent'] as const) {
        await page.reload();
        expect(await verify(page, name, 'trust')).toBe('holds');
        const seen = new Set<string>();
        for (let press = 0; press < 4; press++) {
          await page.locator('#change').click();
          await page.locator('.verdict.fails').waitFor();
          expect(await page.locator('#subject > *').count(), name).toBe(0);
          seen.add(await textOf(page, '.checks .first strong'));
          expect(await textOf(page, '.verdict p')).toContain(await textOf(page, '.checks .first strong'));
          expect(await textOf(page, '#changed')).toMatch(/^Byte \d+ changed/);
        }
        expect(seen.size, name).toBeGreaterThan(name === 'receipt-consent' ? 0 : 1);
        await page.locator('#restore').click();
        await page.locator('.verdict.holds').waitFor();
      }
    }));

  it('shows the SHA-256 of each file, as other programs compute it', () =>
    onPage('en', async (page) => {
      await verify(page, 'person-later', 'person', 'trust', 'state-before');
      const shown = await page.locator('#file-list code').allInnerTexts();
      const hashes = (['person-later', 'trust', 'person', 'state-before'] as const).map((name) =>
        createHash('sha256').update(read(name)).digest('hex'),
      );
      expect(shown).toEqual(hashes);
    }));
});

describe('a person’s file', () => {
  const claims = pick('en').verify.claims;

  it('says how many entries there are and that none is missing, and lists them', () =>
    onPage('en', async (page) => {
      await verify(page, 'person', 'trust');
      const { subject } = verifyFile(read('person'), read('trust'));
      if (subject?.kind !== 'person') throw new Error('not about a person');
      expect(await textOf(page, '.claim')).toBe(claims.person.other.replace('{n}', String(subject.count)));
      const rows = page.locator('#subject .cards').first().locator('tbody tr');
      expect(await rows.locator('th').allInnerTexts()).toEqual([...subject.indices].reverse().map(String));
      expect(await textOf(page, '#subject .facts')).toContain('Checkpoint');
      await rows.last().locator('summary').click();
      expect(await rows.last().locator('pre').innerText()).toContain('"operation": "set-switch"');
      const group = await textOf(page, '#subject section:nth-of-type(3)');
      expect(group).toContain('Recommendations · Browsing');
      expect(group).toContain('You were in 2 of the 2 shown here, as the gateway says.');
      expect(group).toContain('For 9 further groups the log proves that there was no use.');
    }));

  it('says without its earlier file that something could be missing, and with it that nothing is', () =>
    onPage('en', async (page) => {
      expect(await verify(page, 'person-later', 'trust')).toBe('holds');
      expect(await textOf(page, '.claim')).toBe(claims.notCompared.other.replace('{n}', '3'));
      expect(await textOf(page, '#subject')).not.toContain('none is missing');
      expect(await page.locator('#subject tbody tr').first().innerText()).toContain('erased');
      await choose(page, 'person');
      expect(await page.locator('#report').isHidden()).toBe(true);
      expect(await textOf(page, '#slot-earlier .chosen')).toContain('person.json');
      await page.locator('#verify').click();
      await page.locator('.verdict.holds').waitFor();
      expect(await textOf(page, '.claim')).toBe(claims.person.other.replace('{n}', '5'));
      expect(await textOf(page, '#subject')).toContain('3 of them are shown here, the other 2');
    }));

  it('takes the place of a file about somebody else rather than being compared with it', () =>
    onPage('en', async (page) => {
      await choose(page, 'person-later', 'person', 'trust');
      await choose(page, 'person-of-another');
      expect(await textOf(page, '#slot-proof .chosen')).toContain('person-of-another.json');
      expect(await page.locator('#slot-earlier .chosen').isHidden()).toBe(true);
    }));

  it('of thousands of entries is shown in pages, and printed as far as paper goes', () =>
    onPage('en', async (page) => {
      expect(await verify(page, 'many', 'many-trust')).toBe('holds');
      const rows = page.locator('.paged').first().locator('tbody tr');
      expect(await rows.count()).toBe(50);
      expect(await textOf(page, '.pager')).toContain('1–50 of 3,000');
      await page.getByRole('button', { name: 'Older', exact: true }).click();
      expect(await textOf(page, '.pager')).toContain('51–100 of 3,000');
      expect(await rows.first().locator('th').innerText()).toBe(
        String((manyCount - 51).toLocaleString('en')),
      );
      await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
      expect(await rows.count()).toBe(2000);
      expect(await rows.first().locator('th').innerText()).toBe('2,999');
      expect(await page.locator('.paper-only').first().textContent()).toContain('2,000 of 3,000');
      await page.evaluate(() => dispatchEvent(new Event('afterprint')));
      expect(await rows.count()).toBe(50);
      expect(await rows.first().locator('th').innerText()).toBe('2,949');
    }));
});

describe('heads that were kept', () => {
  it('are offered for keeping after a good check, with those of before', () =>
    onPage('en', async (page) => {
      await verify(page, 'person-later', 'trust', 'state-before');
      expect(await textOf(page, '.kept')).toBe(pick('en').verify.kept.extends);
      const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#keep').click()]);
      expect(download.suggestedFilename()).toBe('assent-state.json');
      const saved = join(folder, 'saved.json');
      await download.saveAs(saved);
      const before = parseState(read('state-before'));
      const { head } = verifyFile(read('person-later'), read('trust'));
      const after = parseState(readFileSync(saved));
      expect(after.origin).toBe(before.origin);
      expect(after.heads.map(({ size }) => size)).toEqual([before.heads[0]?.size, head?.size]);
    }));

  it('are not offered for keeping after a contradiction or a failure, nor for a receipt', () =>
    onPage('en', async (page) => {
      for (const files of [
        ['person', 'trust', 'state-contradicting'],
        ['person', 'trust-of-another'],
        ['receipt-consent', 'trust'],
      ] as const) {
        await page.reload();
        await verify(page, ...files);
        expect(await page.locator('#keep').isHidden()).toBe(true);
      }
    }));

  it('of another log stop the check, and nothing is said to hold', () =>
    onPage('en', async (page) => {
      await choose(page, 'person', 'trust', 'state-of-another');
      await page.locator('#verify').click();
      await page.locator('#status .alert').waitFor();
      expect(await textOf(page, '#status')).toContain('another.example/log');
      expect(await page.locator('#report').isHidden()).toBe(true);
    }));
});

describe('choosing files', () => {
  it('takes what nobody knows for a spoilt proof, and leaves out what has no place', () =>
    onPage('en', async (page) => {
      const spoilt = join(folder, 'spoilt.json');
      writeFileSync(spoilt, read('person').subarray(1));
      const strange = join(folder, 'strange.txt');
      writeFileSync(strange, 'a letter');
      await give(page, [fileOf('entry'), fileOf('trust'), strange]);
      expect(await textOf(page, '#left-out')).toContain('strange.txt');
      expect(await textOf(page, '#slot-proof .chosen')).toContain('entry.json');
      await give(page, [spoilt]);
      await page.locator('#verify').click();
      expect(await verdictOf(page)).toBe('fails');
      expect(await textOf(page, '.checks .first strong')).toBe(pick('en').verify.checkNames.format);
    }));

  it('refuses a file larger than any of this log without reading it', () =>
    onPage('en', async (page) => {
      const large = join(folder, 'large.json');
      writeFileSync(large, '');
      truncateSync(large, 64 * 2 ** 20 + 1);
      await give(page, [large]);
      expect(await textOf(page, '#left-out')).toContain('large.json is larger than 64 MiB');
      expect(await page.locator('#verify').isDisabled()).toBe(true);
    }));

  it('accepts files dropped anywhere on the page', () =>
    onPage('en', async (page) => {
      const files = (['entry', 'trust'] as const).map((name) => ({ name, text: read(name).toString() }));
      const dropped = await page.evaluateHandle((given) => {
        const transfer = new DataTransfer();
        for (const { name, text } of given) transfer.items.add(new File([text], `${name}.json`));
        return transfer;
      }, files);
      await page.dispatchEvent('h1', 'drop', { dataTransfer: dropped });
      await page.locator('#verify:not([disabled])').click();
      expect(await verdictOf(page)).toBe('holds');
    }));

  it('says that it is checking before it begins', () =>
    onPage('en', async (page) => {
      await choose(page, 'many', 'many-trust');
      await page.locator('#verify:not([disabled])').waitFor();
      const said = await page.evaluate(() => {
        document.querySelector<HTMLButtonElement>('#verify')?.click();
        return document.querySelector('#status')?.textContent;
      });
      expect(said).toBe(pick('en').verify.checking);
      expect(await verdictOf(page)).toBe('holds');
    }));

  it('needs no mouse', () =>
    onPage('en', async (page) => {
      await choose(page, 'person', 'trust', 'state-before');
      await page.locator('#verify:not([disabled])').waitFor();
      const reach = async (selector: string): Promise<void> => {
        for (let presses = 0; presses < 60; presses++) {
          await page.keyboard.press('Tab');
          if (await page.evaluate((wanted) => document.activeElement?.matches(wanted), selector)) return;
        }
        throw new Error(`${selector} cannot be reached`);
      };
      await reach('#chosen');
      await reach('[data-remove=state]');
      await page.keyboard.press('Enter');
      expect(await page.locator('#slot-state .chosen').isHidden()).toBe(true);
      expect(await page.evaluate(() => document.activeElement?.id)).toBe('chosen');
      await reach('#verify');
      await page.keyboard.press('Enter');
      expect(await verdictOf(page)).toBe('holds');
      for (const control of ['#print', '#keep', '#change', 'td summary']) await reach(control);
      await page.keyboard.press('Space');
      await page.locator('td pre').first().waitFor();
    }));
});

describe('the report', () => {
  it.each(langs)(
    'has no finding of axe and no sideways scrolling at 360 px, whatever it says (%s)',
    (lang) =>
      onPage(
        lang,
        async (page) => {
          for (const files of [
            ['person-later', 'person', 'trust', 'state-before'],
            ['evidence-period', 'trust'],
            ['receipt-erasure', 'trust'],
            ['person', 'trust', 'state-contradicting'],
            ['many', 'trust'],
          ] as const) {
            await page.setViewportSize({ width: 1200, height: 800 });
            await page.reload();
            await verify(page, ...files);
            for (const box of await page.locator('#report details').all())
              await box.evaluate((one) => one.setAttribute('open', ''));
            expect(await findBarriers(page), files.join()).toEqual([]);
            await page.setViewportSize({ width: 360, height: 800 });
            expect(await sidewaysOverflow(page), files.join()).toBeLessThanOrEqual(0);
          }
        },
        { bypassCSP: true },
      ),
    60_000,
  );

  it('is printed alone: verdict, claim, levels, checks, hashes and time, and nothing to press', () =>
    onPage('en', async (page) => {
      await verify(page, 'evidence-period', 'trust');
      await page.emulateMedia({ media: 'print' });
      await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
      const shown = await page.locator('body').innerText();
      const m = pick('en').verify;
      for (const text of [
        m.reportTitle,
        m.holds,
        m.times,
        m.levels,
        m.checks,
        m.hash,
        m.limitsHeading,
        m.statement,
      ])
        expect(shown).toContain(text);
      expect(shown).not.toContain(m.lead);
      for (const control of await page.locator('button, input, a.button, #files').all())
        expect(await control.isVisible()).toBe(false);
      expect((await page.pdf({ format: 'A4' })).length).toBeGreaterThan(10_000);
    }));
});
