// An officer's folder: files given out by a log, what was kept of them, and what the command says and leaves behind.
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { PersonBundle } from '../../gateway/audit/person-bundle.ts';
import { parseState } from '../../gateway/audit/state.ts';
import { formatTilePath, tileBytes, tilesOf } from '../../gateway/audit/tiles.ts';
import { toUtf8 } from '../../gateway/audit/bytes.ts';
import { trustText } from '../../gateway/audit/verify.ts';
import { packZip } from '../../gateway/audit/zip.ts';
import { parse, Usage } from '../../gateway/commands/order.ts';
import { verifyFiles } from '../../gateway/commands/verify-files.ts';
import { verifyWords } from '../../gateway/commands/verify-words.ts';
import * as example from '../audit/example-log.ts';
import * as person from '../audit/person-log.ts';

const log = person.buildLog(person.examplePlan);
const [firstSize, size] = log.sizes as [number, number];
/** The same keys, the same first leaves, another entry in place of number 8. */
const fork = person.buildLog(person.examplePlan.map((planned, i) => (i === 8 ? { person: 1 } : planned)));
const nowMs = Date.parse('2026-03-01T12:00:00Z');

const folders: string[] = [];
let folder = '';
const path = (name: string) => join(folder, name);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'assent-verify-'));
  folders.push(folder);
  const anchored = (from: person.PersonLog, at: number) => ({ anchor: from.anchorAt(at, at) });
  const write = async (name: string, file: Omit<PersonBundle, 'seal'>) =>
    writeFileSync(path(name), await person.sealAnything(file));
  await write('early.json', { ...(await log.person(0, firstSize)), ...anchored(log, firstSize) });
  await write('whole.json', { ...(await log.person(0, size)), ...anchored(log, size) });
  await write('later.json', { ...(await log.person(0, size, firstSize)), ...anchored(log, size) });
  await write('waiting.json', await log.person(0, size));
  await write('forked.json', { ...(await fork.person(0, size)), ...anchored(fork, size) });
  writeFileSync(path('trust.json'), person.trustFile);
});
afterAll(() => {
  for (const made of folders) rmSync(made, { recursive: true });
});

/** As on the command line; file names are those of the folder. */
function verify(...given: string[]) {
  const named = given.map((word) => (/\.(json|html)$|^tiles/.test(word) ? path(word) : word));
  const { values, positionals } = parse([...named, '--trust', path('trust.json')]);
  return verifyFiles(positionals, values, nowMs);
}
const kept = () => parseState(readFileSync(path('state.json'))).heads.map((head) => head.size);

/** What the log publishes, as a mirror would hold it. */
async function publish(from: person.PersonLog, name = 'tiles'): Promise<void> {
  const put = (file: string, bytes: Uint8Array | string) => {
    mkdirSync(dirname(join(path(name), file)), { recursive: true });
    writeFileSync(join(path(name), file), bytes);
  };
  put('checkpoint', await from.checkpoint(size));
  for (const tile of tilesOf(size)) put(formatTilePath(tile), tileBytes(from.tree, tile));
}

