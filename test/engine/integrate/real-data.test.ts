import { createReadStream, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readMovieLens, readSource } from '../../../engine/integrate/read-source.ts';
import { describeWithShared } from '../../support/shared.ts';
import { collect } from './streams.ts';

describeWithShared('data', 'real files', (data) => {
  const open = (file: string) => createReadStream(`${data}/${file}`);

  it('MovieLens-100K: 100,000 ratings, 943 people, 1,682 items, titles right', async () => {
    const folder = 'movielens-100k';
    const { items, events, attributes, rejected } = await collect(
      readMovieLens({
        'u.genre': open(`${folder}/u.genre`),
        'u.item': open(`${folder}/u.item`),
        'u.user': open(`${folder}/u.user`),
        'u.data': open(`${folder}/u.data`),
      }),
    );
    expect(rejected).toEqual([]);
    expect([items.length, events.length, attributes.length]).toEqual([1682, 100_000, 943 * 4]);
    expect(new Set(events.map(({ person }) => person)).size).toBe(943);
    expect(items[542]).toEqual({
      key: '543',
      title: 'Misérables, Les (1995)',
      attributes: { genres: ['Drama', 'Musical'], released: '1995-01-01' },
    });
    expect(items[266]).toEqual({ key: '267', title: 'unknown', attributes: { genres: ['unknown'] } });
    expect(events[0]).toEqual({
      person: '196',
      item: '242',
      kind: 'rating',
      value: 3,
      atMs: 881_250_949_000,
      category: 'browsing',
    });
    expect(attributes.slice(0, 4).map(({ name, value }) => [name, value])).toEqual([
      ['age', '24'],
      ['sex', 'M'],
      ['occupation', 'technician'],
      ['postcode', '85711'],
    ]);
  });

  it('MovieLens latest-small: CSV with quoted titles and Unix time', async () => {
    const folder = 'movielens-latest-small';
    const ratings = await collect(
      readSource(
        {
          format: 'csv',
          name: 'ratings.csv',
          mapping: {
            rows: 'events',
            person: 'userId',
            item: 'movieId',
            at: 'timestamp',
            timeFormat: 'unix-seconds',
            value: 'rating',
            kind: 'rating',
            category: 'browsing',
          },
        },
        open(`${folder}/ratings.csv`),
      ),
    );
    expect([ratings.events.length, ratings.rejected.length]).toEqual([100_836, 0]);
    expect(ratings.events[0]).toMatchObject({ person: '1', item: '1', value: 4, atMs: 964_982_703_000 });
    const movies = await collect(
      readSource(
        {
          format: 'csv',
          name: 'movies.csv',
          mapping: {
            rows: 'items',
            key: 'movieId',
            title: 'title',
            attributes: { genres: { column: 'genres', separator: '|' } },
          },
        },
        open(`${folder}/movies.csv`),
      ),
    );
    const lines = readFileSync(`${data}/${folder}/movies.csv`, 'utf8').trimEnd().split('\n').length - 1;
    expect([movies.items.length, movies.rejected.length]).toEqual([lines, 0]);
    expect(movies.items.find(({ key }) => key === '11')!.title).toBe('American President, The (1995)');
  });

  it('online retail: every row is an event or kept as rejected', async () => {
    const { events, rejected } = await collect(
      readSource(
        {
          format: 'csv',
          name: 'online-retail.csv',
          mapping: {
            rows: 'events',
            person: 'CustomerID',
            item: 'StockCode',
            at: 'InvoiceDate',
            timeFormat: 'iso',
            value: 'Quantity',
            kind: 'purchase',
            category: 'transactions',
          },
        },
        open('online-retail/online-retail.csv'),
      ),
    );
    expect(events.length + rejected.length).toBe(10_000);
    expect(events[0]).toMatchObject({
      person: '652',
      item: 'SKU-0035',
      value: 15,
      atMs: Date.UTC(2022, 0, 1),
    });
  });
});
