// Renders every page with sample data, takes pictures at two widths in both languages, and runs axe on each.
// node test/portal/look.ts [name…]; pictures go to test/screenshots/ (ignored by git). Exit code 1 when axe finds something.
import { createServer } from 'node:http';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { langs, type Lang } from '../../gateway/portal/messages/pick.ts';
import { verifyPage } from '../../gateway/portal/pages/verify.ts';
import { findBarriers, launchBrowser, offerFont, sidewaysOverflow, wearFont } from '../support/browser.ts';
import { contextFor, samples } from './samples.ts';
import { verifierStandIn } from './verifier-stand-in.ts';

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
      const made = verifyPage(verifyAssets(), lang);
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

function verifyAssets() {
  return {
    stylesheet: readFileSync(join(assets, 'portal.css'), 'utf8'),
    script: readFileSync(join(assets, 'verify-page.js'), 'utf8'),
    importMap: {
      imports: { 'assent/verify': `data:text/javascript,${encodeURIComponent(verifierStandIn)}` },
    },
  };
}

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
  const file = (name: string) => ({
    name,
    mimeType: 'application/json',
    buffer: Buffer.from(`{"leaf":"${'q'.repeat(64)}"}`),
  });
  await page.setInputFiles('#bundle', file('entry-18442.json'));
  await page.setInputFiles('#trust', file('trust-2026-11.json'));
  await page.click('#verify:not([disabled])');
  await inspect(page, `${label}-holds`);
  await page.click('#change');
}

async function inspect(page: Page, label: string): Promise<void> {
  await wearFont(page);
  await page.screenshot({ path: join(out, `${label}.png`), fullPage: true });
  for (const barrier of await findBarriers(page)) report(`${label} ${barrier}`);
  const overflow = await sidewaysOverflow(page);
  if (overflow > 0) report(`${label} scrolls sideways by ${overflow}px`);
}
