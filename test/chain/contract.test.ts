// The contract on a real virtual machine, with proofs from trees it has never seen.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { leafHash, MerkleTree } from '../../gateway/audit/tree.ts';
import type { Chain } from '../../gateway/chain/chain.ts';
import type { LocalChain } from '../../gateway/chain/local.ts';
import { describeWithShared } from '../support/shared.ts';
import { consistencyProof, distinctLeaves, equalLeaves, hex, sha256Hex } from './oracle.ts';
import {
  anchor,
  deploy,
  extend,
  headOf,
  newFolder,
  openLog,
  openSubmitter,
  removeFolders,
  startChain,
} from './rig.ts';
import { strangerKey } from './rig.ts';

let local: LocalChain;
let chain: Chain;
let contract: string;
let logId: string;
let logs = 0;

async function nextLog(): Promise<string> {
  const id = sha256Hex(`log number ${logs++}`);
  await openLog(local, id);
  return id;
}

beforeAll(async () => {
  local = await startChain(await newFolder());
  ({ chain, contract } = await deploy(local));
});

beforeEach(async () => {
  logId = await nextLog();
});

afterAll(async () => {
  await local.close();
  await removeFolders();
});

describe('an anchor', () => {
  it('is accepted for every pair of sizes up to 12', async () => {
    const root = distinctLeaves('a');
    for (let m = 1; m < 12; m++) {
      for (let n = m + 1; n <= 12; n++) {
        const id = await nextLog();
        await extend(chain, root, m, id);
        expect(await extend(chain, root, n, id)).toMatchObject({ state: 'mined', seq: 2 });
        expect(await chain.head(id)).toMatchObject({ size: n, root: hex(root(0, n)), seq: 2 });
      }
    }
  });

  it('is accepted for sizes far apart, up to a billion leaves', async () => {
    const root = equalLeaves('x');
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1e9 }),
        fc.integer({ min: 1, max: 1e9 }),
        async (m, more) => {
          const id = await nextLog();
          await extend(chain, root, m, id);
          expect((await extend(chain, root, m + more, id)).state).toBe('mined');
        },
      ),
      { numRuns: 40 },
    );
  });

  it('is accepted with the proof that the gateway’s own tree makes', async () => {
    const tree = new MerkleTree();
    const leaves = (from: number, to: number) => {
      for (let i = from; i < to; i++) tree.append(leafHash(Buffer.from(`leaf ${i}`)));
    };
    const head = () => headOf(() => Buffer.from(tree.root()), tree.size, logId);
    leaves(0, 11);
    await anchor(chain, head(), []);
    leaves(11, 29);
    expect((await anchor(chain, head(), tree.consistencyPath(11, 29).map(hex))).state).toBe('mined');
  });

  it('of the same or a smaller size is refused', async () => {
    const root = distinctLeaves('a');
    await extend(chain, root, 7, logId);
    expect((await anchor(chain, headOf(root, 7, logId), [])).state).toBe('reverted');
    expect((await anchor(chain, headOf(root, 3, logId), [])).state).toBe('reverted');
    expect(await chain.head(logId)).toMatchObject({ size: 7, seq: 1 });
  });

  it('of another history is refused, even with that history’s own proof', async () => {
    await extend(chain, distinctLeaves('a'), 5, logId);
    const other = distinctLeaves('b');
    expect((await anchor(chain, headOf(other, 9, logId), consistencyProof(other, 5, 9))).state).toBe(
      'reverted',
    );
    expect(await chain.head(logId)).toMatchObject({ size: 5, seq: 1 });
  });

  it('with any bit of proof or root flipped, or with a hash more or less, is refused', async () => {
    const root = distinctLeaves('a');
    await extend(chain, root, 6, logId);
    const good = consistencyProof(root, 6, 13);
    const flip = (hash: string, bit: number): string => {
      const bytes = Buffer.from(hash.slice(2), 'hex');
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      return hex(bytes);
    };
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length), fc.nat(255), async (at, bit) => {
        const head = headOf(root, 13, logId);
        const proof = good.map((hash, index) => (index === at ? flip(hash, bit) : hash));
        if (at === good.length) head.root = flip(head.root, bit);
        expect((await anchor(chain, head, proof)).state).toBe('reverted');
      }),
      { numRuns: 60 },
    );
    const head = headOf(root, 13, logId);
    for (const proof of [[], good.slice(1), good.slice(0, -1), [...good, good[0]!], [good[0]!, ...good]]) {
      expect((await anchor(chain, head, proof)).state).toBe('reverted');
    }
    expect((await anchor(chain, head, good)).state).toBe('mined');
  });

  it('of a new log with a proof is refused', async () => {
    const root = distinctLeaves('a');
    expect((await anchor(chain, headOf(root, 4, logId), [hex(root(0, 1))])).state).toBe('reverted');
  });

  it('from anyone but the submitter is refused', async () => {
    const stranger = await openSubmitter(local, contract, strangerKey);
    expect((await extend(stranger, distinctLeaves('a'), 3, logId)).state).toBe('reverted');
    expect(await chain.head(logId)).toBeUndefined();
  });
});

