import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex, toUtf8 } from '../../gateway/audit/bytes.ts';
import * as entries from '../../gateway/audit/entry.ts';
import { formatCheckpoint, signNote } from '../../gateway/audit/note.ts';
import { listRoot } from '../../gateway/audit/index-list.ts';
import { parsePersonBundle, sealPersonBundle } from '../../gateway/audit/person-bundle.ts';
import { leafHash, MerkleTree } from '../../gateway/audit/tree.ts';
import { Trie } from '../../gateway/audit/trie.ts';
import { parseBundle, verifyBundle, verifyFile } from '../../gateway/audit/verify.ts';
import { origin, sealed, sealSigner, signerOf } from './example-log.ts';

const page = readFileSync(resolve(import.meta.dirname, '../../gateway/audit/FORMAT.md'), 'utf8');

function block(name: string): string {
  const found = new RegExp(`^\`\`\`${name}\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(page)?.[1];
  if (found === undefined) throw new Error(`FORMAT.md has no block ${name}`);
  return found;
}
const lines = block('example').trimEnd().split('\n');
const value = (name: string) => lines.find((line) => line.startsWith(`${name}  `))?.slice(19) ?? '';
const bytes = (name: string) => fromHex(value(name), 'FORMAT.md');

describe('FORMAT.md', () => {
  it('shows commitment, tag, leaf and hashes as they follow from its keys and payload', () => {
    const payload = toUtf8(value('payload'));
    expect(entries.canonicalPayload(entries.parsePayload(payload))).toEqual(payload);
    const opening = entries.openingOf(bytes('data key'), 0);
    const tag = entries.tagOf(bytes('tag key'));
    const leaf = entries.encodeEntry({
      kind: 'used',
      atSeconds: Date.UTC(2026, 0, 1) / 1000,
      commitment: entries.commit(opening, payload),
      startedIndex: null,
      about: { concern: 'person', role: 'subject', tag, sequence: 0 },
    });
    const cohort = entries.cohortOf([tag, bytes('another tag')]);
    expect({
      opening: value('opening'),
      commitment: value('commitment'),
      tag: value('tag'),
      leaf: value('leaf'),
      leafHash: value('leaf hash'),
      cohortRoot: value('cohort root'),
      cohortCommitment: value('cohort commitment'),
    }).toEqual({
      opening: toHex(opening),
      commitment: toHex(entries.commit(opening, payload)),
      tag: toHex(tag),
      leaf: toHex(leaf),
      leafHash: toHex(leafHash(leaf)),
      cohortRoot: toHex(cohort.root),
      cohortCommitment: toHex(entries.cohortCommitment(opening, cohort.root, 2)),
    });
  });

  it('shows the checkpoint that the log key signs over that leaf', async () => {
    const text = formatCheckpoint({ origin, size: 1, root: bytes('leaf hash') });
    expect(block('checkpoint')).toBe(await signNote(text, signerOf(origin, 1)));
  });

  it('shows a bundle that holds against its trust file, and that sealing gives again', async () => {
    const { seal: _, ...bundle } = parseBundle(block('bundle'));
    expect(await sealed(bundle)).toBe(block('bundle'));
    expect(bundle.checkpoint).toBe(block('checkpoint'));
    const result = verifyBundle(block('bundle'), block('trust'));
    expect(result.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(result.payload).toEqual(JSON.parse(value('payload')));
  });

  it('shows a person’s bundle of that log, grown by a population’s entry and a map head', async () => {
    const shown = (name: string) =>
      fromHex(
        block('example-person')
          .split('\n')
          .find((line) => line.startsWith(`${name}  `))
          ?.slice(19) ?? '',
        'FORMAT.md',
      );
    const populationKey = entries.populationKeyOf(shown('populations key'), 'training');
    expect(toHex(shown('population key'))).toBe(toHex(populationKey));
    const minute = Date.UTC(2026, 0, 1, 0, 1) / 1000;
    const used = entries.encodeEntry({
      kind: 'used',
      atSeconds: minute,
      commitment: entries.commit(entries.openingOf(bytes('data key'), 1), toUtf8(value('payload'))),
      startedIndex: null,
      about: { concern: 'population', population: populationKey, cohort: bytes('cohort commitment') },
    });
    expect(toHex(shown('population leaf'))).toBe(toHex(used));
    const map = new Trie();
    expect(toHex(shown('value of the tag'))).toBe(toHex(listRoot([0])));
    map.set(bytes('tag'), listRoot([0]));
    map.set(populationKey, listRoot([1]));
    expect(toHex(shown('map root'))).toBe(toHex(map.root()));
    const mapHead = entries.encodeMapHead({ atSeconds: minute, mapped: 2, root: map.root() });
    expect(toHex(shown('map head'))).toBe(toHex(mapHead));
    const tree = new MerkleTree();
    for (const leaf of [bytes('leaf'), used, mapHead]) tree.append(leafHash(leaf));
    expect(toHex(shown('log root'))).toBe(toHex(tree.root()));

    const result = verifyFile(block('person-bundle'), block('person-trust'));
    expect(result.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(result.head).toEqual({ origin, size: 3, root: tree.root() });
    expect(result.subject).toMatchObject({
      kind: 'person',
      tag: value('tag'),
      count: 1,
      entries: [{ index: 0, payload: JSON.parse(value('payload')) as unknown }],
      populations: [{ name: 'training', count: 1, members: [1] }],
    });
    const { seal: _, ...unsealed } = parsePersonBundle(block('person-bundle'));
    expect(await sealPersonBundle(unsealed, (message) => sealSigner.sign(message))).toBe(
      block('person-bundle'),
    );
  });

  it('lists every kind with its number', () => {
    for (const [name, number] of Object.entries(entries.entryKinds)) {
      expect(page).toMatch(new RegExp(`^\\| +${number} \\| ${name} +\\|`, 'm'));
    }
    expect(page.match(/^\| +\d+ \| [a-z-]+ +\|/gm)).toHaveLength(Object.keys(entries.entryKinds).length + 1);
  });
});

// Files as gateways have given them out. They stay as they are for ever: whoever keeps one can check it with any later
// version.
describe('files given out once', () => {
  const read = (name: string) =>
    readFileSync(resolve(import.meta.dirname, '../golden/bundles', `${name}.json`));

  it.each([
    ['entry', 'trust-v1', { kind: 'entry', index: 4, erased: false }],
    ['entry-erased', 'trust-v1', { kind: 'entry', index: 6, erased: true }],
    ['example-entry', 'example-trust-v1', { kind: 'entry', index: 0 }],
    ['entry', 'trust-v2', { kind: 'entry', index: 4 }],
    ['person', 'trust-v2', { kind: 'person', count: 4, indices: [1, 4, 8, 10] }],
    ['person', 'trust-v1', { kind: 'person', count: 4, populations: null }],
    ['person-earlier', 'trust-v2', { kind: 'person', count: 2 }],
    ['person-later', 'trust-v2', { kind: 'person', count: 4, newCount: 2 }],
  ])('keep verifying: %s against %s', (name, trust, subject) => {
    const result = verifyFile(read(name), read(trust));
    expect(result.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(result).toMatchObject({ verdict: 'holds', subject });
  });

  it('of version 1 keep verifying with the call that read them then', () => {
    expect(verifyBundle(read('entry'), read('trust-v1')).verdict).toBe('holds');
    expect(verifyBundle(read('example-entry'), read('example-trust-v1')).verdict).toBe('holds');
  });

  it('go on from one another', () => {
    const options = { earlier: read('person-earlier') };
    const result = verifyFile(read('person-later'), read('trust-v2'), options);
    expect(result).toMatchObject({ verdict: 'holds', subject: { earlier: { isCompared: true } } });
  });

  it('do not verify against the trust file of another log', () => {
    const other = read('trust-v1').toString().replaceAll('gateway.example', 'another.example');
    expect(verifyFile(read('entry'), other)).toMatchObject({
      verdict: 'does-not-hold',
      firstFailing: 'trust',
    });
  });
});
