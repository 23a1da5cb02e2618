import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { formatCosignatureKey } from '../../gateway/audit/cosignature.ts';
import { parseVerifierKey } from '../../gateway/audit/note.ts';
import { readPolicyFile } from '../../gateway/audit/policy-file.ts';
import { createSigner } from '../../gateway/audit/publish.ts';

const folder = mkdtempSync(join(tmpdir(), 'assent-policy-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const log = createSigner('log.example/1', new Uint8Array(32).fill(1));
const logKey = parseVerifierKey(log.verifierKey);
const vkey = (name: string, byte: number): string =>
  formatCosignatureKey(name, createSigner(name, new Uint8Array(32).fill(byte)).publicKey);
const [a, b] = [vkey('w.example/a', 2), vkey('w.example/b', 3)];

function read(text: string) {
  const file = join(folder, 'policy');
  writeFileSync(file, text);
  return readPolicyFile(file, logKey);
}

describe('the policy file of a gateway', () => {
  it('is read; the line of its own log may be there or not; a witness may lack an address', () => {
    const text = `witness a ${a} https://a.example/w\nwitness b ${b}\ngroup g any a b\nquorum g\n`;
    expect(read(text).witnesses).toHaveLength(2);
    expect(read(`log ${log.verifierKey}\n${text}`).logs).toHaveLength(1);
  });

  it('may be missing: then no witness is asked', () => {
    expect(readPolicyFile(undefined, logKey)).toMatchObject({ witnesses: [], quorum: 'none' });
  });

  it.each([
    ['is no policy', 'quorum g\n', /line 1 of the policy: g is not defined/],
    [
      'is about another log',
      `log ${createSigner('x', new Uint8Array(32).fill(9)).verifierKey}\nquorum none\n`,
      /another log/,
    ],
    ['makes the log its own witness', `witness w ${vkey('w', 1)} http://w\nquorum w\n`, /own witness/],
    ['has an address that is not http', `witness a ${a} ftp://a.example/\nquorum a\n`, /address of a/],
    ['has an address that is none', `witness a ${a} a.example\nquorum a\n`, /address of a/],
    [
      'has too few addresses for its quorum',
      `witness a ${a} http://a\nwitness b ${b}\ngroup g all a b\nquorum g\n`,
      /cannot meet/,
    ],
  ])('is refused when it %s', (_, text, message) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: 'config_invalid' }));
    expect(() => read(text)).toThrow(message);
  });

  it('is refused when it is not there', () => {
    expect(() => readPolicyFile(join(folder, 'none'), logKey)).toThrow(/ENOENT/);
  });
});
