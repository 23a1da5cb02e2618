// What can be imported, as something `importData` can open from its start as often as it needs.
import { readMovieLens, readSource, type SourceSpec } from '../../engine/index.ts';
import { GatewayError } from '../errors.ts';
import type { ImportOrder } from './import-data.ts';

type OpenFile = (name: string) => AsyncIterable<Uint8Array>;

/** The folder of MovieLens-100K. @param openFile opens one of its files by name */
export function movieLensSource(openFile: OpenFile): ImportOrder['open'] {
  return () =>
    readMovieLens({
      'u.genre': openFile('u.genre'),
      'u.item': openFile('u.item'),
      'u.user': openFile('u.user'),
      'u.data': openFile('u.data'),
    });
}

/**
 * A CSV or NDJSON file with a description of its columns (`SourceSpec` in the engine; README shows examples).
 * @throws GatewayError `malformed_request` when the description has no mapping
 */
export function mappedSource(
  format: 'csv' | 'ndjson',
  name: string,
  description: unknown,
  openFile: OpenFile,
): ImportOrder['open'] {
  const given = description as { mapping?: { rows?: unknown } } | null;
  if (
    typeof given !== 'object' ||
    !['events', 'items', 'attributes'].includes(String(given?.mapping?.rows))
  ) {
    throw new GatewayError(
      'malformed_request',
      'the map needs "mapping": {"rows": "events" | "items" | "attributes", ...}',
    );
  }
  const spec = { ...given, format, name } as SourceSpec;
  return () => readSource(spec, openFile(name));
}
