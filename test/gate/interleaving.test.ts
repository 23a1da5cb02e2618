import { afterAll, beforeAll, expect, it } from 'vitest';
import fc from 'fast-check';
import { Refusal } from '../../gateway/gate.ts';
import { setSwitches } from '../../gateway/operations/set-switch.ts';
import { readEvents } from '../../gateway/operations/rows.ts';
import {
  addPartner,
  addPerson,
  closeCores,
  openTestCore,
  partnerRead,
  type TestCore,
} from '../support/core.ts';

// A promise of the design: a switch bites on the very next call. "Next" is what a caller can know: a call that
// starts after a flip was acknowledged. A call that overlaps a flip may be answered either way.

let core: TestCore;
const people = ['p0', 'p1', 'p2', 'p3'];

beforeAll(async () => {
  core = await openTestCore();
  await addPartner(core);
  for (const person of people) await addPerson(core, person, { browsed: ['i1'] });
});
afterAll(closeCores);

/** What an observer outside saw: when a flip or call began and when its answer came, on one counter. */
interface Seen {
  readonly person: string;
  readonly what: 'on' | 'off' | 'allowed' | 'refused';
  readonly began: number;
  readonly answered: number;
}

interface Actor {
  readonly person: string;
  /** Each step: turn the switch, or call; and how many turns of the event loop to wait before. */
  readonly steps: readonly { readonly what: 'on' | 'off' | 'call'; readonly turns: number }[];
}

async function observe(actors: readonly Actor[]): Promise<Seen[]> {
  let tick = 0;
  const seen: Seen[] = [];
  await Promise.all(
    actors.map(async ({ person, steps }) => {
      for (const { what, turns } of steps) {
        for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
        const began = (tick += 1);
        const outcome = what === 'call' ? await call(person) : await flip(person, what);
        seen.push({ person, what: outcome, began, answered: (tick += 1) });
      }
    }),
  );
  return seen;
}

async function call(person: string): Promise<'allowed' | 'refused'> {
  try {
    const { value } = await core.gate.run(partnerRead(person), async (permit, tx) => ({
      value: await readEvents(permit, tx, person, 'browsing'),
    }));
    if (value.length !== 1) throw new Error('an answer without rows');
    return 'allowed';
  } catch (error) {
    if (error instanceof Refusal) return 'refused';
    throw error;
  }
}

async function flip(person: string, what: 'on' | 'off'): Promise<'on' | 'off'> {
  await setSwitches(core.operations, person, [
    {
      category: 'browsing',
      purpose: 'recommendation',
      recipient: 'partner:shop',
      action: what,
      noticeHash: null,
    },
  ]);
  return what;
}

/** Answers that no order of the flips allows. `before` is the state all flips of the history began from. */
function impossible(history: readonly Seen[], before: ReadonlyMap<string, 'on' | 'off'>): string[] {
  const wrong: string[] = [];
  for (const one of history) {
    if (one.what === 'on' || one.what === 'off') continue;
    const flips = history.filter((f) => f.person === one.person && (f.what === 'on' || f.what === 'off'));
    // A flip that was acknowledged before the call began, and before which no later flip surely lies, may be the last.
    const earlier = flips.filter((f) => f.answered < one.began);
    const lastOnes = earlier.filter((f) => !earlier.some((g) => g.began > f.answered));
    const overlapping = flips.filter((f) => f.began < one.answered && f.answered > one.began);
    const possible = new Set(
      [...(lastOnes.length > 0 ? lastOnes : []), ...overlapping].map((f) =>
        f.what === 'on' ? 'allowed' : 'refused',
      ),
    );
    if (earlier.length === 0) possible.add(before.get(one.person) === 'on' ? 'allowed' : 'refused');
    if (!possible.has(one.what)) wrong.push(`${one.person} ${one.what} at ${one.began}`);
  }
  return wrong;
}

const anyActor: fc.Arbitrary<Actor> = fc.record({
  person: fc.constantFrom(...people),
  steps: fc.array(
    fc.record({
      what: fc.constantFrom('on', 'off', 'call', 'call', 'call'),
      turns: fc.integer({ min: 0, max: 3 }),
    }),
    { minLength: 4, maxLength: 12 },
  ),
});

it('no call that began after a flip was acknowledged is answered by the state before it', async () => {
  const state = new Map<string, 'on' | 'off'>(people.map((person) => [person, 'off']));
  const counted = { on: 0, off: 0, allowed: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(anyActor, { minLength: 4, maxLength: 12 }), async (actors) => {
      const before = new Map(state);
      const history = await observe(actors);
      for (const { what } of history) counted[what] += 1;
      expect(impossible(history, before)).toEqual([]);
      // The next round starts from a state that is known.
      for (const person of people) {
        await flip(person, 'off');
        state.set(person, 'off');
      }
    }),
    { numRuns: 90, seed: 11 },
  );
  // Thousands of answers, of both kinds.
  expect(counted.allowed).toBeGreaterThan(500);
  expect(counted.refused).toBeGreaterThan(1000);
}, 240_000);

it('flip, call, flip, call without a pause: every single answer is the state just acknowledged', async () => {
  const rounds = people.map(async (person) => {
    for (let round = 0; round < 150; round++) {
      await flip(person, 'on');
      expect(await call(person)).toBe('allowed');
      await flip(person, 'off');
      expect(await call(person)).toBe('refused');
    }
  });
  await Promise.all(rounds);
}, 120_000);

it('the observer itself notices an impossible history', () => {
  const at = (what: Seen['what'], began: number, answered: number): Seen => ({
    person: 'p',
    what,
    began,
    answered,
  });
  const off = new Map([['p', 'off' as const]]);
  expect(impossible([at('on', 1, 2), at('off', 3, 4), at('allowed', 5, 6)], off)).toHaveLength(1);
  expect(impossible([at('on', 1, 2), at('refused', 3, 4)], off)).toHaveLength(1);
  expect(impossible([at('allowed', 1, 2)], off)).toHaveLength(1);
  expect(impossible([at('on', 1, 4), at('allowed', 2, 3), at('refused', 2, 3)], off)).toEqual([]);
  expect(impossible([at('on', 1, 2), at('off', 3, 6), at('allowed', 4, 5)], off)).toEqual([]);
});
