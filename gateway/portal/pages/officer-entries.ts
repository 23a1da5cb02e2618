import { html, type Html } from '../html.ts';
import { entryKinds, type EntryKind } from '../../audit/entry.ts';
import { layout } from '../layout.ts';
import { evidenceWords } from '../messages/evidence-words.ts';
import { formatNumber } from '../messages/format.ts';
import { choose, field } from '../parts/form.ts';
import { evidenceLine, type Evidence } from '../parts/evidence.ts';
import { words, type PageContext } from '../parts/page.ts';
import { pager, type Paging } from '../parts/paging.ts';
import { cardTable } from '../parts/table.ts';
import { hash, outcome, time, type Outcome } from '../parts/text.ts';
import { officerEntryPath, paths, proofPath } from '../paths.ts';

/** One leaf as a line; nothing here needs a payload to be opened. */
export interface EntryLine {
  readonly index: number;
  readonly atMs: number;
  readonly kind: EntryKind;
  readonly outcome: Outcome | null;
  readonly about:
    | { readonly concern: 'system' }
    | { readonly concern: 'person'; readonly tag: string }
    | { readonly concern: 'population'; readonly key: string };
  readonly evidence: Evidence;
}

export interface OfficerEntriesModel {
  readonly lines: readonly EntryLine[];
  readonly paging: Paging;
  /** Empty text for no filter; times as `datetime-local` values in the page's zone. */
  readonly chosen: {
    readonly kind: EntryKind | '';
    readonly outcome: Outcome | '';
    readonly from: string;
    readonly to: string;
  };
}

const outcomes = [
  'allowed',
  'refused',
  'withheld',
  'started',
  'failed',
] as const satisfies readonly Outcome[];

export function officerEntriesPage(model: OfficerEntriesModel, ctx: PageContext): Html {
  const m = words(ctx);
  const kinds = (Object.keys(entryKinds) as EntryKind[]).map((kind) => ({
    value: kind,
    label: m.kinds[kind],
  }));
  const main = html`
    <h1>${m.officer.entries}</h1>
    <form method="get" action="${paths.officerEntries}" class="filter" aria-label="${m.officer.filter}">
      ${choose('kind', m.officer.kind, kinds, model.chosen.kind, ctx)}
      ${choose(
        'outcome',
        m.activity.outcome,
        outcomes.map((value) => ({ value, label: m.outcomes[value] })),
        model.chosen.outcome,
        ctx,
      )}
      ${field({ name: 'from', label: m.officer.from, type: 'datetime-local', value: model.chosen.from, isOptional: true })}
      ${field({ name: 'to', label: m.officer.to, type: 'datetime-local', value: model.chosen.to, isOptional: true })}
      <button class="plain">${m.layout.apply}</button>
    </form>
    ${model.lines.length === 0 ? html`<p class="quiet">${m.officer.none}</p>` : entries(model, ctx)}
    ${pager(model.paging, ctx)}
    <p><a href="${asEvidence(model.chosen)}">${evidenceWords[ctx.lang].page.asEvidence}</a></p>
  `;
  return layout({ title: m.officer.entries, main, width: 'wide' }, ctx);
}

/** Only the times: a pack shows all of its period, whatever the kind and outcome. */
function asEvidence({ from, to }: OfficerEntriesModel['chosen']): string {
  const query = new URLSearchParams({ ...(from === '' ? {} : { from }), ...(to === '' ? {} : { to }) });
  return query.size === 0 ? paths.officerEvidence : `${paths.officerEvidence}?${query.toString()}`;
}

function entries(model: OfficerEntriesModel, ctx: PageContext): Html {
  const m = words(ctx);
  return cardTable(
    m.officer.entries,
    [
      { label: m.officer.entry, kind: 'title' },
      { label: m.officer.time },
      { label: m.officer.kind },
      { label: m.activity.outcome },
      { label: m.officer.about },
      { label: m.evidence.title },
      { label: m.layout.proof },
    ],
    model.lines.map((line) => [
      html`<a href="${officerEntryPath(line.index)}">${formatNumber(line.index, ctx.lang)}</a>`,
      time(line.atMs, 'minute', ctx),
      m.kinds[line.kind],
      line.outcome === null ? '–' : outcome(line.outcome, ctx),
      about(line, ctx),
      evidenceLine(line.evidence, ctx),
      html`<a href="${proofPath(line.index)}" download
        >.json<span class="unseen">
          ${m.layout.proof}: ${m.activity.entry(formatNumber(line.index, ctx.lang))}</span
        ></a
      >`,
    ]),
  );
}

function about(line: EntryLine, ctx: PageContext): Html | string {
  const m = words(ctx).officer;
  switch (line.about.concern) {
    case 'system':
      return '–';
    case 'person':
      return html`${m.aboutPerson} ${hash(line.about.tag)}`;
    case 'population':
      return html`${m.aboutPopulation} ${hash(line.about.key)}`;
  }
}
