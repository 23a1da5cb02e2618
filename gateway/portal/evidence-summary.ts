// The page in an evidence pack: one HTML file to read and print, that needs nothing else and runs nothing.
import { toHex } from '../audit/bytes.ts';
import type { PlainObject } from '../audit/entry.ts';
import type { Reached } from '../audit/proof.ts';
import type { EvidenceSubject, Verification, VerifiedEntry } from '../audit/verify.ts';
import { html, type Html } from './html.ts';
import { evidenceWords } from './messages/evidence-words.ts';
import { formatNumber } from './messages/format.ts';
import { langTag, pick, word, type Lang } from './messages/pick.ts';
import { evidenceLevels } from './parts/evidence.ts';
import { evidenceOf, type PartnerNames } from './views.ts';

export interface SummaryFacts {
  readonly subject: EvidenceSubject;
  readonly head: NonNullable<Verification['head']>;
  /** For a person: what their bundle proves. */
  readonly own: { readonly count: number; readonly size: number } | null;
  readonly reached: Reached;
  readonly partners: PartnerNames;
  /** Checks the pack. */
  readonly command: string;
}

export function summaryPage(facts: SummaryFacts, lang: Lang): string {
  const { subject, head, own, reached } = facts;
  const { selection, notices, receipts } = subject;
  const { kind } = selection;
  const m = evidenceWords[lang].summary;
  const words = pick(lang);
  const count = (value: number): string => formatNumber(value, lang);
  const levels = evidenceOf(head.size - 1, reached).map((level) => words.evidence.levels[level]);
  const page = html`<!doctype html>
    <html lang="${langTag(lang)}">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${m.title}</title>
        ${style}
      </head>
      <body>
        <h1>${m.title}</h1>
        <p class="note">${m.reading}</p>
        <dl>
          ${fact(m.origin, head.origin)} ${fact(m.made, `${timeText(Date.parse(subject.madeAt))} UTC`)}
          ${fact(m.about, selectedText(facts, lang))} ${fact(m.rule, m.rules[kind])}
          ${fact(m.from, selection.from === null ? m.beginning : minuteText(selection.from))}
          ${fact(m.to, selection.to === null ? m.untilMade : minuteText(selection.to))}
          ${fact(m.head, m.headText(head.size, toHex(head.root)))} ${fact(m.levels, levels.join(m.comma))}
        </dl>
        ${
          own !== null &&
          html`<h2>${m.person}</h2>
            <p>${m.personText(own.count, own.size)}</p>`
        }
        <h2>${m.counts}</h2>
        ${tableOf(
          [m.kind, m.outcome, m.count],
          countsOf(facts, lang).map((row) => [row.kind, row.outcome, count(row.count)]),
        )}
        <h2>${m.entries}</h2>
        ${tableOf(
          m.columns,
          subject.entries.map((entry) => rowOf(facts, entry, lang)),
        )}
        <h2>${m.notices}</h2>
        ${
          notices.length === 0
            ? html`<p>${m.noNotices}</p>`
            : notices.map(
                ({ id, version, language, body, hash }) =>
                  html`<section class="text">
                    <h3>${m.notice(id, version, language)}</h3>
                    <p><code>${hash}</code></p>
                    ${body.split('\n\n').map((paragraph) => html`<p>${paragraph}</p>`)}
                  </section>`,
              )
        }
        <h2>${m.receipts}</h2>
        ${
          receipts.length === 0
            ? html`<p>${m.noReceipts}</p>`
            : html`<ol>
                ${receipts.map(
                  ({ about, at, entries }) =>
                    html`<li>
                      ${m.receipt(word(m.receiptKinds, about), timeText(Date.parse(at)), entries.map(({ index }) => index).join(m.comma))}
                    </li>`,
                )}
              </ol>`
        }
        <h2>${m.proves}</h2>
        ${listOf([...m.provesList.all, ...m.provesList[kind]])}
        <h2>${m.doesNot}</h2>
        ${listOf([...m.doesNotList[kind], ...m.doesNotList.all])}
        <h2>${m.verify}</h2>
        <ol>
          ${m.steps.map((step) => html`<li>${step}</li>`)}
        </ol>
        <p><code>${facts.command}</code></p>
      </body>
    </html> `;
  return page.toString();
}

