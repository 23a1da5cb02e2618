// What the officer's page says of anchors.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { epochOf, type AnchorRow } from '../../gateway/audit/proof.ts';
import type { TrustedChain } from '../../gateway/audit/bundle.ts';
import { anchorsModel, anchorState, costText, type AnchorView } from '../../gateway/portal/anchor-model.ts';
import { langs } from '../../gateway/portal/messages/pick.ts';
import { officerAnchorsPage } from '../../gateway/portal/pages/officer-anchors.ts';
import { contextFor, nowMs, samples } from './samples.ts';

const minuteMs = 60_000;
const chain: TrustedChain = {
  chainId: 1,
  genesisHash: `0x${'d4'.repeat(32)}`,
  contract: `0x${'5f'.repeat(20)}`,
  codeHash: `0x${'c0'.repeat(32)}`,
  finality: 'finalized',
};

function rowOf(more: Partial<AnchorRow>): AnchorRow {
  return {
    id: 1,
    epoch: epochOf(chain),
    size: 100,
    root: Buffer.alloc(32, 1),
    checkpointHash: Buffer.alloc(32, 2),
    nonce: 3,
    raw: '0x02',
    transactionHash: `0x${'aa'.repeat(32)}`,
    state: 'broadcast',
    sequence: null,
    blockNumber: null,
    blockHash: null,
    gasUsed: null,
    costWei: null,
    createdMs: nowMs - 6 * minuteMs,
    changedMs: nowMs - 6 * minuteMs,
    ...more,
  };
}

function viewOf(row: Partial<AnchorRow>, more: Partial<AnchorView> = {}): AnchorView {
  return {
    rows: [rowOf(row)],
    paging: { from: 1, to: 1, of: 1, newerUrl: null, olderUrl: null },
    chain,
    status: { chain: 'answers', sinceMs: nowMs, nextRoundMs: nowMs + minuteMs },
    anchoredSize: 90,
    spent: { days: 30, anchors: 2, gas: 102_408, wei: 153_612_245_000_000n },
    nowMs,
    ...more,
  };
}

const nextOf = (row: Partial<AnchorRow>, more: Partial<AnchorView> = {}) =>
  anchorsModel(viewOf(row, more)).anchors[0]?.next;

const inBlock = {
  blockNumber: 7,
  blockHash: `0x${'bb'.repeat(32)}`,
  gasUsed: 51_204,
  costWei: '76806122500000',
};

describe('an anchor that waits', () => {
  it('says how long, and when it is replaced', () => {
    expect(nextOf({})).toEqual({ kind: 'replaced', waitsMs: 6 * minuteMs, atMs: nowMs + 4 * minuteMs });
    expect(nextOf({ state: 'signed' })).toMatchObject({ kind: 'sent-next' });
    expect(nextOf({ changedMs: nowMs - 11 * minuteMs })).toEqual({
      kind: 'replaced-soon',
      waitsMs: 11 * minuteMs,
    });
  });

  it('under a newer anchor is called covered, and only then', () => {
    expect(nextOf({}, { anchoredSize: 100 })).toMatchObject({ kind: 'covered' });
    expect(nextOf({}, { anchoredSize: 99 })).toMatchObject({ kind: 'replaced' });
  });
});

describe('the state of an anchor', () => {
  it('in a block is not final on another chain, and never will be on a local one', () => {
    expect(anchorState('mined', chain)).toBe('inBlock');
    expect(nextOf({ state: 'mined', ...inBlock })).toEqual({ kind: 'final-later' });
    const local = { ...chain, finality: 'local' as const };
    expect(anchorState('mined', local)).toBe('confirmed');
    expect(nextOf({ state: 'mined', ...inBlock }, { chain: local })).toBeNull();
  });

  it('lost is not shown as failed, and a refused one is told from a displaced one', () => {
    expect(anchorState('lost', chain)).toBe('lost');
    expect(nextOf({ state: 'lost', epoch: 'another' })).toEqual({ kind: 'lost' });
    expect(nextOf({ state: 'failed' })).toEqual({ kind: 'displaced' });
    expect(nextOf({ state: 'failed', ...inBlock })).toEqual({ kind: 'reverted' });
  });
});

describe('a cost', () => {
  it('has the unit that leaves a number to be read', () => {
    expect(costText(0n)).toBe('0 wei');
    expect(costText(999_999n)).toBe('999999 wei');
    expect(costText(1_000_000n)).toBe('0.001 gwei');
    expect(costText(76_806_122_500_000n)).toBe('76806.123 gwei');
    expect(costText(10n ** 15n)).toBe('0.001 ether');
    expect(costText(46_928_466_000_000_001n)).toBe('0.046929 ether');
  });

  it('is never shown as less than it was, and never as a thousandth more', () => {
    fc.assert(
      fc.property(fc.bigInt(1n, 10n ** 24n), (wei) => {
        const [number = '', unit = ''] = costText(wei).split(' ');
        const [whole = '', rest = ''] = number.split('.');
        const digits = { wei: 0, gwei: 9, ether: 18 }[unit] ?? -1;
        const shown = BigInt(whole + rest.padEnd(digits, '0'));
        expect(shown >= wei).toBe(true);
        expect((shown - wei) * 1000n <= wei).toBe(true);
      }),
    );
  });
});

describe('the page', () => {
  const sample = samples.find(({ name }) => name === 'officer-anchors')!;
  const textOf = (view: AnchorView, lang: (typeof langs)[number]): string =>
    officerAnchorsPage(anchorsModel(view), contextFor(sample, lang)).toString();

  it('says that the chain is silent while it is, and not when it answers', () => {
    const silent = viewOf({}, { status: { chain: 'silent', sinceMs: nowMs, nextRoundMs: nowMs + minuteMs } });
    for (const lang of langs) {
      expect(textOf(silent, lang)).toContain('role="status"');
      expect(textOf(viewOf({}), lang)).not.toContain('role="status"');
    }
  });

  it('shows the exact cost behind the readable one, what was spent, and the rule for final', () => {
    const text = textOf(viewOf({ state: 'final', ...inBlock }), 'en');
    expect(text).toContain('title="76806122500000 wei"');
    expect(text).toContain('153612.245 gwei');
    expect(text).toContain('102,408');
    expect(text).toContain('the node reports its block as finalized');
    const counted = { ...chain, finality: 'confirmations:12' as const };
    expect(textOf(viewOf({}, { chain: counted }), 'en')).toContain('12 blocks stand on it');
  });

  it('without a chain or an anchor says so and claims no rule', () => {
    const bare = { ...viewOf({}, { chain: null, status: undefined }), rows: [] };
    const text = textOf(bare, 'en');
    expect(text).toContain('Nothing anchored yet.');
    expect(text).not.toContain('Final when');
  });
});
