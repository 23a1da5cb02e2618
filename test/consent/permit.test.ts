import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decide, Permit } from '../../gateway/consent/decide.ts';
import type { Category } from '../../gateway/consent/vocabulary.ts';
import {
  countHoldings,
  readAttributeOfMany,
  readAttributes,
  readEvents,
  readEventsOfMany,
  sourcesOf,
} from '../../gateway/operations/rows.ts';
import type { Reader } from '../../gateway/store/store.ts';
import { addPerson, closeCores, openTestCore, turn, type TestCore } from '../support/core.ts';

let core: TestCore;

beforeAll(async () => {
  core = await openTestCore();
  await addPerson(core, 'lin', { browsed: ['i1', 'i2', 'i3'], age: 30 });
  await addPerson(core, 'maya', { browsed: ['i1'] });
});
afterAll(closeCores);

/** A true permit for lin's browsing, as the gate would get it. */
function issued(categories: readonly Category[] = ['browsing']): Permit {
  const decision = decide(
    {
      caller: { kind: 'person', id: 'lin' },
      operation: 'view-own',
      purpose: 'service',
      categories,
      recipients: ['self'],
    },
    {
      subject: { person: 'lin', status: 'active', gpcSinceMs: null, switches: [] },
      grant: null,
      activeRecipients: ['self'],
    },
    core.clock.nowMs(),
  );
  if (!decision.allowed) throw new Error(decision.reason);
  return decision.permit;
}

function retired(): Permit {
  const permit = issued();
  Permit.retire(permit);
  return permit;
}

const terms = { person: 'lin', basis: 'consent', extent: {}, notices: [], issuedMs: 0 };
const request = { categories: ['browsing'] };
const forgeries: Record<string, () => unknown> = {
  'a cast object': () => ({ terms, request }),
  'an object with the prototype': () => Object.assign(Object.create(Permit.prototype), { terms0: terms }),
  'an object whose prototype was set': () => Object.setPrototypeOf({ request }, Permit.prototype),
  'an object whose prototype is a true permit': () => Object.create(issued()),
  'a structured clone': () => structuredClone(issued()),
  'a JSON round trip': () => JSON.parse(JSON.stringify(issued())),
  'a copy of its properties': () => Object.assign({}, issued()),
  'a proxy of a true permit': () => new Proxy(issued(), {}),
  'a retired permit': retired,
  null: () => null,
  undefined: () => undefined,
  'a text': () => 'permit',
  'a function': () => Permit,
};
const people: Record<string, [person: string, category: Category, permit: () => unknown]> = {
  'a permit for another person': ['maya', 'browsing', issued],
  'a permit for another category': ['lin', 'location', issued],
  'a permit for nobody': ['', 'browsing', issued],
};
const attempts: Record<string, [string, Category, () => unknown]> = {
  ...Object.fromEntries(
    Object.entries(forgeries).map(([name, forge]) => [name, ['lin', 'browsing', forge] as const]),
  ),
  ...people,
} as never;

describe('a forged permit', () => {
  it.each(Object.entries(attempts))('%s reads nothing', async (_name, [person, category, forge]) => {
    const permit = forge() as Permit;
    let queries = 0;
    // Counts everything that could reach the database.
    const watched: Reader = {
      get db(): never {
        queries += 1;
        throw new Error('a query was built');
      },
      run: () => {
        queries += 1;
        throw new Error('a query ran');
      },
    };
    const permits = new Map([[person, permit]]);
    for (const read of [
      () => readEvents(permit, watched, person, category),
      () => readAttributes(permit, watched, person, category),
      () => readEventsOfMany(permits, watched, category),
      () => readAttributeOfMany(permits, watched, category, 'age'),
      () => countHoldings(permit, watched, person),
      () => sourcesOf(permit, watched, person),
    ]) {
      await expect(read()).rejects.toMatchObject({ code: 'permit_invalid', status: 500 });
    }
    expect(queries).toBe(0);
  });

  it('cannot be made with the constructor: it does not compile, and throws', () => {
    // @ts-expect-error -- the constructor is private
    expect(() => new Permit(Symbol('decided'), request, terms)).toThrow('only a decision makes a permit');
    // @ts-expect-error -- an object with the same public face is not a permit
    const cast: Permit = { terms };
    expect(() => Permit.check(cast, 'lin', 'browsing')).toThrow('not a permit');
  });

  it('cannot be made by a subclass, nor by Reflect', () => {
    const open = Permit as unknown as new (...parts: unknown[]) => object;
    class Subclass extends open {}
    const parts = [Symbol('decided'), request, terms];
    expect(() => new Subclass(...parts)).toThrow('only a decision makes a permit');
    expect(() => Reflect.construct(open, parts, Subclass)).toThrow('only a decision makes a permit');
  });

  it('cannot be made from a true one by changing the request or the terms', () => {
    const categories: Category[] = ['browsing'];
    const permit = issued(categories);
    categories.push('location');
    expect(() => Permit.check(permit, 'lin', 'location')).toThrow('does not cover');
    expect(() => Object.assign(permit.terms, { person: 'maya' })).toThrow(TypeError);
    expect(() => Permit.check(permit, 'maya', 'browsing')).toThrow('another person');
  });
});

describe('a true permit', () => {
  it('reads what it is for', async () => {
    await core.store.read(async (reader) => {
      const rows = await readEvents(issued(), reader, 'lin', 'browsing');
      expect(rows.map((row) => row.item)).toEqual(['i3', 'i2', 'i1']);
    });
  });

  it('is useless once the gate has ended its operation, also when work kept it', async () => {
    await turn(core, 'lin', 'on');
    let kept: Permit | undefined;
    await core.gate.run(
      {
        caller: { kind: 'person', id: 'lin' },
        operation: 'recommend',
        purpose: 'recommendation',
        categories: ['browsing'],
        recipients: ['engine:recommend'],
        person: 'lin',
        grant: null,
      },
      async (permit, tx) => {
        kept = permit;
        return { value: await readEvents(permit, tx, 'lin', 'browsing') };
      },
    );
    await core.store.read(async (reader) => {
      await expect(readEvents(kept as Permit, reader, 'lin', 'browsing')).rejects.toMatchObject({
        code: 'permit_invalid',
      });
    });
  });

  it('reads no older rows and no other fields than the switch says', async () => {
    await turn(core, 'maya', 'on', { extent: { historyDays: 1, fields: ['item'] } });
    core.clock.advance(2 * 86_400_000);
    await core.gate
      .run(
        {
          caller: { kind: 'person', id: 'maya' },
          operation: 'recommend',
          purpose: 'recommendation',
          categories: ['browsing'],
          recipients: ['engine:recommend'],
          person: 'maya',
          grant: null,
        },
        async (permit, tx) => {
          expect(await readEvents(permit, tx, 'maya', 'browsing')).toEqual([]);
          const check = Permit.check(permit, 'maya', 'browsing');
          expect(check.fields).toEqual(['item']);
          return { value: null };
        },
      )
      .then(({ value }) => expect(value).toBeNull());
  });
});
