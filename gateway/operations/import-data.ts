// Loads a source into the store. An import names its source and its legal basis; it gives nobody's consent.
//
// Two passes: the first reads everything and writes nothing, so that a file of the wrong form or encoding changes
// nothing at all; the second writes pages of rows, each one operation with its own entry.
import { eq, lt, sql } from 'drizzle-orm';
import { EngineError, type RejectedRow, type RowBatch } from '../../engine/index.ts';
import { GatewayError } from '../errors.ts';
import { bound, query, type Tx } from '../store/store.ts';
import { suppressedIn } from '../rights/suppression.ts';
import {
  attribute,
  event,
  item,
  person as personTable,
  quarantine,
  setting,
  source,
} from '../store/tables.ts';
import { newId } from '../system.ts';
import { staffRequest } from './accounts.ts';
import type { OperationParts } from './parts.ts';

export const legalBases = ['consent', 'contract', 'legal-obligation', 'legitimate-interest'] as const;
export type LegalBasis = (typeof legalBases)[number];

export interface ImportOrder {
  readonly operator: string;
  /** Lower-case name; people get references `<name>:<their key>`. */
  readonly source: string;
  readonly legalBasis: LegalBasis;
  /** Opens the source from its start; called twice. */
  readonly open: () => AsyncIterable<RowBatch>;
  readonly progress?: (rows: number) => void;
  /** The demo's own loading; anything else is refused in a demo world. */
  readonly demo?: boolean;
}

export interface ImportReport {
  readonly source: string;
  readonly people: number;
  readonly items: number;
  readonly events: number;
  readonly attributes: number;
  /** Rows already there, not loaded twice. */
  readonly repeated: number;
  readonly rejected: Readonly<Record<string, number>>;
  /** Rows of people who were erased: passed over and kept nowhere. */
  readonly suppressed: number;
  readonly entries: number;
}

const quarantineTtlMs = 30 * 86_400_000;
const sourcePattern = /^[a-z0-9][a-z0-9-]{0,63}$/;

/** @throws GatewayError `import_format`, `import_encoding` (nothing was loaded), `demo_world` */
export async function importData(parts: OperationParts, order: ImportOrder): Promise<ImportReport> {
  if (!sourcePattern.test(order.source)) {
    throw new GatewayError('malformed_request', 'a source name has lower-case letters, digits and dashes');
  }
  if (!legalBases.includes(order.legalBasis)) {
    throw new GatewayError('malformed_request', `name a legal basis: ${legalBases.join(', ')}`);
  }
  await refuseDemoWorld(parts, order.demo === true);
  await checkWhole(order);

  const sourceId = `${order.source}-${newId(parts.system.random).slice(0, 8)}`;
  const report = { people: 0, items: 0, events: 0, attributes: 0, repeated: 0, suppressed: 0, entries: 0 };
  const rejected: Record<string, number> = {};
  let rows = 0;
  for await (const batch of opened(order)) {
    const page = await loadPage(parts, order, sourceId, batch);
    for (const key of ['people', 'items', 'events', 'attributes', 'repeated', 'suppressed'] as const)
      report[key] += page[key];
    for (const { code } of page.rejected) rejected[code] = (rejected[code] ?? 0) + 1;
    report.entries += 1;
    rows += batch.items.length + batch.events.length + batch.attributes.length + batch.rejected.length;
    order.progress?.(rows);
  }
  return { source: sourceId, ...report, rejected };
}

/** Deletes quarantined rows whose time is over, in one operation. Returns how many. */
export async function expireQuarantine(parts: OperationParts): Promise<number> {
  const nowMs = parts.system.clock.nowMs();
  const due = await parts.read((reader) =>
    reader.db.select({ id: quarantine.id }).from(quarantine).where(lt(quarantine.expiresMs, nowMs)).limit(1),
  );
  if (due.length === 0) return 0;
  const request = staffRequest({ kind: 'system', id: 'retention' }, 'administer', {
    retention: 'quarantine',
  });
  const { value } = await parts.gate.run(request, async (_permit, tx) => {
    const gone = await tx.db
      .delete(quarantine)
      .where(lt(quarantine.expiresMs, nowMs))
      .returning({ id: quarantine.id });
    return { value: gone.length, counts: { rows: gone.length }, kind: 'configured', keyClass: 'evidence' };
  });
  return value;
}

