import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, FormatError, toBase64, toUtf8, u64 } from '../../gateway/audit/bytes.ts';
import {
  cosign,
  formatCosignatureKey,
  parseCosignatureKey,
  readCosignature,
  verifyCosignatures,
} from '../../gateway/audit/cosignature.ts';
import {
  formatNote,
  formatSignatureLine,
  keyId,
  keyTypes,
  parseNote,
  parseSignatureLine,
  verifyNote,
  type NoteSignature,
} from '../../gateway/audit/note.ts';
import { createSigner } from '../../gateway/audit/publish.ts';

const text = 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n';
const signer = createSigner('witness.example/w1', new Uint8Array(32).fill(7));
const vkey = formatCosignatureKey(signer.name, signer.publicKey);
const key = parseCosignatureKey(vkey);
const log = createSigner('example.com/behind-the-sofa', new Uint8Array(32).fill(8));

/** As `cosign` would, but over any bytes and at any time. */
function forged(message: string, time: Uint8Array): NoteSignature {
  return { name: key.name, keyId: key.keyId, signature: concat(time, signer.sign(toUtf8(message))) };
}

describe('cosignature keys', () => {
  it('are of type 0x04: the same key bytes have another id than as a key of notes', () => {
    expect(key.publicKey).toEqual(new Uint8Array(signer.publicKey));
    expect(key.keyId).toBe(keyId(signer.name, signer.publicKey, keyTypes.cosignature));
    expect(key.keyId).not.toBe(keyId(signer.name, signer.publicKey));
    expect(formatCosignatureKey(key.name, key.publicKey)).toBe(vkey);
  });

  it('of others are read: transparency-dev/formats, note_cosigv1_test.go', () => {
    const theirs = 'remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2';
    expect(parseCosignatureKey(theirs)).toMatchObject({ name: 'remora.n621.de', keyId: 0xda77ade7 });
  });

  it.each([
    ['a key of notes (0x01)', signer.verifierKey],
    ['an id that does not fit', vkey.replace(/\+[0-9a-f]{8}\+/, '+00000000+')],
    ['too few parts', 'bananas.sigstore.dev+12344556'],
    ['no base64', 'rekor.sigstore.dev+12345678+THIS_IS_NOT_BASE64!'],
    ['an unknown type', 'rekor.sigstore.dev+12345678+AwEB'],
    ['a type 0x06', `w+00000000+${toBase64(new Uint8Array(33).fill(6, 0, 1))}`],
  ])('are refused when they are %s', (_, wrong) => {
    expect(() => parseCosignatureKey(wrong)).toThrow(FormatError);
  });
});

