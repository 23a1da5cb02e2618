import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import type { SignedHead } from '../../gateway/audit/publish.ts';
import { type Chance, createChance } from '../../gateway/demo/chance.ts';
import type { WalSync } from '../../gateway/store/wal-sync.ts';
import { realSystem } from '../../gateway/system.ts';
import {
  compareWith,
  copyOf,
  fileName,
  nothingOutside,
  openStepped,
  type Outside,
  publishingSteps,
  randomFrom,
  remember,
  type Step,
  type Stepped,
  steps,
} from './publishing.ts';

// oxlint-disable-next-line node/no-process-env -- how long to go on is the caller's to say
const scale = Number(process.env['ASSENT_CRASH_ROUNDS'] ?? 15) / 15;
// oxlint-disable-next-line node/no-process-env -- a run that failed says with which seed it runs again
const seed = Number(
  process.env['ASSENT_CRASH_SEED'] ?? Buffer.from(realSystem.random.bytes(4)).readUInt32BE(),
);
const rounds = Math.max(1_000, Math.ceil(1_000 * scale));
const deathsAtEachStep = Math.max(2, Math.ceil(2 * scale));
const roundsOfOneLog = 20;

const makeFolder = (): string => mkdtempSync(join(tmpdir(), 'assent-publishing-'));
const remove = (folder: string): void => rmSync(folder, { recursive: true, force: true });
const child = join(import.meta.dirname, 'publishing-child.ts');

/** One turn of the event loop or some: the page cache is all that `kill -9` leaves, so nothing need reach a disk. */
const waitingSync = (chance: Chance) => (): WalSync => ({
  async sync() {
    for (let turns = chance.whole(0, 3); turns > 0; turns--) await turn();
  },
  close: async () => undefined,
});
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Life {
  readonly folder: string;
  readonly outside: Outside;
  readonly log: Stepped;
}

/** One process: its files, and a way to have them copied as they are when a step is reached. */
function livesOf(chance: Chance) {
  let entries = 0;
  let wanted: Step | undefined;
  let image: { folder: string; outside: Outside } | undefined;

  async function open(folder: string, outside: Outside): Promise<Life> {
    const log = await openStepped(folder, {
      outside,
      random: randomFrom(chance),
      openSync: waitingSync(chance),
      checkpointPages: chance.pick([30, 1000]),
      onStep(step) {
        if (step !== wanted) return;
        wanted = undefined;
        image = { folder: makeFolder(), outside: copyOf(outside) };
        // By another process, and waited for: here only SQLite may open these files, and nothing may move meanwhile.
        const files = ['', '-wal'].map((end) => join(folder, `${fileName}${end}`));
        const { status, stderr } = spawnSync('cp', [...files, image.folder]);
        if (status !== 0) throw new Error(stderr.toString());
      },
    });
    await log.publisher.check();
    await log.anchorer.check();
    return { folder, outside, log };
  }

  async function addSome(log: Stepped, most: number): Promise<void> {
    for (let left = chance.whole(1, most); left > 0; left--) {
      await log.add({ turn: entries++ });
      for (let turns = chance.whole(0, 4); turns > 0; turns--) await turn();
    }
  }

  async function publishAll({ publisher, log }: Stepped): Promise<SignedHead> {
    const head = await publisher.publish();
    if (head?.size !== log.durableSize()) throw new Error('not everything was signed');
    return head;
  }

  return {
    open,
    /** A round of publishing and anchoring beside writers; returns the files and the world as they were at the step. */
    async round({ log }: Life, step: Step): Promise<{ folder: string; outside: Outside }> {
      // Else there might be nothing to sign.
      await addSome(log, 1);
      wanted = step;
      image = undefined;
      const publish = async (): Promise<void> => {
        await log.publisher.publish();
        await log.anchorer.anchor();
      };
      await Promise.all([publish(), addSome(log, 3), addSome(log, 3), addSome(log, 2)]);
      if (image === undefined) throw new Error('the round ended without this step');
      return image;
    },
    /** What the next process does: looks, goes on, and everything still fits. */
    async goOn({ log, outside }: Life): Promise<void> {
      const found = await compareWith(outside, log);
      if (log.log.durableSize() !== found) throw new Error('the log does not count what it holds');
      // With nothing new a map head that waits for its signature must not get a second one behind it.
      if (chance.whole(0, 1) === 1) await publishAll(log);
      await addSome(log, 2);
      const head = await publishAll(log);
      // The first may hand over again what the one before left in the outbox.
      for (let more = 2; more > 0; more--) await log.anchorer.anchor();
      if (outside.chain.head?.size !== head.size) throw new Error('the newest head is not on the chain');
      await compareWith(outside, log);
    },
    async end({ folder, log }: Life): Promise<void> {
      await log.close();
      remove(folder);
    },
  };
}