function selectedText({ subject, partners }: SummaryFacts, lang: Lang): string {
  const { kind, value } = subject.selection;
  const m = evidenceWords[lang];
  const { colon } = m.summary;
  switch (kind) {
    case 'period':
      return m.page.kinds.period;
    case 'person':
      return `${m.page.kinds.person}${colon}${value}`;
    case 'partner': {
      const name = partners.get(value);
      return `${m.page.kinds.partner}${colon}${name === undefined ? value : `${name} (${value})`}`;
    }
    case 'purpose':
      return `${m.page.kinds.purpose}${colon}${word(pick(lang).purposes, value)}`;
  }
}

/** The entries that were chosen, without map heads and those around a period. */
function countsOf(facts: SummaryFacts, lang: Lang): { kind: string; outcome: string; count: number }[] {
  const words = pick(lang);
  const counts = new Map<string, { kind: string; outcome: string; count: number }>();
  for (const entry of facts.subject.entries) {
    if (entry.entry.kind === 'map-head' || isEdge(facts.subject, entry)) continue;
    const kind = words.kinds[entry.entry.kind];
    const outcome =
      entry.payload === null ? evidenceWords[lang].summary.erased : decisionOf(entry.payload, lang);
    const known = counts.get(`${kind}\n${outcome}`) ?? { kind, outcome, count: 0 };
    counts.set(`${kind}\n${outcome}`, { ...known, count: known.count + 1 });
  }
  return [...counts.values()];
}

/** An entry that stands around a period for its time alone. */
function isEdge({ selection, range }: EvidenceSubject, { entry }: VerifiedEntry): boolean {
  if (range === null) return false;
  const atMs = entry.atSeconds * 1000;
  return (
    (selection.from !== null && atMs < Date.parse(selection.from)) ||
    (selection.to !== null && atMs > Date.parse(selection.to))
  );
}

function rowOf(facts: SummaryFacts, shown: VerifiedEntry, lang: Lang): (string | Html)[] {
  const m = evidenceWords[lang].summary;
  const words = pick(lang);
  const { index, entry, payload } = shown;
  const reached = evidenceOf(index, facts.reached);
  const level = evidenceLevels.findLast((one) => reached.includes(one)) ?? 'recorded';
  const proof = words.evidence.levels[level];
  const number = formatNumber(index, lang);
  const minute = timeText(entry.atSeconds * 1000).slice(0, 16);
  const without = (what: string): string[] => [number, minute, what, '', '', '', '', '', proof];
  if (isEdge(facts.subject, shown)) return without(m.edge);
  if (entry.kind === 'map-head') return without(m.mapHead);
  const kind = words.kinds[entry.kind];
  if (payload === null) return without(`${kind}${m.colon}${m.erased}`);
  const { at, operation, purpose, basis, decision } = payload;
  // What was refused was asked for, and not done.
  const acts = { ...words.operations, ...m.operations, ...(decision === 'refused' ? words.attempts : {}) };
  const categories = strings(payload['categories']).map((one) => word(words.categories, one));
  const forWhat = typeof purpose === 'string' ? word(words.purposes, purpose) : '';
  const choices = records(payload['switches']).map((one) => choiceText(one, facts, lang));
  return [
    number,
    typeof at === 'number' ? timeText(at) : minute,
    html`${kind}${typeof operation === 'string' && html`<br />${word(acts, operation)}`}
    ${choices.map((choice) => html`<br />${choice}`)}`,
    callerText(payload['caller'], facts.partners, lang),
    html`${forWhat}${categories.length > 0 && html`<br />${categories.join(m.comma)}`}`,
    strings(payload['recipients'])
      .map((one) => recipientText(one, facts.partners, lang))
      .join(m.comma),
    typeof basis === 'string' ? word(words.bases, basis) : '',
    decisionOf(payload, lang),
    proof,
  ];
}

function choiceText(one: Record<string, unknown>, { partners }: SummaryFacts, lang: Lang): string {
  const words = pick(lang);
  const text = (name: string): string => (typeof one[name] === 'string' ? one[name] : '');
  const parts = [
    word(words.categories, text('category')),
    word(words.purposes, text('purpose')),
    recipientText(text('recipient'), partners, lang),
    word(evidenceWords[lang].summary.actions, text('action')),
  ];
  return parts.filter((part) => part !== '').join(' · ');
}