describe('a person’s bundle on the command line', () => {
  it('holds (0), and says the claim, the entries, the populations and what is not proven', async () => {
    const { exitCode, lines, json } = await verify('whole.json');
    expect(exitCode).toBe(0);
    expect(lines[1]).toBe(
      'Relative to this checkpoint (13 leaves) exactly these 4 entries concern this tag; none is missing.',
    );
    expect(lines).toContain('  4  2026-01-01T00:04 UTC  Use  read rows  Allowed');
    expect(lines).toContain('Entry 1: joined training.');
    expect(lines).toContainEqual(
      expect.stringMatching(/^Population training: 2 uses in all, 2 here, 2 with/),
    );
    expect(lines).toContain('What this does not prove');
    expect(json).toMatchObject({
      exitCode: 0,
      verdict: 'holds',
      size,
      subject: {
        kind: 'person',
        count: 4,
        indices: [1, 4, 8, 10],
        entries: [{ index: 1, kind: 'used', erased: false }, {}, {}, {}],
        populations: [{ name: 'analytics', entries: [11] }, { name: 'import' }, { name: 'training' }],
      },
    });
  });

  it('speaks Chinese', async () => {
    const { exitCode, lines } = await verify('whole.json', '--language', 'zh');
    expect(exitCode).toBe(0);
    expect(lines[0]).toBe('凭证成立。');
    expect(lines[1]).toBe('就此签名摘要（共 13 条）而言，涉及该标签的条目恰为以下 4 条，无一遗漏。');
    expect(lines).toContain('此文件不能证明');
  });

  it('says in Chinese what each check found, whether it holds or not', async () => {
    const text = readFileSync(path('waiting.json'), 'utf8');
    writeFileSync(path('false.json'), text.replace('"members":[2,7]', '"members":[2]'));
    writeFileSync(path('cut.json'), text.slice(0, -40));
    writeFileSync(path('shape.json'), text.replace('"members":[2,7]', '"members":7'));
    writeFileSync(
      path('cut.zip'),
      packZip(new Map([['evidence.json', toUtf8(text)]]), nowMs).subarray(0, 60),
    );
    for (const [file, said] of [
      ['whole.json', '  通过  包含关系：9 个叶节点均包含在共 13 条的签名摘要之内。'],
      ['false.json', '  未通过  封签：封签不符：文件签发之后有改动，或者是由其他密钥封签的。'],
      ['cut.json', '  未通过  文件格式：文件不是完整的 JSON 文本，可能已损坏或被改动。'],
      [
        'shape.json',
        '  未通过  文件格式：文件的书写形式不合规定，可能已损坏或被改动。程序说明（英文）：“file.populations[2].members is not a list of at most 1048576”',
      ],
      [path('cut.zip'), '无法读取压缩包：结尾不完整，可能没有下载完，或者不是 zip 文件。'],
    ] as const) {
      const { lines, json } = await verify(file, '--language', 'zh');
      expect(lines, file).toContain(said);
      // English sentences; names of things in them are another matter.
      const quoted = /程序说明（英文）：“.*”/;
      expect(lines.map((line) => line.replace(quoted, '')).join('\n'), file).not.toMatch(
        /[a-z]+ [a-z]+ [a-z]+/,
      );
      // Programs read what they have always read.
      expect(JSON.stringify(json), file).toMatch(/"(detail|error)":"[a-z]+ /);
    }
  });

  it('shows erased entries as such', async () => {
    const whole = await log.person(0, size);
    const entries = whole.own.entries.map((entry) => ({ ...entry, disclosure: null }));
    const erased = { ...whole, own: { ...whole.own, entries } };
    writeFileSync(path('erased.json'), await person.sealAnything(erased));
    const { lines } = await verify('erased.json');
    expect(lines.filter((line) => line.endsWith('(erased, or not shown)'))).toHaveLength(4);
  });

  it('is not anchored yet (4) where the trust file names a chain and the file no anchor', async () => {
    expect(await verify('waiting.json')).toMatchObject({ exitCode: 4, json: { verdict: 'holds' } });
    writeFileSync(path('trust.json'), trustText({ ...person.trust, chain: null }));
    expect(await verify('waiting.json')).toMatchObject({ exitCode: 0 });
  });

  it('that is false does not hold (1), and shows none of its claims', async () => {
    writeFileSync(
      path('false.json'),
      readFileSync(path('waiting.json'), 'utf8').replace('"members":[2,7]', '"members":[2]'),
    );
    const { exitCode, lines, json } = await verify('false.json');
    expect(exitCode).toBe(1);
    expect(lines.join('\n')).not.toMatch(/none is missing/);
    expect(json).not.toHaveProperty('subject');
  });

  it('goes on from an earlier one, which is compared when it is given', async () => {
    const alone = await verify('later.json');
    expect(alone.exitCode).toBe(0);
    expect(alone.lines).toContainEqual(expect.stringMatching(/the operator’s word until you give/));
    const beside = await verify('later.json', '--earlier', 'early.json');
    expect(beside.exitCode).toBe(0);
    expect(beside.lines).toContainEqual(expect.stringMatching(/that was given, and fits: 2 there, 2 here/));
    expect(alone.lines.join('\n')).not.toMatch(/none is missing/);
    expect(await verify('later.json', '--earlier', 'whole.json')).toMatchObject({
      exitCode: 1,
      json: { firstFailing: 'earlier bundle' },
    });
  });
});

describe('with a state file', () => {
  it('heads are kept from the first good file on, and compared with the next', async () => {
    expect((await verify('early.json', '--state', 'state.json')).exitCode).toBe(0);
    expect(kept()).toEqual([firstSize]);
    const next = await verify('later.json', '--state', 'state.json');
    expect(next).toMatchObject({ exitCode: 0, json: { keptHead: 'extends' } });
    expect(kept()).toEqual([firstSize, size]);
    expect((await verify('waiting.json', '--state', 'state.json')).json).toMatchObject({
      exitCode: 4,
      keptHead: 'same',
    });
    expect(readdirSync(folder).filter((name) => name.endsWith('.next'))).toEqual([]);
  });

  it('a well made file that contradicts it is 3, a false one 1; neither changes what is kept', async () => {
    await verify('whole.json', '--state', 'state.json');
    const before = readFileSync(path('state.json'));
    const forked = await verify('forked.json', '--state', 'state.json');
    expect(forked).toMatchObject({
      exitCode: 3,
      json: { verdict: 'does-not-hold', firstFailing: 'kept head', keptHead: 'contradicts' },
    });
    expect(forked.lines).toContain(verifyWords.en.contradicts);
    const broken = readFileSync(path('forked.json'), 'utf8').replace('"blockNumber":9', '"blockNumber":8');
    writeFileSync(path('broken.json'), broken);
    expect(await verify('broken.json', '--state', 'state.json')).toMatchObject({ exitCode: 1 });
    expect(readFileSync(path('state.json'))).toEqual(before);
  });

  it('nothing is kept of a file that does not hold', async () => {
    writeFileSync(path('broken.json'), '{}\n');
    expect((await verify('broken.json', '--state', 'state.json')).exitCode).toBe(1);
    expect(existsSync(path('state.json'))).toBe(false);
  });

  it('heads that nothing connects are kept side by side, and that is said', async () => {
    await verify('early.json', '--state', 'state.json');
    const { exitCode, lines } = await verify('waiting.json', '--state', 'state.json');
    expect(exitCode).toBe(4);
    expect(lines).toContain(verifyWords.en.kept['cannot-tell']);
    expect(kept()).toEqual([firstSize, size]);
  });

  it('the public tiles connect heads of different sizes, or show that they contradict', async () => {
    await publish(log);
    await publish(fork, 'tiles-of-fork');
    await verify('early.json', '--state', 'state.json');
    const told = await verify('waiting.json', '--state', 'state.json', '--log', 'tiles');
    expect(told).toMatchObject({ exitCode: 4, json: { keptHead: 'extends' } });
    // A log that was another one from the first leaf on, under the same keys.
    const other = person.buildLog(
      person.examplePlan.map((planned, i) => (i === 0 ? { person: 1 } : planned)),
    );
    await publish(other, 'tiles-of-other');
    writeFileSync(path('other.json'), await person.sealAnything(await other.person(0, size)));
    rmSync(path('state.json'));
    await verify('early.json', '--state', 'state.json');
    expect(await verify('other.json', '--state', 'state.json', '--log', 'tiles-of-other')).toMatchObject({
      exitCode: 3,
    });
    // Tiles of another log prove nothing about this file.
    expect(await verify('waiting.json', '--state', 'state.json', '--log', 'tiles-of-other')).toMatchObject({
      exitCode: 4,
      json: { keptHead: 'cannot-tell' },
    });
  });

  it.each([
    ['of another log', () => `{"format":"assent-state/v1","heads":[],"origin":"other.example/log"}\n`],
    ['that is damaged', () => '{"format":"assent-state/v1"'],
    ['that is a trust file', () => person.trustFile],
  ])('%s nothing is checked', async (_, text) => {
    writeFileSync(path('state.json'), text());
    await expect(verify('whole.json', '--state', 'state.json')).rejects.toThrow(Usage);
    expect(readFileSync(path('state.json'), 'utf8')).toBe(text());
  });
});

describe('a report', () => {
  it('is one file that runs nothing, with verdict, levels, checks, entries and hashes', async () => {
    await verify('whole.json', '--report', 'report.html');
    const page = readFileSync(path('report.html'), 'utf8');
    expect(page).not.toMatch(/<script|<link|<img|https?:\/\/|\son\w+=/i);
    expect(page).toContain("default-src 'none'");
    for (const part of [
      'The file holds.',
      'none is missing',
      '2026-01-01T00:04 UTC',
      createHash('sha256')
        .update(readFileSync(path('whole.json')))
        .digest('hex'),
      createHash('sha256')
        .update(readFileSync(path('trust.json')))
        .digest('hex'),
      '2026-03-01T12:00:00.000Z',
      'completeness',
      'What this does not prove',
    ])
      expect(page).toContain(part);
    await verify('whole.json', '--report', 'report.html', '--language', 'zh');
    const chinese = readFileSync(path('report.html'), 'utf8');
    expect(chinese).toContain('<html lang="zh-CN">');
    expect(chinese).toContain('无一遗漏');
  });

  it('of a false file names the check, shows none of its claims, and escapes what it quotes', async () => {
    const forged = { ...(await log.person(0, size)), origin: '<b>evil</b>' };
    writeFileSync(path('evil.json'), await person.sealAnything(forged));
    expect((await verify('evil.json', '--report', 'report.html')).exitCode).toBe(1);
    const page = readFileSync(path('report.html'), 'utf8');
    expect(page).toContain('First failing check: trust');
    expect(page).not.toContain('<b>evil');
    expect(page).not.toContain('none is missing');
  });
});

describe('options', () => {
  it('that cannot be followed are usage errors: nothing was checked', async () => {
    await expect(verify('whole.json', '--language', 'fr')).rejects.toThrow(Usage);
    await expect(verify('whole.json', '--log', 'tiles')).rejects.toThrow(Usage);
    await expect(verify('whole.json', '--state', 'state.json', '--log', 'a', '--log', 'b')).rejects.toThrow(
      Usage,
    );
    await expect(verify()).rejects.toThrow(Usage);
    await expect(verify('missing.json')).rejects.toThrow(/ENOENT/);
  });

  it('a bundle of one entry takes a state file and a report too', async () => {
    writeFileSync(path('entry.json'), await example.sealed(await example.unsealed(4, 5)));
    writeFileSync(path('trust.json'), example.trustFile);
    const { exitCode } = await verify('entry.json', '--state', 'state.json', '--report', 'report.html');
    expect(exitCode).toBe(0);
    expect(kept()).toEqual([7]);
    expect(readFileSync(path('report.html'), 'utf8')).toContain('2026-01-01T00:04 UTC');
  });
});
