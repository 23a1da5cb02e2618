import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError, toBase64, toUtf8 } from '../../gateway/audit/bytes.ts';
import { canonicalPayload, openingOf } from '../../gateway/audit/entry.ts';
import { cosign, formatCosignatureKey } from '../../gateway/audit/cosignature.ts';
import {
  formatCheckpoint,
  formatNote,
  formatVerifierKey,
  parseNote,
  signNote,
} from '../../gateway/audit/note.ts';
import * as verify from '../../gateway/audit/verify.ts';
import * as log from './example-log.ts';

const good = await log.sealed(await log.unsealed(4, 5));
const plain = await log.sealed(await log.unsealed(4));
const onChain = { ok: true, check: 'event', detail: 'found in block 9' };
const publicTrust = verify.trustText({ ...log.trust, chain: { ...log.chain, finality: 'finalized' } });

const states = (result: verify.Verification) =>
  Object.fromEntries(Object.entries(result.levels).map(([name, { state }]) => [name, state]));

// A bundle that an operator seals again after the change: only the other checks can find it.
async function resealed(change: (bundle: Omit<verify.Bundle, 'seal'>) => object, anchoredSize?: number) {
  const bundle = await log.unsealed(4, anchoredSize);
  return log.sealed({ ...bundle, ...change(bundle) });
}
const verdictOf = (file: string, trust = log.trustFile) => {
  const { verdict, firstFailing } = verify.verifyBundle(file, trust);
  return `${verdict}: ${firstFailing ?? 'every check'}`;
};

describe('a good bundle', () => {
  it('holds, and says what it holds', () => {
    const result = verify.verifyBundle(good, log.trustFile);
    expect(result.firstFailing).toBeUndefined();
    expect(result.verdict).toBe('holds');
    expect(result.checks.map(({ name }) => name)).toEqual([
      'format',
      'trust',
      'leaf',
      'payload',
      'checkpoint signature',
      'checkpoint',
      'inclusion',
      'anchor identity',
      'anchor consistency',
      'seal',
    ]);
    expect(result.entry).toMatchObject({ kind: 'used', about: { concern: 'person', sequence: 4 } });
    expect(result.payload).toEqual(log.payloadOf(4));
    expect(result.erased).toBe(false);
  });

  it('is anchored only once the caller has asked the chain', () => {
    const unasked = verify.verifyBundle(good, log.trustFile);
    expect(states(unasked)).toEqual({
      recorded: 'holds',
      checkpointed: 'holds',
      witnessed: 'absent',
      anchored: 'not-checked',
      anchoredFinal: 'absent',
    });
    const asked = verify.verifyBundle(good, log.trustFile, { chainCheck: onChain });
    expect(asked.levels.anchored).toMatchObject({ state: 'holds', words: 'anchored-local-chain' });
    expect(asked.levels.anchoredFinal).toMatchObject({ state: 'absent', words: 'local-chain-never-final' });
  });

  it('is never final on a local chain, whatever the caller says', () => {
    const result = verify.verifyBundle(good, log.trustFile, { chainCheck: { ...onChain, final: true } });
    expect(result.levels.anchoredFinal.state).toBe('absent');
  });

  it('is final on another chain when the caller found it so', () => {
    const finalOf = (final?: boolean) =>
      verify.verifyBundle(good, publicTrust, {
        chainCheck: final === undefined ? onChain : { ...onChain, final },
      }).levels;
    expect(finalOf(true).anchoredFinal).toMatchObject({ state: 'holds', words: 'anchored-final' });
    expect(finalOf(false).anchoredFinal).toMatchObject({ state: 'absent', words: 'not-final-yet' });
    expect(finalOf().anchoredFinal).toMatchObject({ state: 'not-checked' });
    expect(finalOf().anchored).toMatchObject({ state: 'holds', words: 'anchored' });
  });

  it('does not hold when the chain contradicts it', () => {
    const chainCheck = { ok: false, check: 'event', detail: 'no such transaction' };
    const result = verify.verifyBundle(good, log.trustFile, { chainCheck });
    expect(result).toMatchObject({ verdict: 'does-not-hold', firstFailing: 'anchor on chain' });
    expect(states(result)).toMatchObject({
      checkpointed: 'holds',
      anchored: 'fails',
      anchoredFinal: 'fails',
    });
  });

  it('holds for every entry, with the anchored head older, newer or the same', async () => {
    for (const [index, anchoredSize] of [
      [0, 1],
      [3, 4],
      [6, 7],
      [2, 12],
      [5, 8],
    ] as const) {
      expect(verdictOf(await log.sealed(await log.unsealed(index, anchoredSize)))).toBe('holds: every check');
    }
  });

  it('holds without an anchor and without a payload', async () => {
    const absent = verify.verifyBundle(plain, log.trustFile).levels.anchored;
    expect(absent).toMatchObject({ state: 'absent', words: 'no-anchor' });
    const erased = verify.verifyBundle(await resealed(() => ({ disclosure: null })), log.trustFile);
    expect(erased).toMatchObject({ verdict: 'holds', erased: true });
    expect(erased.payload).toBeUndefined();
    expect(erased.checks.map(({ name }) => name)).not.toContain('payload');
  });

  it('says what to look up on the chain', () => {
    expect(verify.anchorToCheck(verify.parseBundle(good))).toMatchObject({
      chainId: 31337,
      contract: log.chain.contract,
      size: 5,
      seq: 2,
      blockNumber: 9,
      logId: expect.stringMatching(/^0x[0-9a-f]{64}$/) as string,
      root: expect.stringMatching(/^0x[0-9a-f]{64}$/) as string,
      checkpointHash: expect.stringMatching(/^0x[0-9a-f]{64}$/) as string,
    });
    expect(verify.anchorToCheck(verify.parseBundle(plain))).toBeNull();
  });
});

