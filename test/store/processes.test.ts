// Who leads, and who is gone, as PostgreSQL tells it.
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';
import { join } from 'node:path';
import { contendForLead, leadForOnce, type LeaderTimes } from '../../gateway/store/leader.ts';
import { migratePostgres } from '../../gateway/store/migrate-postgres.ts';
import { joinProcesses, type PresenceOptions } from '../../gateway/store/presence.ts';
import type { Leadership, Presence } from '../../gateway/store/processes.ts';
import { realSystem } from '../../gateway/system.ts';
import { openLine } from '../support/cut-line.ts';
import { describeOnPostgres } from '../support/on-stores.ts';
import { dropDatabases, newDatabase, onServer } from '../support/postgres.ts';

const folder = join(import.meta.dirname, '..', '..', 'migrations', 'postgres');
const times: LeaderTimes = { beatMs: 50, leaseMs: 500, silenceMs: 1500 };
const random = realSystem.random;
const opened: (Leadership | Presence)[] = [];
let url = '';

beforeEach(async () => {
  url = await newDatabase();
  await migratePostgres(url, folder);
});
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});
afterAll(dropDatabases);

async function contend(by = url): Promise<Leadership> {
  const one = await contendForLead(by, times);
  opened.push(one);
  return one;
}

function enter(company: PresenceOptions['company']): Presence {
  const one = joinProcesses(url, { random, company });
  opened.push(one);
  return one;
}

async function until(holds: () => boolean, limitMs = 5000): Promise<number> {
  const begunMs = performance.now();
  while (!holds()) {
    if (performance.now() - begunMs > limitMs) throw new Error('not in time');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return performance.now() - begunMs;
}

describeOnPostgres('the leader', () => {
  it('is one of three; when it closes another takes over, and hears of it', async () => {
    const all = [await contend(), await contend(), await contend()];
    expect(all.map((one) => one.isLeader())).toEqual([true, false, false]);
    const heard: string[] = [];
    all.forEach((one, at) => one.onChange((leads) => void heard.push(`${at} ${leads}`)));
    await all[0]!.close();
    expect(all[0]!.isLeader()).toBe(false);
    await until(() => all.slice(1).filter((one) => one.isLeader()).length === 1);
    await until(() => heard.length === 1);
    expect(heard[0]).toMatch(/^[12] true$/);
  });

  it('works as the leader, and another does not work at all', async () => {
    const [first, second] = [await contend(), await contend()];
    expect(await first.asLeader(async () => 'done')).toEqual({ value: 'done' });
    let ran = false;
    expect(await second.asLeader(async () => (ran = true))).toBeUndefined();
    expect(ran).toBe(false);
  });

  it('is none from the moment its connection ends, and takes the lead again when nobody did', async () => {
    const line = await openLine(url);
    const first = await contend(line.url);
    expect(first.isLeader()).toBe(true);
    line.set('closed');
    line.cut();
    await until(() => !first.isLeader(), 400);
    line.set('open');
    await until(() => first.isLeader());
    await line.close();
  });

  it('stops leading before the server lets another lead, when its line goes silent', async () => {
    const line = await openLine(url);
    const [first, second] = [await contend(line.url), await contend()];
    line.set('silent');
    let together = 0;
    await until(() => {
      if (first.isLeader() && second.isLeader()) together += 1;
      return !first.isLeader();
    });
    expect(second.isLeader()).toBe(false);
    await until(() => second.isLeader());
    expect([first.isLeader(), together]).toEqual([false, 0]);
    await line.close();
  });

  it('of a log in another schema of the same database is another one', async () => {
    const first = await contend();
    const other = await newDatabase();
    await migratePostgres(other, folder);
    const second = await contend(other);
    expect([first.isLeader(), second.isLeader()]).toEqual([true, true]);
  });

  it('is a command for one piece of work, and only where no gateway leads', async () => {
    const command = leadForOnce(url);
    expect(await command.asLeader(async () => 1)).toEqual({ value: 1 });
    const gateway = await contend();
    expect(gateway.isLeader()).toBe(true);
    expect(await command.asLeader(async () => 2)).toBeUndefined();
  });
});

describeOnPostgres('processes', () => {
  it('are gone when their connection has ended, and not before', async () => {
    const [first, second] = [enter('many'), enter('many')];
    const numbers = new Set([(await first.number())!, (await second.number())!, 4711]);
    expect(await first.gone(numbers)).toEqual(new Set([4711]));
    await second.close();
    const gone = await first.gone(numbers);
    expect(gone.has((await first.number())!)).toBe(false);
    expect(gone.size).toBe(2);
  });

  it('that lost their line are there again', async () => {
    const [first, second] = [enter('many'), enter('many')];
    const number = (await second.number())!;
    await first.number();
    await onServer(
      url,
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'assent process'",
    );
    let gone = true;
    for (let look = 0; look < 60 && gone; look++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      gone = await first.gone(new Set([number])).then(
        (found) => found.size > 0,
        () => true,
      );
    }
    expect(gone).toBe(false);
  });

  it('with a local chain of their own are alone, in either order; a command runs beside both', async () => {
    const alone = enter('alone');
    await alone.number();
    await expect(enter('many').number()).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('set ASSENT_CHAIN_URL for all of them'),
    });
    expect(await enter('unnoticed').number()).toEqual(expect.any(Number));
    await alone.close();
    await enter('many').number();
    await enter('many').number();
    await expect(enter('alone').number()).rejects.toMatchObject({ code: 'config_invalid' });
  });
});
