// Trains the recommender on the people whose switches allow it, and on nobody else.
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { eq } from 'drizzle-orm';
import { defaultAlsOptions, serializeModel, trainAls } from '../../engine/index.ts';
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
  /** SHA-256 of the stored model, hex; null when there was nothing to learn from. */
  readonly model: string | null;
}

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
        const trained = await trainAls({
          events: events.map(({ person, item: key }) => ({ person, item: key, weight: 1 })),
          items,
          random: parts.system.random,
          pause: () => setImmediate(),
        });
        const bytes = trained.status === 'trained' ? serializeModel(trained.model) : undefined;
        return { bytes, rows: trained.rows, items: items.length, people: permits.size };
      },
      async finish(tx, result, _started, run) {
        const manifest: TrainingManifest = {
          people: result.people,
          rows: result.rows,
          items: result.items,
          parameters: { factors: defaultAlsOptions.factors, sweeps: defaultAlsOptions.sweeps },
          model: result.bytes === undefined ? null : createHash('sha256').update(result.bytes).digest('hex'),
        };
        // Only the newest model is kept: an older one was trained on people who may have left since.
        await tx.db.delete(modelTable).where(eq(modelTable.kind, 'recommender'));
        if (result.bytes !== undefined) {
          await tx.db.insert(modelTable).values({
            run: run.id,
            kind: 'recommender',
            bytes: Buffer.from(result.bytes),
            madeMs: parts.system.clock.nowMs(),
          });
        }
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
