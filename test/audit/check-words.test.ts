// What checks found, said in Chinese: every sentence there is, with the values of the English one.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sayDetail, saySentence } from '../../gateway/audit/check-words.ts';
import { checkNames } from '../../gateway/audit/checks.ts';
import { fileText } from '../../gateway/audit/file-shape.ts';
import { verifyFile } from '../../gateway/audit/verify.ts';
import { checkWords } from '../../gateway/portal/messages/verify-details.ts';
import { mutantsOf } from './mutants.ts';
import * as person from './person-log.ts';

const words = checkWords('zh');
if (words === undefined) throw new Error('no Chinese words');
const { sentences } = words;
const audit = join(import.meta.dirname, '..', '..', 'gateway', 'audit');
const sources = readdirSync(audit)
  .filter((name) =>
    /^(verify|check-|checks|evidence|person-bundle|archive|zip|levels|open-entries|log-file)/.test(name),
  )
  .map((name) => readFileSync(join(audit, name), 'utf8'));

/** Every text in an argument of a failing or passing check, with its values filled in by a number. */
function saidIn(source: string): string[] {
  const calls =
    /\b(?:fail|wrong|check|put)\(\s*(?:'[^']*'|check|name|evidenceName|personName)?,?\s*(?:'[a-z-]*',\s*)?(?:'((?:[^'\\]|\\.)+)'|`([^`]+)`)/g;
  return [...source.matchAll(calls)].flatMap(([, plain, template]) => {
    const text = plain ?? template ?? '';
    return / /.test(text) ? [text.replaceAll(/\$\{[^}]*\}/g, '7')] : [];
  });
}

/** Sentences whose value is words, and what they become. */
const puttingTogether = [
  'receipt 7 7',
  'the archive cannot be read: 7',
  'the map does not say 7',
  'another 7 than in the trust file',
];
const putTogether = [
  'the map does not say that there is no entry',
  'the map does not say that these 7 entries are all',
  ...['chainId', 'genesisHash', 'contract'].map((name) => `another ${name} than in the trust file`),
];

describe('a sentence of a check in Chinese', () => {
  it('has the places of the English one, no others, and is Chinese', () => {
    const placesIn = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(String).sort();
    for (const [english, chinese] of Object.entries(sentences)) {
      expect(new Set(placesIn(chinese)), english).toEqual(new Set(placesIn(english)));
      expect(chinese, english).toMatch(/\p{Script=Han}/u);
    }
    for (const name of checkNames) expect(words.faults[name], name).toMatch(/。$/);
  });

  it('exists for every sentence that the checks of the log have', () => {
    const said = new Set(sources.flatMap(saidIn));
    for (const name of [...checkNames, ...puttingTogether]) said.delete(name);
    expect(said.size).toBeGreaterThan(80);
    const isKnown = (one: string) =>
      ['', 'receipt 7 ', 'the archive cannot be read: '].some(
        (before) => saySentence(words, before + one) !== undefined,
      );
    expect([...said].filter((one) => !isKnown(one))).toEqual([]);
    for (const whole of putTogether) expect(saySentence(words, whole), whole).toBeDefined();
  });

  it('is found for whatever first fails in a forged bundle of a person', { timeout: 60_000 }, async () => {
    const log = person.buildLog(person.examplePlan);
    const size = log.sizes.at(-1) ?? 0;
    const good = await log.person(0, size);
    const unknown = new Set<string>();
    const names = new Set<string>();
    let place = 0;
    for (const { value } of mutantsOf(good)) {
      if (place++ % 4 !== 0) continue;
      const { seal } = JSON.parse(await person.sealAnything(value as object)) as { seal: string };
      const { checks } = verifyFile(fileText({ ...(value as object), seal }), person.trustFile);
      const first = checks.find(({ ok }) => !ok);
      if (first === undefined) continue;
      names.add(first.name);
      const said = sayDetail(words, first);
      expect(said).toMatch(/\p{Script=Han}/u);
      // What a parser finds in the shape of a file is quoted behind a sentence.
      if (saySentence(words, first.detail) === undefined && first.name !== 'format')
        unknown.add(`${first.name}: ${first.detail}`);
    }
    expect(names.size).toBeGreaterThan(5);
    expect([...unknown]).toEqual([]);
  });
});

describe('the values of a sentence', () => {
  const detail = (english: string) => sayDetail(words, { name: 'selection', ok: false, detail: english });

  it('stand where the Chinese one has them', () => {
    expect(detail('the heads of size 5 and 7 contradict each other')).toBe(
      '共 5 条与共 7 条的两个摘要互相矛盾，不属于同一段历史。',
    );
  });

  it('are read from the sentence that says most', () => {
    expect(detail('entry 3 is not about the person that was chosen')).toBe('第 3 条不涉及所选的个人。');
    expect(detail('entry 3 is not about training')).toBe('第 3 条不是对群体 training 的使用。');
  });

  it('that are the name of a check are said as the check is called', () => {
    expect(detail('the check "kept head" failed')).toBe('检查“留存的摘要”未通过');
  });

  it('may hold anything, and are shown as they are', () => {
    expect(detail('the checkpoint is one of {origin} $& (.*)')).toBe(
      '签名摘要属于另一日志 {origin} $& (.*)。',
    );
    expect(detail('the check "constructor" failed')).toBe('检查“constructor”未通过');
  });
});

describe('a message that has no sentence', () => {
  it('is quoted behind one that says what failed', () => {
    expect(sayDetail(words, { name: 'payload', ok: false, detail: 'half a character' })).toBe(
      '有条目的内容无法读取，可能已被改动。程序说明（英文）：“half a character”',
    );
  });

  it('is quoted alone where nothing failed', () => {
    expect(sayDetail(words, { name: 'anchor on chain', ok: true, detail: 'fine' })).toBe(
      '程序说明（英文）：“fine”',
    );
  });

  it('and every other stay as they are in English', () => {
    expect(sayDetail(checkWords('en'), { name: 'seal', ok: false, detail: 'whatever it is' })).toBe(
      'whatever it is',
    );
  });
});
