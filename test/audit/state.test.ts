import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError, toBase64 } from '../../gateway/audit/bytes.ts';
import {
  compareWithState,
  emptyState,
  headsLimit,
  parseState,
  stateText,
  withHead,
  type Head,
  type RelatedHead,
} from '../../gateway/audit/state.ts';
import { leafHash, MerkleTree } from '../../gateway/audit/tree.ts';

const origin = 'gateway.example/log/1';

/** A log of 40 leaves that is another one from leaf `from` on. */
function logFrom(from: number) {
  const tree = new MerkleTree();
  for (let i = 0; i < 40; i++) tree.append(leafHash(Uint8Array.of(i, i < from ? 0 : 1)));
  const headAt = (size: number): Head => ({ size, root: tree.root(size) });
  const related = (kept: number, size: number): RelatedHead => ({
    ...headAt(kept),
    consistency: tree.consistencyPath(Math.min(kept, size), Math.max(kept, size)),
  });
  return { headAt, related };
}
const log = logFrom(99);
const fork = logFrom(10);
const stateOf = (...sizes: number[]) =>
  sizes.reduce((state, size) => withHead(state, log.headAt(size)), emptyState(origin));
const size = fc.integer({ min: 1, max: 40 });

describe('a head beside those kept', () => {
  it('is the same when it is kept, and extends when nothing is kept yet', () => {
    expect(compareWithState(log.headAt(12), stateOf(7, 12))).toBe('same');
    expect(compareWithState(log.headAt(12), emptyState(origin))).toBe('extends');
  });

  it('extends one of another size that a proof connects it with, larger or smaller', () => {
    fc.assert(
      fc.property(size, size, (kept, now) => {
        const found = compareWithState(log.headAt(now), stateOf(kept), [log.related(kept, now)]);
        expect(found).toBe(kept === now ? 'same' : 'extends');
      }),
    );
  });

  it('cannot be told about without a proof, or with one that does not hold', () => {
    fc.assert(
      fc.property(size, size, (kept, now) => {
        fc.pre(kept !== now);
        expect(compareWithState(log.headAt(now), stateOf(kept))).toBe('cannot-tell');
        const broken = { ...log.related(kept, now), consistency: [log.headAt(3).root] };
        fc.pre(kept !== 1 || now !== 2);
        expect(compareWithState(log.headAt(now), stateOf(kept), [broken])).toBe('cannot-tell');
      }),
    );
  });

  it('contradicts one of the same size with another root, and one that its own history does not have', () => {
    expect(compareWithState(fork.headAt(12), stateOf(7, 12))).toBe('contradicts');
    expect(compareWithState(fork.headAt(20), stateOf(12), [fork.related(12, 20)])).toBe('contradicts');
    expect(compareWithState(fork.headAt(12), stateOf(20), [fork.related(20, 12)])).toBe('contradicts');
    expect(
      compareWithState(fork.headAt(20), stateOf(7, 12), [fork.related(7, 20), fork.related(12, 20)]),
    ).toBe('contradicts');
    // The fork began later: this kept head is common to both.
    expect(compareWithState(fork.headAt(20), stateOf(7), [fork.related(7, 20)])).toBe('extends');
  });
});

describe('a state file', () => {
  it('round-trips, ascending by size, each head once', () => {
    const state = stateOf(12, 3, 12, 40);
    expect(state.heads.map((head) => head.size)).toEqual([3, 12, 40]);
    expect(parseState(stateText(state))).toEqual(state);
    expect(withHead(state, log.headAt(0))).toBe(state);
  });

  it('holds the limit and forgets the smallest', () => {
    const root = log.headAt(1).root;
    const heads = Array.from({ length: headsLimit }, (_, i) => ({ size: i + 5, root: toBase64(root) }));
    const full = withHead({ ...emptyState(origin), heads }, { size: 5000, root });
    expect(full.heads).toHaveLength(headsLimit);
    expect(full.heads[0]?.size).toBe(6);
    expect(parseState(stateText(full)).heads.at(-1)?.size).toBe(5000);
  });

  const root = toBase64(log.headAt(1).root);
  it.each([
    ['another format', { format: 'assent-state/v2' }],
    [
      'heads out of order',
      {
        heads: [
          { size: 2, root },
          { size: 1, root },
        ],
      },
    ],
    [
      'a size twice',
      {
        heads: [
          { size: 2, root },
          { size: 2, root },
        ],
      },
    ],
    ['an empty head', { heads: [{ size: 0, root }] }],
    ['a short root', { heads: [{ size: 1, root: 'AAAA' }] }],
    ['a surplus member', { more: 1 }],
    ['too many heads', { heads: Array.from({ length: headsLimit + 1 }, (_, i) => ({ size: i + 1, root })) }],
  ])('is refused with %s', (_, change) => {
    expect(() => stateText({ ...stateOf(3), ...change } as never)).toThrow(FormatError);
  });

  it('is refused in another spelling', () => {
    expect(() => parseState(stateText(stateOf(3)).trimEnd())).toThrow(FormatError);
    expect(() => parseState('')).toThrow(FormatError);
  });
});
