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

/** How a witness of the policy stands. */
export interface WitnessLine {
  readonly witness: string;
  readonly url: string | null;
  readonly outcome: 'waiting' | 'no-address' | 'cosigned' | 'behind' | 'unreachable' | 'refused' | 'conflict';
  /** Size of the largest head it cosigned. */
  readonly size: number;
  readonly triedMs: number | null;
}

export interface OfficerCheckpointsModel {
  readonly checkpoints: readonly CheckpointLine[];
  readonly states: readonly WitnessLine[];
  /** Name of the policy's quorum; `none` asks for no witness. */
  readonly quorum: string;
  /** Size of the newest head that enough witnesses signed. */
  readonly witnessedSize: number;
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
    ${pager(model.paging, ctx)} ${witnesses(model, ctx)}
  `;
  return layout({ title: m.checkpoints, main, width: 'wide' }, ctx);
}

function witnesses(model: OfficerCheckpointsModel, ctx: PageContext): Html {
  const m = words(ctx).officer;
  return html`<section>
    <h2>${m.witnesses}</h2>
    ${
      model.quorum === 'none' || model.states.length === 0
        ? html`<p>${m.noWitnesses}</p>`
        : html`<p>${m.witnessedUpTo(number(model.witnessedSize, ctx))}</p>
            ${cardTable(
              m.witnesses,
              [
                { label: m.witness, kind: 'title' },
                { label: m.state },
                { label: m.cosignedSize, kind: 'number' },
                { label: m.lastTried },
              ],
              model.states.map((state) => [
                html`<code>${state.witness}</code>`,
                m.witnessStates[state.outcome],
                number(state.size, ctx),
                state.triedMs === null ? '–' : time(state.triedMs, 'second', ctx),
              ]),
            )}`
    }
  </section>`;
}
