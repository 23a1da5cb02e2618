// The checks of an anchor, and of the head against those the reader kept.
import type { BundleAnchor, Trust } from './bundle.ts';
import { fromBase64 } from './bytes.ts';
import { fail } from './checks.ts';
import type { Context, Found } from './check-head.ts';
import { anchorOf, type LogFile } from './log-file.ts';
import type { Checkpoint } from './note.ts';
import { compareWithState, type Comparison, type RelatedHead } from './state.ts';
import { verifyConsistency } from './tree.ts';

export function checkAnchor(
  { check, checks, trust, options }: Context,
  anchor: BundleAnchor | null,
  head?: Checkpoint,
) {
  const { chainCheck, chainHead } = options;
  if (chainHead !== undefined && head !== undefined) {
    check('anchor consistency', 'head and the head on the chain are one history', () =>
      checkHistory(chainHead, head),
    );
  } else if (anchor === null) return;
  else if (trust !== undefined) {
    check('anchor identity', 'the chain and contract of the trust file', () => checkIdentity(anchor, trust));
  }
  if (chainHead === undefined && anchor !== null && head !== undefined) {
    check('anchor consistency', 'head and anchored head are one history', () =>
      checkHistory(anchoredHead(anchor), head),
    );
  }
  if (chainCheck !== undefined) {
    const { ok, check: name, detail } = chainCheck;
    checks.push({ name: 'anchor on chain', ok, detail: `${name}: ${detail}` });
  }
}

function checkIdentity(anchor: BundleAnchor, trust: Trust): void {
  const { chain } = trust;
  if (chain === null) throw fail('anchor identity', 'the trust file names no chain');
  for (const name of ['chainId', 'genesisHash', 'contract'] as const) {
    if (anchor[name] !== chain[name]) throw fail('anchor identity', `another ${name} than in the trust file`);
  }
}

function checkHistory(anchored: RelatedHead, head: Checkpoint): void {
  if (anchored.size === 0) throw fail('anchor consistency', 'the anchored head is empty');
  const [older, newer] = anchored.size < head.size ? [anchored, head] : [head, anchored];
  const holds = verifyConsistency({
    oldSize: older.size,
    newSize: newer.size,
    oldRoot: older.root,
    newRoot: newer.root,
    path: anchored.consistency,
  });
  if (!holds)
    throw fail(
      'anchor consistency',
      `the heads of size ${older.size} and ${newer.size} contradict each other`,
    );
}

function anchoredHead({ size, root, consistency }: BundleAnchor): RelatedHead {
  const bytes = (encoded: string) => fromBase64(encoded, 'anchor consistency');
  return { size, root: bytes(root), consistency: consistency.map(bytes) };
}

const comparisons: Readonly<Record<Exclude<Comparison, 'contradicts'>, string>> = {
  same: 'this very head was kept',
  extends: 'of one history with what was kept',
  'cannot-tell': 'no proof connects this head with one kept, so nothing can be told',
};

export function checkKeptHead(
  { checks, options }: Context,
  file: LogFile,
  found: Found,
): Comparison | undefined {
  const { state, consistency = [] } = options;
  const { head } = found;
  if (state === undefined || head === undefined) return undefined;
  const anchor = anchorOf(file);
  const related = [
    ...(found.related ?? []),
    ...(anchor === null ? [] : [anchoredHead(anchor)]),
    ...consistency,
  ];
  const outcome = state.origin === head.origin ? compareWithState(head, state, related) : 'cannot-tell';
  const ok = outcome !== 'contradicts';
  checks.push({
    name: 'kept head',
    ok,
    detail: ok ? comparisons[outcome] : `the head of size ${head.size} contradicts one that was kept`,
  });
  return outcome;
}
