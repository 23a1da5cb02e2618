import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex, toUtf8 } from '../../gateway/audit/bytes.ts';
import * as entries from '../../gateway/audit/entry.ts';
import { formatCheckpoint, signNote } from '../../gateway/audit/note.ts';
import { leafHash } from '../../gateway/audit/tree.ts';
import { parseBundle, verifyBundle } from '../../gateway/audit/verify.ts';
import { origin, sealed, signerOf } from './example-log.ts';

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

  it('lists every kind with its number', () => {
    for (const [name, number] of Object.entries(entries.entryKinds)) {
      expect(page).toMatch(new RegExp(`^\\| +${number} \\| ${name} +\\|`, 'm'));
    }
    expect(page.match(/^\| +\d+ \| [a-z-]+ +\|/gm)).toHaveLength(Object.keys(entries.entryKinds).length + 1);
  });
});
