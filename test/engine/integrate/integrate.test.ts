import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RowBatch } from '../../../engine/integrate/batches.ts';
import { eachLine, readLines } from '../../../engine/integrate/lines.ts';
import type { Mapping } from '../../../engine/integrate/mapping.ts';
import { readMovieLens, readSource, type SourceSpec } from '../../../engine/integrate/read-source.ts';
import { readNumber, readTime } from '../../../engine/integrate/values.ts';
import { collect, streamOf } from './streams.ts';

const purchases: Mapping = {
  rows: 'events',
  person: 'CustomerID',
  item: 'StockCode',
  at: 'InvoiceDate',
  timeFormat: 'iso',
  value: 'Quantity',
  kind: 'purchase',
  category: 'transactions',
};
const csv: SourceSpec = { format: 'csv', name: 'till', mapping: purchases };
const ndjson: SourceSpec = { format: 'ndjson', name: 'web', mapping: purchases };
const header = 'InvoiceDate,StockCode,CustomerID,Quantity';
const read = (spec: SourceSpec, text: string | Uint8Array, chunkBytes?: number) =>
  collect(readSource(spec, streamOf(text, chunkBytes)));
const good = {
  item: 's1',
  person: 'c1',
  kind: 'purchase',
  value: 2,
  atMs: Date.UTC(2024, 0, 2, 3, 4),
  category: 'transactions',
};

describe('CSV', () => {
  it('gives events in canonical form, whatever the chunks, line ends and byte order mark', async () => {
    for (const text of [
      `${header}\n2024-01-02 03:04,s1,c1,2\n`,
      `\uFEFF${header}\r\n"2024-01-02T03:04:00Z","s1",c1,2`,
    ]) {
      for (const chunkBytes of [1, 2, 7, 1000]) {
        expect(await read(csv, text, chunkBytes)).toEqual({
          items: [],
          events: [good],
          attributes: [],
          rejected: [],
        });
      }
    }
  });

  it('names the columns that are missing and those that are there', async () => {
    await expect(read(csv, 'InvoiceDate,Stock,CustomerID,Quantity\n')).rejects.toMatchObject({
      code: 'import_format',
      details: { missing: ['StockCode'], found: ['InvoiceDate', 'Stock', 'CustomerID', 'Quantity'] },
    });
    await expect(read(csv, '')).rejects.toMatchObject({ code: 'import_format' });
  });

  it.each([
    ['2024-01-02,s1,c1', 'wrong_field_count'],
    ['2024-01-02,s1,c1,2,3', 'wrong_field_count'],
    ['2024-01-02,,c1,2', 'missing_value', 'c1'],
    ['2024-01-02,s1, ,2', 'missing_value'],
    ['2024-02-30,s1,c1,2', 'invalid_time', 'c1'],
    ['yesterday,s1,c1,2', 'invalid_time', 'c1'],
    ['2024-01-02,s1,c1,two', 'invalid_number', 'c1'],
    ['2024-01-02,s1,c1,', 'invalid_number', 'c1'],
    ['2024-01-02,s1,"c"1,2', 'invalid_quoting'],
    ['2024-01-02,s1,"c1,2', 'invalid_quoting'],
    [`2024-01-02,s1,${'c'.repeat(257)},2`, 'value_too_long'],
    [`2024-01-02,s1,${'c'.repeat(70_000)},2`, 'line_too_long'],
  ])('keeps the bad row %.40s as %s, and the good rows around it', async (row, code, person?: string) => {
    const line = '2024-01-02 03:04,s1,c1,2';
    const result = await read(csv, `${header}\n${line}\n${row}\n${line}\n`);
    expect(result.events).toEqual([good, good]);
    expect(result.rejected).toEqual([
      { source: 'till', line: 3, code, raw: row.slice(0, 1024), ...(person === undefined ? {} : { person }) },
    ]);
  });

  it('reads quoted separators, quotes and line ends', async () => {
    const mapping: Mapping = {
      rows: 'items',
      key: 'k',
      title: 't',
      attributes: { tags: { column: 'g', separator: '|' } },
    };
    const text = 'k;t;g\n1;"a ""b""; c\nd";x|y\n2;plain;\n';
    const { items } = await read({ format: 'csv', name: 'n', mapping, separator: ';' }, text);
    expect(items).toEqual([
      { key: '1', title: 'a "b"; c\nd', attributes: { tags: ['x', 'y'] } },
      { key: '2', title: 'plain', attributes: {} },
    ]);
  });

  it('tells the line of bytes that are not UTF-8, and reads them as Latin-1 when told so', async () => {
    const bytes = Buffer.from(
      `${header}\n2024-01-02 03:04,s1,c1,2\n2024-01-02 03:04,caf\u00e9,c1,2\n`,
      'latin1',
    );
    await expect(read(csv, bytes)).rejects.toMatchObject({ code: 'import_encoding', details: { line: 3 } });
    const { events } = await read({ ...csv, encoding: 'latin-1' }, bytes);
    expect(events[1]).toMatchObject({ item: 'café' });
  });

  it('any list of values comes back, quoted', async () => {
    const value = fc.string({
      minLength: 1,
      maxLength: 20,
      unit: fc.constantFrom('"', ',', '\n', 'a', 'é', '|', ' '),
    });
    const mapping: Mapping = { rows: 'items', key: 'k', title: 't' };
    await fc.assert(
      fc.asyncProperty(
        fc.array(value, { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 50 }),
        async (titles, chunk) => {
          const wanted = titles.map((title) => `x${title}`);
          const text = `k,t\n${wanted.map((title, i) => `${i},"${title.replaceAll('"', '""')}"`).join('\n')}\n`;
          const { items, rejected } = await read({ format: 'csv', name: 'n', mapping }, text, chunk);
          expect(rejected).toEqual([]);
          expect(items.map(({ title }) => title)).toEqual(wanted);
        },
      ),
    );
  });

  it('no row is lost: given + rejected = rows in the file', async () => {
    const row = fc.constantFrom(
      '2024-01-02,s,c,1',
      '2024-01-02,s,c',
      'x,s,c,1',
      ',,,',
      '2024-01-02,s,c,1,1',
      '2024-01-02,s,c,-',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 60 }), async (rows) => {
        const { events, rejected } = await read(csv, [header, ...rows].join('\n'));
        expect(events.length + rejected.length).toBe(rows.length);
      }),
    );
  });

  it('gives batches of at most 1,000 rows', async () => {
    const text = `${header}\n${'2024-01-02 03:04,s1,c1,2\n'.repeat(2500)}`;
    const sizes: number[] = [];
    for await (const batch of readSource(csv, streamOf(text))) sizes.push(sizeOf(batch));
    expect(sizes).toEqual([1000, 1000, 500]);
  });

  it.each(['', ',,', '"', '\n'])('refuses the separator %j', (separator) => {
    expect(() => readSource({ ...csv, separator }, streamOf(''))).toThrow(
      expect.objectContaining({ code: 'invalid_argument' }),
    );
  });
});

