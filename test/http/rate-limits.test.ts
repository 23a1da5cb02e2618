// Rate limits that several gateways on one database hold together.
import rateLimit from '@fastify/rate-limit';
import fastify, { type FastifyInstance } from 'fastify';
import fc from 'fast-check';
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { GatewayError } from '../../gateway/errors.ts';
import { createSharedLimits, guardedLimit, type SharedLimits } from '../../gateway/http/rate-limits.ts';
import { asGatewayError } from '../../gateway/http/problem.ts';
import { migratePostgres } from '../../gateway/store/migrate-postgres.ts';
import { openRates, type Rates } from '../../gateway/store/rates.ts';
import { describeOnPostgres } from '../support/on-stores.ts';
import { dropDatabases, newDatabase, onServer } from '../support/postgres.ts';

const migrations = resolve(import.meta.dirname, '..', '..', 'migrations', 'postgres');
const secret = randomBytes(32);
const dayMs = 86_400_000;
const most = { guarded: 20, ordinary: 100 };

let url: string;
const opened: { app?: FastifyInstance; limits: SharedLimits }[] = [];
const rates: Rates[] = [];
let counter = 0;

interface Gateway {
  readonly limits: SharedLimits;
  get(path: string, address?: string): Promise<number>;
}

async function gateway(
  over: { url?: string; nowMs?: () => number; windowMs?: number } = {},
): Promise<Gateway> {
  const limits = createSharedLimits({
    rates: openRates(over.url ?? url),
    secret,
    nowMs: over.nowMs ?? (() => 5 * dayMs),
  });
  const app = fastify({ trustProxy: true });
  opened.push({ app, limits });
  app.setErrorHandler((error, _request, reply) => {
    const { status, code } = asGatewayError(error);
    return reply.code(status).send({ code });
  });
  await app.register(rateLimit, {
    store: limits.store,
    max: most.ordinary,
    timeWindow: over.windowMs ?? 60_000,
    errorResponseBuilder: () => new GatewayError('too_many_requests'),
  });
  app.get('/ordinary', () => 'ok');
  app.get('/guarded', guardedLimit(most.guarded), () => 'ok');
  app.get('/guarded-too', guardedLimit(most.guarded), () => 'ok');
  return {
    limits,
    async get(path, address = '192.0.2.1') {
      const answer = await app.inject({ url: path, headers: { 'x-forwarded-for': address } });
      return answer.statusCode;
    },
  };
}

const three = (): Promise<Gateway[]> => Promise.all([gateway(), gateway(), gateway()]);
const newAddress = (): string => `198.51.100.${(counter += 1)}`;
/** The gateways in turn. */
function nth<One>(list: readonly One[], at: number): One {
  const one = list[at % list.length];
  if (one === undefined) throw new Error('there is none');
  return one;
}
const tally = (statuses: readonly number[], status: number): number =>
  statuses.filter((one) => one === status).length;

function counters(): Rates {
  const one = openRates(url);
  rates.push(one);
  return one;
}

