// What the verification page adds to the verifier: telling files apart, their hashes, and the heads to keep.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toBase64, toHex, toUtf8 } from '../../gateway/audit/bytes.ts';
import {
  endingOf,
  fileHash,
  keepHead,
  readKept,
  changeInPack,
  limitOf,
  recognise,
  verifyArchive,
  verifyFile,
} from '../../gateway/audit/offline.ts';
import { emptyState, parseState, stateText } from '../../gateway/audit/state.ts';
import { parsePersonBundle } from '../../gateway/audit/person-bundle.ts';
import { multiProof } from '../../gateway/audit/multi-proof.ts';
import { parseTrust, trustText } from '../../gateway/audit/verify.ts';
import { packZip, readZip } from '../../gateway/audit/zip.ts';
import * as made from './person-log.ts';

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

describe('a pack', () => {
  const log = made.buildLog(made.examplePlan);
  const [firstSize, size] = log.sizes as [number, number];
  /** The same keys, the same first leaves, another entry in place of number 8. */
  const fork = made.buildLog(made.examplePlan.map((planned, i) => (i === 8 ? { person: 1 } : planned)));
  const trustFile = toUtf8(trustText({ ...made.trust, chain: null }));
  const madeMs = Date.UTC(2026, 0, 2);

  /** Evidence about person 0 under the head of this size, and their whole bundle of this log. */
  async function packOf(headSize: number, own: made.PersonLog): Promise<Uint8Array> {
    const indices = log.about(0, headSize);
    const evidence = await made.sealAnything({
      format: 'assent-evidence/v1',
      origin: made.origin,
      selection: { kind: 'person', value: toHex(made.tagOf(0)), from: null, to: null },
      range: null,
      checkpoint: await log.checkpoint(headSize),
      entries: indices.map((index) => log.shown(index)),
      paths: multiProof(log.tree, indices, headSize).map(toBase64),
      notices: [],
      receipts: [],
      anchor: null,
      madeAt: '2026-01-02T00:00:00.000Z',
    });
    const person = await made.sealAnything(await own.person(0, size));
    const files = { 'evidence.json': evidence, 'person.json': person };
    return packZip(new Map(Object.entries(files).map(([name, text]) => [name, toUtf8(text)])), madeMs);
  }

  it('is recognised by its first bytes, and may be larger than a file', async () => {
    const pack = await packOf(size, log);
    expect(recognise(pack)).toEqual({ part: 'proof', kind: 'pack' });
    expect([limitOf(pack.subarray(0, 4)), limitOf(person.subarray(0, 4)), limitOf(new Uint8Array())]).toEqual(
      [200 << 20, 64 << 20, 64 << 20],
    );
  });

  it('holds with each file in it, and gives the heads of all of them to keep', async () => {
    const found = verifyArchive(await packOf(firstSize, log), trustFile, undefined);
    expect(found).toMatchObject({ ending: 'holds', pack: { verdict: 'holds' } });
    expect(found.sealed.map(({ name, ending }) => [name, ending])).toEqual([
      ['evidence.json', 'holds'],
      ['person.json', 'holds'],
    ]);
    expect(parseState(found.keep ?? '').heads.map((head) => head.size)).toEqual([firstSize, size]);
  });

  it('waits where one of its files waits for the chain', async () => {
    const found = verifyArchive(await packOf(size, log), toUtf8(made.trustFile), undefined);
    expect(found).toMatchObject({ ending: 'not-anchored', pack: { verdict: 'holds' } });
  });

  it('whose files are of two versions of one log does not hold, and offers no head for keeping', async () => {
    const found = verifyArchive(await packOf(size, fork), trustFile, undefined);
    expect(found).toMatchObject({ ending: 'does-not-hold', pack: { verdict: 'does-not-hold' } });
    expect(found.pack?.members.filter(({ isWrong }) => isWrong)).toMatchObject([
      {
        name: 'person.json',
        state: 'does-not-hold',
        detail: expect.stringContaining('two versions of one log'),
      },
    ]);
    expect(found.keep).toBeUndefined();
  });

  it('whose second file is of another history than the first contradicts, once heads are kept', async () => {
    const twoVersions = await packOf(size, fork);
    const begun = emptyState(made.origin);
    const found = verifyArchive(twoVersions, trustFile, begun);
    expect(found.sealed.map(({ ending }) => ending)).toEqual(['holds', 'contradicts']);
    expect(found.keep).toBeUndefined();
    const { head } = verifyFile(readZip(await packOf(size, log)).get('evidence.json') ?? '', trustFile);
    if (head === undefined) throw new Error('evidence without a head');
    const kept = parseState(keepHead(begun, { ...head, root: head.root.map((byte) => byte ^ 1) }));
    expect(verifyArchive(await packOf(size, log), trustFile, kept)).toMatchObject({ ending: 'contradicts' });
  });

  it('that is broken has no files and says why, whatever it is', () => {
    const start = [0x50, 0x4b, 3, 4];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const found = verifyArchive(Uint8Array.from([...start, ...bytes]), trustFile, undefined);
        expect(found).toMatchObject({ ending: 'does-not-hold', sealed: [] });
        expect(found.broken).toMatch(/^the archive cannot be read: |UTF-8/);
      }),
    );
  });

  it('with one byte of its evidence changed is still an archive, and does not hold', async () => {
    const pack = await packOf(size, log);
    const place = toUtf8('{"anchor":null,"checkpoint":"').length;
    const flip = (file: Uint8Array) => file.map((byte, at) => (at === place ? byte ^ 1 : byte));
    const changed = changeInPack(pack, flip, madeMs);
    expect(changed?.name).toBe('evidence.json');
    const found = verifyArchive(changed?.archive ?? pack, trustFile, undefined);
    expect(found.ending).toBe('does-not-hold');
    expect(found.pack?.members.filter(({ isWrong }) => isWrong).map(({ name }) => name)).toContain(
      'evidence.json',
    );
    expect(changeInPack(toUtf8('no archive'), flip, madeMs)).toBeUndefined();
  });
});
