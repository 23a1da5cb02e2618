// Makes the README's picture from the real program: Lin Xiao's home in English beside her switches in Chinese.
// node test/portal/picture.ts — under Node 24; writes gateway/portal/assets/readme.png, at most 250 kB.
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Lang } from '../../gateway/portal/messages/pick.ts';
import { launchBrowser, offerFont, wearFont } from '../support/browser.ts';
import { startProgram } from '../support/running.ts';

const out = resolve(import.meta.dirname, '../../gateway/portal/assets/readme.png');
const side = { width: 760, height: 900 };
const mostBytes = 250_000;

const program = await startProgram();
const browser = await launchBrowser();
try {
  const home = await take('/me', 'en');
  const switches = await take('/me/switches', 'zh');
  const page = await browser.newPage({ viewport: { width: 2 * side.width + 72, height: side.height + 48 } });
  await page.setContent(`<style>
    body { margin: 24px; display: flex; gap: 24px; background: #dfe8e4 }
    img { border-radius: 12px }
  </style>${[home, switches].map((png) => `<img src="data:image/png;base64,${png.toString('base64')}">`).join('')}`);
  await page.screenshot({ path: out });
} finally {
  await browser.close();
  await program.stop();
}
const { size } = statSync(out);
process.stdout.write(`${out}: ${size} bytes\n`);
if (size > mostBytes) {
  process.stderr.write(`the picture is larger than ${mostBytes} bytes\n`);
  process.exitCode = 1;
}

async function take(path: string, lang: Lang): Promise<Buffer> {
  // The fonts of the picture come from elsewhere, which the page's own policy would not allow.
  const context = await browser.newContext({ viewport: side, bypassCSP: true, timezoneId: 'Asia/Shanghai' });
  await offerFont(context);
  const page = await context.newPage();
  await page.goto(`${program.url}/demo?lang=${lang}`);
  await page.locator('form:has(input[name=door][value=lin]) button').click();
  await page.waitForLoadState();
  await page.goto(`${program.url}${path}?lang=${lang}`);
  await wearFont(page);
  const png = await page.screenshot();
  await context.close();
  return png;
}
