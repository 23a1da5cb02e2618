// The browser of tests and pictures: Chromium from npm, or the one this computer has.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import packaged from '@sparticuz/chromium';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';

const require = createRequire(import.meta.url);
const systemBrowsers = ['/usr/bin/chromium', '/usr/bin/chromium-browser'];

export async function launchBrowser(): Promise<Browser> {
  const installed = systemBrowsers.find((path) => existsSync(path));
  return chromium.launch({
    executablePath: installed ?? (await packaged.executablePath()),
    args: [
      // In one process the browser dies with its first closed context.
      ...packaged.args.filter((arg) => arg !== '--single-process'),
      '--disable-background-networking',
      '--no-first-run',
      '--disable-sync',
    ],
    headless: true,
  });
}

/** Findings of axe on the page as it stands, one line each. The context must bypass the page's content security policy. */
export async function findBarriers(page: Page): Promise<string[]> {
  await page.evaluate(axeSource());
  return page.evaluate(async (rules) => {
    interface Finding {
      readonly id: string;
      readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
    }
    const { axe } = globalThis as unknown as {
      axe: { run(options: object): Promise<{ violations: readonly Finding[] }> };
    };
    const { violations } = await axe.run({
      runOnly: rules,
      // Only what is wrong, and no second fetch of the stylesheets: a third of the time.
      resultTypes: ['violations'],
      preload: false,
    });
    return violations.map(
      ({ id, nodes }) =>
        `${id}: ${nodes.map((node) => `${node.html.slice(0, 160)} ${node.failureSummary ?? ''}`).join(' | ')}`,
    );
  }, axeRules);
}

const axeRules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
let axeText: string | undefined;

function axeSource(): string {
  axeText ??= readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
  return axeText;
}

/** How many pixels the page is wider than its window. */
export function sidewaysOverflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
}

const fontHost = 'http://fonts.invalid';

/** Serves Chinese glyphs to this context's pages; `wearFont` puts them on. Only pictures need them. */
export async function offerFont(context: BrowserContext): Promise<void> {
  const folder = join(require.resolve('@fontsource/noto-sans-sc/package.json'), '..');
  await context.route(`${fontHost}/**`, (route) => {
    const { pathname } = new URL(route.request().url());
    return route.fulfill({
      path: join(folder, pathname),
      headers: { 'access-control-allow-origin': '*' },
    });
  });
}

/** The portal uses the fonts of the system it is looked at on; a picture must not depend on the one that takes it. */
export async function wearFont(page: Page): Promise<void> {
  const folder = join(require.resolve('@fontsource/noto-sans-sc/package.json'), '..');
  const faces = ['400', '500', '600', '700'].map((weight) =>
    readFileSync(join(folder, `${weight}.css`), 'utf8').replaceAll('url(./files/', `url(${fontHost}/files/`),
  );
  // The quotation marks of a Chinese font are wide; English pages borrow narrow ones.
  faces.push(`@font-face { font-family: Quotes; src: local('DejaVu Sans'); unicode-range: U+2018-201D }`);
  await page.addStyleTag({ content: faces.join('\n') });
  await page.evaluate(async () => {
    const isChinese = document.documentElement.lang.startsWith('zh');
    const fonts = isChinese ? "'Noto Sans SC', sans-serif" : "Quotes, 'Noto Sans SC', sans-serif";
    document.documentElement.style.setProperty('--sans', fonts);
    await document.fonts.ready;
  });
}