describe('a cosignature', () => {
  it('signs header, time and the whole text, and gives back its time and key', async () => {
    const signature = await cosign(text, 1679315147, signer);
    expect(signature.signature).toHaveLength(8 + 64);
    const note = parseNote(formatNote({ text, signatures: [signature] }));
    expect(verifyCosignatures(note, [key])).toEqual([{ key, seconds: 1679315147 }]);
    const message = `cosignature/v1\ntime 1679315147\n${text}`;
    expect(signature.signature.slice(8)).toEqual(new Uint8Array(signer.sign(toUtf8(message))));
  });

  it('has the framing of the example in c2sp.org/tlog-cosignature', () => {
    const line =
      '— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==';
    const { signature, ...rest } = parseSignatureLine(line);
    expect(rest).toEqual({ name: 'witness.example.com/w1', keyId: 0x8d66cf3f });
    expect(signature.slice(0, 8)).toEqual(u64(1679315147));
    expect(formatSignatureLine({ ...rest, signature })).toBe(`${line}\n`);
  });

  it('is refused over any other text, extension lines included', async () => {
    const signature = await cosign(`${text}Extendo\n`, 5, signer);
    expect(readCosignature(signature, `${text}Extendo\n`, key)).toBe(5);
    for (const other of [text, `${text}Extend@\n`, text.replace('20852163', '20852164')]) {
      expect(() => readCosignature(signature, other, key)).toThrow(FormatError);
    }
  });

  it('is refused after any one bit of it changed', async () => {
    const signature = await cosign(text, 1679315147, signer);
    fc.assert(
      fc.property(fc.nat(8 * 72 - 1), (bit) => {
        const changed = signature.signature.slice();
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(() => readCosignature({ ...signature, signature: changed }, text, key)).toThrow(FormatError);
      }),
      { numRuns: 100 },
    );
  });

  it('is refused at time 0 and from 2^53 on, whoever signed it', async () => {
    for (const seconds of [0, -1, 1.5, 2 ** 53, Number.NaN]) {
      await expect(cosign(text, seconds, signer), String(seconds)).rejects.toThrow(FormatError);
    }
    const zero = forged(`cosignature/v1\ntime 0\n${text}`, new Uint8Array(8));
    expect(() => readCosignature(zero, text, key)).toThrow(/1 to 2\^53/);
    const late = Uint8Array.of(0, 0x20, 0, 0, 0, 0, 0, 0);
    const at2to53 = forged(`cosignature/v1\ntime 9007199254740992\n${text}`, late);
    expect(() => readCosignature(at2to53, text, key)).toThrow(FormatError);
    const last = forged(`cosignature/v1\ntime 9007199254740991\n${text}`, u64(2 ** 53 - 1));
    expect(readCosignature(last, text, key)).toBe(2 ** 53 - 1);
  });

  it('is refused without its time, with bytes too many, and as a plain note signature', () => {
    const plain = signer.sign(toUtf8(text));
    const by = { name: key.name, keyId: key.keyId };
    for (const signature of [plain, concat(u64(5), plain), concat(u64(5), plain, plain), new Uint8Array(8)]) {
      expect(() => readCosignature({ ...by, signature }, text, key)).toThrow(FormatError);
    }
  });
});

describe('a checkpoint of a log that others run', () => {
  // arche2025h1, a Certificate Transparency log, with the lines its witnesses gave it.
  const real = `arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
`;
  const remora = parseCosignatureKey('remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2');

  it('holds: the witness signed it, at 2026-05-23', () => {
    const [cosignature] = verifyCosignatures(parseNote(real), [remora]);
    expect(cosignature?.key).toBe(remora);
    expect(new Date((cosignature?.seconds ?? 0) * 1000).toISOString()).toMatch(/^2026-05-23T/);
  });

  it('does not hold with another size', () => {
    expect(() => verifyCosignatures(parseNote(real.replace('1432088532', '1432088533')), [remora])).toThrow(
      FormatError,
    );
  });
});

describe('the cosignatures of a note', () => {
  const logLine = {
    name: log.name,
    keyId: keyId(log.name, log.publicKey),
    signature: log.sign(toUtf8(text)),
  };

  it('leave the signature of the log as it was, and are ignored by who does not know the witness', async () => {
    const note = { text, signatures: [logLine, await cosign(text, 9, signer)] };
    expect(verifyNote(note, [{ ...logLine, publicKey: log.publicKey }])).toHaveLength(1);
    expect(verifyCosignatures(note, [])).toEqual([]);
    expect(verifyCosignatures(note, [{ ...key, name: 'other.example/w' }])).toEqual([]);
  });

  it('count a witness once, with its newest time', async () => {
    const signatures = [
      await cosign(text, 9, signer),
      await cosign(text, 11, signer),
      await cosign(text, 10, signer),
    ];
    expect(verifyCosignatures({ text, signatures }, [key])).toEqual([{ key, seconds: 11 }]);
  });

  it('are spoilt by one wrong line of a known witness, even beside a right one', async () => {
    const right = await cosign(text, 9, signer);
    const wrong = { ...(await cosign('other\n1\nAAAA\n', 9, signer)) };
    expect(() => verifyCosignatures({ text, signatures: [right, wrong] }, [key])).toThrow(FormatError);
  });
});