describe('an operator who seals a false bundle is found by', () => {
  const otherLeaf = toBase64(log.leafOf(3));
  const byStranger = async (origin: string) =>
    signNote(formatCheckpoint({ origin, size: 7, root: log.tree.root(7) }), log.signerOf(origin, 9));
  const signedText = (text: string) => signNote(text, log.logSigner);
  const text7 = formatCheckpoint({ origin: log.origin, size: 7, root: log.tree.root(7) });

  it.each([
    ['trust: another log', () => resealed(() => ({ origin: 'other.example/log' })), 'trust'],
    [
      'leaf: an unknown kind',
      () => resealed(({ entry }) => ({ entry: { ...entry, leaf: toBase64(log.leafOf(4).fill(99, 1, 2)) } })),
      'leaf',
    ],
    [
      'payload: another payload',
      () =>
        resealed(({ disclosure }) => ({
          disclosure: { ...disclosure, payload: toBase64(canonicalPayload(log.payloadOf(5))) },
        })),
      'payload',
    ],
    [
      'payload: another opening',
      () =>
        resealed(({ disclosure }) => ({
          disclosure: { ...disclosure, opening: toBase64(openingOf(log.dataKey, 5)) },
        })),
      'payload',
    ],
    [
      'checkpoint signature: a stranger signed',
      async () => {
        const checkpoint = await byStranger(log.origin);
        return resealed(() => ({ checkpoint }));
      },
      'checkpoint signature',
    ],
    [
      'checkpoint: an extension line',
      async () => {
        const checkpoint = await signedText(`${text7}more\n`);
        return resealed(() => ({ checkpoint }));
      },
      'checkpoint',
    ],
    [
      'checkpoint: another origin under our key',
      async () => {
        const checkpoint = await signedText(text7.replace('gateway', 'another'));
        return resealed(() => ({ checkpoint }));
      },
      'checkpoint',
    ],
    [
      'inclusion: another index',
      () => resealed(({ entry }) => ({ entry: { ...entry, index: 5 } })),
      'inclusion',
    ],
    [
      'inclusion: an index beyond',
      () => resealed(({ entry }) => ({ entry: { ...entry, index: 7 } })),
      'inclusion',
    ],
    [
      'inclusion: another leaf',
      () => resealed(({ entry }) => ({ disclosure: null, entry: { ...entry, leaf: otherLeaf } })),
      'inclusion',
    ],
    [
      'inclusion: a shorter path',
      () => resealed(({ inclusion }) => ({ inclusion: inclusion.slice(1) })),
      'inclusion',
    ],
    [
      'anchor identity: another contract',
      () => resealed(({ anchor }) => ({ anchor: { ...anchor, contract: `0x${'00'.repeat(20)}` } }), 5),
      'anchor identity',
    ],
    [
      'anchor identity: another genesis',
      () => resealed(({ anchor }) => ({ anchor: { ...anchor, genesisHash: `0x${'00'.repeat(32)}` } }), 5),
      'anchor identity',
    ],
    [
      'anchor consistency: another root',
      () => resealed(({ anchor }) => ({ anchor: { ...anchor, root: toBase64(log.tree.root(4)) } }), 5),
      'anchor consistency',
    ],
    [
      'anchor consistency: another size',
      () => resealed(({ anchor }) => ({ anchor: { ...anchor, size: 6 } }), 5),
      'anchor consistency',
    ],
    [
      'anchor consistency: an empty head',
      () =>
        resealed(
          ({ anchor }) => ({
            anchor: { ...anchor, size: 0, consistency: [], root: toBase64(log.tree.root(0)) },
          }),
          5,
        ),
      'anchor consistency',
    ],
  ])('%s', async (_, build, check) => {
    expect(verdictOf(await build())).toBe(`does-not-hold: ${check}`);
  });

  it('a trust file that names no chain cannot confirm an anchor', () => {
    const chainless = verify.trustText({ ...log.trust, chain: null });
    expect(verdictOf(good, chainless)).toBe('does-not-hold: anchor identity');
    expect(verdictOf(plain, chainless)).toBe('holds: every check');
  });

  it("yesterday's trust file: a log rebuilt under new keys holds for nobody who kept it", () => {
    const rebuiltLog = formatVerifierKey(log.origin, log.signerOf(log.origin, 7).publicKey);
    const rebuiltSeal = formatVerifierKey(`${log.origin}/seal`, log.signerOf(log.origin, 7).publicKey);
    const withLog = { ...log.trust, logKey: rebuiltLog, policy: `log ${rebuiltLog}\nquorum none\n` };
    expect(verdictOf(good, verify.trustText(withLog))).toBe('does-not-hold: checkpoint signature');
    const withSeal = { ...log.trust, sealKey: rebuiltSeal };
    expect(verdictOf(good, verify.trustText(withSeal))).toBe('does-not-hold: seal');
  });

  it('later checks still run after one has failed', async () => {
    const result = verify.verifyBundle(await resealed(() => ({ inclusion: [] }), 5), log.trustFile);
    expect(result.checks.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(['inclusion']);
    expect(result.checks.at(-1)).toMatchObject({ name: 'seal', ok: true });
    expect(states(result)).toMatchObject({ recorded: 'holds', checkpointed: 'fails', anchored: 'fails' });
  });
});

describe('any change to the file is found', () => {
  const holds = (file: string | Uint8Array) => verify.verifyBundle(file, log.trustFile).verdict === 'holds';
  const bytes = toUtf8(good);

  it('every single byte counts', () => {
    for (let place = 0; place < bytes.length; place++) {
      const changed = bytes.slice();
      // All of 1…127 in turn: the result stays ASCII, so that mostly the later checks have to find it.
      changed[place]! ^= (place % 127) + 1;
      if (holds(changed)) expect.fail(`byte ${place} can change unnoticed`);
    }
  });

  it('with any value in any place, as bytes or as text', () => {
    const place = fc.nat(bytes.length - 1);
    fc.assert(
      fc.property(place, fc.integer({ min: 1, max: 255 }), (at, xor) => {
        const changed = bytes.slice();
        changed[at]! ^= xor;
        expect(holds(changed)).toBe(false);
        expect(holds(new TextDecoder().decode(changed))).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it('bytes cannot be dropped, repeated or added', () => {
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 40 }), (at, count) => {
        const cut = new Uint8Array([...bytes.slice(0, at), ...bytes.slice(at + count)]);
        const repeated = new Uint8Array([...bytes.slice(0, at + count), ...bytes.slice(at)]);
        if (cut.length < bytes.length) expect(holds(cut)).toBe(false);
        if (repeated.length > bytes.length) expect(holds(repeated)).toBe(false);
      }),
      { numRuns: 100 },
    );
    for (const file of [
      `${good}\n`,
      ` ${good}`,
      `\ufeff${good}`,
      good.trimEnd(),
      '',
      '{}\n',
      'null\n',
      '[]\n',
    ]) {
      expect(holds(file)).toBe(false);
      expect(holds(toUtf8(file))).toBe(false);
    }
  });

  const parsed = () =>
    JSON.parse(good) as Record<string, never> & { inclusion: string[]; anchor: { consistency: string[] } };
  const text = (value: unknown) => verify.bundleText(value as verify.Bundle);

  it('elements of lists cannot be dropped, repeated or exchanged', () => {
    for (const list of [
      (b: ReturnType<typeof parsed>) => b.inclusion,
      (b: ReturnType<typeof parsed>) => b.anchor.consistency,
    ]) {
      const length = list(parsed()).length;
      expect(length).toBeGreaterThan(1);
      for (let i = 0; i < length; i++) {
        const dropped = parsed();
        list(dropped).splice(i, 1);
        const repeated = parsed();
        list(repeated).splice(i, 0, list(repeated)[i] as string);
        const exchanged = parsed();
        list(exchanged).push(list(exchanged).splice(i, 1)[0] as string);
        for (const changed of i === length - 1 ? [dropped, repeated] : [dropped, repeated, exchanged]) {
          const result = verify.verifyBundle(text(changed), log.trustFile);
          expect(result.verdict).toBe('does-not-hold');
          expect(result.firstFailing).not.toBe('format');
        }
      }
    }
  });

  it('members cannot be dropped, added or given another type', () => {
    for (const name of Object.keys(parsed())) {
      const { [name]: _, ...dropped } = parsed();
      expect(verdictOf(text(dropped))).toBe('does-not-hold: format');
      for (const value of [0, 'x', [], {}, true]) {
        expect(holds(text({ ...parsed(), [name]: value }))).toBe(false);
      }
    }
    expect(verdictOf(text({ ...parsed(), note: 'more' }))).toBe('does-not-hold: format');
    expect(verdictOf(good.replace('{', '{"__proto__":{},'))).toBe('does-not-hold: format');
  });

  it('disclosure and anchor cannot be taken out', () => {
    expect(verdictOf(text({ ...parsed(), disclosure: null }))).toBe('does-not-hold: seal');
    expect(verdictOf(text({ ...parsed(), anchor: null }))).toBe('does-not-hold: seal');
  });

  it('junk of any depth and length gets a verdict', () => {
    for (const junk of [
      '['.repeat(1_000_000),
      '{"a":'.repeat(200_000),
      '"'.repeat(5_000_000),
      '\ud800',
      '\0',
    ]) {
      expect(verdictOf(junk)).toBe('does-not-hold: format');
      expect(verify.verifyBundle(good, junk).firstFailing).toBe('trust');
    }
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(verdictOf(text(value ?? {}))).toBe('does-not-hold: format');
      }),
    );
  });
});

