import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBase64, toBase64, toHex } from '../../gateway/audit/bytes.ts';
import { cosign, formatCosignatureKey } from '../../gateway/audit/cosignature.ts';
import { encodeMapHead, decodeMapHead, populationKeyOf } from '../../gateway/audit/entry.ts';
import { frontierOf, listRoot } from '../../gateway/audit/index-list.ts';
import { multiProof, verifyMultiProof } from '../../gateway/audit/multi-proof.ts';
import { formatNote, parseNote, signNote } from '../../gateway/audit/note.ts';
import type { PersonBundle, Section } from '../../gateway/audit/person-bundle.ts';
import { emptyState, withHead } from '../../gateway/audit/state.ts';
import { leafHash, MerkleTree } from '../../gateway/audit/tree.ts';
import { trustText, verifyBundle, verifyFile, type PersonSubject } from '../../gateway/audit/verify.ts';
import { subjectText } from '../../gateway/commands/verify-subject.ts';
import * as example from './example-log.ts';
import * as person from './person-log.ts';

type Unsealed = Omit<PersonBundle, 'seal'>;
const log = person.buildLog(person.examplePlan);
const [firstSize, size] = log.sizes as [number, number];
const whole = await log.person(0, size);
const earlier = await person.sealAnything(await log.person(0, firstSize));
const later = await log.person(0, size, firstSize);
/** The same but for what concerns nobody: this person's lists and those of populations are the same. */
const otherPlan = person.examplePlan.map((planned) => (planned === 'system' ? { person: 7 } : planned));

const verdictOf = async (file: object, options: Parameters<typeof verifyFile>[2] = {}) => {
  const { verdict, firstFailing } = verifyFile(await person.sealAnything(file), person.trustFile, options);
  return `${verdict}: ${firstFailing ?? 'every check'}`;
};
const subjectOf = async (file: object, options = {}) => {
  const result = verifyFile(await person.sealAnything(file), person.trustFile, options);
  expect(result.checks.filter(({ ok }) => !ok)).toEqual([]);
  return result.subject as PersonSubject;
};