function callerText(caller: unknown, partners: PartnerNames, lang: Lang): string {
  const m = evidenceWords[lang].summary;
  const { kind, id } = (caller ?? {}) as { kind?: unknown; id?: unknown };
  if (typeof kind !== 'string' || typeof id !== 'string') return '';
  const role = word(m.callers, kind);
  return kind === 'partner' ? `${role} ${partners.get(id) ?? id} (${id})` : `${role} (${id})`;
}

function recipientText(recipient: string, partners: PartnerNames, lang: Lang): string {
  const m = evidenceWords[lang].summary;
  const id = /^partner:(.+)$/.exec(recipient)?.[1];
  return id === undefined ? word(m.recipients, recipient) : m.partner(partners.get(id) ?? id);
}

function decisionOf(payload: PlainObject, lang: Lang): string {
  const words = pick(lang);
  const { decision, reason } = payload;
  const said = typeof decision === 'string' ? word(words.outcomes, decision) : '–';
  return typeof reason === 'string'
    ? `${said}${evidenceWords[lang].summary.colon}${word({ ...words.reasons, ...words.reasonsToOthers }, reason)}`
    : said;
}

const strings = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];

const records = (value: unknown): Record<string, unknown>[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === 'object' && one !== null) : [];

const minuteText = (iso: string): string => `${timeText(Date.parse(iso)).slice(0, 16)} UTC`;

/** To the second, UTC. */
const timeText = (ms: number): string => new Date(ms).toISOString().slice(0, 19).replace('T', ' ');

const fact = (name: string, value: string): Html =>
  html`<dt>${name}</dt>
    <dd>${value}</dd>`;

const listOf = (lines: readonly string[]): Html =>
  html`<ul>
    ${lines.map((line) => html`<li>${line}</li>`)}
  </ul>`;

const tableOf = (columns: readonly string[], rows: readonly (readonly (string | Html)[])[]): Html =>
  html`<table>
    <thead>
      <tr>
        ${columns.map((name) => html`<th scope="col">${name}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        (row) =>
          html`<tr>
            ${row.map((cell, at) => html`<td data-label="${columns[at] ?? ''}">${cell}</td>`)}
          </tr>`,
      )}
    </tbody>
  </table>`;

const style = html`<style>
  body {
    font:
      10.5pt/1.5 Georgia,
      'Noto Serif SC',
      serif;
    max-width: 68rem;
    margin: 2rem auto;
    padding: 0 1rem;
    color: #111;
    background: #fff;
  }
  h1 {
    font-size: 1.6rem;
  }
  h2 {
    font-size: 1.1rem;
    margin-top: 2rem;
  }
  h3 {
    font-size: 1rem;
  }
  .note {
    border: 2px solid #92400e;
    padding: 0.75rem 1rem;
  }
  .text {
    border-left: 3px solid #bbb;
    padding-left: 1rem;
  }
  dt {
    font-weight: bold;
  }
  dd {
    margin: 0 0 0.5rem;
    overflow-wrap: anywhere;
  }
  code {
    overflow-wrap: anywhere;
  }
  td {
    overflow-wrap: anywhere;
  }
  table {
    border-collapse: collapse;
    width: 100%;
    font-size: 0.85rem;
  }
  th,
  td {
    border-bottom: 1px solid #bbb;
    padding: 0.3rem 0.5rem;
    text-align: left;
    vertical-align: top;
  }
  td:nth-child(-n + 2),
  td:last-child,
  th {
    overflow-wrap: normal;
  }
  thead {
    display: table-header-group;
  }
  @media screen and (max-width: 40rem) {
    thead {
      display: none;
    }
    tr {
      display: block;
      border-bottom: 2px solid #bbb;
      padding: 0.5rem 0;
    }
    td {
      display: block;
      border: 0;
      padding: 0.1rem 0;
    }
    td:empty {
      display: none;
    }
    td::before {
      content: attr(data-label) ' ';
      font-weight: bold;
    }
  }
  @media print {
    body {
      margin: 0;
      max-width: none;
    }
    tr {
      break-inside: avoid;
    }
    h2,
    h3 {
      break-after: avoid;
    }
  }
  @page {
    size: A4 landscape;
    margin: 15mm;
  }
</style>`;
