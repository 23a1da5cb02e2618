// The verification page: one HTML file that also works opened from disk, without a network and without this gateway.
import { createHash } from 'node:crypto';
import { dataBlock, html, trusted, type Html } from '../html.ts';
import { brandMark } from '../layout.ts';
import { langTag, pick, type Lang, type Messages } from '../messages/pick.ts';
import { checkWords } from '../messages/verify-details.ts';
import { mark } from '../parts/text.ts';
import { paths } from '../paths.ts';

/** What is put into the page. Sources are our own files; none may contain the text that would end its block. */
export interface VerifyAssets {
  /** `assets/portal.css`. */
  readonly stylesheet: string;
  /** `assets/verify-page.js`, which imports the rest. */
  readonly script: string;
  /** `assent/verify` and the parts of the page with all they need, each as a `data:` address. */
  readonly importMap: { readonly imports: Readonly<Record<string, string>> };
}

export interface VerifyPage {
  readonly page: Html;
  /** Value of the `Content-Security-Policy` header, for this page only; the page repeats it for readers on disk. */
  readonly policy: string;
}

/**
 * @throws Error when an asset would end its own block: a fault of the build, not of a request
 * @see https://www.w3.org/TR/CSP3/#grammardef-hash-source
 */
export function verifyPage(assets: VerifyAssets, lang: Lang): VerifyPage {
  const importMap = JSON.stringify(assets.importMap).replaceAll('<', String.raw`\u003c`);
  const style = block('style', '', assets.stylesheet);
  const map = block('script', ' type="importmap"', importMap);
  const script = block('script', ' type="module"', assets.script);
  const policy = [
    `default-src 'none'`,
    `script-src ${hashOf(importMap)} ${hashOf(assets.script)} data:`,
    `style-src ${hashOf(assets.stylesheet)}`,
    `base-uri 'none'`,
    `form-action 'none'`,
  ].join('; ');
  return { page: frame({ style, map, script, policy }, lang), policy: `${policy}; frame-ancestors 'none'` };
}

interface Blocks {
  readonly style: Html;
  readonly map: Html;
  readonly script: Html;
  readonly policy: string;
}

function frame(blocks: Blocks, lang: Lang): Html {
  const messages = pick(lang);
  const m = messages.verify;
  const other = lang === 'en' ? 'zh' : 'en';
  return html`<!doctype html>
    <html lang="${langTag(lang)}">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${blocks.policy}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${m.title} · Assent</title>
        ${blocks.style} ${blocks.map}
      </head>
      <body>
        <a class="skip" href="#main">${messages.layout.skip}</a>
        <header class="top">
          <div class="bar">
            <span class="brand">${brandMark}<span>Assent</span></span>
            <ul class="languages" data-online>
              <li>
                <a href="${paths.verify}?lang=${other}" lang="${langTag(other)}" hreflang="${langTag(other)}"
                  >${pick(other).languageName}</a
                >
              </li>
            </ul>
            <div class="account" data-online>
              <a class="button plain" href="${paths.verify}?lang=${lang}" download="assent-verify.html"
                >${m.save}</a
              >
            </div>
          </div>
        </header>
        <main id="main" tabindex="-1">
          <h1 class="screen">${m.title}</h1>
          <p class="report-title">${m.reportTitle}</p>
          <p class="lead screen">${m.lead}</p>
          <noscript><p class="alert">${m.needsScript}</p></noscript>
          <form class="drops" id="files">
            <div class="drop" id="drop">
              <input type="file" id="chosen" class="unseen" multiple aria-describedby="chosen-hint" />
              <label for="chosen" class="button plain">${m.choose}</label>
              <p class="hint" id="chosen-hint">${m.chooseHint}</p>
            </div>
            <ul class="slots">
              ${slotNames.map((name) => slot(name, m))}
            </ul>
            <p id="left-out" role="status"></p>
            <button id="verify" disabled>${m.check}</button>
          </form>
          <div id="status" role="status" aria-live="polite"><p class="quiet">${m.waiting}</p></div>
          <div id="report" hidden>
            <div class="tools">
              <p class="buttons">
                <button type="button" class="plain" id="print">${m.print}</button>
                <button type="button" class="plain" id="keep" aria-describedby="keep-hint">
                  ${m.keepButton}
                </button>
                <button type="button" class="plain" id="change" aria-describedby="change-hint">
                  ${m.change}
                </button>
                <button type="button" class="plain" id="restore" hidden>${m.restore}</button>
              </p>
              <p class="hint" id="changed" role="status"></p>
              <p class="hint" id="keep-hint">${m.keepText}</p>
              <p class="hint" id="change-hint">${m.changeText}</p>
            </div>
            <div id="subject"></div>
            <section aria-labelledby="levels">
              <h2 id="levels">${m.levels}</h2>
              <ol class="evidence-steps" id="level-list"></ol>
            </section>
            <section aria-labelledby="checks">
              <h2 id="checks">${m.checks}</h2>
              <ol class="checks" id="check-list"></ol>
            </section>
            <section aria-labelledby="checked-files">
              <h2 id="checked-files">${m.filesHeading}</h2>
              <dl class="facts" id="file-list"></dl>
            </section>
          </div>
          <template id="mark-tick">${mark('tick')}</template>
          <template id="mark-cross">${mark('cross')}</template>
          <template id="mark-dot">${mark('dot')}</template>
          <template id="mark-warn">${mark('warn')}</template>
          ${dataBlock('words', wordsOf(lang))}
        </main>
        ${blocks.script}
      </body>
    </html>`;
}

const slotNames = ['proof', 'trust', 'earlier', 'state'] as const;

function slot(name: (typeof slotNames)[number], m: Messages['verify']): Html {
  return html`<li id="slot-${name}">
    <strong>${m.slots[name]}</strong>
    <p class="hint">${m.slotHints[name]}</p>
    <p class="chosen" hidden></p>
    <button type="button" class="plain" data-remove="${name}" hidden>${m.remove}</button>
  </li>`;
}

/** All that the script says, as data: sentences with {places}, and the portal's names of things. */
function wordsOf(lang: Lang): object {
  const { verify, evidence, operations, attempts, purposes, categories, outcomes, reasons, reasonsToOthers } =
    pick(lang);
  return {
    ...verify,
    levelLabels: evidence.levels,
    entryKinds: pick(lang).kinds,
    operations,
    attempts,
    purposes,
    categories,
    outcomes,
    reasons,
    reasonsToOthers: { ...reasons, ...reasonsToOthers },
    checkWords: checkWords(lang),
    lang,
    locale: lang === 'en' ? 'en-GB' : langTag(lang),
  };
}

/** Written without a template: the policy's hash is over exactly what stands between the tags. */
function block(tag: 'script' | 'style', attributes: string, content: string): Html {
  if (content.toLowerCase().includes(`</${tag}`)) throw new Error(`an asset contains </${tag}`);
  return trusted(`<${tag}${attributes}>${content}</${tag}>`);
}

function hashOf(content: string): string {
  return `'sha256-${createHash('sha256').update(content, 'utf8').digest('base64')}'`;
}
