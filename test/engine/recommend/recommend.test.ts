import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type AlsModel, trainAls } from '../../../engine/recommend/als.ts';
import { choleskySolve } from '../../../engine/recommend/cholesky.ts';
import { type ItemIndex, openItemIndex } from '../../../engine/recommend/item-index.ts';
import { deserializeModel, serializeModel } from '../../../engine/recommend/model-bytes.ts';
import { popular } from '../../../engine/recommend/popular.ts';
import { explain, personVector, recommend } from '../../../engine/recommend/recommend.ts';
import { seededRandom } from '../privacy/sources.ts';

// Two tastes: half the people like items a0…a9, half b0…b9, each all but one of them. Nobody knows "unknown".
const items = [
  ...Array.from({ length: 10 }, (_, i) => `a${i}`),
  ...Array.from({ length: 10 }, (_, i) => `b${i}`),
  'unknown',
];
const events = Array.from({ length: 60 }, (_, person) => {
  const taste = person % 2 === 0 ? 'a' : 'b';
  return Array.from({ length: 10 }, (_item, i) => i)
    .filter((i) => i !== person % 10)
    .map((i) => ({ person: `p${person}`, item: `${taste}${i}`, weight: 1 }));
}).flat();
const train = () => trainAls({ events, items, factors: 8, random: seededRandom('two tastes') });

let model: AlsModel;
let index: ItemIndex;
beforeAll(async () => {
  const training = await train();
  if (training.status !== 'trained') throw new Error('no model');
  expect(training).toMatchObject({ rows: 540, people: 60 });
  ({ model } = training);
  index = openItemIndex(model);
});

describe('recommend', () => {
  it('gives what people with the same taste chose, without what the person already has', () => {
    const rows = [{ item: 'a1' }, { item: 'a2' }, { item: 'a3' }];
    const given = recommend(model, index, rows, 7);
    expect(given.map(({ item }) => item).toSorted()).toEqual(['a0', 'a4', 'a5', 'a6', 'a7', 'a8', 'a9']);
    expect(given.map(({ score }) => score)).toEqual(
      given.map(({ score }) => score).toSorted((a, b) => b - a),
    );
  });

  it('names only the person’s own items as reasons, three at most, largest first', () => {
    const rows = ['a1', 'a2', 'a3', 'a4', 'b1'].map((item) => ({ item }));
    for (const { reasons } of recommend(model, index, rows, 5)) {
      expect(reasons.length).toBeGreaterThan(0);
      expect(reasons.length).toBeLessThan(4);
      expect(reasons.every(({ item }) => /^a[1-4]$/.test(item))).toBe(true);
      const sizes = reasons.map(({ contribution }) => contribution);
      expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
    }
  });

  it('a row that is left out has no influence', () => {
    const rows = [{ item: 'a1' }, { item: 'b1' }];
    const before = recommend(model, index, rows, 10);
    const after = recommend(model, index, rows.slice(0, 1), 10);
    expect(before.some(({ item }) => item.startsWith('b'))).toBe(true);
    expect(after.slice(0, 9).every(({ item }) => item.startsWith('a'))).toBe(true);
  });

  it('gives nothing without a known item, and never one nobody touched', () => {
    expect(recommend(model, index, [], 5)).toEqual([]);
    expect(recommend(model, index, [{ item: 'not in the catalogue' }], 5)).toEqual([]);
    expect(recommend(model, index, [{ item: 'a1' }], 50).map(({ item }) => item)).not.toContain('unknown');
  });

  it.each([0, -1, 1.5, 1001])('refuses a list of %d', (count) => {
    expect(() => recommend(model, index, [{ item: 'a1' }], count)).toThrow(
      expect.objectContaining({ code: 'invalid_argument' }),
    );
  });

  it('the contributions of a person’s items sum to the score', () => {
    const history = fc.uniqueArray(
      fc.record({ item: fc.constantFrom(...items), weight: fc.double({ min: 0.1, max: 5, noNaN: true }) }),
      { minLength: 1, maxLength: 12, selector: ({ item }) => item },
    );
    fc.assert(
      fc.property(history, fc.constantFrom(...items), (rows, item) => {
        const vector = personVector(model, rows)!;
        const row = items.indexOf(item);
        const score = vector.reduce((sum, value, f) => sum + value * model.itemFactors[row * 8 + f]!, 0);
        const total = explain(model, rows, item).reduce((sum, { contribution }) => sum + contribution, 0);
        expect(total).toBeCloseTo(score, 10);
      }),
    );
  });

  it('the vector solves the normal equations of its loss', () => {
    const rows = [{ item: 'a1' }, { item: 'b4', weight: 2 }];
    const { unobservedWeight, regularisation } = model.options;
    const at = (key: string) =>
      Array.from(model.itemFactors.subarray(items.indexOf(key) * 8, items.indexOf(key) * 8 + 8));
    const x = personVector(model, rows)!;
    const dot = (y: number[]) => y.reduce((sum, value, f) => sum + value * x[f]!, 0);
    const gradient = Array.from({ length: 8 }, (_, f) => {
      const all = items.reduce((sum, item) => sum + unobservedWeight * dot(at(item)) * at(item)[f]!, 0);
      const seen = rows.reduce(
        (sum, { item, weight = 1 }) => sum + weight * (dot(at(item)) - 1) * at(item)[f]!,
        0,
      );
      return all + seen + regularisation * (2 + unobservedWeight * items.length) * x[f]!;
    });
    gradient.forEach((slope) => expect(slope).toBeCloseTo(0, 10));
  });
});

