// Renders every page with sample data, takes pictures at two widths in both languages, and runs axe on each.
// node test/portal/look.ts [name…]; pictures go to test/screenshots/ (ignored by git). Exit code 1 when axe finds something.
import { createServer } from 'node:http';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { langs, type Lang } from '../../gateway/portal/messages/pick.ts';
import { portalAssets } from '../../gateway/portal/assets.ts';
import { findBarriers, launchBrowser, offerFont, sidewaysOverflow, wearFont } from '../support/browser.ts';
import { contextFor, samples } from './samples.ts';
import { closeCores } from '../support/core.ts';
import { writeVerifyFiles, type VerifyFileName } from './verify-files.ts';

const root = new URL('../..', import.meta.url).pathname;
const assets = join(root, 'gateway/portal/assets');
const out = join(root, 'test/screenshots');
const policy = `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'`;

const only = process.argv.slice(2);
let findingCount = 0;
function report(finding: string): void {
  findingCount += 1;
  process.stdout.write(`${finding}\n`);
}
mkdirSync(out, { recursive: true });

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const type = (name: string) =>
    name.endsWith('.css')
      ? 'text/css'
      : name.endsWith('.js')
        ? 'text/javascript'
        : name.endsWith('.svg')
          ? 'image/svg+xml'
          : 'font/woff2';
  if (url.pathname.startsWith('/assets/')) {
    const name = url.pathname.slice('/assets/'.length);
    response.setHeader('content-type', type(name)).end(readFileSync(join(assets, name)));
  } else {
    const [, lang, name] = url.pathname.split('/') as [string, Lang, string];
    response.setHeader('content-type', 'text/html; charset=utf-8');
    if (name === 'verify') {
      const made = portalAssets().verify[lang];
      response.setHeader('content-security-policy', made.policy).end(made.page.toString());
      return;
    }
    const sample = samples.find((candidate) => candidate.name === name);
    if (sample === undefined) return void response.writeHead(404).end();
    response
      .setHeader('content-security-policy', policy)
      .end(sample.render(contextFor(sample, lang)).toString());
  }
});

/** What is dropped on the verification page, and what then happens: the name of the picture. */
const verifications: readonly (readonly [string, readonly VerifyFileName[]])[] = [
  ['entry', ['entry', 'trust']],
  ['person', ['person', 'trust', 'state-before']],
  ['person-later', ['person-later', 'trust', 'person']],
  ['person-alone', ['person-later', 'trust-with-chain']],
  ['contradicts', ['person', 'trust', 'state-contradicting']],
  ['fails', ['person', 'trust-of-another']],
  ['evidence', ['evidence-period', 'trust']],
  ['receipt', ['receipt-erasure', 'trust']],
  ['many', ['many', 'many-trust']],
];
const files = mkdtempSync(join(tmpdir(), 'assent-look-'));
const looksAtVerify = only.length === 0 || only.includes('verify');
if (looksAtVerify) await writeVerifyFiles(files);

await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const address = server.address();
if (address === null || typeof address === 'string') throw new Error('no port');
const base = `http://127.0.0.1:${address.port}`;
const browser = await launchBrowser();

try {
  for (const lang of langs) {
    for (const width of [1200, 360]) {
      for (const scheme of ['light', 'dark'] as const) {
        const context = await browser.newContext({
          viewport: { width, height: 800 },
          colorScheme: scheme,
          bypassCSP: true,
        });
        await offerFont(context);
        const page = await context.newPage();
        page.on('pageerror', (error) => report(`${page.url()}: ${error.message}`));
        for (const { name } of [...samples, { name: 'verify' }]) {
          if (only.length > 0 && !only.includes(name)) continue;
          // In the dark only colours differ, so one width and one language are enough.
          if (scheme === 'dark' && (width === 360 || lang === 'zh')) continue;
          await look(page, name, lang, width, scheme);
        }
        await context.close();
      }
    }
  }
} finally {
  await browser.close();
  server.close();
  await closeCores();
  rmSync(files, { recursive: true, force: true });
}

process.stdout.write(`${findingCount} findings\n`);
process.exitCode = findingCount === 0 ? 0 : 1;

async function look(page: Page, name: string, lang: Lang, width: number, scheme: string): Promise<void> {
  const label = `${name}-${lang}-${width}${scheme === 'dark' ? '-dark' : ''}`;
  await page.goto(`${base}/${lang}/${name}`);
  if (name === 'verify') await pressVerify(page, label);
  await inspect(page, label);
}

async function pressVerify(page: Page, label: string): Promise<void> {
  await inspect(page, `${label}-start`);
  for (const [name, dropped] of verifications) {
    await page.reload();
    await page.setInputFiles(
      '#chosen',
      dropped.map((file) => join(files, `${file}.json`)),
    );
    await page.click('#verify:not([disabled])');
    await page.locator('.verdict').waitFor();
    await inspect(page, `${label}-${name}`);
    if (label.endsWith('-1200')) await print(page, `${label}-${name}`);
  }
  await page.click('#change');
  await page.locator('.verdict.fails').waitFor();
}

async function print(page: Page, label: string): Promise<void> {
  await page.emulateMedia({ media: 'print' });
  await page.pdf({
    path: join(out, `${label}.pdf`),
    format: 'A4',
    margin: { top: '18mm', bottom: '18mm', left: '18mm', right: '18mm' },
  });
  await page.emulateMedia({ media: 'screen' });
}

async function inspect(page: Page, label: string): Promise<void> {
  await wearFont(page);
  await page.screenshot({ path: join(out, `${label}.png`), fullPage: true });
  for (const barrier of await findBarriers(page)) report(`${label} ${barrier}`);
  const overflow = await sidewaysOverflow(page);
  if (overflow > 0) report(`${label} scrolls sideways by ${overflow}px`);
}