describe('a trust file', () => {
  const populations = { key: toBase64(new Uint8Array(32).fill(5)), names: ['a/b', 'c'] };
  const { policy: _, populations: __, ...shared } = log.trust;
  const first = { ...shared, format: 'assent-trust/v1', witnesses: [], quorum: 'none' } as const;
  const otherKey = log.signerOf('other', 7).publicKey;

  it('round-trips', () => {
    expect(verify.trustText(verify.parseTrust(log.trustFile))).toBe(log.trustFile);
    expect(verify.parseTrust(publicTrust).chain?.finality).toBe('finalized');
    const full = verify.trustText({ ...log.trust, populations });
    expect(verify.parseTrust(full).populations).toEqual(populations);
    expect(verify.trustText(verify.parseTrust(full))).toBe(full);
  });

  it('of version 1 is read as one that asks for no witness and names no population', () => {
    const file = verify.trustText(first);
    expect(file).toContain('assent-trust/v1');
    expect(verify.parseTrust(file)).toEqual(log.trust);
    expect(verdictOf(good, file)).toBe('holds: every check');
  });

  it.each([
    ['another format', { format: 'assent-trust/v3' }],
    ['a log key of another name', { logKey: formatVerifierKey('other', log.logSigner.publicKey) }],
    ['a seal key of another name', { sealKey: log.trust.logKey }],
    ['one key for both', { sealKey: formatVerifierKey(`${log.origin}/seal`, log.logSigner.publicKey) }],
    ['a mangled key', { logKey: log.trust.logKey.slice(0, -1) }],
    ['the members of version 1', { witnesses: [], quorum: 'none' }],
    ['a policy about another log', { policy: `log ${formatVerifierKey('other', otherKey)}\nquorum none\n` }],
    ['a policy about no log', { policy: 'quorum none\n' }],
    [
      'a policy about two logs',
      { policy: `log ${formatVerifierKey('other', otherKey)}\n${log.trust.policy}` },
    ],
    ['a policy without a quorum', { policy: `log ${log.trust.logKey}\n` }],
    ['the log as its own witness', { policy: asOwnWitness() }],
    ['populations out of order', { populations: { ...populations, names: ['c', 'a/b'] } }],
    ['a population twice', { populations: { ...populations, names: ['c', 'c'] } }],
    ['a short populations key', { populations: { ...populations, key: 'AAAA' } }],
    ['a chain without a code hash', { chain: { ...log.chain, codeHash: undefined } }],
    ['an upper-case contract', { chain: { ...log.chain, contract: log.chain.contract.toUpperCase() } }],
    ['an unknown finality', { chain: { ...log.chain, finality: 'soon' } }],
    ['zero confirmations', { chain: { ...log.chain, finality: 'confirmations:0' } }],
    ['a time without zone', { exportedAt: '2026-01-01T00:00:00.000' }],
    ['a surplus member', { more: 1 }],
  ])('is refused with %s', (_name, change) => {
    const file = JSON.parse(JSON.stringify({ ...log.trust, ...change })) as verify.Trust;
    expect(() => verify.trustText(file)).toThrow(FormatError);
    expect(verdictOf(good, verify.bundleText(file as never))).toBe('does-not-hold: trust');
  });

  it.each([
    ['witnesses, which version 1 does not know', { witnesses: ['w'] }],
    ['a quorum that version 1 does not know', { quorum: 'any' }],
    ['the members of version 2', { policy: log.trust.policy }],
  ])('of version 1 is refused with %s', (_name, change) => {
    const file = JSON.parse(JSON.stringify({ ...first, ...change })) as verify.Trust;
    expect(() => verify.trustText(file)).toThrow(FormatError);
    expect(verdictOf(good, verify.bundleText(file as never))).toBe('does-not-hold: trust');
  });

  function asOwnWitness(): string {
    const key = formatCosignatureKey('w', log.logSigner.publicKey);
    return `log ${log.trust.logKey}\nwitness w ${key}\nquorum w\n`;
  }
});

