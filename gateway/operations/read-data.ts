// A partner reads one person's rows of one category: GET /v1/data/:category?purpose=...
import type { GrantState } from '../consent/decide.ts';
import type { Caller, Category, Purpose } from '../consent/vocabulary.ts';
import type { Gate, Released } from '../gate.ts';
import type { Tx } from '../store/store.ts';
import { pageRows, readAttributes, readEvents, type AttributeRow, type EventRow } from './rows.ts';

export interface DataRead {
  readonly category: Category;
  readonly purpose: Purpose;
  readonly offset: number;
  readonly limit: number;
}

export interface DataAnswer {
  readonly events: readonly EventRow[];
  readonly attributes: readonly AttributeRow[];
}

export interface Identified {
  readonly caller: Caller;
  readonly person: string | null;
  readonly grant: GrantState | null;
}

/** @param identify finds out, in the gate's transaction, whose token this is; throws `invalid_token` */
export function readData(
  gate: Gate,
  identify: (tx: Tx) => Promise<Identified>,
  read: DataRead,
): Promise<Released<DataAnswer>> {
  const { category, purpose, offset } = read;
  const limit = Math.min(read.limit, pageRows);
  let person = '';
  return gate.run(
    async (tx) => {
      const identified = await identify(tx);
      person = identified.person ?? '';
      return {
        ...identified,
        operation: 'read-data',
        purpose,
        categories: [category],
        recipients: [`partner:${identified.caller.id}`],
      };
    },
    async (permit, tx) => {
      const [attributes, events] = await Promise.all([
        offset === 0 ? readAttributes(permit, tx, person, category) : [],
        readEvents(permit, tx, person, category, { limit, offset }),
      ]);
      return { value: { events, attributes }, counts: { rows: events.length + attributes.length } };
    },
    { mayOverlap: true },
  );
}