async function refuseDemoWorld(parts: OperationParts, isDemo: boolean): Promise<void> {
  const rows = await parts.read((reader) =>
    reader.db.select().from(setting).where(eq(setting.name, 'world')),
  );
  if (!isDemo && rows[0]?.value === 'demo') throw new GatewayError('demo_world');
}

/** First pass: every batch is read and dropped. */
async function checkWhole(order: ImportOrder): Promise<void> {
  let rows = 0;
  for await (const batch of opened(order))
    rows += batch.items.length + batch.events.length + batch.attributes.length;
  if (rows === 0) throw new GatewayError('import_format', 'the source has no usable row');
}

async function* opened(order: ImportOrder): AsyncGenerator<RowBatch> {
  try {
    yield* order.open();
  } catch (error) {
    if (
      error instanceof EngineError &&
      (error.code === 'import_format' || error.code === 'import_encoding')
    ) {
      throw new GatewayError(error.code, error.message, { details: error.details });
    }
    if (error instanceof EngineError && error.code === 'limit_exceeded') {
      throw new GatewayError('import_format', error.message);
    }
    throw error;
  }
}

const personByReference = query((db) =>
  db
    .select({ id: personTable.id })
    .from(personTable)
    .where(eq(personTable.reference, bound('reference'))),
);
const insertPerson = query((db) =>
  db.insert(personTable).values({
    id: sql.placeholder('id'),
    reference: sql.placeholder('reference'),
    status: 'active',
    createdMs: sql.placeholder('createdMs'),
  }),
);
const insertEvent = query((db) =>
  db
    .insert(event)
    .values({
      person: sql.placeholder('person'),
      category: sql.placeholder('category'),
      kind: sql.placeholder('kind'),
      item: sql.placeholder('item'),
      value: sql.placeholder('value'),
      atMs: sql.placeholder('atMs'),
      source: sql.placeholder('source'),
    })
    .onConflictDoNothing()
    .returning({ id: event.id }),
);

async function loadPage(parts: OperationParts, order: ImportOrder, sourceId: string, whole: RowBatch) {
  const nowMs = parts.system.clock.nowMs();
  const request = staffRequest({ kind: 'operator', id: order.operator }, 'import-data', {
    source: sourceId,
    legal_basis: order.legalBasis,
  });
  const { value } = await parts.gate.run(request, async (_permit, tx) => {
    await tx.db
      .insert(source)
      .values({
        id: sourceId,
        name: order.source,
        legalBasis: order.legalBasis,
        importedMs: nowMs,
        accepted: 0,
        rejected: 0,
      })
      .onConflictDoNothing();
    const { batch, suppressed } = await withoutSuppressed(parts, tx, order.source, whole);
    const people = await ensurePeople(parts, tx, order.source, batch, nowMs);
    for (const row of batch.items) {
      const values = { title: row.title, attributes: JSON.stringify(row.attributes), source: sourceId };
      await tx.db
        .insert(item)
        .values({ key: row.key, ...values })
        .onConflictDoUpdate({ target: item.key, set: values });
    }
    let events = 0;
    for (const row of batch.events) {
      const inserted = await tx.run(insertEvent, {
        ...row,
        person: people.ids.get(row.person),
        source: sourceId,
      });
      events += inserted.length;
    }
    for (const row of batch.attributes) {
      const values = { value: row.value, category: row.category, source: sourceId };
      await tx.db
        .insert(attribute)
        .values({ person: people.ids.get(row.person) ?? '', name: row.name, ...values })
        .onConflictDoUpdate({ target: [attribute.person, attribute.name], set: values });
    }
    await keepRejected(parts, tx, order.source, sourceId, batch.rejected, nowMs);
    const counts = {
      people: people.made,
      items: batch.items.length,
      events,
      attributes: batch.attributes.length,
      repeated: batch.events.length - events,
      suppressed,
    };
    await tx.db
      .update(source)
      .set({
        accepted: sql`${source.accepted} + ${counts.items + events + counts.attributes}`,
        rejected: sql`${source.rejected} + ${batch.rejected.length}`,
      })
      .where(eq(source.id, sourceId));
    return {
      value: { ...counts, rejected: batch.rejected },
      counts: { ...counts, rejected: batch.rejected.length },
      kind: 'imported',
      keyClass: 'evidence',
      touched: {
        people: [...people.ids.values()].sort(),
        population: 'import',
      },
    };
  });
  return value;
}

