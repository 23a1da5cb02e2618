// The verification page in a real browser, opened from a file with the network off, with files made by the real parts.
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createHash } from 'node:crypto';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { emptyState, parseState, stateText, withHead } from '../../gateway/audit/state.ts';
import { verifyFile } from '../../gateway/audit/verify.ts';
import { packZip, readZip } from '../../gateway/audit/zip.ts';
import { verifyAny } from '../../gateway/commands/verify-archive.ts';
import { portalAssets } from '../../gateway/portal/assets.ts';
import { langs, pick, type Lang } from '../../gateway/portal/messages/pick.ts';
import { findBarriers, launchBrowser, sidewaysOverflow } from '../support/browser.ts';
import { closeCores } from '../support/core.ts';
import { manyCount, writeVerifyFiles, type VerifyFileName, type VerifyPackName } from './verify-files.ts';

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

describe('an evidence pack', () => {
  const madeMs = Date.UTC(2026, 2, 1);
  const packOf = (name: VerifyPackName): string => join(folder, `${name}.zip`);
  const bytesOf = (path: string): Uint8Array => new Uint8Array(readFileSync(path));
  /** The pack with some of its files changed, added (new names) or dropped (undefined). */
  const forged = (
    pack: VerifyPackName,
    change: (text: (name: string) => string) => Record<string, string | undefined>,
  ): string => {
    const files = new Map(readZip(bytesOf(packOf(pack))));
    const text = (name: string): string => new TextDecoder().decode(files.get(name));
    for (const [name, content] of Object.entries(change(text))) {
      if (content === undefined) files.delete(name);
      else files.set(name, new TextEncoder().encode(content));
    }
    const path = join(folder, 'forged.zip');
    writeFileSync(path, packZip(files, madeMs));
    return path;
  };
  const check = async (page: Page, path: string, ...names: VerifyFileName[]): Promise<string> => {
    await give(page, [path, ...names.map(fileOf)]);
    await page.locator('#verify:not([disabled])').click();
    return verdictOf(page);
  };
  const resultOf = (page: Page, name: string): Promise<string> =>
    textOf(page, `#subject tbody tr:has(th:text-is("${name}")) td`);
  const otherLetter = (letter: string): string => (letter === 'e' ? 'f' : 'e');

  it.each(langs)('holds as a whole and file by file, the summary pages not being proof (%s)', (lang) =>
    onPage(lang, async (page) => {
      const m = pick(lang).verify;
      expect(await check(page, packOf('pack-person'), 'trust')).toBe('holds');
      expect(await textOf(page, '.verdict h2')).toBe(m.pack.holds);
      expect(await textOf(page, '#slot-proof .chosen')).toContain(m.kinds.pack);
      for (const name of [
        'evidence.json',
        'person.json',
        'receipts/1.json',
        'notices/recommendation-1-en.txt',
      ])
        expect(await resultOf(page, name), name).toBe(m.pack.states.proven);
      for (const name of ['README.txt', 'summary.en.html', 'summary.zh.html'])
        expect(await resultOf(page, name), name).toContain(m.pack.states['not-proven']);
      expect(await textOf(page, '#subject')).toContain(m.pack.reading);
      expect(await page.locator('.of-file').count()).toBe(2);
      expect(await page.locator('#subject').innerText()).not.toMatch(/undefined|\[object|\{\w+\}/);
    }),
  );

  it('is read by others than the person it is about, who is not “you”', () =>
    onPage('en', async (page) => {
      await check(page, packOf('pack-person'), 'trust');
      const own = page.locator('.of-file').nth(1);
      expect(await own.innerText()).toContain('entries concern this person; none is missing.');
      expect(await own.innerText()).not.toMatch(/\b[Yy]ou\b/);
    }));

  it('gives the verdicts of the command line, each level and check of each file among them', () =>
    onPage('en', async (page) => {
      for (const [path, trust] of [
        [packOf('pack-period'), 'trust'],
        [packOf('pack-period'), 'trust-with-chain'],
        [packOf('pack-person'), 'trust-of-another'],
        [forged('pack-person', () => ({ 'person.json': undefined })), 'trust'],
      ] as const) {
        await page.reload();
        const verdict = await check(page, path, trust);
        const { exitCode, json } = await verifyAny({ bundleText: bytesOf(path), trustText: read(trust) });
        expect(verdict, `${path} ${trust}`).toBe({ 0: 'holds', 1: 'fails', 4: 'waits' }[exitCode as 0]);
        const members = json['members'] as { name: string; isWrong: boolean }[];
        for (const { name, isWrong } of members)
          expect(await page.locator(`tr.failed:has(th:text-is("${name}"))`).count(), name).toBe(
            isWrong ? 1 : 0,
          );
        const files = json['files'] as Record<string, { checks: unknown[] }>;
        expect(await page.locator('.of-file .checks > li').count()).toBe(
          Object.values(files).reduce((sum, { checks }) => sum + checks.length, 0),
        );
      }
    }));

  it.each(langs)('with one file in it changed names the file and the check (%s)', (lang) =>
    onPage(lang, async (page) => {
      const m = pick(lang).verify;
      for (const [name, pattern, failing] of [
        ['evidence.json', /"payload":"(.)/, 'payload'],
        ['person.json', /"leaf":".{40}(.)/, 'payload'],
        ['person.json', /"seal":"(.)/, 'seal'],
      ] as const) {
        const path = forged('pack-person', (text) => ({
          [name]: text(name).replace(
            pattern,
            (all, letter: string) => all.slice(0, -1) + otherLetter(letter),
          ),
        }));
        await page.reload();
        expect(await check(page, path, 'trust')).toBe('fails');
        const said = await textOf(page, '.verdict');
        expect(said).toContain(name);
        expect(said).toContain(m.checkNames[failing]);
        expect(await resultOf(page, name)).toContain(m.pack.states['does-not-hold']);
        const file = page.locator('.of-file').filter({ has: page.locator(`h2:has-text("${name}")`) });
        expect(await file.locator('.checks .first strong').innerText()).toBe(m.checkNames[failing]);
        expect(await file.locator('.claim').count()).toBe(0);
      }
      const receipt = forged('pack-person', (text) => ({
        'receipts/1.json': text('receipts/1.json').replace('"consent"', '"erasure"'),
      }));
      await page.reload();
      expect(await check(page, receipt, 'trust')).toBe('fails');
      expect(await textOf(page, '.verdict')).toContain('receipts/1.json');
      expect(await resultOf(page, 'evidence.json')).toBe(m.pack.states.proven);
    }),
  );

  it.each(langs)('with a file too many or too few says which (%s)', (lang) =>
    onPage(lang, async (page) => {
      const { states } = pick(lang).verify.pack;
      const path = forged('pack-person', () => ({
        'receipts/9.json': '{}',
        'receipts/1.json': undefined,
        'letter.txt': 'a letter',
        'trust.json': read('trust').toString(),
      }));
      expect(await check(page, path, 'trust')).toBe('fails');
      expect(await resultOf(page, 'receipts/9.json')).toContain(states.differs);
      expect(await resultOf(page, 'receipts/1.json')).toContain(states.missing);
      expect(await resultOf(page, 'letter.txt')).toBe(states.unknown);
      expect(await resultOf(page, 'trust.json')).toBe(states['trust-inside']);
      // What is wrong stands first.
      expect(await page.locator('#subject tbody tr.failed').count()).toBe(2);
      expect(await page.locator('#subject tbody tr').nth(1).getAttribute('class')).toBe('failed');
    }),
  );

  it('with a file too many that no check is about still holds, and says that it is no proof', () =>
    onPage('en', async (page) => {
      expect(
        await check(
          page,
          forged('pack-period', () => ({ 'letter.txt': 'a letter' })),
          'trust',
        ),
      ).toBe('holds');
      expect(await resultOf(page, 'letter.txt')).toBe(pick('en').verify.pack.states.unknown);
    }));

  it('that is no archive, is cut off, or would unpack to too much does not hold, and nothing of it is shown', () =>
    onPage('en', async (page) => {
      const good = bytesOf(packOf('pack-person'));
      const huge = Uint8Array.from(good);
      const directoryAt = new DataView(huge.buffer).getUint32(huge.length - 6, true);
      new DataView(huge.buffer).setUint32(directoryAt + 24, (200 << 20) + 1, true);
      for (const [bytes, said] of [
        [new TextEncoder().encode('no archive at all'), 'not JSON'],
        [good.subarray(0, 2000), 'it does not end as one'],
        [huge, 'unpacks to more than'],
      ] as const) {
        const path = join(folder, 'broken.zip');
        writeFileSync(path, bytes);
        await page.reload();
        expect(await check(page, path, 'trust'), said).toBe('fails');
        expect(await textOf(page, '.checks .first strong')).toBe(pick('en').verify.checkNames.format);
        expect(await textOf(page, '.checks .first .detail')).toContain(said);
        expect(await page.locator('#subject > *').count()).toBe(0);
      }
    }));

  it('larger than any is refused without being read', () =>
    onPage('en', async (page) => {
      const transfer = await page.evaluateHandle(
        (sizeBytes) => {
          const given = new DataTransfer();
          const start = new Uint8Array([0x50, 0x4b, 3, 4]);
          given.items.add(new File([start, new Uint8Array(sizeBytes)], 'large.zip'));
          return given;
        },
        200 * 2 ** 20,
      );
      await page.dispatchEvent('h1', 'drop', { dataTransfer: transfer });
      await page.locator('#left-out:not(:empty)').waitFor();
      expect(await textOf(page, '#left-out')).toContain('large.zip is larger than 200 MiB');
    }));

  it('against a kept head contradicts, and otherwise offers the heads of its files for keeping', () =>
    onPage('en', async (page) => {
      const evidence = readZip(bytesOf(packOf('pack-person'))).get('evidence.json') ?? '';
      const { head } = verifyFile(evidence, read('trust'));
      if (head === undefined) throw new Error('evidence without a head');
      const state = join(folder, 'state-of-pack.json');
      const keep = (root: Uint8Array): void =>
        writeFileSync(state, stateText(withHead(emptyState(head.origin), { ...head, root })));
      keep(new Uint8Array(32).fill(7));
      await give(page, [packOf('pack-person'), fileOf('trust'), state]);
      await page.locator('#verify:not([disabled])').click();
      expect(await verdictOf(page)).toBe('contradicts');
      expect(await page.locator('#keep').isHidden()).toBe(true);
      keep(head.root);
      await page.reload();
      await give(page, [packOf('pack-person'), fileOf('trust'), state]);
      await page.locator('#verify:not([disabled])').click();
      expect(await verdictOf(page)).toBe('holds');
      const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#keep').click()]);
      const saved = join(folder, 'saved-of-pack.json');
      await download.saveAs(saved);
      const { heads } = parseState(readFileSync(saved));
      // Both files of this pack are under one head.
      expect(heads.map(({ size }) => size)).toEqual([head.size]);
    }));

  it('is seen to fail when one byte in it is changed, and holds again when it is put back', () =>
    onPage('en', async (page) => {
      await check(page, packOf('pack-period'), 'trust');
      await page.locator('#change').click();
      await page.locator('.verdict.fails').waitFor();
      expect(await textOf(page, '#changed')).toMatch(/^In the copy of evidence\.json: byte \d+ changed/);
      await page.locator('#restore').click();
      await page.locator('.verdict.holds').waitFor();
    }));

  it('gives way to a single file chosen after it', () =>
    onPage('en', async (page) => {
      await check(page, packOf('pack-period'), 'trust');
      expect(await verify(page, 'entry')).toBe('holds');
      expect(await page.locator('#level-list').isVisible()).toBe(true);
      expect(await page.locator('.of-file').count()).toBe(0);
    }));

  it.each(langs)('has no finding of axe, fits a phone, and is printed whole (%s)', (lang) =>
    onPage(
      lang,
      async (page) => {
        const wrong = forged('pack-person', () => ({ 'receipts/1.json': undefined }));
        for (const path of [packOf('pack-person'), wrong]) {
          await page.setViewportSize({ width: 1200, height: 800 });
          await page.reload();
          await check(page, path, 'trust');
          for (const box of await page.locator('#report details').all())
            await box.evaluate((one) => one.setAttribute('open', ''));
          expect(await findBarriers(page)).toEqual([]);
          await page.setViewportSize({ width: 360, height: 800 });
          expect(await sidewaysOverflow(page)).toBeLessThanOrEqual(0);
        }
        await page.reload();
        await check(page, packOf('pack-person'), 'trust');
        await page.emulateMedia({ media: 'print' });
        await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
        const shown = await page.locator('body').innerText();
        const m = pick(lang).verify;
        for (const text of [
          m.reportTitle,
          m.pack.holds,
          m.pack.reading,
          'person.json',
          m.checkMeanings.seal,
          m.hash,
        ])
          expect(shown).toContain(text);
        expect(await page.locator('#print').isVisible()).toBe(false);
      },
      { bypassCSP: true },
    ),
  );
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
