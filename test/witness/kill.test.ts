// The witness as a process that is killed while it answers: what it cosigned, it remembers.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { parseCheckpoint, parseNote } from '../../gateway/audit/note.ts';
import { openMemory } from '../../gateway/witness/memory.ts';
import { history, logSigner, newFolder, origin } from './rig.ts';

const root = resolve(import.meta.dirname, '..', '..');

async function launch(home: string) {
  const child = spawn(
    process.execPath,
    [
      'gateway/cli.ts',
      'witness',
      '--json',
      '--home',
      home,
      '--name',
      'w.example/1',
      '--port',
      '0',
      '--log',
      logSigner.verifierKey,
    ],
    { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] },
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  const [first] = (await once(child.stdout, 'data')) as [Buffer];
  return { url: (JSON.parse(first.toString()) as { url: string }).url, child, ended };
}

it('a witness killed in the middle of requests remembers all it cosigned, and goes on from there', async () => {
  const home = newFolder();
  const log = history(...Array.from({ length: 400 }, (_, leaf) => `leaf ${leaf}`));
  const first = await launch(home);
  let answered = 0;
  let sent = 0;
  const asking = (async () => {
    for (let size = 1; size <= 400; size++) {
      const body = await log.step(size - 1, size);
      sent = size;
      const answer = await fetch(`${first.url}/add-checkpoint`, { method: 'POST', body });
      if (answer.status !== 200 || !(await answer.text()).startsWith('— w.example/1 ')) return;
      answered = size;
      if (size === 20) setTimeout(() => first.child.kill('SIGKILL'), 15);
    }
  })().catch(() => undefined);
  await asking;
  await first.ended;
  expect(answered).toBeGreaterThanOrEqual(20);
  expect(answered).toBeLessThan(400);

  const memory = openMemory(join(home, 'witness.sqlite'));
  const remembered = memory.newest(origin);
  memory.close();
  // One more than answered when it died between writing and answering.
  expect(remembered?.size).toBeGreaterThanOrEqual(answered);
  expect(remembered?.size).toBeLessThanOrEqual(sent);
  const { root: kept } = parseCheckpoint(parseNote(remembered?.note ?? '').text);
  expect(kept).toEqual(new Uint8Array(log.tree.root(remembered?.size)));

  const second = await launch(home);
  const size = remembered?.size ?? 0;
  const split = history('another log', ...Array.from({ length: 400 }, (_, leaf) => `leaf ${leaf}`));
  const post = async (body: string): Promise<number> =>
    (await fetch(`${second.url}/add-checkpoint`, { method: 'POST', body })).status;
  expect(await post(await split.step(size, size + 1))).toBe(422);
  expect(await post(await log.step(size, 400))).toBe(200);
  second.child.kill('SIGTERM');
  expect((await second.ended)[0]).toBe(0);
});
