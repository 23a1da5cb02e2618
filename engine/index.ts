// The engine's one door. What is not here is not for callers.
export {
  type AttributeRow,
  dataCategories,
  type DataCategory,
  EngineError,
  type EngineErrorCode,
  type EventRow,
  type ItemRow,
  type Random,
  type RejectedRow,
  type RejectionCode,
} from './types.ts';
export {
  type CountPlan,
  countByGroup,
  type NoisyCount,
  type PersonGroupRow,
  planCountByGroup,
} from './privacy/count-by-group.ts';
export { MAX_EPSILON, MIN_EPSILON, parseEpsilon } from './privacy/mechanism.ts';
export type { Rational } from './privacy/rational.ts';
export {
  type AlsEvent,
  type AlsModel,
  type AlsOptions,
  type AlsTraining,
  defaultAlsOptions,
  trainAls,
} from './recommend/als.ts';
export { type ItemIndex, openItemIndex } from './recommend/item-index.ts';
export { deserializeModel, serializeModel } from './recommend/model-bytes.ts';
export { type PopularItem, popular } from './recommend/popular.ts';
export {
  explain,
  type PersonRow,
  personVector,
  type Reason,
  type Recommendation,
  recommend,
} from './recommend/recommend.ts';
export type { RowBatch } from './integrate/batches.ts';
export type { TextEncoding } from './integrate/lines.ts';
export type { Mapping } from './integrate/mapping.ts';
export type { TimeFormat } from './integrate/values.ts';
export {
  type ByteStream,
  type MovieLensFiles,
  readMovieLens,
  readSource,
  type SourceSpec,
} from './integrate/read-source.ts';
