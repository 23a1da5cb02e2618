// The verification page: one HTML file that also works opened from disk, without a network and without this gateway.
import { createHash } from 'node:crypto';
import { dataBlock, html, trusted, type Html } from '../html.ts';
import { brandMark } from '../layout.ts';
import { langTag, pick, type Lang } from '../messages/pick.ts';
import { mark } from '../parts/text.ts';
import { paths } from '../paths.ts';

/** What is put into the page. Sources are our own files; none may contain the text that would end its block. */
export interface VerifyAssets {
  /** `assets/portal.css`. */
  readonly stylesheet: string;
  /** `assets/verify-page.js`, which imports `assent/verify`. */
  readonly script: string;
  /** `assent/verify` and all it needs, each as a `data:` address. */
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
          <h1>${m.title}</h1>
          <p class="lead">${m.lead}</p>
          <noscript><p class="alert">${m.needsScript}</p></noscript>
          <form class="drops" id="files">
            ${dropField('bundle', m.bundle, m.bundleHint)} ${dropField('trust', m.trust, m.trustHint)}
            <button id="verify" disabled>${m.check}</button>
          </form>
          <div id="status" role="status" aria-live="polite"><p class="quiet">${m.waiting}</p></div>
          <div id="report" hidden>
            <section class="invite tools">
              <div>
                <h2>${m.change}</h2>
                <p>${m.changeText}</p>
                <p id="changed" role="status"></p>
              </div>
              <p class="buttons">
                <button type="button" class="plain" id="change">${m.change}</button>
                <button type="button" class="plain" id="restore" hidden>${m.restore}</button>
                <button type="button" class="plain" id="print">${m.print}</button>
              </p>
            </section>
            <section aria-labelledby="levels">
              <h2 id="levels">${m.levels}</h2>
              <ol class="evidence-steps" id="level-list"></ol>
            </section>
            <section aria-labelledby="checks">
              <h2 id="checks">${m.checks}</h2>
              <ol class="checks" id="check-list"></ol>
            </section>
            <section id="contents" hidden aria-labelledby="contents-title">
              <h2 id="contents-title">${m.contents}</h2>
              <pre tabindex="0"><code id="payload"></code></pre>
            </section>
          </div>
          <template id="mark-tick">${mark('tick')}</template>
          <template id="mark-cross">${mark('cross')}</template>
          <template id="mark-dot">${mark('dot')}</template>
          ${dataBlock('words', { ...m, levelLabels: messages.evidence.levels, locale: lang === 'en' ? 'en-GB' : langTag(lang) })}
        </main>
        ${blocks.script}
      </body>
    </html>`;
}

function dropField(id: string, label: string, hint: string): Html {
  return html`<div class="drop">
    <label for="${id}">${label}</label>
    <p class="hint" id="${id}-hint">${hint}</p>
    <input type="file" id="${id}" aria-describedby="${id}-hint" />
  </div>`;
}

/** Written without a template: the policy's hash is over exactly what stands between the tags. */
function block(tag: 'script' | 'style', attributes: string, content: string): Html {
  if (content.toLowerCase().includes(`</${tag}`)) throw new Error(`an asset contains </${tag}`);
  return trusted(`<${tag}${attributes}>${content}</${tag}>`);
}

function hashOf(content: string): string {
  return `'sha256-${createHash('sha256').update(content, 'utf8').digest('base64')}'`;
}