function sizeOf(batch: RowBatch): number {
  return batch.items.length + batch.events.length + batch.attributes.length + batch.rejected.length;
}

describe('NDJSON', () => {
  const line = '{"CustomerID":"c1","StockCode":"s1","InvoiceDate":"2024-01-02T03:04:00Z","Quantity":2}';

  it('gives the same rows as CSV', async () => {
    expect((await read(ndjson, `${line}\n\n${line}`, 5)).events).toEqual([good, good]);
  });

  it.each([
    ['{"CustomerID":"c1"', 'invalid_json'],
    ['[1]', 'invalid_json'],
    ['null', 'invalid_json'],
    ['{"CustomerID":{"a":1},"StockCode":"s1","InvoiceDate":"2024-01-02"}', 'missing_value'],
    ['{"CustomerID":"c1","StockCode":"s1","InvoiceDate":"soon"}', 'invalid_time', 'c1'],
    ['{"__proto__":{"CustomerID":"c1"},"StockCode":"s1","InvoiceDate":"2024-01-02"}', 'missing_value'],
  ])('keeps the bad line %s as %s', async (bad, code, person?: string) => {
    const result = await read(ndjson, `${line}\n${bad}\n${line}\n`);
    expect(result.events).toHaveLength(2);
    expect(result.rejected).toEqual([
      { source: 'web', line: 2, code, raw: bad, ...(person === undefined ? {} : { person }) },
    ]);
  });

  it('a mapping that fits nothing is told with the names found', async () => {
    await expect(read(ndjson, '{"user":1,"product":2}\n')).rejects.toMatchObject({
      code: 'import_format',
      details: {
        missing: ['CustomerID', 'StockCode', 'InvoiceDate', 'Quantity'],
        found: ['user', 'product'],
      },
    });
  });
});

