// Appends entries under load until it is killed. Prints every acknowledged entry: `number leafHash` a line.
// Arguments: folder, callers, and `chain` to anchor what it signs.
import { writeSync } from 'node:fs';
import { createAnchorer } from '../../gateway/audit/anchor.ts';
import { openChain, openCore } from '../../gateway/compose.ts';
import { loadConfig } from '../../gateway/config.ts';
import { realSystem } from '../../gateway/system.ts';

const [folder = '', callers = '8', withChain] = process.argv.slice(2);
const config = loadConfig({ ASSENT_HOME: folder, ASSENT_CHAIN_PORT: '0' });
const core = await openCore(config, realSystem);
await core.gate.closeAbandoned();
// Written with one call, so that a line is whole or not there.
const say = (line: string): void => void writeSync(1, `${line}\n`);
say('ready');

async function call(caller: number): Promise<never> {
  for (let turn = 0; ; turn++) {
    const { receipt } = await core.gate.run(
      {
        caller: { kind: 'operator', id: `caller-${caller}` },
        operation: 'administer',
        purpose: 'service',
        categories: ['profile'],
        recipients: ['operator'],
        person: null,
        grant: null,
        about: { turn },
      },
      async () => ({ value: null, kind: 'configured', keyClass: 'evidence' }),
    );
    say(`${receipt.number} ${Buffer.from(receipt.leafHash).toString('hex')}`);
    if (turn % 4 === caller % 4) await new Promise((resolve) => setTimeout(resolve, 1 + (caller % 3)));
  }
}

async function publish(): Promise<never> {
  for (;;) {
    const head = await core.publisher.publish();
    if (head !== undefined) say(`signed ${head.size} ${Buffer.from(head.root).toString('hex')}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function anchor(): Promise<void> {
  if (withChain !== 'chain') return;
  const { chain } = await openChain(core);
  const anchorer = createAnchorer({
    store: core.store,
    log: core.log,
    publisher: core.publisher,
    chain,
    origin: config.origin,
    clock: realSystem.clock,
  });
  await anchorer.check();
  for (;;) {
    const row = await anchorer.anchor();
    if (row?.state === 'mined') say(`anchored ${row.size} ${row.transactionHash}`);
  }
}

await Promise.all([publish(), anchor(), ...Array.from({ length: Number(callers) }, (_, one) => call(one))]);
