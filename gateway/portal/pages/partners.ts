import { html, type Html } from '../html.ts';
import type { Category, Purpose } from '../../consent/vocabulary.ts';
import { layout } from '../layout.ts';
import { say, type Text } from '../messages/pick.ts';
import { postForm } from '../parts/form.ts';
import { words, type PageContext } from '../parts/page.ts';
import { facts } from '../parts/table.ts';
import { time } from '../parts/text.ts';
import { paths } from '../paths.ts';

export interface GrantView {
  readonly id: string;
  readonly partnerName: Text;
  readonly scopes: readonly { readonly category: Category; readonly purpose: Purpose }[];
  readonly sinceMs: number;
  readonly untilMs: number | null;
  readonly lastAccessMs: number | null;
  readonly ended: { readonly how: 'revoked' | 'expired'; readonly atMs: number } | null;
}

export interface PartnersModel {
  readonly grants: readonly GrantView[];
}

export function partnersPage(model: PartnersModel, ctx: PageContext): Html {
  const m = words(ctx).partners;
  const live = model.grants.filter((grant) => grant.ended === null);
  const ended = model.grants.filter((grant) => grant.ended !== null);
  const main = html`
    <h1>${m.title}</h1>
    <p class="lead">${m.lead}</p>
    ${
      live.length === 0
        ? html`<p>${m.none}</p>`
        : html`<h2 class="unseen">${m.live}</h2>
            <ul class="panels">
              ${live.map((grant) => grantPanel(grant, ctx))}
            </ul>`
    }
    ${
      ended.length > 0 &&
      html`<h2>${m.ended}</h2>
        <ul class="panels">
          ${ended.map((grant) => grantPanel(grant, ctx))}
        </ul>`
    }
  `;
  return layout({ title: m.title, main }, ctx);
}

function grantPanel(grant: GrantView, ctx: PageContext): Html {
  const m = words(ctx);
  const name = say(grant.partnerName, ctx.lang);
  const { ended } = grant;
  return html`<li class="panel">
    <h3>${name}</h3>
    ${facts([
      [
        m.partners.scopes,
        html`<ul class="chips">
          ${grant.scopes.map((scope) => html`<li>${m.consent.scope(m.categories[scope.category], m.purposes[scope.purpose])}</li>`)}
        </ul>`,
      ],
      [m.partners.since, time(grant.sinceMs, 'day', ctx)],
      [m.partners.until, grant.untilMs === null ? m.layout.noEnd : time(grant.untilMs, 'day', ctx)],
      [
        m.partners.lastAccess,
        grant.lastAccessMs === null ? m.layout.never : time(grant.lastAccessMs, 'minute', ctx),
      ],
    ])}
    ${
      ended === null
        ? postForm(
            paths.partnersRevoke,
            { grant: grant.id },
            html`<button class="plain" aria-label="${m.partners.revokeFor(name)}">
              ${m.partners.revoke}
            </button>`,
            ctx,
          )
        : html`<p class="quiet">
            ${ended.how === 'revoked' ? m.partners.revokedAt(time(ended.atMs, 'minute', ctx)) : m.partners.expiredAt(time(ended.atMs, 'minute', ctx))}
          </p>`
    }
  </li>`;
}
