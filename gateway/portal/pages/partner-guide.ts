import { html, type Html } from '../html.ts';
import { layout } from '../layout.ts';
import { words, type PageContext } from '../parts/page.ts';

/** What a partner needs to know, with one request and both answers. */
export interface PartnerGuideModel {
  /** Base address of this gateway. */
  readonly issuer: string;
}

export function partnerGuidePage(model: PartnerGuideModel, ctx: PageContext): Html {
  const m = words(ctx).partnerGuide;
  const examples: readonly (readonly [string, string])[] = [
    [
      m.askStep,
      `GET ${model.issuer}/.well-known/openid-configuration\nscope=browsing.recommendation:read\ncode_challenge_method=S256`,
    ],
    [m.readStep, `GET /v1/data/browsing?purpose=recommendation\nAuthorization: Bearer …`],
    [
      m.refusedStep,
      `HTTP/1.1 403 Forbidden\nContent-Type: application/problem+json\n\n{ "code": "consent_required", … }`,
    ],
  ];
  const main = html`
    <h1>${m.title}</h1>
    <p class="lead">${m.lead}</p>
    <ol class="steps">
      ${examples.map(
        ([text, code]) =>
          html`<li>
            <div>
              <strong>${text}</strong>
              <pre tabindex="0"><code>${code}</code></pre>
            </div>
          </li>`,
      )}
    </ol>
    <p>${m.scopes}</p>
  `;
  return layout({ title: m.title, main, width: 'narrow' }, ctx);
}
