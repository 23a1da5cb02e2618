import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError, toBase64, toUtf8 } from '../../gateway/audit/bytes.ts';
import { cosign, formatCosignatureKey } from '../../gateway/audit/cosignature.ts';
import { formatVerifierKey } from '../../gateway/audit/note.ts';
import {
  checkCosignatures,
  formatPolicy,
  parsePolicy,
  policyTextFor,
  quorumMet,
} from '../../gateway/audit/policy.ts';
import { createSigner } from '../../gateway/audit/publish.ts';

const signers = [1, 2, 3, 4, 5, 6].map((byte) => createSigner(`Wit${byte}`, new Uint8Array(32).fill(byte)));
const vkeys = signers.map(({ name, publicKey }) => formatCosignatureKey(name, publicKey));
const [w1, w2, w3, w4, w5, w6] = vkeys as [string, string, string, string, string, string];
const log = createSigner('example.com/log', new Uint8Array(32).fill(9));
const impostor = formatCosignatureKey('impostor.example.com', signers[0]!.publicKey);
const example = `log ${log.verifierKey}

witness X1 ${w1}
witness X2 ${w2}
witness X3 ${w3}
group X-witnesses 2 X1 X2 X3

witness Y1 ${w4}
witness Y2 ${w5}
witness Y3 ${w6}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
`;