describe('a person’s bundle', () => {
  it('says that exactly these entries concern the tag, what they say, and what the populations did', async () => {
    const subject = await subjectOf(whole);
    expect(subject).toMatchObject({
      kind: 'person',
      tag: toHex(person.tagOf(0)),
      count: 4,
      newCount: 4,
      indices: [1, 4, 8, 10],
      earlier: null,
      populations: [
        { name: 'analytics', count: 1, members: [11] },
        { name: 'import', count: 1, members: [] },
        { name: 'training', count: 2, members: [2, 7] },
      ],
    });
    expect(subject.entries.map(({ payload }) => payload)).toEqual([1, 4, 8, 10].map((i) => log.payloads[i]));
    const { levels, checks, head } = verifyFile(await person.sealAnything(whole), person.trustFile);
    expect(levels).toMatchObject({ recorded: { state: 'holds' }, checkpointed: { state: 'holds' } });
    expect(head).toMatchObject({ size, root: log.tree.root(size) });
    expect(checks.map(({ name }) => name)).toEqual([
      'format',
      'trust',
      'leaf',
      'payload',
      'checkpoint signature',
      'checkpoint',
      'map head',
      'inclusion',
      'completeness',
      'populations',
      'seal',
    ]);
  });

  it('of somebody without an entry says that there is none', async () => {
    const subject = await subjectOf(await log.person(9, size));
    expect(subject).toMatchObject({ count: 0, indices: [], entries: [] });
    const empty = person.buildLog(['system', 'head']);
    expect(await subjectOf(await empty.person(0, 2))).toMatchObject({ count: 0 });
  });

  it('whose payloads are erased holds, and says so', async () => {
    const entries = whole.own.entries.map((entry, i) => (i < 2 ? { ...entry, disclosure: null } : entry));
    const subject = await subjectOf({ ...whole, own: { ...whole.own, entries } });
    expect(subject.entries.map(({ erased }) => erased)).toEqual([true, true, false, false]);
    expect(subject.entries[0]?.payload).toBeNull();
  });

  it('against a trust file that names no populations proves the own list, and nothing of populations', async () => {
    for (const trust of [example.trustFile, trustText({ ...person.trust, populations: null })]) {
      const result = verifyFile(await person.sealAnything(whole), trust);
      expect(result.verdict).toBe('holds');
      expect(result.subject).toMatchObject({ count: 4, populations: null });
      expect(result.checks.map(({ name }) => name)).not.toContain('populations');
    }
  });

  it('is no bundle of an entry', async () => {
    const result = verifyBundle(await person.sealAnything(whole), person.trustFile);
    expect(result).toMatchObject({ verdict: 'does-not-hold', firstFailing: 'format' });
  });

  const anchoredAt = async (anchored: number, options = {}) => {
    const file = await person.sealAnything({ ...whole, anchor: log.anchorAt(anchored, size) });
    return verifyFile(file, person.trustFile, options);
  };
  const found = { chainCheck: { ok: true, check: 'event', detail: 'found', final: true } };

  it('is anchored by an anchor of its own head', async () => {
    expect(await anchoredAt(size)).toMatchObject({
      verdict: 'holds',
      hasAnchor: true,
      levels: { anchored: { state: 'not-checked' } },
    });
    expect((await anchoredAt(size, found)).levels.anchored.state).toBe('holds');
  });

  it('is not anchored by an older anchor, which says nothing of its map, whatever the chain answers', async () => {
    for (const anchored of [firstSize, 9, size - 1]) {
      expect(await anchoredAt(anchored, found)).toMatchObject({
        verdict: 'holds',
        hasAnchor: false,
        levels: {
          anchored: { state: 'absent', words: 'anchor-behind' },
          anchoredFinal: { state: 'absent', words: 'anchor-behind' },
        },
      });
    }
  });

  it('is anchored by what the chain holds now, when a path leads there, and refused when it does not', async () => {
    const { root, consistency } = log.anchorAt(size, firstSize);
    const early = await log.person(0, firstSize);
    const file = await person.sealAnything(early);
    const chainHead = {
      size,
      root: fromBase64(root, 'test'),
      consistency: consistency.map((step) => fromBase64(step, 'test')),
    };
    const { chainCheck } = found;
    expect(verifyFile(file, person.trustFile, { chainCheck, chainHead })).toMatchObject({
      verdict: 'holds',
      hasAnchor: true,
      levels: { anchored: { state: 'holds' } },
    });
    const elsewhere = { ...chainHead, root: new Uint8Array(32).fill(7) };
    expect(verifyFile(file, person.trustFile, { chainCheck, chainHead: elsewhere }).firstFailing).toBe(
      'anchor consistency',
    );
  });

  it('is witnessed once the quorum of the trust file cosigned its head', async () => {
    const witness = example.signerOf('witness.example/1', 11);
    const key = formatCosignatureKey(witness.name, witness.publicKey);
    const policy = `log ${person.trust.logKey}\nwitness w ${key}\nquorum w\n`;
    const trust = trustText({ ...person.trust, policy });
    const note = parseNote(whole.checkpoint);
    const line = await cosign(note.text, 1_767_225_700, witness);
    const checkpoint = formatNote({ ...note, signatures: [...note.signatures, line] });
    const levelOf = async (file: object) =>
      verifyFile(await person.sealAnything(file), trust).levels.witnessed;
    expect(await levelOf({ ...whole, checkpoint })).toMatchObject({ state: 'holds', words: 'witnessed' });
    expect(await levelOf(whole)).toMatchObject({ state: 'absent', words: 'quorum-not-met' });
  });

  it('shows when entries say that the person joined and left populations', async () => {
    expect((await subjectOf(whole)).changes).toEqual([{ index: 1, joined: ['training'], left: [] }]);
    const closed = whole.own.entries.map((entry) => ({ ...entry, disclosure: null }));
    expect((await subjectOf({ ...whole, own: { ...whole.own, entries: closed } })).changes).toEqual([]);
  });

  it('of any log and person says what the log’s plan says', async () => {
    const planned = fc.oneof(
      fc.record({ person: fc.nat(3) }),
      fc.record({ population: fc.constantFrom(...person.names), people: fc.uniqueArray(fc.nat(3)) }),
      fc.constant('system' as const),
      fc.constant('head' as const),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(planned, { maxLength: 40 }), fc.nat(3), fc.nat(), async (plan, who, at) => {
        const any = person.buildLog([...plan, { person: who }, 'head']);
        const end = any.sizes[at % any.sizes.length]!;
        const subject = await subjectOf(await any.person(who, end));
        expect(subject.indices).toEqual(any.about(who, end));
        expect(subject.populations?.map((p) => p.entries.map(({ index }) => index))).toEqual(
          person.names.map((name) => any.about(name, end)),
        );
        const from = any.sizes[at % (any.sizes.indexOf(end) + 1)]!;
        const more = await subjectOf(await any.person(who, end, from), {
          earlier: await person.sealAnything(await any.person(who, from)),
        });
        expect(more).toMatchObject({ count: subject.count, earlier: { size: from, isCompared: true } });
        expect(more.indices).toEqual(subject.indices.filter((index) => index >= from));
      }),
      { numRuns: 25 },
    );
  });
});

