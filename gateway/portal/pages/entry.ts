import { html, type Html } from '../html.ts';
import type { EntryKind } from '../../audit/entry.ts';
import type { Operation } from '../../consent/activities.ts';
import type { Category, Purpose } from '../../consent/vocabulary.ts';
import { layout } from '../layout.ts';
import { formatList, formatNumber } from '../messages/format.ts';
import { say, word, type Text } from '../messages/pick.ts';
import { evidenceSteps, type Evidence } from '../parts/evidence.ts';
import { inclusionPicture, type InclusionView } from '../parts/inclusion.ts';
import { words, type PageContext } from '../parts/page.ts';
import { facts } from '../parts/table.ts';
import { number, outcome, time, wholeHash, type Outcome } from '../parts/text.ts';
import { didOrAsked } from '../parts/timeline.ts';
import { consentReceiptPath, myEntryPath, noticePath, officerEntryPath, paths, proofPath } from '../paths.ts';

/** The leaf, decoded. Hashes and tags in hex. */
export interface LeafView {
  readonly version: number;
  readonly kind: EntryKind;
  readonly atMs: number;
  readonly commitment: string;
  readonly startedIndex: number | null;
  readonly person: { readonly tag: string; readonly sequence: number } | null;
  /** How many people is hidden in the cohort commitment. */
  readonly population: { readonly key: string; readonly cohort: string } | null;
  readonly leafHash: string;
}

/** What the payload says, when this viewer may read it. */
export interface PayloadView {
  readonly state: 'readable';
  readonly atMs: number;
  readonly operation: Operation;
  /** Opaque; an officer never sees a name. */
  readonly personId: string | null;
  readonly recipientName: Text | null;
  readonly purpose: Purpose | null;
  readonly categories: readonly Category[];
  readonly basis: string | null;
  readonly noticeVersion: string | null;
  readonly decisionId: string | null;
  readonly outcome: Outcome;
  readonly reason: string | null;
  readonly rowCount: number | null;
  /** How many people a population had; for the officer alone. */
  readonly peopleCount: number | null;
}

export interface EntryModel {
  /** The person the entry concerns, or an officer; changes where links lead, not what is true. */
  readonly seenBy: 'person' | 'officer';
  readonly index: number;
  readonly leaf: LeafView;
  /** `erased`: keys destroyed; `closed`: this role may not read it. */
  readonly payload: PayloadView | { readonly state: 'erased' | 'closed' };
  readonly evidence: Evidence;
  /** Null while no checkpoint covers the entry. */
  readonly inclusion: InclusionView | null;
}

/** One entry: what was done, its evidence, its leaf and its way up to the root. */
export function entryPage(model: EntryModel, ctx: PageContext): Html {
  const m = words(ctx).entry;
  const title = m.title(formatNumber(model.index, ctx.lang));
  const main = html`
    <h1>${title}</h1>
    <div class="split">
      <div>
        <section>
          <h2>${m.what}</h2>
          ${payload(model.payload, model.seenBy, ctx)}
        </section>
        <section>
          <h2>${m.leaf}</h2>
          <p class="quiet">${m.leafLead}</p>
          ${leaf(model, ctx)}
        </section>
        <section>
          <h2>${m.inclusion}</h2>
          ${
            model.inclusion === null
              ? html`<p class="quiet">${m.inclusionNone}</p>`
              : html`<p class="quiet">${m.inclusionLead(number(model.inclusion.size, ctx))}</p>
                  ${inclusionPicture(model.inclusion, ctx)}`
          }
        </section>
      </div>
      <aside aria-label="${words(ctx).evidence.title}">
        <h2>${words(ctx).evidence.title}</h2>
        ${evidenceSteps(model.evidence, ctx)}
        <h2>${m.verify}</h2>
        <p class="quiet">${m.verifyLead}</p>
        <p class="buttons">
          <a class="button" href="${proofPath(model.index)}" download>${words(ctx).layout.proof}</a>
          ${
            model.seenBy === 'person' &&
            model.leaf.kind === 'consent' &&
            model.payload.state === 'readable' &&
            html`<a class="button plain" href="${consentReceiptPath(model.index)}" download
              >${words(ctx).erase.receiptOfChoice}</a
            >`
          }
          <a class="button plain" href="${paths.verify}">${words(ctx).layout.verify}</a>
        </p>
      </aside>
    </div>
  `;
  return layout({ title, main, width: 'wide' }, ctx);
}

function payload(view: EntryModel['payload'], seenBy: EntryModel['seenBy'], ctx: PageContext): Html {
  const m = words(ctx);
  const reasons = seenBy === 'person' ? m.reasons : { ...m.reasons, ...m.reasonsToOthers };
  switch (view.state) {
    case 'erased':
      return html`<p>${m.entry.payloadErased}</p>`;
    case 'closed':
      return html`<p>${m.entry.payloadClosed}</p>`;
    case 'readable': {
      const categories = view.categories.map((category) => m.categories[category]);
      return html`<p class="big-line">
          <span
            >${view.recipientName && say(view.recipientName, ctx.lang)}
            ${didOrAsked(view.operation, view.outcome, ctx)}</span
          >
          ${outcome(view.outcome, ctx)}
        </p>
        ${facts([
          [m.entry.at, time(view.atMs, 'second', ctx)],
          [m.entry.person, view.personId && html`<code>${view.personId}</code>`],
          [m.entry.recipient, view.recipientName && say(view.recipientName, ctx.lang)],
          [m.entry.purpose, view.purpose && m.purposes[view.purpose]],
          [m.entry.categories, formatList(categories, ctx.lang)],
          [m.entry.reason, view.reason && word(reasons, view.reason)],
          [m.entry.rows, view.rowCount !== null && number(view.rowCount, ctx)],
          [m.entry.people, view.peopleCount !== null && number(view.peopleCount, ctx)],
          [m.entry.basis, view.basis && word(m.bases, view.basis)],
          [
            m.entry.notice,
            view.noticeVersion && html`<a href="${noticePath(view.noticeVersion)}">${view.noticeVersion}</a>`,
          ],
          [m.entry.decision, view.decisionId && html`<code>${view.decisionId}</code>`],
        ])}`;
    }
  }
}

function leaf(model: EntryModel, ctx: PageContext): Html {
  const { fields } = words(ctx).entry;
  const { leaf: view } = model;
  const pathOf = model.seenBy === 'officer' ? officerEntryPath : myEntryPath;
  return facts([
    [fields.version, view.version],
    [fields.kind, words(ctx).kinds[view.kind]],
    [fields.time, time(view.atMs, 'minute', ctx)],
    [fields.commitment, wholeHash(view.commitment)],
    [fields.tag, view.person && wholeHash(view.person.tag)],
    [fields.sequence, view.person && number(view.person.sequence, ctx)],
    [fields.population, view.population && wholeHash(view.population.key)],
    [
      fields.reference,
      view.startedIndex !== null &&
        html`<a href="${pathOf(view.startedIndex)}">${formatNumber(view.startedIndex, ctx.lang)}</a>`,
    ],
    [fields.hash, wholeHash(view.leafHash)],
  ]);
}
