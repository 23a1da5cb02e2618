import { describe, expect, it } from 'vitest';
import { mappedSource } from '../../gateway/operations/import-sources.ts';

const events = {
  rows: 'events',
  category: 'transactions',
  kind: 'purchase',
  person: 'who',
  item: 'what',
  at: 'when',
  timeFormat: 'iso',
};
const items = {
  rows: 'items',
  key: 'sku',
  title: 'name',
  attributes: { genres: { column: 'tags', separator: '|' } },
};
const attributes = { rows: 'attributes', category: 'profile', person: 'who', attributes: { age: 'age' } };

function read(map: unknown, format: 'csv' | 'ndjson' = 'csv') {
  return mappedSource(format, 'rows.csv', map, () => {
    throw new Error('a file is opened when it is read, not before');
  });
}

describe('a map of a user’s own file', () => {
  it.each([
    ['events', { mapping: events }],
    ['events with a value', { mapping: { ...events, value: 'how many' } }],
    ['items', { mapping: items }],
    ['items without attributes', { mapping: { rows: 'items', key: 'sku', title: 'name' } }],
    ['attributes', { encoding: 'latin-1', separator: ';', mapping: attributes }],
  ])('that describes %s is taken', (_what, map) => {
    expect(read(map)).toBeTypeOf('function');
  });

  it.each<[string, unknown]>([
    ['the map is an object', []],
    ['the map is an object', null],
    ['mapping is an object', {}],
    ['mapping is an object', { mapping: 'events' }],
    ['one of: events, items, attributes', { mapping: { ...events, rows: 'people' } }],
    ['mapping.person is a text', { mapping: { ...events, person: 7 } }],
    ['mapping.person is a text', { mapping: { ...events, person: undefined } }],
    ['mapping.kind is a text', { mapping: { ...events, kind: '' } }],
    ['mapping.item is a text', { mapping: { ...events, item: 'x'.repeat(300) } }],
    ['mapping.value is a text', { mapping: { ...events, value: null } }],
    ['iso, unix-seconds, unix-ms', { mapping: { ...events, timeFormat: 'soon' } }],
    ['unknown field "vlaue"', { mapping: { ...events, vlaue: 'how many' } }],
    ['unknown field "delimiter"', { mapping: events, delimiter: ';' }],
    ['separator is one character', { mapping: events, separator: '||' }],
    ['separator is one character', { mapping: events, separator: '"' }],
    ['encoding is one of', { mapping: events, encoding: 'utf-16' }],
    ['mapping.attributes.genres.column', { mapping: { ...items, attributes: { genres: {} } } }],
    ['mapping.attributes.genres is an object', { mapping: { ...items, attributes: { genres: 'tags' } } }],
    ['names no column', { mapping: { ...attributes, attributes: {} } }],
    ['mapping.attributes.age is a text', { mapping: { ...attributes, attributes: { age: 3 } } }],
  ])('is refused, saying that %s', (message, map) => {
    expect(() => read(map)).toThrow(expect.objectContaining({ code: 'malformed_request' }) as Error);
    expect(() => read(map)).toThrow(message);
  });

  it.each(['genome', '__proto__', undefined, 7])('cannot put rows into the category %s', (category) => {
    for (const mapping of [events, attributes])
      expect(() => read({ mapping: { ...mapping, category } })).toThrow(
        expect.objectContaining({ code: 'unknown_category' }) as Error,
      );
  });

  it('has no separator where rows are JSON', () => {
    expect(() => read({ mapping: events, separator: ';' }, 'ndjson')).toThrow('unknown field "separator"');
  });
});
