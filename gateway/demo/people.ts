// Who shops at the invented shop: two named people and three hundred without a name, as rows an import would bring.
import type { ImportOrder } from '../operations/import-data.ts';
import type { ConsentRecord } from '../operations/import-consents.ts';
import { catalogue, tastes, titleOf, type Product, type Taste } from './catalogue.ts';
import { createChance, type Chance } from './chance.ts';

/** One page of an import. */
type RowBatch = ReturnType<ImportOrder['open']> extends AsyncIterable<infer Batch> ? Batch : never;
type EventRow = RowBatch['events'][number];
type AttributeRow = RowBatch['attributes'][number];

/** Name of the import; people get references `shop:<key>`. */
export const shopSource = 'shop';
export const generatedPeople = 300;
export const namedPeople = {
  lin: {
    key: 'lin-xiao',
    reference: 'shop:lin-xiao',
    name: { en: 'Lin Xiao', zh: '林晓' },
    stored: '林晓 Lin Xiao',
    userName: '林晓 Lin Xiao',
  },
  maya: {
    key: 'maya-ortiz',
    reference: 'shop:maya-ortiz',
    name: 'Maya Ortiz',
    stored: 'Maya Ortiz',
    userName: 'Maya Ortiz',
  },
} as const;

interface Shopper {
  readonly key: string;
  readonly attributes: readonly AttributeRow[];
  readonly events: readonly EventRow[];
}

const dayMs = 86_400_000;
const seed = 20_240_407;
const rowsInBatch = 1000;

/** @param startMs when the history begins; browsing lies up to 60 days before it and up to 28 days after */
export function inventPeople(startMs: number): readonly Shopper[] {
  const chance = createChance(seed);
  const shoppers: Shopper[] = [
    invent(
      chance,
      startMs,
      namedPeople.lin.key,
      ['poetry', 'tea-table'],
      34,
      '200050',
      namedPeople.lin.stored,
      28,
    ),
    invent(
      chance,
      startMs,
      namedPeople.maya.key,
      ['mystery', 'desk'],
      41,
      '97211',
      namedPeople.maya.stored,
      24,
    ),
  ];
  for (let number = 1; number <= generatedPeople; number++) {
    const first = chance.pick(tastes);
    const second = chance.pick(tastes);
    const age = Math.min(86, 15 + Math.floor((chance.next() + chance.next()) * 36));
    const key = `p${String(number).padStart(4, '0')}`;
    shoppers.push(
      invent(chance, startMs, key, [first, second], age, postcode(chance), undefined, chance.whole(12, 30)),
    );
  }
  return shoppers;
}

function invent(
  chance: Chance,
  startMs: number,
  person: string,
  liked: readonly Taste[],
  age: number,
  code: string,
  name: string | undefined,
  visits: number,
): Shopper {
  const attribute = (label: string, value: string): AttributeRow => ({
    person,
    name: label,
    value,
    category: 'profile',
  });
  const events: EventRow[] = [];
  const seen = new Set<string>();
  while (events.length < visits) {
    const product = chooseProduct(chance, liked);
    const atMs = startMs + Math.floor((chance.next() * 88 - 60) * 24 * 60) * 60_000;
    if (seen.has(`${product.key}/${atMs}`)) continue;
    seen.add(`${product.key}/${atMs}`);
    events.push({ person, item: product.key, kind: 'viewed', value: null, atMs, category: 'browsing' });
  }
  for (const view of events.slice()) {
    if (chance.next() > 0.15) continue;
    const price = catalogue.find(({ key }) => key === view.item)?.price ?? 0;
    const atMs = view.atMs + chance.whole(2, 40) * 60_000;
    events.push({ person, item: view.item, kind: 'purchase', value: price, atMs, category: 'transactions' });
  }
  events.sort((a, b) => a.atMs - b.atMs);
  return {
    key: person,
    attributes: [
      ...(name === undefined ? [] : [attribute('name', name)]),
      attribute('age', String(age)),
      attribute('postcode', code),
    ],
    events,
  };
}

