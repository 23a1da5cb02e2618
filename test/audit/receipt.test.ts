import { describe, expect, it } from 'vitest';
import { FormatError, toBase64 } from '../../gateway/audit/bytes.ts';
import { parseReceipt, sealReceipt, type Receipt } from '../../gateway/audit/receipt.ts';
import { leafHash } from '../../gateway/audit/tree.ts';
import { verifyFile } from '../../gateway/audit/verify.ts';
import * as log from './example-log.ts';

const receipt: Omit<Receipt, 'seal'> = {
  format: 'assent-receipt/v1',
  origin: log.origin,
  kind: 'erasure',
  tag: toBase64(log.tag),
  entries: [2, 5].map((index) => ({ index, leafHash: toBase64(leafHash(log.leafOf(index))) })),
  at: '2026-01-01T00:00:00.000Z',
  statement: { erased: ['browsing'], rows: 12 },
};
const sealWith = (signer: typeof log.sealSigner, change: Partial<Receipt> = {}) =>
  sealReceipt({ ...receipt, ...change }, (message) => signer.sign(message));

describe('a receipt', () => {
  it('round-trips, and holds as the operator’s word: recorded, under no checkpoint', async () => {
    const file = await sealWith(log.sealSigner);
    expect(parseReceipt(file)).toMatchObject(receipt);
    const result = verifyFile(file, log.trustFile);
    expect(result.verdict).toBe('holds');
    expect(result.checks.map(({ name }) => name)).toEqual(['format', 'trust', 'seal']);
    expect(result.subject).toMatchObject({ kind: 'receipt', about: 'erasure', statement: receipt.statement });
    expect(result.levels).toMatchObject({
      recorded: { state: 'holds' },
      checkpointed: { state: 'absent', words: 'no-checkpoint' },
      witnessed: { state: 'absent', words: 'no-checkpoint' },
      anchored: { state: 'absent' },
    });
  });

  it('under another key, of another log or changed does not hold', async () => {
    const check = (file: string) => verifyFile(file, log.trustFile).firstFailing;
    expect(check(await sealWith(log.signerOf('x', 9)))).toBe('seal');
    expect(check(await sealWith(log.sealSigner, { origin: 'other.example/log' }))).toBe('trust');
    const file = await sealWith(log.sealSigner);
    expect(check(file.replace('"rows":12', '"rows":13'))).toBe('seal');
    expect(check(file.replace('erasure', 'consent'))).toBe('seal');
  });

  it.each<[string, object]>([
    ['another kind', { kind: 'purchase' }],
    ['entries out of order', { entries: [...receipt.entries].reverse() }],
    ['an entry twice', { entries: [receipt.entries[0], receipt.entries[0]] }],
    ['a short leaf hash', { entries: [{ index: 1, leafHash: 'AAAA' }] }],
    ['a statement that is no object', { statement: ['x'] }],
    ['a statement too deep', { statement: nested(40) }],
    ['a statement too long', { statement: { text: 'x'.repeat(70_000) } }],
    ['half a character', { statement: { text: '\ud800' } }],
    ['a time without zone', { at: '2026-01-01T00:00:00' }],
    ['a surplus member', { more: 1 }],
  ])('is refused with %s', async (_, change) => {
    await expect(sealWith(log.sealSigner, change)).rejects.toThrow(FormatError);
  });
});

function nested(levels: number): object {
  return levels === 0 ? {} : { in: nested(levels - 1) };
}
