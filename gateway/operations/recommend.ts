// A person's ten recommendations, from the rows they allow at this moment. User vectors are never stored.
import { desc, eq, inArray } from 'drizzle-orm';
import {
  deserializeModel,
  openItemIndex,
  recommend as recommendItems,
  type AlsModel,
  type ItemIndex,
} from '../../engine/index.ts';
import type { Recipient } from '../consent/vocabulary.ts';
import { GatewayError } from '../errors.ts';
import type { GateRequest, Released } from '../gate.ts';
import type { Tx } from '../store/store.ts';
import { item, model as modelTable } from '../store/tables.ts';
import type { OperationParts } from './parts.ts';
import type { Identified } from './read-data.ts';
import { readEvents } from './rows.ts';
import { recommendationUse } from './train-recommender.ts';

export interface Recommendation {
  readonly item: string;
  readonly title: string;
  readonly score: number;
  /** The person's own items that speak most for this one; their shares add up to the score with the rest. */
  readonly because: readonly { readonly item: string; readonly title: string; readonly share: number }[];
}

export interface RecommendationAnswer {
  readonly recommendations: readonly Recommendation[];
  /** Training run whose model this is. */
  readonly run: string;
  readonly basedOnRows: number;
}

const historyRows = 1000;
const recommendationCount = 10;

export interface Recommender {
  /** @throws GatewayError `not_trained`; Refusal when a switch is off */
  recommend(identify: (tx: Tx) => Promise<Identified>): Promise<Released<RecommendationAnswer>>;
}

export function createRecommender(parts: OperationParts): Recommender {
  let loaded: { run: string; model: AlsModel; index: ItemIndex } | undefined;

  /** The newest model; read in the transaction, so that a model dropped by an erasure is not served from memory. */
  async function newestModel(tx: Tx): Promise<NonNullable<typeof loaded>> {
    const [newest] = await tx.db
      .select({ run: modelTable.run })
      .from(modelTable)
      .where(eq(modelTable.kind, 'recommender'))
      .orderBy(desc(modelTable.madeMs))
      .limit(1);
    if (newest === undefined) throw new GatewayError('not_trained');
    if (loaded?.run === newest.run) return loaded;
    const [row] = await tx.db
      .select({ bytes: modelTable.bytes })
      .from(modelTable)
      .where(eq(modelTable.run, newest.run));
    if (row === undefined) throw new GatewayError('not_trained');
    const model = deserializeModel(row.bytes);
    loaded = { run: newest.run, model, index: openItemIndex(model) };
    return loaded;
  }

  return {
    recommend(identify) {
      let person = '';
      return parts.gate.run(
        async (tx): Promise<GateRequest> => {
          const identified = await identify(tx);
          person = identified.person ?? '';
          const recipients: Recipient[] = [...recommendationUse.recipients];
          // A partner that shows them learns from them: its own switch must be on too.
          if (identified.caller.kind === 'partner') recipients.push(`partner:${identified.caller.id}`);
          return {
            ...identified,
            operation: 'recommend',
            purpose: recommendationUse.purpose,
            categories: recommendationUse.categories,
            recipients,
          };
        },
        async (permit, tx) => {
          const { run, model, index } = await newestModel(tx);
          const history = await readEvents(permit, tx, person, 'browsing', { limit: historyRows, offset: 0 });
          const own = history.flatMap(({ item: key }) => (key === null ? [] : [{ item: key }]));
          const found = recommendItems(model, index, own, recommendationCount);
          const keys = [
            ...new Set(found.flatMap((one) => [one.item, ...one.reasons.map((reason) => reason.item)])),
          ];
          const titles = new Map(
            keys.length === 0
              ? []
              : (
                  await tx.db
                    .select({ key: item.key, title: item.title })
                    .from(item)
                    .where(inArray(item.key, keys))
                ).map(({ key, title }) => [key, title] as const),
          );
          const recommendations = found.map((one) => ({
            item: one.item,
            title: titles.get(one.item) ?? one.item,
            score: one.score,
            because: one.reasons.map((reason) => ({
              item: reason.item,
              title: titles.get(reason.item) ?? reason.item,
              share: reason.contribution,
            })),
          }));
          return {
            value: { recommendations, run, basedOnRows: history.length },
            counts: { rows: history.length, recommendations: recommendations.length },
            about: { model_run: run },
          };
        },
        { mayOverlap: true },
      );
    },
  };
}
