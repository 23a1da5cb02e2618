// The map a user writes beside a file of their own: which column is what. Checked whole before anything is read.
import type { SourceSpec } from '../../engine/index.ts';
import { categoryNames, isCategory } from '../consent/vocabulary.ts';
import { GatewayError } from '../errors.ts';

type Fields = Readonly<Record<string, unknown>>;

const timeFormats = ['iso', 'unix-seconds', 'unix-ms'];
const encodings = ['utf-8', 'latin-1'];
const longestName = 256;

/**
 * @param name of the file, for messages about its rows
 * @throws GatewayError `malformed_request` saying which part of the map is wrong, `unknown_category`
 */
export function readMap(format: 'csv' | 'ndjson', name: string, map: unknown): SourceSpec {
  const given = fieldsOf(map, 'the map');
  onlyThese(
    given,
    'the map',
    format === 'csv' ? ['mapping', 'encoding', 'separator'] : ['mapping', 'encoding'],
  );
  if (given['encoding'] !== undefined) oneOf(given['encoding'], encodings, 'encoding');
  const { separator } = given;
  if (separator !== undefined && !(typeof separator === 'string' && /^[^"\r\n]$/.test(separator)))
    throw wrong('separator is one character, and no quote or line end');
  checkMapping(fieldsOf(given['mapping'], 'mapping'));
  return { ...given, format, name } as unknown as SourceSpec;
}

function checkMapping(mapping: Fields): void {
  const { rows } = mapping;
  switch (rows) {
    case 'events':
      onlyThese(mapping, 'mapping', [
        'rows',
        'person',
        'item',
        'at',
        'timeFormat',
        'value',
        'kind',
        'category',
      ]);
      for (const part of ['person', 'item', 'at', 'kind']) textOf(mapping[part], `mapping.${part}`);
      if (mapping['value'] !== undefined) textOf(mapping['value'], 'mapping.value');
      oneOf(mapping['timeFormat'], timeFormats, 'mapping.timeFormat');
      return categoryOf(mapping);
    case 'items': {
      onlyThese(mapping, 'mapping', ['rows', 'key', 'title', 'attributes']);
      for (const part of ['key', 'title']) textOf(mapping[part], `mapping.${part}`);
      for (const [attribute, value] of Object.entries(
        fieldsOf(mapping['attributes'] ?? {}, 'mapping.attributes'),
      )) {
        const path = `mapping.attributes.${attribute}`;
        const column = fieldsOf(value, path);
        onlyThese(column, path, ['column', 'separator']);
        textOf(column['column'], `${path}.column`);
        if (column['separator'] !== undefined) textOf(column['separator'], `${path}.separator`);
      }
      return;
    }
    case 'attributes': {
      onlyThese(mapping, 'mapping', ['rows', 'person', 'attributes', 'category']);
      textOf(mapping['person'], 'mapping.person');
      const columns = Object.entries(fieldsOf(mapping['attributes'], 'mapping.attributes'));
      if (columns.length === 0) throw wrong('mapping.attributes names no column');
      for (const [attribute, column] of columns) textOf(column, `mapping.attributes.${attribute}`);
      return categoryOf(mapping);
    }
    default:
      throw wrong('mapping.rows is one of: events, items, attributes');
  }
}

function categoryOf({ category }: Fields): void {
  if (!isCategory(category))
    throw new GatewayError('unknown_category', `mapping.category is one of: ${categoryNames.join(', ')}`);
}

function fieldsOf(value: unknown, path: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrong(`${path} is an object`);
  return value as Fields;
}

function textOf(value: unknown, path: string): void {
  if (typeof value !== 'string' || value === '' || value.length > longestName)
    throw wrong(`${path} is a text of 1 to ${longestName} characters`);
}

function oneOf(value: unknown, allowed: readonly string[], path: string): void {
  if (!allowed.includes(value as string)) throw wrong(`${path} is one of: ${allowed.join(', ')}`);
}

function onlyThese(value: Fields, path: string, known: readonly string[]): void {
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw wrong(
      `${path} has an unknown field ${JSON.stringify(unknown.slice(0, 40))}; known: ${known.join(', ')}`,
    );
}

function wrong(message: string): GatewayError {
  return new GatewayError('malformed_request', message);
}
