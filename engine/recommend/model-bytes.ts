// A model as bytes, to be stored and read back. Layout, little-endian: "ALS1", length of the header (u32), header (JSON:
// options, itemKeys), gram (f64), item factors (f32). Nothing else may follow.
import { EngineError } from '../types.ts';
import { type AlsModel, type AlsOptions, defaultAlsOptions } from './als.ts';

const MAGIC = 0x31534c41;
const MAX_BYTES = 2 ** 31;

export function serializeModel(model: AlsModel): Uint8Array {
  const header = new TextEncoder().encode(
    JSON.stringify({ options: model.options, itemKeys: model.itemKeys }),
  );
  const bytes = new Uint8Array(8 + header.length + model.gram.length * 8 + model.itemFactors.length * 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, header.length, true);
  bytes.set(header, 8);
  const gramAt = 8 + header.length;
  const factorsAt = gramAt + model.gram.length * 8;
  model.gram.forEach((value, index) => view.setFloat64(gramAt + index * 8, value, true));
  model.itemFactors.forEach((value, index) => view.setFloat32(factorsAt + index * 4, value, true));
  return bytes;
}

/** @throws EngineError `model_invalid` unless the bytes are exactly what `serializeModel` gives */
export function deserializeModel(bytes: Uint8Array): AlsModel {
  if (bytes.length < 8 || bytes.length > MAX_BYTES) throw invalid('size');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) throw invalid('first bytes');
  const gramAt = 8 + view.getUint32(4, true);
  if (gramAt > bytes.length) throw invalid('header length');
  const { options, itemKeys } = readHeader(bytes.subarray(8, gramAt));
  const gramLength = options.factors ** 2;
  const factorsAt = gramAt + gramLength * 8;
  const factorsLength = itemKeys.length * options.factors;
  if (bytes.length !== factorsAt + factorsLength * 4) throw invalid('length');
  const gram = Float64Array.from({ length: gramLength }, (_, index) =>
    view.getFloat64(gramAt + index * 8, true),
  );
  const itemFactors = Float32Array.from({ length: factorsLength }, (_, index) =>
    view.getFloat32(factorsAt + index * 4, true),
  );
  if (!gram.every(Number.isFinite) || !itemFactors.every(Number.isFinite))
    throw invalid('a value that is not a number');
  return { options, itemKeys, gram, itemFactors };
}

function readHeader(bytes: Uint8Array): { options: AlsOptions; itemKeys: string[] } {
  try {
    const header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as {
      options: AlsOptions;
      itemKeys: string[];
    };
    const areNumbers = Object.keys(defaultAlsOptions).every((name) =>
      Number.isFinite(header.options[name as keyof AlsOptions]),
    );
    const { factors } = header.options;
    const areKeys = Array.isArray(header.itemKeys) && header.itemKeys.every((key) => typeof key === 'string');
    if (areNumbers && areKeys && Number.isInteger(factors) && factors >= 1 && factors <= 256) return header;
  } catch {
    // falls through: whatever is wrong with it, it is not a header
  }
  throw invalid('header');
}

function invalid(what: string): EngineError {
  return new EngineError('model_invalid', `Not a stored model: ${what}`);
}