// The cases of transparency-dev/formats, policy/tlog_policy_test.go, and of witness/witness_policy_test.go.
describe('a policy', () => {
  it('is read as the example of c2sp.org/tlog-policy means it', () => {
    const policy = parsePolicy(example);
    expect(policy.logs.map(({ verifierKey }) => verifierKey)).toEqual([log.verifierKey]);
    expect(policy.witnesses.map(({ name }) => name)).toEqual(['X1', 'X2', 'X3', 'Y1', 'Y2', 'Y3']);
    expect(policy.groups).toEqual([
      { name: 'X-witnesses', threshold: 2, members: ['X1', 'X2', 'X3'] },
      { name: 'Y-witnesses', threshold: 1, members: ['Y1', 'Y2', 'Y3'] },
      { name: 'X-and-Y', threshold: 2, members: ['X-witnesses', 'Y-witnesses'] },
    ]);
    expect(policy.quorum).toBe('X-and-Y');
    expect(parsePolicy(toUtf8(example))).toEqual(policy);
  });

  it('may be one line', () => {
    expect(parsePolicy('quorum none\n')).toEqual({ logs: [], witnesses: [], groups: [], quorum: 'none' });
  });

  it('may have spaces, tabs, comment lines and no last newline', () => {
    const policy = parsePolicy(
      `\n# comment\n\t # another\n\twitness \t w1  ${w1}   https://w1.example.com/  \n\n  quorum\tw1`,
    );
    expect(policy.witnesses).toMatchObject([{ name: 'w1', url: 'https://w1.example.com/' }]);
    expect(policy.quorum).toBe('w1');
  });

  it('may use its own keywords as names, and names in any script', () => {
    const policy = parsePolicy(
      `witness all ${w1}\nwitness 见证 ${w2}\ngroup group 2 all 见证\nquorum group\n`,
    );
    expect(policy.groups).toEqual([{ name: 'group', threshold: 2, members: ['all', '见证'] }]);
    // A Kelvin sign is not a K.
    expect(() => parsePolicy(`witness K ${w1}\nquorum \u212a\n`)).toThrow(FormatError);
  });

  it('survives being written and read again', () => {
    const written = formatPolicy(
      parsePolicy(`# A policy.\nlog ${log.verifierKey} https://log.example.com/
witness w1 ${w1} https://w1.example.com/\nwitness w2 ${w2}\ngroup g1 any w1 w2\nquorum g1\n`),
    );
    expect(written).toBe(`log ${log.verifierKey} https://log.example.com/
witness w1 ${w1} https://w1.example.com/\nwitness w2 ${w2}\ngroup g1 1 w1 w2\nquorum g1\n`);
    expect(formatPolicy(parsePolicy(written))).toBe(written);
  });

  const one = `witness w1 ${w1}\n`;
  const two = `${one}witness w2 ${w2}\n`;
  it.each([
    ['a control character', 'quorum none\n\u0001', /control character/],
    ['a carriage return', 'quorum none\r\n', /control character/],
    ['a delete character', 'quorum none\n#\u007f', /control character/],
    ['an unknown keyword', 'quibble w1\nquorum none\n', /line 1 .*begins with/],
    ['a comment behind a line', `witness w1 ${w1} https://w1/ # comment\nquorum w1\n`, /line 1 .*form/],
    ['a log without key', 'log\nquorum none\n', /form/],
    ['a log with a key that is none', 'log garbage\nquorum none\n', /name\+id\+key/],
    ['a log with a cosignature key', `log ${w1}\nquorum none\n`, /type 0x01/],
    ['a log twice', `log ${log.verifierKey}\nlog ${log.verifierKey} https://log/\nquorum none\n`, /already/],
    ['a witness without key', 'witness w1\nquorum none\n', /form/],
    ['a witness with a key of notes', `witness w1 ${signers[0]!.verifierKey}\nquorum w1\n`, /type 0x04/],
    [
      'a witness with an ECDSA key',
      `witness w1 e+00000000+${toBase64(Uint8Array.of(2, 1, 2, 3))}\nquorum w1\n`,
      /type/,
    ],
    ['a witness named none', `witness none ${w1}\nquorum none\n`, /taken/],
    ['one name for two witnesses', `${one}witness w1 ${w2}\nquorum w1\n`, /line 2 .*twice/],
    ['one key for two witnesses', `${one}witness w2 ${impostor}\nquorum w1\n`, /already/],
    [
      'a witness with the key of the log',
      `log ${log.verifierKey}\nwitness w ${formatCosignatureKey('w', log.publicKey)}\nquorum w\n`,
      /already/,
    ],
    ['a group with the name of a witness', `${one}group w1 any w1\nquorum w1\n`, /twice/],
    ['a group that names itself', `${one}group g 1 g\nquorum g\n`, /earlier/],
    ['a group without members', `${one}group g1 1\nquorum w1\n`, /form/],
    ['a group named none', `${one}group none any w1\nquorum none\n`, /taken/],
    ['a threshold of 0', `${one}group g1 0 w1\nquorum g1\n`, /1 to 1/],
    ['a threshold below 0', `${one}group g1 -1 w1\nquorum g1\n`, /1 to 1/],
    ['a threshold above the members', `${one}group g1 2 w1\nquorum g1\n`, /1 to 1/],
    ['a threshold in other spelling', `${two}group g1 0x1 w1 w2\nquorum g1\n`, /1 to 2/],
    ['an unknown member', `${one}group g1 any w2\nquorum g1\n`, /earlier/],
    ['a member of a later line', `group g1 any w1\n${one}quorum g1\n`, /line 1 .*earlier/],
    ['none as a member', `${one}group g1 any none w1\nquorum g1\n`, /earlier/],
    ['a member twice', `${one}group g1 all w1 w1\nquorum g1\n`, /more than once/],
    ['a member of two groups', `${two}group g1 any w1 w2\ngroup g2 any w1\nquorum g1\n`, /more than once/],
    ['no quorum', one, /exactly one/],
    ['nothing at all', '', /exactly one/],
    ['two quorums', `${one}quorum w1\nquorum w1\n`, /exactly one/],
    ['an unknown quorum', 'quorum unknown\n', /earlier/],
    ['a quorum of a later line', `quorum w1\n${one}`, /earlier/],
    ['a quorum without name', 'quorum\n', /form/],
    [
      '49 groups',
      `${one}${Array.from({ length: 49 }, (_, i) => `group g${i} any ${i === 0 ? 'w1' : `g${i - 1}`}\n`).join('')}quorum g1\n`,
      /more than 48/,
    ],
    ['more than 64 KiB', `#${'x'.repeat(65536)}\nquorum none\n`, /64 KiB/],
    ['half a character', 'quorum none\n#\ud800', /UTF-8/],
  ])('is refused with %s', (_, text, message) => {
    expect(() => parsePolicy(text)).toThrow(message);
    expect(() => parsePolicy(text)).toThrow(FormatError);
  });

  it('is refused when it is not UTF-8', () => {
    expect(() => parsePolicy(Uint8Array.of(0x23, 0x80, 0x0a))).toThrow(FormatError);
  });
});

