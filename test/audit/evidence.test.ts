import { sha256 } from '@noble/hashes/sha2.js';
import { describe, expect, it } from 'vitest';
import { FormatError, toBase64, toHex, toUtf8 } from '../../gateway/audit/bytes.ts';
import { parseEvidence, sealEvidence, type Evidence } from '../../gateway/audit/evidence.ts';
import { multiProof } from '../../gateway/audit/multi-proof.ts';
import type { Receipt } from '../../gateway/audit/receipt.ts';
import { leafHash } from '../../gateway/audit/tree.ts';
import { verifyFile } from '../../gateway/audit/verify.ts';
import * as example from './example-log.ts';
import * as person from './person-log.ts';

const body = 'We use what you browse\nto suggest items.';
const notice = { hash: toHex(sha256(toUtf8(body))), id: 'browsing', version: 2, language: 'en', body };
const log = person.buildLog(person.namingNotice(notice.hash));
const [firstSize, size] = log.sizes as [number, number];
const checkpoint = await log.checkpoint(size);

const receiptOf = (indices: readonly number[], change: Partial<Receipt> = {}) =>
  person.sealAnything({
    format: 'assent-receipt/v1',
    origin: person.origin,
    kind: 'consent',
    tag: toBase64(person.tagOf(0)),
    entries: indices.map((index) => ({ index, leafHash: toBase64(leafHash(log.leaves[index]!)) })),
    at: '2026-01-01T00:00:00.000Z',
    statement: {},
    ...change,
  });

const of = (indices: readonly number[]): Pick<Evidence, 'entries' | 'paths'> => ({
  entries: indices.map((index) => log.shown(index, index !== firstSize - 1)),
  paths: multiProof(log.tree, indices, size).map(toBase64),
});
const period: Omit<Evidence, 'seal'> = {
  format: 'assent-evidence/v1',
  origin: person.origin,
  selection: { kind: 'period', value: '', from: '2026-01-01T00:04:00.000Z', to: '2026-01-01T00:07:00.000Z' },
  range: { first: 3, end: 9 },
  checkpoint,
  ...of([3, 4, 5, 6, 7, 8]),
  notices: [notice],
  receipts: [await receiptOf([4])],
  anchor: null,
  madeAt: '2026-01-02T00:00:00.000Z',
};
const partner: Omit<Evidence, 'seal'> = {
  ...period,
  selection: { kind: 'partner', value: 'shop', from: null, to: null },
  range: null,
  ...of([1, 8]),
  receipts: [],
};
const sealed = (evidence: Omit<Evidence, 'seal'>) =>
  sealEvidence(evidence, (message) => example.sealSigner.sign(message));
const verdictOf = async (evidence: object) => {
  const { verdict, firstFailing } = verifyFile(await person.sealAnything(evidence), person.trustFile);
  return `${verdict}: ${firstFailing ?? 'every check'}`;
};

