import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseBundle } from '../../gateway/audit/bundle.ts';
import { FormatError, toBase64, toUtf8 } from '../../gateway/audit/bytes.ts';
import { formatNote, parseNote, parseVerifierKey } from '../../gateway/audit/note.ts';
import {
  formatTlogProof,
  parseTlogProof,
  tlogProofOf,
  verifyTlogProof,
  type TlogProof,
} from '../../gateway/audit/tlog-proof.ts';
import { leafHash } from '../../gateway/audit/tree.ts';
import { checkpointAt, leafOf, origin, sealed, signerOf, tree, trust, unsealed } from './example-log.ts';

const golden = join(import.meta.dirname, '..', 'golden', 'log');
const logKey = parseVerifierKey(trust.logKey);
const checkpoint = await checkpointAt(7);
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
const anyProof: fc.Arbitrary<TlogProof> = fc.record({
  extra: fc.option(fc.uint8Array({ maxLength: 200 })),
  index: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  path: fc.array(hash, { maxLength: 64 }),
  checkpoint: fc.constant(checkpoint),
});
const good: TlogProof = { extra: null, index: 4, path: tree.inclusionPath(4, 7), checkpoint };
const text = formatTlogProof(good);

describe('a tlog-proof', () => {
  it('has the lines of the specification', () => {
    expect(formatTlogProof({ ...good, extra: toUtf8('extra information') })).toBe(
      `c2sp.org/tlog-proof@v1\nextra ZXh0cmEgaW5mb3JtYXRpb24=\nindex 4\n` +
        `${good.path.map((one) => `${toBase64(one)}\n`).join('')}\n${checkpoint}`,
    );
    expect(formatTlogProof({ ...good, index: 0, path: [] })).toBe(
      `c2sp.org/tlog-proof@v1\nindex 0\n\n${checkpoint}`,
    );
  });

  it('round-trips, whatever it carries', () => {
    fc.assert(
      fc.property(anyProof, (proof) => {
        expect(parseTlogProof(formatTlogProof(proof))).toEqual(proof);
        expect(parseTlogProof(toUtf8(formatTlogProof(proof)))).toEqual(proof);
      }),
    );
  });

  // transparency-dev/formats, proof/tlog_proof_test.go: TestUnmarshalErrors.
  it.each([
    ['another header', `wrong-header\nindex 0\n\n${checkpoint}`],
    [
      'extra data that is not base64',
      `c2sp.org/tlog-proof@v1\nextra !!notbase64!!\nindex 0\n\n${checkpoint}`,
    ],
    ['no index', `c2sp.org/tlog-proof@v1\n\n\n${checkpoint}`],
    ['an index that is no number', `c2sp.org/tlog-proof@v1\nindex notanumber\n\n${checkpoint}`],
    ['a negative index', `c2sp.org/tlog-proof@v1\nindex -5\n\n${checkpoint}`],
    ['a hash that is not base64', `c2sp.org/tlog-proof@v1\nindex 0\n!!notbase64!!\n\n${checkpoint}`],
    [
      'a hash of 64 bytes',
      `c2sp.org/tlog-proof@v1\nindex 0\n${toBase64(new Uint8Array(64))}\n\n${checkpoint}`,
    ],
    ['a line of 65 KiB', `c2sp.org/tlog-proof@v1\nindex 0\n${'a'.repeat(65 * 1024)}\n`],
  ])('is refused with %s', (_, file) => {
    expect(() => parseTlogProof(file)).toThrow(FormatError);
  });

  it.each([
    ['nothing', ''],
    ['the header alone', 'c2sp.org/tlog-proof@v1\n'],
    ['an index with a zero in front', text.replace('index 4', 'index 04')],
    ['an index with a sign', text.replace('index 4', 'index +4')],
    ['an index of 2^53', text.replace('index 4', 'index 9007199254740992')],
    ['two indices', text.replace('index 4', 'index 4\nindex 4')],
    ['extra data behind the index', text.replace('index 4', 'index 4\nextra AAAA')],
    ['extra data twice', text.replace('index 4', 'extra AAAA\nextra AAAA\nindex 4')],
    ['extra data with loose bits', text.replace('index 4', 'extra AB==\nindex 4')],
    ['too much extra data', text.replace('index 4', `extra ${'AAAA'.repeat(22_000)}\nindex 4`)],
    ['65 hashes', text.replace('index 4\n', `index 4\n${`${toBase64(new Uint8Array(32))}\n`.repeat(65)}`)],
    ['a hash of 31 bytes', text.replace('index 4\n', `index 4\n${toBase64(new Uint8Array(31))}\n`)],
    ['carriage returns', text.replaceAll('\n', '\r\n')],
    ['no checkpoint', text.slice(0, text.indexOf('\n\n') + 2)],
    ['a checkpoint nobody signed', text.slice(0, text.indexOf('\n— ') + 1)],
    ['no final newline', text.slice(0, -1)],
    ['a line behind the signatures', `${text}more\n`],
    ['more than a note may have', `${text}${'x'.repeat(2 << 20)}`],
  ])('is refused with %s', (_, file) => {
    expect(() => parseTlogProof(file)).toThrow(FormatError);
  });

  it('is not written when nobody would read it', () => {
    expect(() => formatTlogProof({ ...good, index: -1 })).toThrow(FormatError);
    expect(() => formatTlogProof({ ...good, index: 0.5 })).toThrow(FormatError);
    expect(() => formatTlogProof({ ...good, path: [new Uint8Array(31)] })).toThrow(FormatError);
    expect(() => formatTlogProof({ ...good, checkpoint: 'no note' })).toThrow(FormatError);
  });
});

