// The frame of every page: head, navigation, foot. No inline scripts or styles: the content security policy forbids them.
import { html, type Html } from './html.ts';
import { langs, langTag, pick } from './messages/pick.ts';
import { words, type PageBody, type PageContext, type Viewer } from './parts/page.ts';
import { postForm } from './parts/form.ts';
import { paths } from './paths.ts';

export function layout(body: PageBody, ctx: PageContext): Html {
  const m = words(ctx).layout;
  return html`<!doctype html>
    <html lang="${langTag(ctx.lang)}">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${body.title === 'Assent' ? body.title : `${body.title} · Assent`}</title>
        <link rel="stylesheet" href="${paths.stylesheet}" />
        <link rel="icon" href="/assets/icon.svg" type="image/svg+xml" />
        <script type="module" src="${paths.script}"></script>
      </head>
      <body>
        <a class="skip" href="#main">${m.skip}</a>
        ${ctx.isDemo && demoBanner(ctx)}
        <header class="top">
          <div class="bar">
            <a class="brand" href="${paths.landing}">${brandMark}<span>Assent</span></a>
            ${languageLinks(ctx)} ${account(ctx)}
          </div>
          ${navigation(ctx)}
        </header>
        <main id="main" class="${body.width ?? ''}" tabindex="-1">${body.main}</main>
        <footer class="foot">
          <p>${m.tagline}</p>
          <p>${m.zone(ctx.timeZone)}</p>
          <p><a href="${paths.verify}">${m.verify}</a></p>
        </footer>
      </body>
    </html>`;
}

function demoBanner(ctx: PageContext): Html {
  const m = words(ctx).layout;
  return html`<aside class="demo-banner" aria-label="${m.demoBanner}">
    <p>${m.demoBanner}</p>
    <a href="${paths.demo}">${m.demoDoors}</a>
  </aside>`;
}

/** Two leaves that meet in a root: the tree of the log, and a tick lying on its side. */
export const brandMark = html`<svg
  viewBox="0 0 28 28"
  width="28"
  height="28"
  aria-hidden="true"
  focusable="false"
>
  <rect class="ground" x="1" y="1" width="26" height="26" rx="8" />
  <path class="stroke" d="M7.5 14.5l4.6 5L20.5 9" />
  <circle class="node" cx="7.5" cy="14.5" r="2.2" />
  <circle class="node" cx="20.5" cy="9" r="2.2" />
  <circle class="node" cx="12.1" cy="19.5" r="2.2" />
</svg>`;

function languageLinks(ctx: PageContext): Html {
  return html`<ul class="languages">
    ${langs.map((lang) => {
      const [path = '/', query = ''] = ctx.url.split('?', 2);
      const parameters = new URLSearchParams(query);
      parameters.set('lang', lang);
      const isCurrent = lang === ctx.lang;
      return html`<li>
        <a
          href="${`${path}?${parameters.toString()}`}"
          lang="${langTag(lang)}"
          hreflang="${langTag(lang)}"
          ${isCurrent && html`aria-current="true"`}
          >${pick(lang).languageName}</a
        >
      </li>`;
    })}
  </ul>`;
}

function account(ctx: PageContext): Html {
  const m = words(ctx).layout;
  const { viewer } = ctx;
  if (viewer.role === 'nobody') {
    return html`<div class="account"><a class="button plain" href="${paths.signIn}">${m.signIn}</a></div>`;
  }
  return html`<div class="account">
    <span class="who"
      >${viewer.name}${viewer.role !== 'person' && html`<span class="role">${m.roles[viewer.role]}</span>`}</span
    >
    ${postForm(paths.signOut, {}, html`<button class="plain">${m.signOut}</button>`, ctx)}
  </div>`;
}

const personNav = ['home', 'switches', 'activity', 'data', 'partners', 'recommendations', 'budget'] as const;
const officerNav = [
  ['officer', paths.officer],
  ['entries', paths.officerEntries],
  ['checkpoints', paths.officerCheckpoints],
  ['anchors', paths.officerAnchors],
  ['evidence', paths.officerEvidence],
  ['holds', paths.officerHolds],
] as const;

function navigation(ctx: PageContext): Html {
  const m = words(ctx).layout;
  const items = itemsFor(ctx.viewer);
  if (items.length === 0) return html``;
  const here = ctx.url.split('?', 1)[0];
  // Closed and folded on narrow windows; the stylesheet opens it wherever there is room.
  return html`<nav class="sections" aria-label="${m.mainNav}">
    <details>
      <summary>${m.menu}</summary>
      <ul>
        ${items.map(
          ([key, path]) =>
            html`<li><a href="${path}" ${path === here && html`aria-current="page"`}>${m.nav[key]}</a></li>`,
        )}
      </ul>
    </details>
  </nav>`;
}

function itemsFor(
  viewer: Viewer,
): readonly (readonly [keyof ReturnType<typeof words>['layout']['nav'], string])[] {
  switch (viewer.role) {
    case 'person':
      return personNav.map((key) => [key, paths[key]] as const);
    case 'officer':
      return officerNav;
    case 'analyst':
    case 'operator':
    case 'nobody':
      return [];
  }
}
