import { html, type Html } from '../html.ts';
import { layout } from '../layout.ts';
import { words, type PageContext } from '../parts/page.ts';
import { paths } from '../paths.ts';

/** What Assent is, and the doors to its three users. */
export function landingPage(ctx: PageContext): Html {
  const m = words(ctx).landing;
  const main = html`
    <section class="hero">
      <h1>${m.sentence}</h1>
      <p class="lead">${m.lead}</p>
    </section>
    <section aria-labelledby="doors">
      <h2 id="doors" class="eyebrow">${m.doors}</h2>
      <ul class="doors">
        ${door(paths.signIn, m.person, m.personText)} ${door(paths.partnerGuide, m.partner, m.partnerText)}
        ${door(paths.staffSignIn, m.officer, m.officerText)}
      </ul>
      <p><a href="${paths.enrol}">${m.invited}</a></p>
    </section>
    ${
      ctx.isDemo &&
      html`<section class="invite">
        <div>
          <h2>${m.demo}</h2>
          <p>${m.demoText}</p>
        </div>
        <a class="button" href="${paths.demo}">${m.demo}</a>
      </section>`
    }
    <section aria-labelledby="promises">
      <h2 id="promises" class="eyebrow">${m.promises}</h2>
      <dl class="promises">
        ${m.promise.map(
          ([title, text]) =>
            html`<div>
              <dt>${title}</dt>
              <dd>${text}</dd>
            </div>`,
        )}
      </dl>
    </section>
  `;
  return layout({ title: m.title, main }, ctx);
}

function door(href: string, title: string, text: string): Html {
  return html`<li>
    <h3><a href="${href}">${title}</a></h3>
    <p>${text}</p>
  </li>`;
}