/** A batch without the rows of erased people; those are counted, and otherwise leave no trace. */
async function withoutSuppressed(
  parts: OperationParts,
  tx: Tx,
  sourceName: string,
  batch: RowBatch,
): Promise<{ batch: RowBatch; suppressed: number }> {
  const list = await suppressedIn(tx, parts);
  const known = new Map<string, boolean>();
  const isSuppressed = async (key: string): Promise<boolean> => {
    const found = known.get(key) ?? (await list.person(sourceName, key));
    known.set(key, found);
    return found;
  };
  const events: (typeof batch.events)[number][] = [];
  for (const row of batch.events) if (!(await isSuppressed(row.person))) events.push(row);
  const attributes: (typeof batch.attributes)[number][] = [];
  for (const row of batch.attributes) if (!(await isSuppressed(row.person))) attributes.push(row);
  const rejected: RejectedRow[] = [];
  for (const row of batch.rejected) {
    // A row that could not be read may still name them.
    const named = row.person === undefined ? false : await isSuppressed(row.person);
    if (!named && !(await list.text(sourceName, row.raw))) rejected.push(row);
  }
  const before = batch.events.length + batch.attributes.length + batch.rejected.length;
  const after = events.length + attributes.length + rejected.length;
  return { batch: { ...batch, events, attributes, rejected }, suppressed: before - after };
}

/** Ids of everyone a batch names, made with their keys where they are new. */
async function ensurePeople(
  parts: OperationParts,
  tx: Tx,
  sourceName: string,
  batch: RowBatch,
  nowMs: number,
): Promise<{ ids: Map<string, string>; made: number }> {
  const ids = new Map<string, string>();
  let made = 0;
  for (const { person } of [...batch.events, ...batch.attributes]) {
    if (ids.has(person)) continue;
    const reference = `${sourceName}:${person}`;
    const [known] = await tx.run(personByReference, { reference });
    let id = known?.id;
    if (id === undefined) {
      id = newId(parts.system.random);
      await tx.run(insertPerson, { id, reference, createdMs: nowMs });
      await parts.keyring.create(tx, `person:${id}`);
      made += 1;
    }
    ids.set(person, id);
  }
  return { ids, made };
}

/** Rejected rows may hold personal data too: encrypted, expiring, and findable for erasure where they name a person. */
async function keepRejected(
  parts: OperationParts,
  tx: Tx,
  sourceName: string,
  sourceId: string,
  rows: readonly RejectedRow[],
  nowMs: number,
): Promise<void> {
  if (rows.length === 0) return;
  const { data } = await parts.keyring.openOrCreate(tx, 'quarantine');
  if (data === undefined) throw new GatewayError('internal', 'the quarantine has no key');
  for (const row of rows) {
    const { nonce, sealed } = data.seal(Buffer.from(row.raw));
    await tx.db.insert(quarantine).values({
      source: sourceId,
      line: row.line,
      code: row.code,
      person: row.person === undefined ? null : await personNamed(tx, `${sourceName}:${row.person}`),
      nonce: Buffer.from(nonce),
      raw: Buffer.from(sealed),
      expiresMs: nowMs + quarantineTtlMs,
    });
  }
}

async function personNamed(tx: Tx, reference: string): Promise<string | null> {
  return (await tx.run(personByReference, { reference }))[0]?.id ?? null;
}