describe('a bundle that goes on from an earlier one', () => {
  it('shows only what is new, and how many there are in all', async () => {
    expect(await subjectOf(later)).toMatchObject({
      count: 4,
      newCount: 2,
      indices: [8, 10],
      earlier: { size: firstSize, isCompared: false },
      populations: [
        { name: 'analytics', count: 1, newCount: 1 },
        { name: 'import', count: 1, newCount: 0 },
        { name: 'training', count: 2, newCount: 1 },
      ],
    });
    expect(await subjectOf(later, { earlier })).toMatchObject({ earlier: { isCompared: true } });
  });

  it('holds with a whole bundle as its earlier one, and a whole bundle holds beside an earlier one', async () => {
    expect(await verdictOf(whole, { earlier })).toBe('holds: every check');
  });

  it('claims nothing of all entries when the earlier one goes on from another, whose part may be of any length', async () => {
    // The operator shows nothing, and says that one entry and one use were shown some time before.
    const [root, used] = [log.about(0, size), log.about('training', size)].map((list) => [
      toBase64(listRoot(list)),
    ]) as [string[], string[]];
    const hidden = (section: Section, frontier: readonly string[]): Section => ({
      ...section,
      earlier: { count: 1, frontier },
      indices: [],
      entries: [],
      members: [],
    });
    const [analytics, imported, training] = (await log.person(0, size, size)).populations as [
      Section,
      Section,
      Section,
    ];
    const lie = withPaths({
      ...(await log.person(0, size, size)),
      own: hidden(whole.own, root),
      populations: [analytics, imported, hidden(training, used)],
    });
    const file = await person.sealAnything(lie);
    const subject = await subjectOf(lie, { earlier: file });
    expect(subject).toMatchObject({ newCount: 0, isWhole: false, earlier: { isCompared: true } });
    for (const language of ['en', 'zh'] as const) {
      const { claim, further } = subjectText(language, subject, size);
      expect(claim.join()).not.toMatch(/exactly|恰为/);
      expect(further.join()).not.toMatch(/1 use in all|共使用/);
    }
    expect((await subjectOf(later, { earlier })).isWhole).toBe(true);
    expect((await subjectOf(whole)).isWhole).toBe(true);
    expect((await subjectOf(later)).isWhole).toBe(false);
  });

  it('may have an earlier one from before a population was added', async () => {
    const short = await log.person(0, firstSize);
    const before = await person.sealAnything(
      withPathsAt(firstSize, { ...short, populations: short.populations.slice(1) }),
    );
    expect(verifyFile(before, person.trustFile).firstFailing).toBe('populations');
    const { analytics, rest } = { analytics: whole.populations[0]!, rest: later.populations.slice(1) };
    const now = withPathsAt(size, { ...later, populations: [analytics, ...rest] });
    expect(await verdictOf(now, { earlier: before })).toBe('holds: every check');
    // A list cannot go on from one that was not shown.
    expect(await verdictOf(later, { earlier: before })).toBe('does-not-hold: earlier bundle');
  });

  it.each<[string, () => Promise<object> | object, (() => Promise<string>) | string]>([
    ['another person’s', () => later, async () => person.sealAnything(await log.person(1, firstSize))],
    ['one of another head', () => later, async () => person.sealAnything(await log.person(0, size))],
    ['one that does not hold', () => later, earlier.replace('"seal":"', '"seal":"AA')],
    ['no person’s bundle', () => later, async () => example.sealed(await example.unsealed(4))],
    [
      'one that showed another list',
      () => later,
      async () => {
        const short = await log.person(0, firstSize);
        return person.sealAnything({ ...short, own: without(short.own, 1) });
      },
    ],
    [
      'one whose entries are claimed to be more than it showed',
      () => {
        const own = without(later.own, 8);
        const frontier = frontierOf([1, 4, 8]).map(toBase64);
        return withPaths({ ...later, own: { ...own, earlier: { count: 3, frontier } } });
      },
      earlier,
    ],
    [
      'a population whose entries are claimed to be more than it showed',
      () => {
        const training = { ...without(later.populations[2]!, 7), members: [] };
        const frontier = frontierOf([2, 7]).map(toBase64);
        const grown = { ...training, earlier: { count: 2, frontier } };
        return withPaths({ ...later, populations: [...later.populations.slice(0, 2), grown] });
      },
      earlier,
    ],
    [
      'one of another version of the log, as long as this one',
      () => whole,
      async () => person.sealAnything(await person.buildLog(otherPlan).person(0, size)),
    ],
    ['one that is newer', () => log.person(0, firstSize), async () => person.sealAnything(whole)],
  ])('is refused beside %s', async (_, build, before) => {
    const given = typeof before === 'string' ? before : await before();
    expect(await verdictOf(await build(), { earlier: given })).toBe('does-not-hold: earlier bundle');
  });

  it.each<[string, (bundle: Unsealed) => object, string]>([
    [
      'another root',
      (b) => ({ extends: { ...b.extends, root: toBase64(log.tree.root(5)) } }),
      'earlier bundle',
    ],
    ['an empty head', (b) => ({ extends: { ...b.extends, size: 0, consistency: [] } }), 'completeness'],
    ['a short path', (b) => ({ extends: { ...b.extends, consistency: [] } }), 'earlier bundle'],
    ['no head', () => ({ extends: null }), 'completeness'],
    [
      'indices from before that head',
      (b) => ({ own: { ...b.own, indices: [4, 8, 10], entries: [log.shown(4), ...b.own.entries] } }),
      'inclusion',
    ],
    [
      'a frontier of another number',
      (b) => ({ own: { ...b.own, earlier: { ...b.own.earlier!, frontier: [] } } }),
      'completeness',
    ],
    [
      'a count of another number',
      (b) => ({ own: { ...b.own, earlier: { ...b.own.earlier!, count: 3 } } }),
      'completeness',
    ],
  ])('is refused with %s', async (_, change, check) => {
    expect(await verdictOf({ ...later, ...change(later) })).toBe(`does-not-hold: ${check}`);
  });
});

