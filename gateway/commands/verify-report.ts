// The report that can be printed: one HTML file that needs nothing else and runs nothing.
import { toBase64 } from '../audit/bytes.ts';
import { sayDetail } from '../audit/check-words.ts';
import type { Level, Verification } from '../audit/verify.ts';
import { html } from '../portal/html.ts';
import { langTag } from '../portal/messages/pick.ts';
import { limitsHeading, subjectText } from './verify-subject.ts';
import type { Language, VerifyWords } from './verify-words.ts';

export interface ReportFacts {
  readonly found: Verification;
  readonly exitCode: 0 | 1 | 3 | 4;
  readonly language: Language;
  readonly words: VerifyWords;
  readonly fileName: string;
  /** SHA-256, lower-case hex. */
  readonly fileHash: string;
  readonly trustHash: string;
  /** When it was checked, as the reader's clock says. */
  readonly checkedAt: string;
  readonly levels: readonly { readonly label: string; readonly level: Level }[];
}

export function reportHtml(facts: ReportFacts): string {
  const { found, words, language, levels } = facts;
  const { printed } = words;
  const { subject, head } = found;
  const said = subject === undefined ? undefined : subjectText(language, subject, head?.size ?? 0);
  const verdict = {
    0: printed.holds,
    1: printed.doesNotHold,
    3: printed.contradicts,
    4: printed.notAnchored,
  }[facts.exitCode];
  const isGood = found.verdict === 'holds';
  const page = html`<!doctype html>
    <html lang="${langTag(language)}">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${printed.title}</title>
        <style>
          body {
            font:
              11pt/1.5 Georgia,
              'Noto Serif SC',
              serif;
            max-width: 52rem;
            margin: 2rem auto;
            padding: 0 1rem;
            color: #111;
          }
          h1 {
            font-size: 1.6rem;
          }
          h2 {
            font-size: 1.1rem;
            margin-top: 2rem;
          }
          .verdict {
            border: 2px solid;
            padding: 0.75rem 1rem;
            font-weight: bold;
          }
          .good {
            color: #14532d;
          }
          .bad {
            color: #991b1b;
          }
          dt {
            font-weight: bold;
          }
          dd {
            margin: 0 0 0.5rem;
            overflow-wrap: anywhere;
            font-family: monospace;
          }
          table {
            border-collapse: collapse;
            width: 100%;
            font-size: 0.9rem;
          }
          th,
          td {
            border-bottom: 1px solid #bbb;
            padding: 0.3rem 0.5rem;
            text-align: left;
            vertical-align: top;
            overflow-wrap: anywhere;
          }
          thead {
            display: table-header-group;
          }
          @media print {
            body {
              margin: 0;
              max-width: none;
            }
            tr,
            .verdict {
              break-inside: avoid;
            }
            h2 {
              break-after: avoid;
            }
          }
          @page {
            margin: 18mm;
          }
        </style>
      </head>
      <body>
        <h1>${printed.title}</h1>
        <p class="verdict ${isGood ? 'good' : 'bad'}">${verdict}</p>
        ${
          found.firstFailing !== undefined &&
          html`<p>${words.firstFailing}${words.colon}${words.checkNames[found.firstFailing]}</p>`
        }
        ${said?.claim.map((line) => html`<p>${line}</p>`)}
        <dl>
          <dt>${printed.file}</dt>
          <dd>${facts.fileName}</dd>
          <dt>${printed.fileHash}</dt>
          <dd>${facts.fileHash}</dd>
          <dt>${printed.trustHash}</dt>
          <dd>${facts.trustHash}</dd>
          <dt>${printed.checkedAt}</dt>
          <dd>${facts.checkedAt}</dd>
        </dl>
        ${isGood && head !== undefined && html`<p>${printed.head(head.size, toBase64(head.root))}</p>`}
        <h2>${words.evidence}</h2>
        ${tableOf(
          [printed.level, printed.state, printed.meaning],
          levels.map(({ label, level }) => [label, words.states[level.state], words.meanings[level.words]]),
        )}
        ${said !== undefined && said.rows.length > 0 && tableOf(said.columns, said.rows)}
        ${said?.further.map((line) => html`<p>${line}</p>`)}
        <h2>${words.checks}</h2>
        ${tableOf(
          [printed.check, printed.result, printed.detail],
          found.checks.map((check) => [
            words.checkNames[check.name],
            check.ok ? words.passed : words.failed,
            sayDetail(words.details, check),
          ]),
        )}
        ${
          said !== undefined &&
          html`<h2>${limitsHeading(language)}</h2>
            <ul>
              ${said.doesNotProve.map((line) => html`<li>${line}</li>`)}
            </ul>`
        }
      </body>
    </html> `;
  return page.toString();
}

const tableOf = (columns: readonly string[], rows: readonly (readonly string[])[]) =>
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
            ${row.map((cell) => html`<td>${cell}</td>`)}
          </tr>`,
      )}
    </tbody>
  </table>`;
