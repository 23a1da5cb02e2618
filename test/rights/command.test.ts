// `assent erase` as an operator runs it for somebody who wrote a letter.
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { parseReceipt } from '../../gateway/audit/receipt.ts';
import { loadConfig } from '../../gateway/config.ts';
import { killChildren, run, type Ended } from '../support/gateway-process.ts';
import { searchBytes } from './markers.ts';

const folder = mkdtempSync(join(tmpdir(), 'assent-erase-'));
const home = join(folder, 'home');
const examples = join(import.meta.dirname, '..', 'cli', 'examples');

function assent(...given: string[]): Promise<Ended> {
  return run('cli', { arguments: given, environment: { ASSENT_HOME: home, ASSENT_EVIDENCE_DAYS: '30' } });
}

// prettier-ignore
const importing = [
  'import', '--source', 'shop', '--basis', 'contract', '--map', join(examples, 'customers.map.json'),
  join(examples, 'customers.csv'), '--json',
];

afterAll(() => {
  killChildren();
  rmSync(folder, { recursive: true, force: true });
});

it(
  'erases by reference, writes the receipt for its owner alone, and a second import passes over them',
  { timeout: 60_000 },
  async () => {
    const first = JSON.parse((await assent(...importing)).out) as { attributes: number };
    const receipt = join(folder, 'receipt.json');
    const done = await assent('erase', 'shop:c-17', receipt, '--json');
    expect(done.code, done.err).toBe(0);
    const answer = JSON.parse(done.out) as { code: string; completed: boolean; evidenceUntil: string };
    expect(answer).toMatchObject({ completed: true });
    expect((Date.parse(answer.evidenceUntil) - Date.now()) / 86_400_000).toBeLessThan(30);
    expect(parseReceipt(readFileSync(receipt)).kind).toBe('erasure');
    expect(statSync(receipt).mode & 0o077).toBe(0);
    expect(await searchBytes(home, { reference: Buffer.from('shop:c-17') })).toEqual({});

    const again = JSON.parse((await assent(...importing)).out) as { suppressed: number; people: number };
    expect(again.people).toBe(0);
    expect(again.suppressed).toBeGreaterThan(0);
    expect(again.suppressed).toBeLessThan(first.attributes);
    const twice = await assent('erase', 'shop:c-17', '--json');
    expect([twice.code, JSON.parse(twice.err)]).toMatchObject([2, { error: { code: 'not_found' } }]);
    expect((await assent('erase', 'shop:other', receipt)).err).toContain('not overwritten');
  },
);

it('the evidence clock is a whole number of days', () => {
  expect(loadConfig({}).evidenceDays).toBe(1095);
  expect(loadConfig({ ASSENT_EVIDENCE_DAYS: '400' }).evidenceDays).toBe(400);
  for (const wrong of ['0', '1.5', 'long'])
    expect(() => loadConfig({ ASSENT_EVIDENCE_DAYS: wrong })).toThrow(/ASSENT_EVIDENCE_DAYS/);
});
