import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError, toBase64, toHex, toUtf8, u64 } from '../../gateway/audit/bytes.ts';
import * as entries from '../../gateway/audit/entry.ts';
import { leafHash, nodeHash } from '../../gateway/audit/tree.ts';

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const number53 = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const kind = fc.constantFrom(...(Object.keys(entries.entryKinds) as entries.EntryKind[]));
const concern: fc.Arbitrary<entries.Concern> = fc.oneof(
  fc.constant({ concern: 'system' } as const),
  fc.record({
    concern: fc.constant('person' as const),
    role: fc.constantFrom('subject', 'actor', 'counterpart'),
    tag: bytes32,
    sequence: number53,
  }),
  fc.record({ concern: fc.constant('population' as const), population: bytes32, cohort: bytes32 }),
);
const anyEntry: fc.Arbitrary<entries.Entry> = fc.record({
  kind,
  atSeconds: fc.nat({ max: 2 ** 40 }).map((minutes) => minutes * 60),
  commitment: bytes32,
  startedIndex: fc.option(fc.nat({ max: 2 ** 40 })),
  about: concern,
});

const example: entries.Entry = {
  kind: 'used',
  atSeconds: 1_767_225_600,
  commitment: new Uint8Array(32).fill(0xc0),
  startedIndex: 6,
  about: { concern: 'person', role: 'actor', tag: new Uint8Array(32).fill(0x7a), sequence: 258 },
};

