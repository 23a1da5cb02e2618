// Trains the recommender on the people whose switches allow it, and on nobody else.
import { createHash } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { serializeModel, trainAls, type RecommenderModel } from '../../engine/index.ts';
import type { Caller } from '../consent/vocabulary.ts';
import type { ReleasedRun } from '../gate.ts';
import { item, model as modelTable, run as runTable } from '../store/tables.ts';
import type { OperationParts } from './parts.ts';
import { readEventsOfMany } from './rows.ts';

export interface TrainingManifest {
  /** People whose rows went in; exactly the members of the run. */
  readonly people: number;
  readonly rows: number;
  readonly items: number;
  readonly parameters: { readonly factors: number; readonly sweeps: number };
  /** SHA-256 of the stored model, hex. */
  readonly model: string;
}

/** engine.md section 1.3: implicit ALS on ML-100K reached nDCG@10 0.487 with these. */
const parameters = {
  factors: 32,
  sweeps: 12,
  regularisation: 0.02,
  unobservedWeight: 0.3,
  frequencyExponent: 1,
} as const;

export const recommendationUse = {
  purpose: 'recommendation',
  categories: ['browsing'],
  recipients: ['engine:recommend'],
} as const;

/** With nobody's consent the training has 0 rows and says so. */
export function trainRecommender(
  parts: OperationParts,
  caller: Caller,
): Promise<ReleasedRun<TrainingManifest>> {
  return parts.gate.runLong(
    {
      caller,
      operation: 'train-recommender',
      ...recommendationUse,
      population: 'recommendation/browsing/engine:recommend',
    },
    {
      start: async () => undefined,
      async compute(permits) {
        const { events, items } = await parts.read(async (reader) => ({
          events: await readEventsOfMany(permits, reader, 'browsing'),
          items: (await reader.db.select({ key: item.key }).from(item)).map(({ key }) => key),
        }));
        const trained: RecommenderModel = await trainAls({
          ...parameters,
          events: events.map(({ person, item: key }) => ({ person, item: key, weight: 1 })),
          items,
          random: parts.system.random,
        });
        return {
          bytes: serializeModel(trained),
          rows: events.length,
          items: items.length,
          people: permits.size,
        };
      },
      async finish(tx, result, _started, run) {
        const manifest: TrainingManifest = {
          people: result.people,
          rows: result.rows,
          items: result.items,
          parameters: { factors: parameters.factors, sweeps: parameters.sweeps },
          model: createHash('sha256').update(result.bytes).digest('hex'),
        };
        // Only the newest model is kept: an older one was trained on people who may have left since.
        await tx.db.delete(modelTable).where(eq(modelTable.kind, 'recommender'));
        await tx.db.insert(modelTable).values({
          run: run.id,
          kind: 'recommender',
          bytes: Buffer.from(result.bytes),
          madeMs: parts.system.clock.nowMs(),
        });
        await tx.db
          .update(runTable)
          .set({ manifest: JSON.stringify(manifest) })
          .where(eq(runTable.id, run.id));
        return {
          value: manifest,
          counts: { people: result.people, rows: result.rows, items: result.items },
          about: { model: manifest.model },
        };
      },
    },
  );
}
