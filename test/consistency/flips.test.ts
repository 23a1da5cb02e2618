// A flip that one gateway acknowledged is honoured by every other on the very next call. Three processes on one
// database, their clocks 1.5 s apart; ASSENT_PAIRS says how many pairs: a flip, then
// the next call at each of the two other gateways.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { closeCores } from '../support/core.ts';
import { describeOnPostgres } from '../support/on-stores.ts';
import { openFleet, type Fleet, type Member } from './fleet.ts';

// oxlint-disable-next-line node/no-process-env -- how long to go on is the caller's to say
const { ASSENT_PAIRS } = process.env;
const pairs = Number(ASSENT_PAIRS ?? 4000);
const lanes = 48;
const limitMs = 120_000 + pairs * 30;
const seed = 20_260_301;

/** What may be flipped, and how often it is chosen. Whatever is off keeps the call from its rows. */
const weights = { switch: 80, partner: 7, person: 6, grant: 5, erase: 2 } as const;
type Flip = keyof typeof weights;

interface Lane {
  person: string;
  partner: string;
  token: string;
  grant: string;
  readonly off: Set<Flip>;
}

/** Seeded, so that a failing run can be had again as far as its timing allows (Numerical Recipes' generator). */
function chance(from: number): (below: number) => number {
  let state = from >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function choose(draw: (below: number) => number, off: ReadonlySet<Flip>): Flip {
  // A switch for a partner that is suspended cannot be turned on, nor a new grant be given.
  if (off.has('partner') && off.size > 1) return 'partner';
  // Mostly on again what is off, so that calls are answered about as often as they are refused.
  const [first] = off;
  if (first !== undefined && draw(4) > 0) return first;
  let at = draw(Object.values(weights).reduce((sum, weight) => sum + weight, 0));
  for (const [flip, weight] of Object.entries(weights) as [Flip, number][])
    if ((at -= weight) < 0) return flip;
  return 'switch';
}

/** Does it at this gateway; when this resolves, it is acknowledged. */
async function flip(at: Member, lane: Lane, what: Flip): Promise<void> {
  const { person, partner, grant, off } = lane;
  const isOn = !off.has(what);
  switch (what) {
    case 'switch':
      await at.order('turn', { person, partner, to: isOn ? 'off' : 'on' });
      break;
    case 'partner':
      await at.order(isOn ? 'suspend' : 'resume', { partner });
      break;
    case 'person':
      await at.order('restrict', { person, to: isOn ? 'restricted' : 'active' });
      break;
    case 'grant':
      // Revoking turns the partner's switches off too, a new consent turns them on.
      if (isOn) await at.order('revoke', { person, grant });
      else Object.assign(lane, await at.order('grant', { person, partner }));
      if (isOn) off.add('switch');
      else off.delete('switch');
      break;
    case 'erase':
      await at.order('erase', { person });
      break;
  }
  if (isOn) off.add(what);
  else off.delete(what);
}

describeOnPostgres('three gateways on one database', () => {
  let fleet: Fleet;
  let partners = 0;
  beforeAll(async () => {
    fleet = await openFleet(3);
  });
  afterAll(async () => {
    await fleet.close();
    await closeCores();
  });

  const member = (at: number): Member => {
    const one = fleet.members[at % 3];
    if (one === undefined) throw new Error('there are three gateways');
    return one;
  };
  const begin = async (at: Member): Promise<Lane> => ({
    ...(await at.order('begin', { partner: `partner-${(partners += 1)}` })),
    off: new Set<Flip>(),
  });

  it(
    `honour every flip on the next call at another one, in ${pairs} pairs`,
    async () => {
      const violations: string[] = [];
      const seen = {
        rows: 0,
        refused: 0,
        flips: Object.fromEntries(Object.keys(weights).map((one) => [one, 0])),
      };
      let done = 0;
      const begunMs = performance.now();
      const since = (): number => Math.round((performance.now() - begunMs) / 1000);
      /** A long run says how far it is. */
      const tell = (now: number): void => {
        if (pairs >= 10_000 && now % 5000 < 2)
          process.stdout.write(`${now} pairs after ${since()} s, ${violations.length} violations\n`);
      };
      async function run(number: number): Promise<void> {
        const draw = chance(seed + number);
        let lane = await begin(member(draw(3)));
        while (done < pairs) {
          const what = choose(draw, lane.off);
          const at = draw(3);
          await flip(member(at), lane, what);
          const expected = lane.off.size === 0 ? 'rows' : 'refused';
          const { token, person } = lane;
          const answers = await Promise.all([1, 2].map((next) => member(at + next).order('call', { token })));
          for (const answer of answers)
            if (answer !== expected)
              violations.push(`${what} at ${at}: ${answer}, with off: ${[...lane.off].join(' ')}`);
          tell((done += answers.length));
          seen[expected] += answers.length;
          seen.flips[what] = (seen.flips[what] ?? 0) + 1;
          if (what !== 'erase') continue;
          // The others have used the keys before; they must not go on with them.
          for (const next of [1, 2]) {
            const keys = await member(at + next).order('keys', { person });
            if (keys.data || !keys.evidence) violations.push('a data key outlived its erasure');
          }
          lane = await begin(member(draw(3)));
        }
      }
      await Promise.all(Array.from({ length: lanes }, (_, number) => run(number)));
      process.stdout.write(
        `${done} pairs in ${since()} s: ${seen.rows} with rows, ${seen.refused} refused; ${JSON.stringify(seen.flips)}\n`,
      );
      expect(violations).toEqual([]);
      expect(done).toBeGreaterThanOrEqual(pairs);
      expect(Math.min(seen.rows, seen.refused)).toBeGreaterThan(pairs / 5);
      for (const count of Object.values(seen.flips)) expect(count).toBeGreaterThan(0);
    },
    limitMs,
  );

  it(
    'honour them over HTTP too: the form at one gateway, the partner at another, with one session',
    async () => {
      const most = Math.max(200, Math.min(3000, Math.floor(pairs / 10)));
      const violations: string[] = [];
      let done = 0;
      const seen = { 200: 0, 403: 0 };
      async function run(number: number): Promise<void> {
        const draw = chance(seed - number);
        const { person, partner, token } = await begin(member(draw(3)));
        const session = await member(draw(3)).order('session', { person });
        let isOn = true;
        while (done < most) {
          done += 1;
          const at = draw(3);
          isOn = !isOn;
          const saved = await fetch(`${member(at).url}/me/switches`, {
            method: 'POST',
            redirect: 'manual',
            headers: { cookie: `assent_session=${session.token}`, origin: fleet.url },
            body: new URLSearchParams({
              _csrf: session.csrf,
              category: 'browsing',
              purpose: 'recommendation',
              recipient: `partner:${partner}`,
              to: isOn ? 'on' : 'off',
              notice: session.notice,
            }),
          });
          await saved.arrayBuffer();
          expect(saved.status).toBe(303);
          const answer = await fetch(
            `${member(at + 1 + draw(2)).url}/v1/data/browsing?purpose=recommendation`,
            { headers: { authorization: `Bearer ${token}` } },
          );
          await answer.arrayBuffer();
          const expected = isOn ? 200 : 403;
          seen[expected] += 1;
          if (answer.status !== expected) violations.push(`${answer.status} instead of ${expected}`);
        }
      }
      await Promise.all(Array.from({ length: 16 }, (_, number) => run(number)));
      process.stdout.write(`${done} pairs over HTTP: ${seen[200]} answered, ${seen[403]} refused\n`);
      expect(violations).toEqual([]);
      expect(Math.min(seen[200], seen[403])).toBeGreaterThan(most / 5);
    },
    limitMs,
  );
});
