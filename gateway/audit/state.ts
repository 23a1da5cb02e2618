// What a verifier remembers: the heads it has seen, so that a later file cannot contradict an earlier one unnoticed.
// FORMAT.md section 13. Pure; runs in the browser too.
import { equalBytes, fromBase64, toBase64 } from './bytes.ts';
import {
  exact,
  fileText,
  hash,
  list,
  misfit,
  origin,
  parseFile,
  record,
  whole,
  type Read,
} from './file-shape.ts';
import { isAscending } from './index-list.ts';
import { verifyConsistency } from './tree.ts';

export const stateFormat = 'assent-state/v1';
const stateLimitBytes = 1 << 18;
export const headsLimit = 1000;

export interface State {
  readonly format: typeof stateFormat;
  readonly origin: string;
  /** By ascending size; roots in base64. */
  readonly heads: readonly { readonly size: number; readonly root: string }[];
}

export interface Head {
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

/** A further head, and the RFC 6962 path between it and the one in question. */
export interface RelatedHead extends Head {
  /** From the smaller to the larger of the two. */
  readonly consistency: readonly Uint8Array[];
}

/**
 * `same`: this head is kept. `extends`: it is of one history with a head kept, or none is kept yet. `contradicts`: no
 * history has both this head and one kept. `cannot-tell`: no proof connects them.
 */
export type Comparison = 'same' | 'extends' | 'contradicts' | 'cannot-tell';

/**
 * Compares a head with those kept.
 * @param related heads claimed to be of this head's history; those whose path does not hold are ignored
 */
export function compareWithState(head: Head, state: State, related: readonly RelatedHead[] = []): Comparison {
  if (state.heads.length === 0) return 'extends';
  const kept = new Map(state.heads.map(({ size, root }) => [size, fromBase64(root, 'kept head')]));
  let found: Comparison = 'cannot-tell';
  for (const one of [head, ...related.filter((other) => areOneHistory(head, other))]) {
    const root = kept.get(one.size);
    if (root === undefined) continue;
    if (!equalBytes(root, one.root)) return 'contradicts';
    if (found === 'cannot-tell') found = one.size === head.size ? 'same' : 'extends';
  }
  return found;
}

/** The state that also keeps this head; at the limit the smallest head is forgotten. */
export function withHead(state: State, { size, root }: Head): State {
  if (size === 0 || state.heads.some((head) => head.size === size)) return state;
  const heads = [...state.heads, { size, root: toBase64(root) }].sort((a, b) => a.size - b.size);
  return { ...state, heads: heads.slice(-headsLimit) };
}

export const emptyState = (log: string): State => ({ format: stateFormat, origin: log, heads: [] });

/** @throws FormatError (check "state") unless this is the one canonical spelling of a state file */
export function parseState(file: string | Uint8Array): State {
  return parseFile(file, 'state', stateLimitBytes, readState);
}

/** Canonical JSON and a newline. @throws FormatError (check "state") for a state no verifier would read */
export function stateText(state: State): string {
  const text = fileText(state);
  parseState(text);
  return text;
}

function areOneHistory(a: Head, b: RelatedHead): boolean {
  const [older, newer] = b.size < a.size ? [b, a] : [a, b];
  if (older.size === 0) return false;
  return verifyConsistency({
    oldSize: older.size,
    newSize: newer.size,
    oldRoot: older.root,
    newRoot: newer.root,
    path: b.consistency,
  });
}

const readState: Read<State> = record<State>({
  format: exact(stateFormat),
  origin,
  heads: (value, at) => {
    const heads = list(headsLimit, record({ size: whole, root: hash }))(value, at);
    const sizes = heads.map(({ size }) => size);
    if (!isAscending(sizes) || sizes[0] === 0) throw misfit(at, 'ascending by size, from 1');
    return heads;
  },
});
