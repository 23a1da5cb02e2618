// What can be imported, as something `importData` can open from its start as often as it needs.
import { readMovieLens, readSource } from '../../engine/index.ts';
import type { ImportOrder } from './import-data.ts';
import { readMap } from './import-map.ts';

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
 * @throws GatewayError `malformed_request`, `unknown_category` when the description is not one
 */
export function mappedSource(
  format: 'csv' | 'ndjson',
  name: string,
  description: unknown,
  openFile: OpenFile,
): ImportOrder['open'] {
  const spec = readMap(format, name, description);
  return () => readSource(spec, openFile(name));
}
