// RFC 6962 section 2.1 word for word: recursive, slow, and not a line shared with gateway/audit/tree.ts.
import { createHash } from 'node:crypto';

export type RootOf = (start: number, end: number) => Buffer;

const sha256 = (...parts: Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const node = (left: Buffer, right: Buffer): Buffer => sha256(Uint8Array.of(1), left, right);

function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** MTH over leaves that all differ. */
export function distinctLeaves(label: string): RootOf {
  const root: RootOf = (start, end) => {
    if (end - start === 1) return sha256(Uint8Array.of(0), Buffer.from(`${label} ${start}`));
    const middle = start + split(end - start);
    return node(root(start, middle), root(middle, end));
  };
  return root;
}

/** MTH over leaves that are all the same: a root depends on the number of leaves only, so any size is cheap. */
export function equalLeaves(label: string): RootOf {
  const known = new Map<number, Buffer>([[1, sha256(Uint8Array.of(0), Buffer.from(label))]]);
  const root: RootOf = (start, end) => {
    const n = end - start;
    let hash = known.get(n);
    if (hash === undefined) {
      const k = split(n);
      hash = node(root(0, k), root(k, n));
      known.set(n, hash);
    }
    return hash;
  };
  return root;
}

/** PROOF(m, D[n]), section 2.1.2; empty for m = 0, as for a first anchor. */
export function consistencyProof(root: RootOf, m: number, n: number): string[] {
  const subproof = (size: number, start: number, end: number, whole: boolean): Buffer[] => {
    if (size === end - start) return whole ? [] : [root(start, end)];
    const k = split(end - start);
    return size <= k
      ? [...subproof(size, start, start + k, whole), root(start + k, end)]
      : [...subproof(size - k, start + k, end, false), root(start, start + k)];
  };
  return m === 0 ? [] : subproof(m, 0, n, true).map(hex);
}

export function hex(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes).toString('hex')}`;
}

export function sha256Hex(text: string): string {
  return hex(sha256(Buffer.from(text)));
}
