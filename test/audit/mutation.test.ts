// A forger changes one thing at a time, in every place: first without the operator's key, then with it. Without, nothing
// may hold. With it, whatever still holds must say nothing that is not so.
import { sha256 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toBase64, toHex, toUtf8 } from '../../gateway/audit/bytes.ts';
import { canonicalPayload } from '../../gateway/audit/entry.ts';
import type { Evidence } from '../../gateway/audit/evidence.ts';
import { fileText } from '../../gateway/audit/file-shape.ts';
import { multiProof } from '../../gateway/audit/multi-proof.ts';
import type { Receipt } from '../../gateway/audit/receipt.ts';
import { leafHash } from '../../gateway/audit/tree.ts';
import {
  type Bundle,
  type Subject,
  type VerifiedEntry,
  verifyFile,
  type VerifyOptions,
} from '../../gateway/audit/verify.ts';
import { mutantsOf } from './mutants.ts';
import * as person from './person-log.ts';

const body = 'We use what you browse to suggest items.';
const log = person.buildLog(person.namingNotice(toHex(sha256(toUtf8(body)))));
const [firstSize, size] = log.sizes as [number, number];
const tagText = toBase64(person.tagOf(0));

const receipt: Omit<Receipt, 'seal'> = {
  format: 'assent-receipt/v1',
  origin: person.origin,
  kind: 'consent',
  tag: tagText,
  entries: [1, 4].map((index) => ({ index, leafHash: toBase64(leafHash(log.leaves[index]!)) })),
  at: '2026-01-01T00:05:00.000Z',
  statement: { switches: [{ category: 'browsing', on: true }] },
};

const bundle = async (): Promise<Omit<Bundle, 'seal'>> => ({
  format: 'assent-bundle/v1',
  origin: person.origin,
  entry: { index: 4, leaf: log.shown(4).leaf },
  disclosure: log.shown(4).disclosure,
  checkpoint: await log.checkpoint(size),
  inclusion: log.tree.inclusionPath(4, size).map(toBase64),
  anchor: log.anchorAt(firstSize, size),
});

async function evidence(): Promise<Omit<Evidence, 'seal'>> {
  const indices = [3, 4, 5, 6, 7, 8];
  return {
    format: 'assent-evidence/v1',
    origin: person.origin,
    selection: {
      kind: 'period',
      value: '',
      from: '2026-01-01T00:04:00.000Z',
      to: '2026-01-01T00:07:00.000Z',
    },
    range: { first: 3, end: 9 },
    checkpoint: await log.checkpoint(size),
    entries: indices.map((index) => log.shown(index, index !== 6)),
    paths: multiProof(log.tree, indices, size).map(toBase64),
    notices: [{ hash: toHex(sha256(toUtf8(body))), id: 'n', version: 1, language: 'en', body }],
    receipts: [await person.sealAnything(receipt)],
    anchor: log.anchorAt(size, size),
    madeAt: '2026-01-02T00:00:00.000Z',
  };
}