describe('witnesses', () => {
  const witnesses = [11, 12, 13].map((seed) => log.signerOf(`witness.example/${seed}`, seed));
  const policyOf = (quorum: string) =>
    [
      `log ${log.trust.logKey}`,
      ...witnesses.map((w, i) => `witness w${i} ${formatCosignatureKey(w.name, w.publicKey)}`),
      'group two-of-three 2 w0 w1 w2',
      `quorum ${quorum}`,
      '',
    ].join('\n');
  const trustWith = (quorum: string) => verify.trustText({ ...log.trust, policy: policyOf(quorum) });

  async function cosigned(by: readonly number[], change = (note: string) => note): Promise<string> {
    const bundle = await log.unsealed(4, 5);
    const note = parseNote(bundle.checkpoint);
    const lines = await Promise.all(by.map((i) => cosign(note.text, 1_767_225_700, witnesses[i]!)));
    return log.sealed({
      ...bundle,
      checkpoint: change(formatNote({ ...note, signatures: [...note.signatures, ...lines] })),
    });
  }

  it('who meet the quorum make the level hold; fewer leave it absent, and the rest holds', async () => {
    const enough = verify.verifyBundle(await cosigned([0, 2]), trustWith('two-of-three'));
    expect(enough.verdict).toBe('holds');
    expect(enough.levels.witnessed).toEqual({ state: 'holds', check: 'witnesses', words: 'witnessed' });
    expect(enough.witnesses.map(({ witness }) => witness)).toEqual(['w0', 'w2']);
    const few = verify.verifyBundle(await cosigned([1]), trustWith('two-of-three'));
    expect(few.verdict).toBe('holds');
    expect(few.levels.witnessed).toMatchObject({ state: 'absent', words: 'quorum-not-met' });
  });

  it('that the policy does not ask for make no level', async () => {
    const { levels } = verify.verifyBundle(await cosigned([0, 1, 2]), trustWith('none'));
    expect(levels.witnessed).toMatchObject({ state: 'absent', words: 'no-witnesses' });
    const unknown = verify.verifyBundle(await cosigned([0, 1, 2]), log.trustFile);
    expect(unknown).toMatchObject({ verdict: 'holds', levels: { witnessed: { words: 'no-witnesses' } } });
  });

  it('one of whose lines is wrong spoil the file', async () => {
    const backDated = await cosigned([0, 1], (note) => {
      const parsed = parseNote(note);
      const signatures = parsed.signatures.map((line, i) =>
        i === 2
          ? { ...line, signature: line.signature.map((byte, at) => (at === 7 ? byte ^ 1 : byte)) }
          : line,
      );
      return formatNote({ ...parsed, signatures });
    });
    const result = verify.verifyBundle(backDated, trustWith('two-of-three'));
    expect(result).toMatchObject({ verdict: 'does-not-hold', firstFailing: 'witnesses' });
    expect(states(result)).toMatchObject({ checkpointed: 'holds', witnessed: 'fails' });
    expect(verdictOf(backDated)).toBe('holds: every check');
  });
});
