import { existsSync, readFileSync } from 'node:fs';
import { createPrivateKey, createPublicKey, sign as nodeSign, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  concat,
  equalBytes,
  FormatError,
  fromBase64,
  fromHex,
  toBase64,
  toHex,
} from '../../gateway/audit/bytes.ts';
import * as notes from '../../gateway/audit/note.ts';
import { leafHash, MerkleTree } from '../../gateway/audit/tree.ts';
import { describeWithShared } from '../support/shared.ts';

// golang/mod, sumdb/note/note_test.go
const peterKey = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
const enochKey = 'EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop';
const peterSeed = 'AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz';
const text =
  'If you think cryptography is the answer to your problem,\n' +
  "then you don't know what your problem is.\n";
const peterLine =
  '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n';
const enochLine =
  '— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n';
const peter = notes.parseVerifierKey(peterKey);
const enoch = notes.parseVerifierKey(enochKey);

function signerFrom(name: string, seed: Uint8Array): notes.NoteSigner {
  const prefix = fromHex('302e020100300506032b657004220420', 'test');
  const privateKey: KeyObject = createPrivateKey({
    key: Buffer.from(concat(prefix, seed)),
    format: 'der',
    type: 'pkcs8',
  });
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return {
    name,
    publicKey: new Uint8Array(spki.subarray(-32)),
    sign: (message) => new Uint8Array(nodeSign(null, message, privateKey)),
  };
}
const peterSigner = signerFrom('PeterNeumann', fromBase64(peterSeed, 'test').slice(1));

describe('verifier keys', () => {
  it('round-trip', () => {
    expect(notes.formatVerifierKey(peter.name, peter.publicKey)).toBe(peterKey);
    expect(peter.keyId).toBe(0xc74f20a3);
    expect(notes.formatVerifierKey(enoch.name, enoch.publicKey)).toBe(enochKey);
  });

  it('are refused when cut anywhere or changed anywhere', () => {
    for (let from = 0; from < peterKey.length; from++) {
      for (let to = from + 1; to <= peterKey.length; to++) {
        if (to - from === peterKey.length) continue;
        expect(() => notes.parseVerifierKey(peterKey.slice(from, to))).toThrow(FormatError);
      }
      const changed =
        peterKey.slice(0, from) +
        String.fromCharCode(peterKey.charCodeAt(from) + 1) +
        peterKey.slice(from + 1);
      expect(() => notes.parseVerifierKey(changed), changed).toThrow(FormatError);
    }
  });

  it.each([
    'PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==',
    'PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
    'PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
    'x'.repeat(2000),
    '',
  ])('are refused with another length, type or spelling: %s', (vkey) => {
    expect(() => notes.parseVerifierKey(vkey)).toThrow(FormatError);
  });
});