/** The section without one of its entries, as an operator would hide it. */
function without(section: Section, index: number): Section {
  const isOther = (at: number) => at !== index;
  return {
    ...section,
    indices: section.indices.filter(isOther),
    entries: section.entries.filter((entry) => isOther(entry.index)),
  };
}

const withOwn = (own: Partial<Section>): Unsealed => withPaths({ ...whole, own: { ...whole.own, ...own } });
/** Repairs the multi-proof, so that only the claim itself can be found. */
const withPaths = (bundle: Unsealed): Unsealed => withPathsAt(size, bundle);

function withPathsAt(at: number, bundle: Unsealed): Unsealed {
  return { ...bundle, paths: person.pathsFor(log, [bundle.own, ...bundle.populations], at) };
}

describe('an operator who seals a false bundle is found by', () => {
  const others = whole.populations;
  const training = others[2]!;
  const absent = () => log.mapAt(size - 1).prove(person.tagOf(9));
  const sectionProof = (found: ReturnType<typeof absent>) => ({
    other:
      found.kind === 'absence' && found.other !== null
        ? { key: toBase64(found.other.key), value: toBase64(found.other.value) }
        : null,
    steps: found.steps.map(({ bit, hash }) => ({ bit, hash: toBase64(hash) })),
  });

  it.each<[string, string, () => Promise<object> | object]>([
    ['completeness', 'an omitted entry', () => withPaths({ ...whole, own: without(whole.own, 4) })],
    ['completeness', 'the newest entry omitted', () => withPaths({ ...whole, own: without(whole.own, 10) })],
    ['completeness', 'all entries omitted', () => withOwn({ indices: [], entries: [] })],
    [
      'completeness',
      'another’s entry added',
      () => withOwn({ indices: [1, 3, 4, 8, 10], entries: [1, 3, 4, 8, 10].map((i) => log.shown(i)) }),
    ],
    [
      'completeness',
      'an entry about nobody added',
      () => withOwn({ indices: [0, 1, 4, 8, 10], entries: [0, 1, 4, 8, 10].map((i) => log.shown(i)) }),
    ],
    [
      'completeness',
      'another order',
      () =>
        withOwn({
          indices: [...whole.own.indices].reverse(),
          entries: [...whole.own.entries].reverse(),
        }),
    ],
    [
      'completeness',
      'an index without its entry',
      () => ({ ...whole, own: { ...whole.own, entries: whole.own.entries.slice(1) }, paths: withoutPath(1) }),
    ],
    [
      'map head',
      'an old map head with its short list',
      async () => {
        const old = await log.person(0, firstSize);
        return { ...whole, mapHead: old.mapHead, own: old.own };
      },
    ],
    [
      'inclusion',
      'a map root of its own',
      () => {
        const forged = log.mapAt(6).root();
        const head = decodeMapHead(fromBase64(whole.mapHead, 'test'));
        return { ...whole, mapHead: toBase64(encodeMapHead({ ...head, root: forged })) };
      },
    ],
    [
      'completeness',
      'the absence of a tag that is present',
      () => withOwn({ indices: [], entries: [], proof: sectionProof(absent()) }),
    ],
    [
      'completeness',
      'the absence of a tag by its own leaf',
      () => {
        const found = log.mapAt(size - 1).prove(person.tagOf(0));
        const value = found.kind === 'presence' ? toBase64(found.value) : '';
        const other = { key: toBase64(person.tagOf(0)), value };
        return withOwn({ indices: [], entries: [], proof: { ...sectionProof(found), other } });
      },
    ],
    [
      'completeness',
      'the bundle of another under this tag',
      async () => ({ ...(await log.person(1, size)), tag: whole.tag }),
    ],
    ['format', 'a trust file of its own inside', () => ({ ...whole, trust: person.trust })],
    [
      'inclusion',
      'one leaf for two indices',
      () => ({
        ...whole,
        own: {
          ...whole.own,
          entries: whole.own.entries.map((entry, i) => (i === 1 ? { ...log.shown(1), index: 4 } : entry)),
        },
      }),
    ],
    [
      'inclusion',
      'one entry twice',
      () => withOwn({ indices: [1, 1, 4, 8, 10], entries: [1, 1, 4, 8, 10].map((i) => log.shown(i)) }),
    ],
    [
      'inclusion',
      'a leaf that is not in the log',
      () => {
        const leaf = fromBase64(log.shown(4).leaf, 'test');
        leaf[20]! ^= 1;
        const entries = whole.own.entries.map((entry) =>
          entry.index === 4 ? { ...entry, leaf: toBase64(leaf), disclosure: null } : entry,
        );
        return { ...whole, own: { ...whole.own, entries } };
      },
    ],
    [
      'payload',
      'another payload',
      () => {
        const entries = whole.own.entries.map((entry) =>
          entry.index === 4 ? { ...entry, disclosure: log.shown(8).disclosure } : entry,
        );
        return { ...whole, own: { ...whole.own, entries } };
      },
    ],
    ['populations', 'a population left out', () => withPaths({ ...whole, populations: others.slice(1) })],
    ['populations', 'all populations left out', () => withPaths({ ...whole, populations: [] })],
    ['populations', 'populations in another order', () => ({ ...whole, populations: [...others].reverse() })],
    [
      'populations',
      'a population under another’s name',
      () => ({ ...whole, populations: others.map((s, i) => ({ ...others[2 - i]!, name: s.name })) }),
    ],
    [
      'populations',
      'an entry of a population left out',
      () =>
        withPaths({
          ...whole,
          populations: [...others.slice(0, 2), { ...without(training, 2), members: [7] }],
        }),
    ],
    [
      'populations',
      'membership in an entry that is not shown',
      () => ({ ...whole, populations: [...others.slice(0, 2), { ...training, members: [2, 5] }] }),
    ],
    [
      'populations',
      'a population that is said to be absent',
      () => {
        const proof = sectionProof(log.mapAt(size - 1).prove(populationKeyOf(person.populationsKey, 'none')));
        const hidden = { ...training, indices: [], entries: [], members: [], proof };
        return withPaths({ ...whole, populations: [...others.slice(0, 2), hidden] });
      },
    ],
    [
      'checkpoint signature',
      'a checkpoint of a stranger',
      async () => ({ ...whole, checkpoint: await byStranger() }),
    ],
    [
      'inclusion',
      'a head of another size',
      async () => ({ ...whole, checkpoint: await log.checkpoint(firstSize) }),
    ],
  ])('%s: %s', async (check, what, build) => {
    const found = await verdictOf(await build());
    // Under another head the map head is the first thing that does not fit.
    const expected = what === 'a head of another size' ? 'map head' : check;
    expect(found).toBe(`does-not-hold: ${expected}`);
  });

  function withoutPath(index: number): string[] {
    const shown = [size - 1, ...whole.own.indices, ...others.flatMap((s) => s.indices)]
      .filter((at) => at !== index)
      .sort((a, b) => a - b);
    return multiProof(log.tree, shown, size).map(toBase64);
  }

  async function byStranger(): Promise<string> {
    return signNote(parseNote(whole.checkpoint).text, example.signerOf(person.origin, 66));
  }

  it('kept head: a log rebuilt without one entry, under the same keys', async () => {
    const yesterday = verifyFile(await person.sealAnything(whole), person.trustFile);
    const state = withHead(emptyState(person.origin), yesterday.head!);
    const rebuilt = person.buildLog(person.examplePlan.map((p, i) => (i === 4 ? { person: 1 } : p)));
    const forged = await rebuilt.person(0, size);
    expect(await verdictOf(forged)).toBe('holds: every check');
    expect(await verdictOf(forged, { state })).toBe('does-not-hold: kept head');
    expect(await verdictOf(whole, { state })).toBe('holds: every check');
  });
});

