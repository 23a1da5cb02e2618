import chromium from '@sparticuz/chromium';
import { chromium as playwright } from 'playwright-core';
const base = 'http://127.0.0.1:18099';
const browser = await playwright.launch({ executablePath: await chromium.executablePath(), args: [...chromium.args.filter((a) => a !== '--single-process'), '--disable-background-networking'], headless: true });
const shot = async (page: any, name: string) => page.screenshot({ path: `/tmp/shots/${name}.png`, fullPage: true });
try {
  const ctx = await browser.newContext({ viewport: { width: 1200, height: 800 }, locale: 'en-GB' });
  const page = await ctx.newPage();
  await page.goto(base + '/demo'); await shot(page, '1-demo');
  await page.locator('form:has(input[value="lin"]) button').click(); console.log(page.url()); await shot(page, '2-home');
  await page.goto(base + '/demo/partner'); console.log(page.url());
  await page.locator('form:has(input[value="ask"]) button').click(); console.log(page.url()); await shot(page, '3-rows');
  await page.locator('button.switch').click(); console.log('flip', page.url()); await shot(page, '4-off');
  await page.locator('form:has(input[value="ask"]) button').click(); await shot(page, '5-refused');
  const href = await page.locator('a[href*="/oidc/auth"]').first().getAttribute('href');
  await page.goto(href!); console.log(page.url()); await shot(page, '6-consent');
  await page.locator('button.switch').count();
  const boxes = page.locator('input[type=checkbox]'); console.log('boxes', await boxes.count());
  if (await boxes.count()) { await boxes.first().check().catch((e: any) => console.log(e.message)); await page.locator('button[value="allow"]').click(); await page.waitForTimeout(1500); console.log(page.url()); await shot(page, '7-back'); }
  for (const d of ['officer', 'analyst', 'maya']) { await page.goto(base + '/demo'); await page.locator(`form:has(input[value="${d}"]) button`).click(); console.log(d, page.url()); await shot(page, '8-' + d); }
} finally { await browser.close(); }