describe('attributes', () => {
  it('become one row each, empty ones none', async () => {
    const mapping: Mapping = {
      rows: 'attributes',
      person: 'id',
      attributes: { plan: 'Contract', age: 'a' },
      category: 'profile',
    };
    const { attributes } = await read({ format: 'csv', name: 'n', mapping }, 'id,Contract,a\n7,Monthly,\n');
    expect(attributes).toEqual([{ person: '7', name: 'plan', value: 'Monthly', category: 'profile' }]);
  });
});

describe('MovieLens files', () => {
  const files = (change: Record<string, string> = {}) => {
    const texts = {
      'u.genre': 'Action|0\nComedy|1\n\n',
      'u.item': '1|Old (1995)|01-Jan-1995||http|0|1\n',
      'u.user': '1|24|M|technician|85711\n',
      'u.data': '1\t1\t3\t881250949\n',
      ...change,
    };
    return {
      'u.genre': streamOf(texts['u.genre']),
      'u.item': streamOf(texts['u.item']),
      'u.user': streamOf(texts['u.user']),
      'u.data': streamOf(texts['u.data']),
    };
  };

  it('another file under the name is told by the name', async () => {
    for (const name of ['u.genre', 'u.item', 'u.user', 'u.data']) {
      await expect(collect(readMovieLens(files({ [name]: 'a,b\n1,2\n' })))).rejects.toMatchObject({
        code: 'import_format',
      });
      await expect(collect(readMovieLens(files({ [name]: '' })))).rejects.toMatchObject({
        code: 'import_format',
      });
    }
  });

  it('bad rows are kept with their line and reason', async () => {
    const wrong = files({
      'u.item':
        '1|Old (1995)|01-Jan-1995||http|0|1\n2|New|01-Foo-1995||http|0|1\n3|New|||http|0|2\n4||||http|0|1\n',
      'u.user': '1|24|M|technician|85711\n2|old|M|technician|85711\n',
      'u.data': '1\t1\t3\t881250949\n1\t1\t6\t881250949\n1\t1\t3\tnow\n1\t1\n',
    });
    const { items, events, attributes, rejected } = await collect(readMovieLens(wrong));
    expect([items.length, events.length, attributes.length]).toEqual([1, 1, 4]);
    expect(rejected.map(({ source, line, code }) => `${source}:${line} ${code}`)).toEqual([
      'u.item:2 invalid_time',
      'u.item:3 invalid_number',
      'u.item:4 missing_value',
      'u.user:2 invalid_number',
      'u.data:2 invalid_number',
      'u.data:3 invalid_time',
      'u.data:4 wrong_field_count',
    ]);
  });
});

describe('values', () => {
  it('every moment comes back from its ISO text', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('1900-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
        (date) => {
          expect(readTime(date.toISOString(), 'iso')).toBe(date.getTime());
        },
      ),
    );
  });

  it.each([
    ['2024-02-29', 'iso', Date.UTC(2024, 1, 29)],
    ['2024-02-29T10:00:00+02:00', 'iso', Date.UTC(2024, 1, 29, 8)],
    ['881250949', 'unix-seconds', 881_250_949_000],
    ['881250949000', 'unix-ms', 881_250_949_000],
  ] as const)('time %s as %s', (text, format, atMs) => {
    expect(readTime(text, format)).toBe(atMs);
  });

  it.each(['2023-02-29', '2024-1-2', '02/01/2024', '2024-01-02T25:00', '0001-01-01', ''])(
    'no time: %j',
    (text) => {
      expect(readTime(text, 'iso')).toBeUndefined();
    },
  );

  it.each(['', ' ', '0x10', '1,000', 'NaN', 'Infinity', '1e999', '１'])('no number: %j', (text) => {
    expect(readNumber(text)).toBeUndefined();
  });

  it('lines: the file is the lines, joined', async () => {
    const text = fc.string({ unit: fc.constantFrom('a', '\n', 'é', '漢', '\u{1F600}'), maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(text, fc.integer({ min: 1, max: 9 }), async (whole, chunkBytes) => {
        const lines: string[] = [];
        for await (const line of eachLine(readLines(streamOf(whole, chunkBytes), 'utf-8')))
          lines.push(line.text);
        expect(lines.join('\n') + (whole.endsWith('\n') ? '\n' : '')).toBe(whole);
      }),
    );
  });
});