describe('evidence', () => {
  it('of a period holds every leaf of its range, map heads too, with notices and receipts', async () => {
    const file = await sealed(period);
    expect(parseEvidence(file)).toMatchObject(period);
    const result = verifyFile(file, person.trustFile);
    expect(result.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(result.subject).toMatchObject({
      kind: 'evidence',
      range: { first: 3, end: 9 },
      notices: [notice],
      receipts: [{ kind: 'receipt', about: 'consent' }],
    });
    const { subject } = result;
    expect(subject?.kind === 'evidence' && subject.entries.map(({ entry }) => entry.kind)).toEqual([
      'used',
      'used',
      'used',
      'map-head',
      'used',
      'used',
    ]);
    expect(result.checks.map(({ name }) => name)).toEqual([
      'format',
      'trust',
      'leaf',
      'payload',
      'checkpoint signature',
      'checkpoint',
      'inclusion',
      'range',
      'selection',
      'notices',
      'receipts',
      'seal',
    ]);
  });

  it('of a partner, a purpose or a person is a selection, and says that nothing proves it complete', async () => {
    for (const kind of ['partner', 'purpose', 'person'] as const) {
      const value = kind === 'person' ? toHex(person.tagOf(0)) : 'shop';
      const selection = { ...partner.selection, kind, value };
      const result = verifyFile(await sealed({ ...partner, selection }), person.trustFile);
      expect(result.verdict).toBe('holds');
      expect(result.subject).toMatchObject({ range: null });
      expect(result.checks.find(({ name }) => name === 'range')?.detail).toMatch(/nothing proves/);
    }
  });

  it('may be empty, and may be anchored', async () => {
    expect(await verdictOf({ ...partner, ...of([]), notices: [] })).toBe('holds: every check');
    expect(await verdictOf({ ...partner, anchor: log.anchorAt(firstSize, size) })).toBe('holds: every check');
  });

  it('shows a receipt that also speaks of entries not shown here', async () => {
    expect(await verdictOf({ ...period, receipts: [await receiptOf([4, 10])] })).toBe('holds: every check');
  });

  it.each<[string, string, () => object | Promise<object>]>([
    ['range', 'an entry of the period left out', () => ({ ...period, ...of([3, 4, 6, 7, 8]) })],
    ['range', 'a period without a range', () => ({ ...period, range: null })],
    ['range', 'a selection with a range', () => ({ ...partner, range: { first: 1, end: 9 } })],
    ['range', 'a longer range than shown', () => ({ ...period, range: { first: 3, end: 10 } })],
    [
      'range',
      'a range beyond the log',
      () => ({ ...period, ...of([]), range: { first: 90, end: 90 }, receipts: [] }),
    ],
    [
      'selection',
      'a period said to be longer than what is shown before it',
      () => ({ ...period, selection: { ...period.selection, from: '2025-12-01T00:00:00.000Z' } }),
    ],
    [
      'selection',
      'a period said to be longer than what is shown behind it',
      () => ({ ...period, selection: { ...period.selection, to: '2026-02-01T00:00:00.000Z' } }),
    ],
    [
      'selection',
      'a period said to hold nothing',
      () => ({ ...period, ...of([]), range: { first: 0, end: 0 }, receipts: [] }),
    ],
    [
      'selection',
      'a shorter period with entries of other times',
      () => ({ ...period, selection: { ...period.selection, to: '2026-01-01T00:05:00.000Z' } }),
    ],
    [
      'selection',
      'an entry of another time',
      () => ({ ...partner, selection: { ...partner.selection, from: '2026-01-01T00:05:00.000Z' } }),
    ],
    [
      'selection',
      'an entry of another person',
      () => ({
        ...partner,
        selection: { ...partner.selection, kind: 'person', value: toHex(person.tagOf(0)) },
        ...of([1, 3]),
      }),
    ],
    [
      'inclusion',
      'an entry at another place',
      () => ({ ...partner, entries: [log.shown(1), { ...log.shown(8), index: 10 }] }),
    ],
    [
      'inclusion',
      'another leaf',
      () => ({ ...partner, entries: [log.shown(1), { ...log.shown(4), index: 8 }] }),
    ],
    [
      'payload',
      'another payload',
      () => ({
        ...partner,
        entries: [log.shown(1), { ...log.shown(8), disclosure: log.shown(4).disclosure }],
      }),
    ],
    [
      'payload',
      'a map head with a payload',
      () => ({
        ...period,
        entries: period.entries.map((e) =>
          e.index === 6 ? { ...e, disclosure: log.shown(4).disclosure } : e,
        ),
      }),
    ],
    [
      'leaf',
      'a leaf that is none',
      () => ({ ...partner, entries: [{ ...log.shown(1), leaf: 'AAAA' }, log.shown(8)] }),
    ],
    [
      'notices',
      'another text under a hash',
      () => ({ ...period, notices: [{ ...notice, body: 'We sell it.' }] }),
    ],
    [
      'notices',
      'a notice that no entry shown here names',
      () => {
        const other = { ...notice, body: 'We sell it.', hash: toHex(sha256(toUtf8('We sell it.'))) };
        return { ...period, notices: [notice, other] };
      },
    ],
    [
      'receipts',
      'a receipt about other entries',
      async () => ({ ...period, receipts: [await receiptOf([10])] }),
    ],
    [
      'receipts',
      'a receipt about another leaf at that place',
      async () => ({
        ...period,
        receipts: [
          await receiptOf([4], { entries: [{ index: 4, leafHash: toBase64(leafHash(log.leaves[8]!)) }] }),
        ],
      }),
    ],
    [
      'receipts',
      'a receipt for another person than its entry is about',
      async () => ({
        ...period,
        receipts: [await receiptOf([4], { tag: toBase64(person.tagOf(1)) })],
      }),
    ],
    ['receipts', 'a receipt about a map head', async () => ({ ...period, receipts: [await receiptOf([6])] })],
    [
      'receipts',
      'a receipt changed after its seal',
      async () => ({ ...period, receipts: [(await receiptOf([4])).replace('consent', 'erasure')] }),
    ],
    [
      'receipts',
      'a receipt of another log',
      async () => ({ ...period, receipts: [await receiptOf([4], { origin: 'other.example/log' })] }),
    ],
    ['receipts', 'what is no receipt', () => ({ ...period, receipts: ['{}\n'] })],
    ['format', 'entries out of order', () => ({ ...partner, entries: [...partner.entries].reverse() })],
    [
      'format',
      'an unknown selection',
      () => ({ ...partner, selection: { ...partner.selection, kind: 'all' } }),
    ],
    [
      'anchor consistency',
      'an anchor of another history',
      () => ({ ...partner, anchor: { ...log.anchorAt(firstSize, size), size: 6 } }),
    ],
    [
      'checkpoint signature',
      'a checkpoint that nobody signed',
      () => ({ ...partner, checkpoint: checkpoint.replace(/ (\S{8})(\S+)\n$/, ' $1AAAA$2\n') }),
    ],
  ])('is refused by %s: %s', async (check, _, build) => {
    expect(await verdictOf(await build())).toBe(`does-not-hold: ${check}`);
  });

  it('is not sealed without its shape', async () => {
    await expect(sealed({ ...partner, madeAt: 'today' })).rejects.toThrow(FormatError);
  });
});
