// `assent evidence` and `assent verify` as they are run: processes on a folder of their own.
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toUtf8 } from '../../gateway/audit/bytes.ts';
import { packZip, readZip } from '../../gateway/audit/zip.ts';
import { currentNotice } from '../../gateway/consent/notices.ts';
import { addStaff, makeStaffToken } from '../../gateway/operations/accounts.ts';
import { setSwitches } from '../../gateway/operations/set-switch.ts';
import { addPerson, closeCore, closeCores, openTestCore } from '../support/core.ts';
import { killChildren, run, type Ended } from '../support/gateway-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'assent-evidence-'));
const file = (name: string): string => join(folder, name);
let token = '';
let analyst = '';

function assent(given: readonly string[], input = ''): Promise<Ended> {
  return run('cli', { arguments: given, environment: { ASSENT_HOME: file('home') }, input });
}
beforeAll(async () => {
  const core = await openTestCore({ folder: file('home'), startMs: Date.now() - 60_000 });
  const tokenOf = async (role: 'officer' | 'analyst', userName: string): Promise<string> => {
    await addStaff(core.operations, 'op', { userName, role, password: 'a long enough password' });
    return (await makeStaffToken(core.operations, 'op', userName)).value;
  };
  token = await tokenOf('officer', 'he');
  analyst = await tokenOf('analyst', 'ana');
  await addPerson(core, 'ann', { browsed: ['i1'] });
  const { hash } = await core.store.read((reader) => currentNotice(reader, 'recommendation', 'zh'));
  await setSwitches(core.operations, 'ann', [
    {
      category: 'browsing',
      purpose: 'recommendation',
      recipient: 'engine:recommend',
      action: 'on',
      noticeHash: hash,
    },
  ]);
  writeFileSync(file('trust.json'), await core.prover.trust());
  await closeCore(core);
});
afterAll(async () => {
  killChildren();
  await closeCores();
  rmSync(folder, { recursive: true, force: true });
});

describe('assent evidence', () => {
  it('writes an archive only its owner can read, which assent verify opens; never over a file', async () => {
    const made = await assent(['evidence', '--person', 'test:ann', file('pack.zip')], token);
    expect(made).toMatchObject({ code: 0, err: '' });
    expect(made.out).toContain('check it anywhere: assent verify');
    expect(statSync(file('pack.zip')).mode & 0o777).toBe(0o600);
    const verified = await assent(['verify', file('pack.zip'), '--trust', file('trust.json')]);
    expect(verified.out).toMatch(/^The pack holds\.\n/);
    expect(verified.code).toBe(0);
    expect(verified.out).toContain('  person.json  holds');
    expect(verified.out).toContain('  summary.zh.html  not proven: made for reading');
    const again = await assent(['evidence', '--person', 'test:ann', file('pack.zip')], token);
    expect(again).toMatchObject({ code: 2 });
    expect(again.err).toContain('never overwritten');
  }, 60_000);

  it('verify names what was exchanged and exits with 1; keeps heads; says it in Chinese', async () => {
    const files = new Map(readZip(readFileSync(file('pack.zip'))));
    const state = ['--state', file('state.json'), '--language', 'zh'];
    const held = await assent(['verify', file('pack.zip'), '--trust', file('trust.json'), ...state]);
    expect(held.out).toMatch(/^证据包成立。\n/);
    const { heads } = JSON.parse(readFileSync(file('state.json'), 'utf8')) as { heads: unknown[] };
    expect(heads).toHaveLength(1);
    files.set('receipts/1.json', toUtf8('{}\n'));
    writeFileSync(file('forged.zip'), packZip(files, Date.UTC(2026, 10, 22)));
    const forged = await assent(['verify', file('forged.zip'), '--trust', file('trust.json'), '--json']);
    expect(forged.code).toBe(1);
    expect(JSON.parse(forged.out)).toMatchObject({
      verdict: 'does-not-hold',
      members: expect.arrayContaining([
        expect.objectContaining({ name: 'receipts/1.json', state: 'differs' }),
      ]),
    });
    writeFileSync(file('broken.zip'), readFileSync(file('pack.zip')).subarray(0, 5000));
    const broken = await assent(['verify', file('broken.zip'), '--trust', file('trust.json')]);
    expect([broken.code, broken.out]).toEqual([1, expect.stringContaining('the archive cannot be read')]);
    const report = await assent([
      'verify',
      file('pack.zip'),
      '--trust',
      file('trust.json'),
      '--report',
      file('r.html'),
    ]);
    expect([report.code, existsSync(file('r.html'))]).toEqual([2, false]);
  }, 60_000);

  it('refuses an analyst, nobody, and orders that are not understood, and writes no file then', async () => {
    const order = [
      'evidence',
      '--purpose',
      'recommendation',
      '--from',
      '2026-01-01',
      '--to',
      '2026-01-31',
      file('no.zip'),
    ];
    const refused: [readonly string[], string, string][] = [
      [order, analyst, '(forbidden)'],
      [order, 'wrong', '(invalid_token)'],
      [order, '', 'token is read from standard input'],
      [order, token, 'no entry in this selection'],
      [['evidence', file('no.zip')], token, '--from TIME --to TIME'],
      [['evidence', '--person', 'a', '--partner', 'b', file('no.zip')], token, 'one of'],
      [
        ['evidence', '--from', 'monday', '--to', '2026-01-01', file('no.zip')],
        token,
        'a date or a time with its zone',
      ],
      [
        ['evidence', '--from', '2026-02-02', '--to', '2026-01-01', file('no.zip')],
        token,
        'ends before it begins',
      ],
      [['evidence', '--person', 'shop:nobody', file('no.zip')], token, 'no such person'],
      [['evidence', '--person', 'test:ann'], token, 'missing: the archive to write'],
    ];
    for (const [given, input, said] of refused) {
      const { code, err } = await assent(given, input);
      expect([code, err]).toEqual([2, expect.stringContaining(said)]);
    }
    expect(existsSync(file('no.zip'))).toBe(false);
  }, 120_000);
});