describe('verifying one', () => {
  it('works with the one beside the golden log, which other tools accept too', () => {
    const proof = parseTlogProof(new Uint8Array(readFileSync(join(golden, '276.tlog-proof'))));
    const vkey = readFileSync(join(golden, 'vkey'), 'utf8').trim();
    expect(verifyTlogProof(proof, { logKey: parseVerifierKey(vkey) }).size).toBe(300);
  });

  const claim = { logKey, leafHash: leafHash(leafOf(4)) };

  it('gives the head under which the leaf lies', () => {
    expect(verifyTlogProof(good, claim)).toEqual({ origin, size: 7, root: tree.root(7) });
  });

  it('made from a bundle, it carries the leaf and stands for itself', async () => {
    const bundle = parseBundle(await sealed(await unsealed(5)));
    const proof = parseTlogProof(tlogProofOf(bundle));
    expect(proof).toMatchObject({ index: 5, extra: leafOf(5) });
    expect(verifyTlogProof(proof, { logKey }).size).toBe(7);
    expect(() => verifyTlogProof({ ...proof, extra: leafOf(4) }, { logKey })).toThrow('path');
    expect(() => verifyTlogProof({ ...proof, extra: null }, { logKey })).toThrow('must be given');
  });

  it('fails with another leaf, place, path, head, key or origin', async () => {
    const other = signerOf('other.example/log', 9);
    const refused: [Partial<TlogProof>, Partial<Parameters<typeof verifyTlogProof>[1]>, string][] = [
      [{}, { leafHash: leafHash(leafOf(3)) }, 'inclusion'],
      [{ index: 3 }, {}, 'inclusion'],
      [{ path: good.path.slice(1) }, {}, 'inclusion'],
      [{ path: good.path.toReversed() }, {}, 'inclusion'],
      [{ checkpoint: await checkpointAt(8) }, {}, 'inclusion'],
      [{ checkpoint: checkpoint.replace('\n7\n', '\n8\n') }, {}, 'note'],
      [{}, { logKey: { name: other.name, keyId: 1, publicKey: other.publicKey } }, 'note'],
    ];
    for (const [changed, asked, check] of refused) {
      expect(() => verifyTlogProof({ ...good, ...changed }, { ...claim, ...asked })).toThrow(
        expect.objectContaining({ name: 'FormatError', check }),
      );
    }
  });

  it('asks the policy about the note, and fails with it', () => {
    const asked: number[] = [];
    verifyTlogProof(good, { ...claim, cosigned: ({ signatures }) => void asked.push(signatures.length) });
    expect(asked).toEqual([1]);
    const refuse = (): never => {
      throw new FormatError('signature', 'witnesses', 'nobody cosigned this');
    };
    expect(() => verifyTlogProof(good, { ...claim, cosigned: refuse })).toThrow('nobody cosigned');
  });

  it('does not mind signatures by others', () => {
    const note = parseNote(checkpoint);
    const more = { name: 'witness.example', keyId: 7, signature: new Uint8Array(72) };
    const cosigned = formatNote({ ...note, signatures: [...note.signatures, more] });
    expect(verifyTlogProof({ ...good, checkpoint: cosigned }, claim).size).toBe(7);
  });
});