describe('a multi-proof', () => {
  const tree = new MerkleTree();
  for (let i = 0; i < 70; i++) tree.append(leafHash(Uint8Array.of(i)));
  const claimOf = (indices: readonly number[], at: number) => ({
    size: at,
    leaves: indices.map((index) => ({ index, leafHash: leafHash(Uint8Array.of(index)) })),
    path: multiProof(tree, indices, at),
    root: tree.root(at),
  });
  const someOf = fc.integer({ min: 1, max: 70 }).chain((at) =>
    fc.record({
      at: fc.constant(at),
      indices: fc.uniqueArray(fc.nat(at - 1), { maxLength: 20 }).map((all) => all.sort((a, b) => a - b)),
    }),
  );

  it('leads from any leaves of any tree to its root, and from one leaf is the inclusion path', () => {
    fc.assert(
      fc.property(someOf, ({ at, indices }) => {
        const claim = claimOf(indices, at);
        expect(verifyMultiProof(claim)).toBe(true);
        if (indices.length === 1)
          expect(new Set(claim.path.map(toHex))).toEqual(
            new Set(tree.inclusionPath(indices[0]!, at).map(toHex)),
          );
      }),
    );
  });

  it('is refused once a leaf, an index, a hash or the size is another', () => {
    fc.assert(
      fc.property(someOf, fc.nat(), fc.nat(31), ({ at, indices }, pick, byte) => {
        const claim = claimOf(indices, at);
        const flip = (hash: Uint8Array) => hash.map((value, i) => (i === byte ? value ^ 1 : value));
        const place = indices.length === 0 ? 0 : pick % indices.length;
        const leaves = claim.leaves.map((leaf, i) =>
          i === place ? { ...leaf, leafHash: flip(leaf.leafHash) } : leaf,
        );
        const paths = claim.path.map((hash, i) => (i === pick % claim.path.length ? flip(hash) : hash));
        if (indices.length > 0) {
          expect(verifyMultiProof({ ...claim, leaves })).toBe(false);
          expect(verifyMultiProof({ ...claim, leaves: [...claim.leaves, claim.leaves[0]!] })).toBe(false);
          expect(verifyMultiProof({ ...claim, leaves: claim.leaves.slice(1) })).toBe(false);
        }
        if (claim.path.length > 0) {
          expect(verifyMultiProof({ ...claim, path: paths })).toBe(false);
          expect(verifyMultiProof({ ...claim, path: claim.path.slice(1) })).toBe(false);
        }
        expect(verifyMultiProof({ ...claim, path: [...claim.path, claim.root] })).toBe(false);
        expect(verifyMultiProof({ ...claim, size: 0 })).toBe(false);
      }),
    );
  });

  it('is refused for an index beyond the tree, and cannot be made for one', () => {
    const claim = claimOf([3], 8);
    expect(verifyMultiProof({ ...claim, leaves: [{ ...claim.leaves[0]!, index: 8 }] })).toBe(false);
    expect(() => multiProof(tree, [8], 8)).toThrow(RangeError);
    expect(() => multiProof(tree, [3, 2], 8)).toThrow(RangeError);
    expect(() => multiProof(tree, [3], 71)).toThrow(RangeError);
  });
});
