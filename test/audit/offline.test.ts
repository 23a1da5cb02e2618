// What the verification page adds to the verifier: telling files apart, their hashes, and the heads to keep.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toUtf8 } from '../../gateway/audit/bytes.ts';
import {
  endingOf,
  fileHash,
  keepHead,
  readKept,
  recognise,
  verifyFile,
} from '../../gateway/audit/offline.ts';
import { emptyState, parseState, stateText } from '../../gateway/audit/state.ts';
import { parsePersonBundle } from '../../gateway/audit/person-bundle.ts';
import { parseTrust, trustText } from '../../gateway/audit/verify.ts';

const golden = (name: string): Uint8Array =>
  readFileSync(join(import.meta.dirname, '..', 'golden', 'bundles', name));
const trust = golden('trust-v2.json');
const person = golden('person.json');
const state = (origin: string): Uint8Array => toUtf8(stateText(emptyState(origin)));

describe('a chosen file', () => {
  it('is recognised by its format', () => {
    const kindOf = (name: string) => recognise(golden(name)).kind;
    expect(['entry.json', 'person.json', 'trust-v1.json', 'trust-v2.json'].map(kindOf)).toEqual([
      'entry',
      'person',
      'trust',
      'trust',
    ]);
    expect(recognise(state('a.example/log'))).toEqual({ part: 'state', kind: 'state' });
  });

  it('of a person tells whom it is about and how long the log was', () => {
    const { tag } = parsePersonBundle(person);
    const { head } = verifyFile(person, trust);
    expect(recognise(person).person).toEqual({ tag, size: head?.size });
  });

  it('is not taken for what a text inside of it says', () => {
    const text = JSON.stringify({ body: '"format":"assent-trust/v2"', format: 'assent-evidence/v1' });
    expect(recognise(toUtf8(text)).kind).toBe('evidence');
  });

  it('of any other bytes is unknown, and may be a spoilt proof', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(recognise(bytes)).toEqual({ part: 'proof', kind: 'unknown' });
      }),
    );
  });

  it('has the SHA-256 that Node computes', () => {
    expect(fileHash(person)).toBe(createHash('sha256').update(person).digest('hex'));
  });
});

describe('a verification', () => {
  const chainless = toUtf8(trustText({ ...parseTrust(trust), chain: null }));
  const unanchored = { ...verifyFile(person, trust), hasAnchor: false };

  it('ends as waiting only where there is a chain to wait for', () => {
    expect(endingOf(unanchored, chainless)).toBe('holds');
    expect(endingOf(unanchored, trust)).toBe('not-anchored');
    expect(endingOf({ ...unanchored, hasAnchor: true }, trust)).toBe('holds');
  });

  it('ends as a contradiction only when nothing else is wrong', () => {
    const { head } = verifyFile(person, trust);
    if (head === undefined) throw new Error('a bundle without a head');
    const kept = parseState(keepHead(undefined, { ...head, root: head.root.map((byte) => byte ^ 1) }));
    expect(endingOf(verifyFile(person, trust, { state: kept }), trust)).toBe('contradicts');
    const forged = Uint8Array.from(person);
    forged[forged.length - 20] = forged[forged.length - 20] === 65 ? 66 : 65;
    expect(endingOf(verifyFile(forged, trust, { state: kept }), trust)).toBe('does-not-hold');
  });
});

describe('heads that were kept', () => {
  it('are read when they are of the log of the trust file', () => {
    const { origin } = parseTrust(trust);
    expect(readKept(state(origin), trust).origin).toBe(origin);
  });

  it('are refused when they are of another log, or none at all', () => {
    expect(() => readKept(state('another.example/log'), trust)).toThrow('another.example/log');
    expect(() => readKept(toUtf8('{}'), trust)).toThrow();
  });

  it('leave a spoilt trust file to the check that names it', () => {
    expect(readKept(state('a.example/log'), toUtf8('{}')).heads).toEqual([]);
  });
});