// Source: github.com/transparency-dev/merkle, testdata/consistency.
describeWithShared('vectors', 'every consistency vector', (path) => {
  interface Vector {
    size1: number;
    size2: number;
    root1: string;
    root2: string;
    proof: string[] | null;
    desc: string;
    wantErr: boolean;
  }
  const folder = join(path, 'rfc6962', 'consistency');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.json'),
  );
  const toHex = (text: string): string => hex(Buffer.from(text, 'base64'));

  it('gets its verdict from the contract', async () => {
    let accepted = 0;
    let refused = 0;
    for (const file of files) {
      const vector = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Vector;
      const { size1, size2 } = vector;
      const roots = [toHex(vector.root1), toHex(vector.root2)];
      // A head that cannot even be written down, or that is not larger, never reaches the proof.
      if (size1 < 1 || size2 <= size1 || size2 >= 2 ** 40 || roots.some((root) => root.length !== 66))
        continue;
      const proof = (vector.proof ?? []).map(toHex);
      if (proof.some((hash) => hash.length !== 66) || proof.length > 64) continue;
      const id = await nextLog();
      const checkpointHash = sha256Hex(vector.desc);
      await anchor(chain, { logId: id, size: size1, root: roots[0]!, checkpointHash }, []);
      const { state } = await anchor(
        chain,
        { logId: id, size: size2, root: roots[1]!, checkpointHash },
        proof,
      );
      expect(state, file).toBe(vector.wantErr ? 'reverted' : 'mined');
      if (vector.wantErr) refused += 1;
      else accepted += 1;
    }
    expect(accepted).toBeGreaterThanOrEqual(4);
    expect(refused).toBeGreaterThanOrEqual(50);
  });
});

describe('gas', () => {
  it('of an anchor in steady state is at most 55,000, for proofs of up to 13 hashes', async () => {
    const root = equalLeaves('x');
    const byLength = new Map<number, number[]>();
    // Logs of three ages and growths: a hundred new entries an anchor, a thousand, ten thousand.
    for (const [start, growth] of [
      [10_007, 101],
      [100_003, 1_009],
      [1_000_003, 10_007],
    ] as const) {
      const id = await nextLog();
      await extend(chain, root, start, id);
      for (let size = start; size < start + 16 * growth; size += growth) {
        const proof = consistencyProof(root, size, size + growth);
        const { state, gasUsed } = await anchor(chain, headOf(root, size + growth, id), proof);
        expect(state).toBe('mined');
        byLength.set(proof.length, [...(byLength.get(proof.length) ?? []), gasUsed]);
      }
    }
    const rows = [...byLength].sort(([a], [b]) => a - b);
    for (const [length, gas] of rows) {
      const mean = gas.reduce((sum, one) => sum + one, 0) / gas.length;
      // oxlint-disable-next-line no-console -- the figures are what this test is for
      console.log(`anchor, proof of ${length} hashes: ${Math.round(mean)} gas, at most ${Math.max(...gas)}`);
      if (length <= 13) expect(Math.max(...gas)).toBeLessThanOrEqual(55_000);
    }
    expect(Math.min(...byLength.keys())).toBeLessThanOrEqual(10);
    expect(Math.max(...byLength.keys())).toBeGreaterThanOrEqual(13);
  });
});