describe('killed between two steps of a publishing round', () => {
  it(
    `${rounds} times: no acknowledged entry is lost, never two roots for one size`,
    async () => {
      const counts = new Map<Step, number>(steps.map((step) => [step, 0]));
      let happened = 'nothing yet';
      try {
        for (let done = 0, history = 0; done < rounds; history++) {
          const chance = createChance(seed + history);
          const lives = livesOf(chance);
          let life = await lives.open(makeFolder(), nothingOutside());
          for (let round = 0; round < roundsOfOneLog && done < rounds; round++, done++) {
            const step = chance.pick(steps);
            happened = `history ${history}, round ${round}, ${step}`;
            const image = await lives.round(life, step);
            const next = await lives.open(image.folder, image.outside);
            await lives.goOn(next);
            counts.set(step, (counts.get(step) ?? 0) + 1);
            // Every other time it was the image that went on, and the rest of the round never happened.
            const wasKilled = chance.whole(0, 1) === 1;
            await lives.end(wasKilled ? life : next);
            if (wasKilled) life = next;
          }
          await compareWith(life.outside, life.log);
          await lives.end(life);
        }
      } catch (error) {
        throw new Error(`ASSENT_CRASH_SEED=${seed}: ${happened}`, { cause: error });
      }
      expect([...counts].filter(([, count]) => count < 3)).toEqual([]);
    },
    60_000 + rounds * 500,
  );

  it(
    `by its own SIGKILL, at each of ${publishingSteps.length} steps ${deathsAtEachStep} times: the same`,
    async () => {
      const folder = makeFolder();
      const outside = nothingOutside();
      const random = realSystem.random;
      try {
        for (let death = 1; death <= deathsAtEachStep; death++) {
          for (const step of publishingSteps) {
            expect(await runToDeath(folder, step, death, outside)).toEqual([step, 'SIGKILL', '']);
            const openSync = waitingSync(createChance(seed));
            const log = await openStepped(folder, { outside, random, openSync });
            await log.publisher.check();
            await compareWith(outside, log);
            await log.close();
          }
        }
        expect(outside.acknowledged.size).toBeGreaterThan(publishingSteps.length);
        expect(outside.returned.size).toBeGreaterThan(publishingSteps.length / 2);
      } finally {
        remove(folder);
      }
    },
    240_000 + deathsAtEachStep * 60_000,
  );
});

async function runToDeath(folder: string, step: Step, times: number, outside: Outside): Promise<unknown[]> {
  const running = spawn(process.execPath, [child, folder, step, String(times)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // A step that is never reached ends it with another signal.
    timeout: 60_000,
  });
  const ended = once(running, 'exit');
  let complaint = '';
  running.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
  for await (const line of createInterface({ input: running.stdout })) {
    const [, isHead, number, hash = ''] = /^(signed )?(\d+) ([0-9a-f]{64})$/.exec(line) ?? [];
    if (isHead === undefined) remember(outside.acknowledged, Number(number), hash, 'entries');
    else remember(outside.returned, Number(number), hash, 'returned roots');
  }
  await ended;
  return [step, running.signalCode, complaint];
}
