// Adds entries and signs heads until it kills itself at a step. Prints what left, a line each:
// `number leafHash` for an entry, `signed size root` for a head that was returned.
// Arguments: folder, step, and at which time of reaching it.
import { writeSync } from 'node:fs';
import { openWalSync } from '../../gateway/store/wal-sync.ts';
import { realSystem } from '../../gateway/system.ts';
import { nothingOutside, openStepped } from './publishing.ts';

const [folder = '', fatal = '', times = '1'] = process.argv.slice(2);
const outside = nothingOutside();
// Written with one call, so that a line is whole or not there.
const say = (line: string): void => void writeSync(1, `${line}\n`);
// oxlint-disable-next-line typescript/unbound-method -- maps have no other way to tell what is put into them
const telling = (known: Map<number, string>, prefix: string): void => {
  known.set = (number, text) => {
    say(`${prefix}${number} ${text}`);
    return Map.prototype.set.call(known, number, text) as typeof known;
  };
};
telling(outside.acknowledged, '');
telling(outside.returned, 'signed ');

let reached = 0;
const { add, publisher } = await openStepped(folder, {
  outside,
  random: realSystem.random,
  openSync: openWalSync,
  onStep(step) {
    if (step === fatal && ++reached === Number(times)) process.kill(process.pid, 'SIGKILL');
  },
});
await publisher.check();

async function call(caller: number): Promise<never> {
  for (let turn = 0; ; turn++) {
    await add({ turn, caller });
    if (turn % 4 === caller) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

async function publish(): Promise<never> {
  for (;;) {
    await publisher.publish();
    // A round with nothing to sign waits for nothing, and would never let the writers go on.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

await Promise.all([publish(), call(0), call(1), call(2), call(3)]);
