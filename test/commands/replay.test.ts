// `assent replay` as a user runs it: exit codes, and where it takes its token from.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { killChildren, run } from '../support/gateway-process.ts';

const golden = join(import.meta.dirname, '..', 'golden', 'log');
const folder = mkdtempSync(join(tmpdir(), 'assent-replay-cli-'));
const trust = join(golden, 'trust.json');

afterAll(() => {
  killChildren();
  rmSync(folder, { recursive: true, force: true });
});

const replay = (...given: string[]) => run('cli', { arguments: ['replay', ...given] });

describe('the command', () => {
  it('ends with 0 for a log that holds, and says so in words or as one object', async () => {
    const words = await replay(golden, '--trust', trust);
    expect(words).toMatchObject({ code: 0, err: '' });
    expect(words.out).toMatch(/^The log holds: 300 entries/);
    const object = await replay(golden, '--trust', trust, '--json');
    expect(JSON.parse(object.out)).toMatchObject({ verdict: 'holds', size: 300, mapHeads: 4 });
  });

  it('ends with 1 for a log that does not, and names the entry', async () => {
    const forged = join(folder, 'forged');
    cpSync(golden, forged, { recursive: true });
    const bundle = join(forged, 'tile', 'entries', '000');
    const bytes = readFileSync(bundle);
    // The sequence number of the second leaf, which is about a person: behind its 2 + 52 bytes and 2 + 84.
    bytes[2 + 52 + 2 + 91]! ^= 1;
    writeFileSync(bundle, bytes);
    const found = await replay(forged, '--trust', trust, '--json');
    expect(found.code).toBe(1);
    expect(JSON.parse(found.out)).toMatchObject({
      verdict: 'does-not-hold',
      firstFailing: 'sequence',
      index: 1,
    });
  });

  it('ends with 2 where there is nothing to judge', async () => {
    const missing = join(folder, 'missing');
    cpSync(golden, missing, { recursive: true });
    rmSync(join(missing, 'tile', '1', '000.p', '1'));
    for (const given of [
      [],
      [golden],
      [golden, '--trust', join(folder, 'none.json')],
      [golden, '--trust', join(golden, 'vkey')],
      [golden, '--trust', trust, '--token-file', join(folder, 'none')],
      [join(folder, 'nowhere'), '--trust', trust],
      [missing, '--trust', trust],
      ['http://127.0.0.1:9', '--trust', trust],
    ]) {
      const { code, out, err } = await replay(...given);
      expect({ code, out }, given.join(' ')).toEqual({ code: 2, out: '' });
      expect(err).toMatch(/^assent/);
    }
  });
});