describeOnPostgres('several gateways on one database', () => {
  beforeAll(async () => {
    url = await newDatabase();
    await migratePostgres(url, migrations);
  });
  afterEach(async () => {
    for (const { app, limits } of opened.splice(0)) {
      await app?.close();
      await limits.close();
    }
    for (const one of rates.splice(0)) await one.close();
  });
  afterAll(dropDatabases);

  it('let exactly the limit through on a guarded route, however many ask at once at whichever', async () => {
    const gateways = await three();
    const address = newAddress();
    const statuses = await Promise.all(
      Array.from({ length: 90 }, (_, at) => nth(gateways, at).get('/guarded', address)),
    );
    expect([tally(statuses, 200), tally(statuses, 429)]).toEqual([most.guarded, 70]);
    for (const one of gateways) {
      expect(await one.get('/guarded', address)).toBe(429);
      // Another route and another address have counts of their own.
      expect(await one.get('/guarded-too', address)).toBe(200);
      expect(await one.get('/guarded', newAddress())).toBe(200);
    }
  });

  it('let no more than the limit and its slack through on an ordinary one, then all refuse', async () => {
    const gateways = await three();
    const address = newAddress();
    const statuses: number[] = [];
    for (let at = 0; at < 400; at++) statuses.push(await nth(gateways, at).get('/ordinary', address));
    const passed = tally(statuses, 200);
    expect(passed).toBeGreaterThanOrEqual(most.ordinary);
    expect(passed).toBeLessThanOrEqual(most.ordinary * (1 + 3 / 20));
    await new Promise((done) => setTimeout(done, 400));
    for (const one of gateways) expect(await one.get('/ordinary', address)).toBe(429);
  });

  it('count slow callers together: who never floods is told of the others within a moment', async () => {
    const [first, second] = await three();
    const address = newAddress();
    for (let at = 0; at <= most.ordinary; at++) await first?.get('/ordinary', address);
    await new Promise((done) => setTimeout(done, 400));
    expect(await second?.get('/ordinary', address)).toBe(200);
    await new Promise((done) => setTimeout(done, 400));
    expect(await second?.get('/ordinary', address)).toBe(429);
  });

  it('begin anew when the window ends, all of them', async () => {
    const gateways = [await gateway({ windowMs: 700 }), await gateway({ windowMs: 700 })];
    const address = newAddress();
    for (let at = 0; at <= most.ordinary; at++) await nth(gateways, 0).get('/ordinary', address);
    expect(await nth(gateways, 0).get('/ordinary', address)).toBe(429);
    await new Promise((done) => setTimeout(done, 1200));
    for (const one of gateways) expect(await one.get('/ordinary', address)).toBe(200);
  });

  it('write no address down: a keyed hash, and another one each day', async () => {
    const address = newAddress();
    await onServer(url, 'DELETE FROM rate');
    for (const nowMs of [5 * dayMs, 6 * dayMs])
      expect(await (await gateway({ nowMs: () => nowMs })).get('/guarded', address)).toBe(200);
    const rows = await onServer<Record<string, unknown>>(url, 'SELECT * FROM rate');
    expect(rows).toHaveLength(2);
    expect(new Set(rows.map(({ key }) => key)).size).toBe(2);
    for (const { key } of rows) expect(key).toMatch(/^[\w-]{22}$/);
    expect(JSON.stringify(rows)).not.toContain(address);
  });

  it('without an answer of the database refuse guarded routes with 503 and go on with ordinary ones alone', async () => {
    const locking = new pg.Client({ connectionString: url });
    await locking.connect();
    await locking.query('BEGIN');
    await locking.query('LOCK TABLE rate IN ACCESS EXCLUSIVE MODE');
    const slow = await gateway();
    const away = await gateway({ url: 'postgres://nobody@127.0.0.1:1/nothing' });
    const address = newAddress();
    for (const one of [slow, away]) {
      const begunMs = performance.now();
      expect(await one.get('/guarded', address)).toBe(503);
      expect(performance.now() - begunMs).toBeLessThan(3000);
      const statuses: number[] = [];
      const ordinaryMs = performance.now();
      for (let at = 0; at < 120; at++) statuses.push(await one.get('/ordinary', address));
      expect([tally(statuses, 200), tally(statuses, 429)]).toEqual([most.ordinary, 20]);
      expect(performance.now() - ordinaryMs).toBeLessThan(2000);
    }
    await locking.query('ROLLBACK');
    await locking.end();
    expect(await slow.get('/guarded', address)).toBe(200);
  });

  it('add up whatever they count at the same time, in any order of keys', async () => {
    const several = [counters(), counters(), counters()];
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { minLength: 1 }), {
          minLength: 3,
          maxLength: 20,
        }),
        async (rounds) => {
          const round = (counter += 1);
          await Promise.all(
            rounds.map((keys, at) =>
              nth(several, at).add(
                keys.map((key) => ({ key: `${round}/${key}`, by: key + 1, windowMs: 60_000 })),
              ),
            ),
          );
          for (let key = 0; key <= 5; key++) {
            const times = rounds.filter((keys) => keys.includes(key)).length;
            const found = await nth(several, 0).add([{ key: `${round}/${key}`, by: 0, windowMs: 60_000 }]);
            expect(found?.get(`${round}/${key}`)?.count).toBe(times * (key + 1));
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  it('delete counts that have ended and no others', async () => {
    const one = counters();
    await onServer(url, 'DELETE FROM rate');
    await one.add([
      { key: 'short', by: 1, windowMs: 1 },
      { key: 'long', by: 1, windowMs: 60_000 },
    ]);
    await new Promise((done) => setTimeout(done, 20));
    await one.sweep();
    expect(await onServer(url, 'SELECT key FROM rate')).toEqual([{ key: 'long' }]);
  });
});
