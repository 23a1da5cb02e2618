import { html, type Html } from '../html.ts';
import { layout } from '../layout.ts';
import { words, type PageContext } from '../parts/page.ts';
import { pager, type Paging } from '../parts/paging.ts';
import { cardTable } from '../parts/table.ts';
import { hash, number, time } from '../parts/text.ts';

export interface CheckpointLine {
  readonly size: number;
  readonly root: string;
  readonly atMs: number;
  /** Name of the log's key, as in the signed note. */
  readonly signer: string;
  readonly witnesses: readonly string[];
}

export interface OfficerCheckpointsModel {
  readonly checkpoints: readonly CheckpointLine[];
  readonly paging: Paging;
}

export function officerCheckpointsPage(model: OfficerCheckpointsModel, ctx: PageContext): Html {
  const m = words(ctx).officer;
  const main = html`
    <h1>${m.checkpoints}</h1>
    <p class="lead">${m.checkpointsLead}</p>
    ${
      model.checkpoints.length === 0
        ? html`<p class="quiet">${m.noCheckpoint}</p>`
        : cardTable(
            m.checkpoints,
            [
              { label: m.size, kind: 'title' },
              { label: m.root },
              { label: m.time },
              { label: m.signature },
              { label: m.witnesses },
            ],
            model.checkpoints.map((checkpoint) => [
              number(checkpoint.size, ctx),
              hash(checkpoint.root),
              time(checkpoint.atMs, 'second', ctx),
              html`<code>${checkpoint.signer}</code>`,
              checkpoint.witnesses.length === 0 ? '–' : checkpoint.witnesses.join(', '),
            ]),
          )
    }
    ${pager(model.paging, ctx)}
  `;
  return layout({ title: m.checkpoints, main, width: 'wide' }, ctx);
}