describe('trainAls', () => {
  it('without rows says so: 0 rows, 0 people, no model', async () => {
    expect(await trainAls({ events: [], items, random: seededRandom('x') })).toEqual({
      status: 'empty',
      rows: 0,
      people: 0,
    });
    const elsewhere = [{ person: 'p', item: 'not in the catalogue', weight: 1 }];
    expect(await trainAls({ events: elsewhere, items, random: seededRandom('x') })).toMatchObject({
      status: 'empty',
    });
  });

  it('the same events and random bytes give the same model', async () => {
    const again = await train();
    expect(again.status === 'trained' && again.model.itemFactors).toEqual(model.itemFactors);
  });

  it('pauses so that other work can run', async () => {
    let pauses = 0;
    const pause = async () => void (pauses += 1);
    await trainAls({ events, items, factors: 64, sweeps: 4, random: seededRandom('x'), pause });
    expect(pauses).toBeGreaterThan(5);
  });

  it.each([
    [{ factors: 0 }],
    [{ factors: 257 }],
    [{ sweeps: 101 }],
    [{ regularisation: 0 }],
    [{ unobservedWeight: -1 }],
    [{ frequencyExponent: Number.NaN }],
  ])('refuses %o', async (wrong) => {
    await expect(trainAls({ events, items, random: seededRandom('x'), ...wrong })).rejects.toMatchObject({
      code: 'invalid_argument',
    });
  });

  it.each([0, -1, Number.NaN, Infinity])('refuses an event of weight %d', async (weight) => {
    const wrong = [{ person: 'p', item: 'a1', weight }];
    await expect(trainAls({ events: wrong, items, random: seededRandom('x') })).rejects.toMatchObject({
      code: 'invalid_argument',
    });
  });
});

describe('Cholesky', () => {
  it('solves random symmetric systems', () => {
    const values = fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 20, maxLength: 20 });
    fc.assert(
      fc.property(values, (numbers) => {
        const root = numbers.slice(0, 16);
        const matrix = new Float64Array(16);
        for (let i = 0; i < 4; i += 1)
          for (let j = 0; j < 4; j += 1)
            for (let k = 0; k < 4; k += 1)
              matrix[i * 4 + j]! += root[i * 4 + k]! * root[j * 4 + k]! + (i === j ? 0.25 : 0);
        const x = Float64Array.from(numbers.slice(16));
        choleskySolve(matrix.slice(), x, 4);
        for (let i = 0; i < 4; i += 1) {
          const product = x.reduce((sum, value, j) => sum + matrix[i * 4 + j]! * value, 0);
          expect(product).toBeCloseTo(numbers[16 + i]!, 8);
        }
      }),
    );
  });
});

describe('a stored model', () => {
  it('comes back the same', () => {
    expect(deserializeModel(serializeModel(model))).toEqual(model);
  });

  it('is refused when cut, lengthened, or of another kind', () => {
    const bytes = serializeModel(model);
    const wrong = [
      bytes.subarray(0, -1),
      Uint8Array.from([...bytes, 0]),
      bytes.subarray(1),
      new Uint8Array(0),
      new Uint8Array(64),
    ];
    const header = bytes.slice();
    header[9] = 0;
    for (const each of [...wrong, header]) {
      expect(() => deserializeModel(each)).toThrow(expect.objectContaining({ code: 'model_invalid' }));
    }
  });

  it('holds no person key', () => {
    expect(Buffer.from(serializeModel(model)).includes('p17')).toBe(false);
  });
});

describe('popular', () => {
  it('ranks by people, not by rows, ties by key', () => {
    const rows = [
      ...Array.from({ length: 9 }, () => ({ person: 'p', item: 'c' })),
      { person: 'p', item: 'b' },
      { person: 'q', item: 'b' },
      { person: 'q', item: 'a' },
      { person: 'q', item: 'not in the catalogue' },
    ];
    const expected = [
      { item: 'b', people: 2 },
      { item: 'a', people: 1 },
      { item: 'c', people: 1 },
    ];
    expect(popular(rows, ['a', 'b', 'c', 'd'], 10)).toEqual(expected);
    expect(popular(rows.toReversed(), ['d', 'c', 'b', 'a'], 1)).toEqual(expected.slice(0, 1));
    expect(popular([], ['a'], 3)).toEqual([]);
  });
});