describe('a quorum', () => {
  const nested = parsePolicy(
    `witness w1 ${w1}\nwitness w2 ${w2}\nwitness w3 ${w3}\ngroup inner any w2 w3\ngroup outer all w1 inner\nquorum outer\n`,
  );

  it.each([
    [['w1', 'w2', 'w3'], true],
    [['w1', 'w3'], true],
    [['w1'], false],
    [['w2', 'w3'], false],
    [[], false],
    // Only witnesses sign: the name of a group, or a stranger's, is nothing.
    [['w1', 'inner'], false],
    [['outer'], false],
    [['stranger'], false],
  ])('of nested groups by %j: %s', (signed, met) => {
    expect(quorumMet(nested, signed)).toBe(met);
  });

  it('of one witness needs that witness', () => {
    const policy = parsePolicy(`witness w1 ${w1}\nwitness w2 ${w2}\nquorum w1\n`);
    expect(quorumMet(policy, ['w1'])).toBe(true);
    expect(quorumMet(policy, ['w2'])).toBe(false);
  });

  it('"none" is met by nobody: nothing is witnessed under such a policy', () => {
    const policy = parsePolicy(`witness w1 ${w1}\nquorum none\n`);
    expect(quorumMet(policy, ['w1', 'none'])).toBe(false);
  });

  it('k of n is met by exactly those sets that hold k', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.subarray([0, 1, 2, 3, 4, 5]), (k, signed) => {
        const lines = vkeys.map((vkey, i) => `witness w${i} ${vkey}\n`).join('');
        const policy = parsePolicy(`${lines}group all-of-them ${k} w0 w1 w2 w3 w4 w5\nquorum all-of-them\n`);
        expect(
          quorumMet(
            policy,
            signed.map((i) => `w${i}`),
          ),
        ).toBe(signed.length >= k);
      }),
      { numRuns: 60 },
    );
  });
});

describe('the cosignatures of a note under a policy', () => {
  const policy = parsePolicy(
    `witness w1 ${w1}\nwitness w2 ${w2}\nwitness w3 ${w3}\ngroup g 2 w1 w2 w3\nquorum g\n`,
  );
  const text = 'example.com/log\n42\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n';
  const by = (place: number, over = text) => cosign(over, 100 + place, signers[place]!);

  it('are listed by the witness they are from, strangers left out, and counted', async () => {
    const stranger = await by(4);
    expect(checkCosignatures({ text, signatures: [stranger, await by(2), await by(0)] }, policy)).toEqual({
      valid: [
        { witness: 'w1', name: 'Wit1', seconds: 100 },
        { witness: 'w3', name: 'Wit3', seconds: 102 },
      ],
      quorum: true,
    });
    expect(checkCosignatures({ text, signatures: [stranger, await by(1)] }, policy).quorum).toBe(false);
    expect(checkCosignatures({ text, signatures: [await by(1), await by(1)] }, policy).quorum).toBe(false);
    expect(checkCosignatures({ text, signatures: [] }, policy)).toEqual({ valid: [], quorum: false });
  });

  it('are refused as a whole when one by a named witness is wrong, even where the quorum is met', async () => {
    const signatures = [await by(0), await by(1), await by(2, text.replace('42', '43'))];
    expect(() => checkCosignatures({ text, signatures }, policy)).toThrow(
      expect.objectContaining({ code: 'signature', check: 'witnesses' }),
    );
  });
});

describe('the policy of a trust file', () => {
  it('names this log, added where the gateway was given none', () => {
    const policy = parsePolicy(`witness w1 ${w1} http://127.0.0.1:9001\nquorum w1\n`);
    const text = policyTextFor({ logKey: log.verifierKey, policy });
    expect(text).toBe(`log ${log.verifierKey}\nwitness w1 ${w1} http://127.0.0.1:9001\nquorum w1\n`);
    expect(policyTextFor({ logKey: log.verifierKey, policy: parsePolicy(text) })).toBe(text);
  });

  it('asks for no witness where there is no policy', () => {
    expect(policyTextFor({ logKey: log.verifierKey })).toBe(`log ${log.verifierKey}\nquorum none\n`);
  });

  it('is refused for another log, and where the log would be its own witness', () => {
    const other = formatVerifierKey('example.com/log', signers[5]!.publicKey);
    expect(() => policyTextFor({ logKey: other, policy: parsePolicy(example) })).toThrow(FormatError);
    const own = parsePolicy(`witness w ${formatCosignatureKey('w', log.publicKey)}\nquorum w\n`);
    expect(() => policyTextFor({ logKey: log.verifierKey, policy: own })).toThrow(/own witness/);
  });
});