/** Four times in five something they like, else anything. */
function chooseProduct(chance: Chance, liked: readonly Taste[]): Product {
  const taste = chance.pick(liked);
  const shelf = chance.next() < 0.8 ? catalogue.filter((product) => product.taste === taste) : catalogue;
  return chance.pick(shelf);
}

function postcode(chance: Chance): string {
  return String(chance.next() < 0.6 ? 200_000 + chance.whole(0, 30) * 10 : 97_201 + chance.whole(0, 35));
}

/** The first import: the catalogue, then everyone with what they did before the history begins. */
export async function* firstRows(startMs: number): AsyncGenerator<RowBatch> {
  yield {
    ...emptyBatch(),
    items: catalogue.map((product) => ({
      key: product.key,
      title: titleOf(product),
      attributes: { genres: [...product.genres, product.shelf], shelf: product.shelf },
    })),
  };
  yield* inBatches(
    inventPeople(startMs).map((shopper) => ({
      ...shopper,
      events: shopper.events.filter(({ atMs }) => atMs < startMs),
    })),
  );
}

/** What the shop's own system brings once a week: browsing and purchases of the seven days up to `untilMs`. */
export async function* weekRows(startMs: number, untilMs: number): AsyncGenerator<RowBatch> {
  const sinceMs = Math.max(startMs, untilMs - 7 * dayMs);
  yield* inBatches(
    inventPeople(startMs).map((shopper) => ({
      ...shopper,
      attributes: [],
      events: shopper.events.filter(({ atMs }) => atMs >= sinceMs && atMs < untilMs),
    })),
  );
}

/** A person's rows stay together, so that one import touches each person in one operation. */
function* inBatches(shoppers: readonly Shopper[]): Generator<RowBatch> {
  let batch: { events: EventRow[]; attributes: AttributeRow[] } = { events: [], attributes: [] };
  const size = (): number => batch.events.length + batch.attributes.length;
  for (const { events, attributes } of shoppers) {
    if (size() + events.length + attributes.length > rowsInBatch) {
      yield { ...emptyBatch(), ...batch };
      batch = { events: [], attributes: [] };
    }
    batch.events.push(...events);
    batch.attributes.push(...attributes);
  }
  if (size() > 0) yield { ...emptyBatch(), ...batch };
}

function emptyBatch(): RowBatch {
  return { items: [], events: [], attributes: [], rejected: [] };
}

/** Notices people were shown, by purpose and language. */
export type NoticeHashes = Readonly<
  Record<'recommendation' | 'analytics', Readonly<Record<'en' | 'zh', string>>>
>;

/** What people agreed to on the shop's web form, in the weeks before: most, but not all of them. */
export function inventConsents(startMs: number, notices: NoticeHashes): readonly ConsentRecord[] {
  const chance = createChance(seed + 1);
  return inventPeople(startMs).flatMap(({ key }) => {
    const collectedMs = startMs - chance.whole(2, 50 * 24) * 3_600_000;
    const isNamed = key === namedPeople.lin.key || key === namedPeople.maya.key;
    const readsEnglish = key === namedPeople.maya.key || chance.next() < 0.3;
    const language = readsEnglish && key !== namedPeople.lin.key ? 'en' : 'zh';
    const record = (category: string, purpose: keyof NoticeHashes, recipient: string): ConsentRecord => ({
      person: `${shopSource}:${key}`,
      category,
      purpose,
      recipient,
      notice_hash: notices[purpose][language],
      method: 'web-form',
      collected_at: new Date(collectedMs).toISOString(),
    });
    const recommends = chance.next() < 0.85 || isNamed;
    const counts = chance.next() < 0.7 || isNamed;
    return [
      ...(recommends ? [record('browsing', 'recommendation', 'engine:recommend')] : []),
      ...(counts
        ? [
            record('profile', 'analytics', 'engine:privacy'),
            record('browsing', 'analytics', 'engine:privacy'),
          ]
        : []),
    ];
  });
}
