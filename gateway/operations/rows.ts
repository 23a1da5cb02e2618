// Personal rows. Every function here takes a permit and reads no more than it allows.
import { and, asc, count, desc, eq, gte, inArray } from 'drizzle-orm';
import { Permit } from '../consent/decide.ts';
import { categoryNames, type Category } from '../consent/vocabulary.ts';
import { bound, query, type Reader } from '../store/store.ts';
import { attribute, event, item, source } from '../store/tables.ts';

export interface EventRow {
  readonly item: string | null;
  readonly title: string | null;
  readonly kind: string;
  readonly value: number | null;
  readonly atMs: number;
  readonly source: string;
}

export interface AttributeRow {
  readonly name: string;
  readonly value: string;
  readonly source: string;
}

/** A page holds at most this many rows. */
export const pageRows = 100;

const eventsOfPerson = query((db) =>
  db
    .select({
      item: event.item,
      title: item.title,
      kind: event.kind,
      value: event.value,
      atMs: event.atMs,
      source: event.source,
    })
    .from(event)
    .leftJoin(item, eq(item.key, event.item))
    .where(
      and(
        eq(event.person, bound('person')),
        eq(event.category, bound('category')),
        gte(event.atMs, bound('sinceMs')),
      ),
    )
    // The index's own order: sorting by id as well would sort all rows for every page.
    .orderBy(desc(event.atMs), desc(event.kind), desc(event.item))
    .limit(bound('limit'))
    .offset(bound('offset')),
);
const attributesOfPerson = query((db) =>
  db
    .select({ name: attribute.name, value: attribute.value, source: attribute.source })
    .from(attribute)
    .where(and(eq(attribute.person, bound('person')), eq(attribute.category, bound('category'))))
    .orderBy(asc(attribute.name)),
);

/** One person's events of a category, newest first. */
export async function readEvents(
  permit: Permit,
  reader: Reader,
  person: string,
  category: Category,
  page: { limit: number; offset: number } = { limit: pageRows, offset: 0 },
): Promise<EventRow[]> {
  const { sinceMs, fields } = Permit.check(permit, person, category);
  const rows = await reader.run(eventsOfPerson, { person, category, sinceMs, ...page });
  return fields === undefined ? rows : rows.map((row) => masked(row, fields));
}

/** One person's stated properties of a category. */
export async function readAttributes(
  permit: Permit,
  reader: Reader,
  person: string,
  category: Category,
): Promise<AttributeRow[]> {
  const { fields } = Permit.check(permit, person, category);
  const rows = await reader.run(attributesOfPerson, { person, category });
  return fields === undefined ? rows : rows.filter(({ name }) => fields.includes(name));
}

/** Events of many people, each under their own permit; for computations over a population. */
export async function readEventsOfMany(
  permits: ReadonlyMap<string, Permit>,
  reader: Reader,
  category: Category,
): Promise<{ person: string; item: string; value: number | null; atMs: number }[]> {
  const since = new Map<string, number>();
  const withoutValue = new Set<string>();
  for (const [person, permit] of permits) {
    const { sinceMs, fields } = Permit.check(permit, person, category);
    // Without the item there is nothing left to count or to learn from.
    if (fields !== undefined && !fields.includes('item')) continue;
    if (fields !== undefined && !fields.includes('value')) withoutValue.add(person);
    since.set(person, sinceMs);
  }
  const people = [...since.keys()];
  const found: { person: string; item: string; value: number | null; atMs: number }[] = [];
  for (let at = 0; at < people.length; at += 500) {
    const rows = await reader.db
      .select({ person: event.person, item: event.item, value: event.value, atMs: event.atMs })
      .from(event)
      .where(and(inArray(event.person, people.slice(at, at + 500)), eq(event.category, category)));
    for (const row of rows) {
      if (row.item !== null && row.atMs >= (since.get(row.person) ?? Infinity))
        found.push({ ...row, item: row.item, value: withoutValue.has(row.person) ? null : row.value });
    }
  }
  return found;
}

/** One named property of many people, each under their own permit. */
export async function readAttributeOfMany(
  permits: ReadonlyMap<string, Permit>,
  reader: Reader,
  category: Category,
  name: string,
): Promise<{ person: string; value: string }[]> {
  const people: string[] = [];
  for (const [person, permit] of permits) {
    const { fields } = Permit.check(permit, person, category);
    if (fields === undefined || fields.includes(name)) people.push(person);
  }
  const found: { person: string; value: string }[] = [];
  for (let at = 0; at < people.length; at += 500) {
    found.push(
      ...(await reader.db
        .select({ person: attribute.person, value: attribute.value })
        .from(attribute)
        .where(
          and(
            inArray(attribute.person, people.slice(at, at + 500)),
            eq(attribute.category, category),
            eq(attribute.name, name),
          ),
        )),
    );
  }
  return found;
}

export interface Holding {
  readonly category: Category;
  readonly rows: number;
}

/** How many rows of each category are held about a person. */
export async function countHoldings(permit: Permit, reader: Reader, person: string): Promise<Holding[]> {
  for (const category of categoryNames) Permit.check(permit, person, category);
  const events = await reader.db
    .select({ category: event.category, rows: count() })
    .from(event)
    .where(eq(event.person, person))
    .groupBy(event.category);
  const attributes = await reader.db
    .select({ category: attribute.category, rows: count() })
    .from(attribute)
    .where(eq(attribute.person, person))
    .groupBy(attribute.category);
  return categoryNames.map((category) => ({
    category,
    rows: [...events, ...attributes]
      .filter((row) => row.category === category)
      .reduce((sum, row) => sum + row.rows, 0),
  }));
}

/** The sources a person's rows came from, with the legal basis each import named. */
export async function sourcesOf(
  permit: Permit,
  reader: Reader,
  person: string,
): Promise<{ id: string; name: string; legalBasis: string; importedMs: number; rows: number }[]> {
  for (const category of categoryNames) Permit.check(permit, person, category);
  const counts = new Map<string, number>();
  for (const rows of [
    await reader.db
      .select({ source: event.source, rows: count() })
      .from(event)
      .where(eq(event.person, person))
      .groupBy(event.source),
    await reader.db
      .select({ source: attribute.source, rows: count() })
      .from(attribute)
      .where(eq(attribute.person, person))
      .groupBy(attribute.source),
  ].flat()) {
    counts.set(rows.source, (counts.get(rows.source) ?? 0) + rows.rows);
  }
  if (counts.size === 0) return [];
  const sources = await reader.db
    .select()
    .from(source)
    .where(inArray(source.id, [...counts.keys()]));
  return sources.map(({ id, name, legalBasis, importedMs }) => ({
    id,
    name,
    legalBasis,
    importedMs,
    rows: counts.get(id) ?? 0,
  }));
}

function masked(row: EventRow, fields: readonly string[]): EventRow {
  return {
    ...row,
    title: fields.includes('title') ? row.title : null,
    item: fields.includes('item') ? row.item : null,
    value: fields.includes('value') ? row.value : null,
  };
}