describe('signed notes', () => {
  it("signing gives the bytes of Go's own test", async () => {
    expect(await notes.signNote(text, peterSigner)).toBe(`${text}\n${peterLine}`);
    await expect(notes.signNote('no newline', peterSigner)).rejects.toThrow(FormatError);
    await expect(notes.signNote(text)).rejects.toThrow(FormatError);
  });

  it('a signer that signs wrongly is found before anything leaves', async () => {
    const broken = { ...peterSigner, sign: () => new Uint8Array(64) };
    await expect(notes.signNote(text, broken)).rejects.toThrow(FormatError);
  });

  it('verify with the keys that are known; unknown ones are ignored', () => {
    const note = notes.parseNote(`${text}\n${peterLine}${enochLine}`);
    expect(notes.verifyNote(note, [peter])).toEqual([peter]);
    expect(notes.verifyNote(note, [peter, enoch])).toEqual([peter, enoch]);
    expect(() => notes.verifyNote(note, [])).toThrow('no known key');
    expect(() => notes.verifyNote(note, [{ ...peter, keyId: 1 }])).toThrow('no known key');
    expect(() => notes.verifyNote(note, [{ ...peter, name: 'Peter' }])).toThrow('no known key');
  });

  it('a wrong signature by a known key spoils the note, whatever else is right', () => {
    const wrong = peterLine.replace('UG/S', 'UG/T');
    const note = notes.parseNote(`${text}\n${wrong}${enochLine}`);
    expect(() => notes.verifyNote(note, [peter, enoch])).toThrow('wrong');
    expect(notes.verifyNote(note, [enoch])).toEqual([enoch]);
    const short = notes.parseNote(`${text}\n— PeterNeumann ${toBase64(fromHex('c74f20a3ff', 'test'))}\n`);
    expect(() => notes.verifyNote(short, [peter])).toThrow('wrong');
  });

  it('a signature has one spelling: adding the group order to it does not verify', () => {
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    const [signed] = notes.parseNote(`${text}\n${peterLine}`).signatures as [notes.NoteSignature];
    const message = new TextEncoder().encode(text);
    expect(notes.verifySignature(signed.signature, message, peter.publicKey)).toBe(true);
    const shifted = signed.signature.slice();
    let sum = order;
    for (let i = 32; i < 64; i++) {
      sum += BigInt(shifted[i] as number);
      shifted[i] = Number(sum & 0xffn);
      sum >>= 8n;
    }
    expect(sum).toBe(0n);
    expect(notes.verifySignature(shifted, message, peter.publicKey)).toBe(false);
    expect(notes.verifySignature(new Uint8Array(64), message, new Uint8Array(32).fill(1, 0, 1))).toBe(false);
  });

  it('the same signature twice counts once', () => {
    const note = notes.parseNote(`${text}\n${peterLine}${peterLine}`);
    expect(notes.verifyNote(note, [peter])).toEqual([peter]);
  });

  it('64 signatures are read, 65 are not', () => {
    expect(notes.parseNote(`${text}\n${peterLine.repeat(64)}`).signatures).toHaveLength(64);
    expect(() => notes.parseNote(`${text}\n${peterLine.repeat(65)}`)).toThrow(FormatError);
  });

  it.each([
    ['no signature', text],
    ['an empty signature block', `${text}\n`],
    ['no final newline', `${text}\n${peterLine.slice(0, -1)}`],
    ['a control character', `\u0001${text}\n${peterLine}`],
    ['a tab', `\t${text}\n${peterLine}`],
    ['a carriage return', `${text}\n${peterLine.replace('\n', '\r\n')}`],
    ['a name with a space', `${text}\n${peterLine.replace('PeterNeumann', 'Bad Name')}`],
    ['a name with another space', `${text}\n${peterLine.replace('PeterNeumann', 'Bad\u00a0Name')}`],
    ['a name with a plus sign', `${text}\n${peterLine.replace('PeterNeumann', 'Bad+Name')}`],
    ['no name', `${text}\n${peterLine.replace('PeterNeumann', '')}`],
    ['another dash', `${text}\n${peterLine.replace('—', '-')}`],
    ['two spaces', `${text}\n${peterLine.replace('— ', '—  ')}`],
    ['a line behind the signatures', `${text}\n${peterLine}Unexpected line.\n`],
    ['base64 without padding', `${text}\n${peterLine.replace('=', '')}`],
    ['base64 with loose bits', `${text}\n${peterLine.replace('AM=', 'AN=')}`],
    ['a signature of no bytes', `${text}\n— PeterNeumann x08gow==\n`],
    ['half a character', `\ud800${text}\n${peterLine}`],
    ['more than a megabyte', `${'x'.repeat(1 << 20)}\n\n${peterLine}`],
    ['nothing', ''],
    ['newlines only', '\n\n'],
  ])('are refused with %s', (_, note) => {
    expect(() => notes.parseNote(note)).toThrow(FormatError);
  });

  it('are refused when the bytes are not UTF-8, and a byte order mark is part of the text', () => {
    const bytes = Buffer.from(`${text}\n${peterLine}`);
    expect(notes.verifyNote(notes.parseNote(new Uint8Array(bytes)), [peter])).toEqual([peter]);
    expect(() => notes.parseNote(concat(Uint8Array.of(0xff), bytes))).toThrow(FormatError);
    const marked = notes.parseNote(concat(Uint8Array.of(0xef, 0xbb, 0xbf), bytes));
    expect(() => notes.verifyNote(marked, [peter])).toThrow('wrong');
  });

  it('no junk makes the parser throw anything but a FormatError', () => {
    const junk = fc.string({
      unit: fc.constantFrom('\n', '— ', 'a', ' ', 'AAAA', '=', '+', '\u2028', '\ud800'),
      maxLength: 40,
    });
    fc.assert(
      fc.property(junk, (note) => {
        try {
          expect(notes.formatNote(notes.parseNote(note))).toBe(note);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('checkpoints', () => {
  const root = new Uint8Array(32).fill(9);
  const good = `example.com/log\n5\n${toBase64(root)}\n`;

  it('round-trip', () => {
    fc.assert(
      fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (size) => {
        const written = notes.formatCheckpoint({ origin: 'example.com/log', size, root });
        expect(notes.parseCheckpoint(written)).toEqual({
          origin: 'example.com/log',
          size,
          root,
          extensions: [],
        });
      }),
    );
    expect(notes.parseCheckpoint(`${good}more\n`).extensions).toEqual(['more']);
  });

  it.each([
    good.slice(0, -1),
    good.replace('5', '05'),
    good.replace('5', '+5'),
    good.replace('5', '5.0'),
    good.replace('5', '9007199254740992'),
    good.replace('5', '-1'),
    good.replace('5', ''),
    `\n${good}`,
    `${good}\n`,
    good.replace('=', ''),
    `example.com/log\n5\n${toBase64(root.slice(1))}\n`,
    'example.com/log\n5\n',
    '',
  ])('are refused: %j', (wrong) => {
    expect(() => notes.parseCheckpoint(wrong)).toThrow(FormatError);
  });

  it('are not written with an origin of two lines, a fractional size or a short root', () => {
    expect(() => notes.formatCheckpoint({ origin: 'a\nb', size: 5, root })).toThrow(FormatError);
    expect(() => notes.formatCheckpoint({ origin: '', size: 5, root })).toThrow(FormatError);
    expect(() => notes.formatCheckpoint({ origin: 'a', size: 0.5, root })).toThrow(FormatError);
    expect(() => notes.formatCheckpoint({ origin: 'a', size: 5, root: root.slice(1) })).toThrow(FormatError);
  });
});

describeWithShared('vectors', 'the log of transparency-dev/tessera', (path) => {
  const key = notes.parseVerifierKey(
    'example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx',
  );
  const read = (...parts: string[]) => new Uint8Array(readFileSync(join(path, 'tlog', ...parts)));
  const open = (name: string) => {
    const note = notes.parseNote(read(name));
    expect(notes.verifyNote(note, [key])).toEqual([key]);
    return notes.parseCheckpoint(note.text);
  };

  // Entry bundles: uint16 length and entry, repeated (c2sp.org/tlog-tiles).
  function entriesOf(bundle: Uint8Array): Uint8Array[] {
    const view = new DataView(bundle.buffer, bundle.byteOffset, bundle.length);
    const entries: Uint8Array[] = [];
    for (let at = 0; at < bundle.length; at += 2 + view.getUint16(at)) {
      entries.push(bundle.slice(at + 2, at + 2 + view.getUint16(at)));
    }
    return entries;
  }

  it('all 16 checkpoints verify; their roots follow from the entries, their tiles from the tree', () => {
    for (let size = 0; size <= 15; size++) {
      const checkpoint = open(`checkpoint.${size}`);
      expect(checkpoint).toMatchObject({ origin: 'example.com/log/testdata', size });
      const tree = new MerkleTree();
      const bundle = size === 0 ? new Uint8Array(0) : read('tile', 'entries', '000.p', `${size}`);
      for (const entry of entriesOf(bundle)) tree.append(leafHash(entry));
      expect(tree.size).toBe(size);
      expect(equalBytes(tree.root(), checkpoint.root), `root at ${size}`).toBe(true);
      if (size > 0) {
        expect(toHex(tree.hashes(0, 0, size))).toBe(toHex(read('tile', '0', '000.p', `${size}`)));
      }
    }
    expect(open('checkpoint')).toEqual(open('checkpoint.15'));
    expect(existsSync(join(path, 'tlog', 'checkpoint.16'))).toBe(false);
  });
});