describe('leaf bytes', () => {
  it('have the documented places', () => {
    expect(toHex(entries.encodeEntry(example))).toBe(
      '01010102' +
        '000000006955b900' +
        'c0'.repeat(32) +
        '0000000000000007' +
        '7a'.repeat(32) +
        '0000000000000102',
    );
  });

  it('round-trip for every entry, with 52, 92 or 116 bytes', () => {
    const sizes = { system: 52, person: 92, population: 116 };
    fc.assert(
      fc.property(anyEntry, (entry) => {
        const bytes = entries.encodeEntry(entry);
        expect(bytes).toHaveLength(sizes[entry.about.concern]);
        expect(entries.decodeEntry(bytes)).toEqual(entry);
      }),
    );
  });

  it('decode to something that encodes to the same bytes, or are refused', () => {
    fc.assert(
      fc.property(anyEntry, fc.nat(115), fc.integer({ min: 1, max: 255 }), (entry, place, xor) => {
        const bytes = entries.encodeEntry(entry);
        bytes[place % bytes.length]! ^= xor;
        try {
          expect(toHex(entries.encodeEntry(entries.decodeEntry(bytes)))).toBe(toHex(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 500 },
    );
  });

  const changed = (place: number, value: number) => {
    const bytes = entries.encodeEntry(example);
    bytes[place] = value;
    return bytes;
  };
  it.each([
    ['another version', changed(0, 2)],
    ['kind 0', changed(1, 0)],
    ['a map head, which is of version 2', changed(1, entries.mapHeadKind)],
    ['an unknown concern', changed(2, 3)],
    ['a system concern with a person behind it', changed(2, 0)],
    ['a person without a role', changed(3, 0)],
    ['an unknown role', changed(3, 4)],
    ['a time that is not a whole minute', changed(11, 1)],
    ['a number beyond 2^53', changed(84, 0xff)],
    ['a missing byte', entries.encodeEntry(example).slice(0, -1)],
    ['a surplus byte', new Uint8Array([...entries.encodeEntry(example), 0])],
    ['nothing', new Uint8Array(0)],
  ])('are refused with %s', (_, bytes) => {
    expect(() => entries.decodeEntry(bytes)).toThrow(FormatError);
  });

  it.each([
    ['a fine time', { atSeconds: 61 }],
    ['a negative time', { atSeconds: -60 }],
    ['a short commitment', { commitment: new Uint8Array(31) }],
    ['a reference below 0', { startedIndex: -1 }],
    ['an unknown kind', { kind: 'deleted' as entries.EntryKind }],
    ['an inherited word as kind', { kind: 'toString' as entries.EntryKind }],
    ['a fractional sequence number', { about: { ...example.about, sequence: 0.5 } as entries.Concern }],
  ])('are not written with %s', (_, change) => {
    expect(() => entries.encodeEntry({ ...example, ...change })).toThrow(FormatError);
  });
});

describe('a map head', () => {
  const head: entries.MapHead = {
    atSeconds: 1_767_225_600,
    mapped: 258,
    root: new Uint8Array(32).fill(0xd0),
  };

  it('has the documented places', () => {
    expect(toHex(entries.encodeMapHead(head))).toBe(
      '02200000' + '000000006955b900' + '00'.repeat(40) + '0000000000000102' + 'd0'.repeat(32),
    );
  });

  it('round-trips, and no other byte string decodes to one', () => {
    const anyHead = fc.record({
      atSeconds: fc.nat({ max: 2 ** 40 }).map((minutes) => minutes * 60),
      mapped: number53,
      root: bytes32,
    });
    fc.assert(
      fc.property(anyHead, fc.nat(91), fc.integer({ min: 1, max: 255 }), (one, place, xor) => {
        const bytes = entries.encodeMapHead(one);
        expect(entries.decodeMapHead(bytes)).toEqual(one);
        bytes[place]! ^= xor;
        try {
          expect(toHex(entries.encodeMapHead(entries.decodeMapHead(bytes)))).toBe(toHex(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
    );
  });

  it('is not an entry, and an entry is not a map head', () => {
    expect(() => entries.decodeEntry(entries.encodeMapHead(head))).toThrow(FormatError);
    expect(() => entries.decodeMapHead(entries.encodeEntry(example))).toThrow(FormatError);
  });
});

describe('commitments and derived keys', () => {
  const key = new Uint8Array(32).fill(1);
  const native = (message: Uint8Array) => createHmac('sha256', key).update(message).digest('hex');

  it('are the HMAC of node:crypto over the documented bytes', () => {
    expect(toHex(entries.commit(key, toUtf8('payload')))).toBe(native(toUtf8('payload')));
    expect(toHex(entries.openingOf(key, 7))).toBe(
      native(Buffer.from('assent/v1/opening\0\0\0\0\0\0\0\0\x07', 'latin1')),
    );
    expect(toHex(entries.tagOf(key))).toBe(native(Buffer.from('assent/v1/tag\0')));
    expect(toHex(entries.derive(key, entries.labels.payload, u64(7)))).toBe(
      native(entries.deriveMessage('assent/v1/payload', u64(7))),
    );
  });

  it('open only with the same opening and payload', () => {
    const commitment = entries.commit(key, toUtf8('payload'));
    expect(entries.opens(commitment, key, toUtf8('payload'))).toBe(true);
    expect(entries.opens(commitment, key, toUtf8('payloae'))).toBe(false);
    expect(entries.opens(commitment, new Uint8Array(32).fill(2), toUtf8('payload'))).toBe(false);
    expect(() => entries.commit(new Uint8Array(16), toUtf8('payload'))).toThrow(FormatError);
  });

  it('commit to a cohort as a set: order and repetition do not matter, members and count do', () => {
    const [a, b, c] = [3, 1, 2].map((byte) => new Uint8Array(32).fill(byte)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    const cohort = entries.cohortOf([a, b, c, a]);
    expect(cohort.count).toBe(3);
    expect(toHex(cohort.root)).toBe(toHex(nodeHash(nodeHash(leafHash(b), leafHash(c)), leafHash(a))));
    expect(toHex(entries.cohortCommitment(key, cohort.root, 3))).toBe(
      native(new Uint8Array([...toUtf8('assent/v1/cohort\0'), ...cohort.root, ...u64(3)])),
    );
    expect(entries.cohortCommitment(key, cohort.root, 3)).not.toEqual(
      entries.cohortCommitment(key, cohort.root, 2),
    );
    expect(entries.cohortOf([a, b])).not.toEqual(cohort);
  });
});

describe('payloads', () => {
  it('have one spelling, that of RFC 8785', () => {
    const bytes = entries.canonicalPayload({ '\u20ac': 'Euro', b: [1e21, 0.1, -0], a: { z: null, y: true } });
    expect(Buffer.from(bytes).toString()).toBe('{"a":{"y":true,"z":null},"b":[1e+21,0.1,0],"€":"Euro"}');
    expect(entries.parsePayload(bytes)).toEqual({ a: { y: true, z: null }, b: [1e21, 0.1, 0], '€': 'Euro' });
  });

  it('round-trip for every JSON object', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), (value) => {
        const bytes = entries.canonicalPayload(value);
        expect(toBase64(entries.canonicalPayload(entries.parsePayload(bytes)))).toBe(toBase64(bytes));
      }),
      { numRuns: 60 },
    );
  });

  const deep: { inner?: object } = {};
  let innermost = deep;
  for (let i = 0; i < 40; i++) innermost = innermost.inner = {};
  it.each([
    ['undefined', { a: undefined }],
    ['a number that is not finite', { a: Number.NaN }],
    ['infinity', { a: [Number.POSITIVE_INFINITY] }],
    ['a big integer', { a: 1n }],
    ['a date', { a: new Date(0) }],
    ['a map', { a: new Map() }],
    ['bytes', { a: new Uint8Array(1) }],
    ['a function', { toJSON: () => 'something else' }],
    ['a hole', { a: Array(1) }],
    ['half a character', { a: '\ud800' }],
    ['half a character in a name', { '\ud800': 1 }],
    ['a symbol', { [Symbol('a')]: 1 }],
    ['an array at the top', []],
    ['forty levels', deep],
    ['more than a megabyte', { a: 'x'.repeat(1 << 20) }],
  ])('cannot hold %s', (_, value) => {
    expect(() => entries.canonicalPayload(value)).toThrow(FormatError);
  });

  it.each([
    '{"b":1,"a":2}',
    '{"a": 1}',
    '{"a":1,"a":1}',
    '{"a":1.0}',
    '{"a":"\\u0061"}',
    '[1]',
    '1',
    'null',
    '{',
    '',
  ])('are refused when read as %s', (text) => {
    expect(() => entries.parsePayload(toUtf8(text))).toThrow(FormatError);
  });

  it('are refused with a byte order mark or broken UTF-8', () => {
    expect(() => entries.parsePayload(Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d))).toThrow(FormatError);
    expect(() => entries.parsePayload(Uint8Array.of(0x7b, 0xff, 0x7d))).toThrow(FormatError);
  });
});