/** Every entry shown is the log's, and says what was recorded or nothing. */
function areTrue(entries: readonly VerifiedEntry[]): boolean {
  return entries.every(({ index, entry, payload }) => {
    const leaf = log.leaves[index];
    if (leaf === undefined) return false;
    const commitment = 'commitment' in entry ? toHex(entry.commitment) : toHex(leaf.slice(12, 44));
    const said = log.payloads[index] ?? {};
    return (
      commitment === toHex(leaf.slice(12, 44)) &&
      (payload === null || toHex(canonicalPayload(payload)) === toHex(canonicalPayload(said)))
    );
  });
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** What is false in a subject, or undefined. @param since for a bundle that goes on from that size */
function lieIn(subject: Subject | undefined, since = 0): string | undefined {
  if (subject === undefined) return 'nothing is said';
  switch (subject.kind) {
    case 'entry':
      return areTrue([subject]) ? undefined : 'the entry';
    case 'evidence': {
      if (!areTrue(subject.entries)) return 'the entries';
      const { range } = subject;
      const isWhole =
        range === null || subject.entries.every(({ index }, place) => index === range.first + place);
      return isWhole ? undefined : 'the range';
    }
    case 'receipt':
      return undefined;
    case 'person': {
      const who = [0, 1, 2].find((number) => toHex(person.tagOf(number)) === subject.tag);
      const isNew = (index: number) => index >= since;
      const truth = who === undefined ? [] : log.about(who, size);
      if (subject.count !== truth.length) return 'the count';
      const own = subject.entries.map(({ index }) => index);
      if (!same(own, truth.filter(isNew)) || !same(own, subject.indices)) return 'the list';
      if (!areTrue(subject.entries)) return 'the entries';
      const names = subject.populations?.map(({ name }) => name);
      if (!same(names, person.names)) return 'the populations';
      for (const { name, count, entries, members } of subject.populations ?? []) {
        const all = log.about(name, size);
        const shown = entries.map(({ index }) => index);
        if (count !== all.length || !same(shown, all.filter(isNew))) return name;
        if (!areTrue(entries) || !members.every((index) => shown.includes(index))) return name;
      }
      return undefined;
    }
  }
}

interface Tried {
  mutants: number;
  /** What was changed where the re-sealed file still holds. */
  held: string[];
}

/** Verifies each mutant under the old seal and under a new one; throws on the first that is believed wrongly. */
async function tryAll(unsealed: object, options: VerifyOptions = {}, since?: number): Promise<Tried> {
  const good = await person.sealAnything(unsealed);
  const { seal } = JSON.parse(good) as { seal: string };
  expect(verifyFile(good, person.trustFile, options).checks.filter(({ ok }) => !ok)).toEqual([]);
  const tried: Tried = { mutants: 0, held: [] };
  for (const { what, value } of mutantsOf(unsealed)) {
    if (fileText({ ...(value as object), seal }) === good) continue;
    tried.mutants++;
    const broken = verifyFile(fileText({ ...(value as object), seal }), person.trustFile, options);
    if (broken.verdict === 'holds') expect.fail(`holds without the key: ${what}`);
    // Where the shape is refused, a new seal changes nothing.
    if (broken.firstFailing === 'format') continue;
    const file = await person.sealAnything(value as object);
    const result = verifyFile(file, person.trustFile, options);
    if (result.verdict !== 'holds') continue;
    const lie = lieIn(result.subject, since);
    if (lie !== undefined) expect.fail(`${what}: ${lie} is false and believed`);
    tried.held.push(what);
  }
  return tried;
}

/** Members that are the operator's word by FORMAT.md: a seal stands behind them and no other check can. */
const byWordAlone = [
  /\.disclosure null$/,
  /\.members/,
  /^file\.anchor (null|emptied)/,
  /^file\.anchor\.(transactionHash|blockNumber|seq|checkpointHash)/,
];
const isWord = (more: readonly RegExp[]) => (what: string) =>
  [...byWordAlone, ...more].some((pattern) => pattern.test(what));

describe('a forged file', { timeout: 120_000 }, () => {
  let total = 0;

  it('of a person’s whole bundle never holds without the key, and with it says only what is so', async () => {
    const whole = { ...(await log.person(0, size)), anchor: log.anchorAt(firstSize, size) };
    const { mutants, held } = await tryAll(whole);
    expect(held.filter((what) => !isWord([])(what))).toEqual([]);
    total += mutants;
  });

  it('of a person’s bundle that goes on from an earlier one neither, beside that one', async () => {
    const earlier = await person.sealAnything(await log.person(0, firstSize));
    const { mutants, held } = await tryAll(await log.person(0, size, firstSize), { earlier }, firstSize);
    // The earlier bundle showed nothing of this population, so that all of it is here either way.
    const alsoTrue = [/^file\.populations\[0\]\.earlier null$/];
    expect(held.filter((what) => !isWord(alsoTrue)(what))).toEqual([]);
    total += mutants;
  });

  it('of one entry neither', async () => {
    const { mutants, held } = await tryAll(await bundle());
    expect(held.filter((what) => !isWord([])(what))).toEqual([]);
    total += mutants;
  });

  it('of evidence neither', async () => {
    const { mutants, held } = await tryAll(await evidence());
    const words = [
      /^file\.(selection\.(value|from|to)|madeAt)/,
      /^file\.notices(\[0\] (dropped|doubled)|\[0\]\.(id|version|language)| emptied)/,
      /^file\.receipts(\[0\] (dropped|doubled)| emptied)/,
    ];
    expect(held.filter((what) => !isWord(words)(what))).toEqual([]);
    total += mutants;
  });

  it('of a receipt never holds without the key', async () => {
    const { mutants, held } = await tryAll(receipt);
    // A receipt is its operator's word and nothing else.
    expect(held.length).toBeGreaterThan(0);
    total += mutants;
  });

  it('that is junk gets a verdict, whatever its kind', () => {
    const formats = ['bundle', 'person', 'evidence', 'receipt'].map((name) => `assent-${name}/v1`);
    const refused = (file: string) =>
      expect(verifyFile(file, person.trustFile)).toMatchObject({ firstFailing: 'format' });
    for (const format of formats) {
      for (const junk of [
        [],
        null,
        '\ud800',
        { deep: JSON.parse(`${'['.repeat(900)}${']'.repeat(900)}`) as unknown },
      ])
        refused(JSON.stringify({ format, own: junk, statement: junk, entries: junk }));
      refused(`{"format":"${format}","own":${'['.repeat(100_000)}`);
    }
    fc.assert(
      fc.property(
        fc.constantFrom(...formats),
        fc.dictionary(fc.string(), fc.jsonValue()),
        (format, members) => {
          refused(`${JSON.stringify({ ...members, format })}\n`);
        },
      ),
    );
    for (const junk of ['null\n', '[]\n', '1\n', '{}\n', '', '\0']) refused(junk);
  });

  it('was tried in thousands of ways', () => {
    expect(total).toBeGreaterThan(2_000);
  });
});
