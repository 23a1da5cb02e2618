// A small log of our own with fixed keys and contents: the same bytes on every run.
import * as ed25519 from '@noble/ed25519';
import { sha256 } from '@noble/hashes/sha2.js';
import { toBase64, toUtf8 } from '../../gateway/audit/bytes.ts';
import * as entries from '../../gateway/audit/entry.ts';
import { formatCheckpoint, formatVerifierKey, signNote, type NoteSigner } from '../../gateway/audit/note.ts';
import { leafHash, MerkleTree } from '../../gateway/audit/tree.ts';
import { bundleText, sealBundle, trustText, type Bundle, type Trust } from '../../gateway/audit/verify.ts';

export const origin = 'gateway.example/log/1';

/** A key from a fixed seed: for tests and documentation only. */
export function signerOf(name: string, seedByte: number): NoteSigner {
  const seed = new Uint8Array(32).fill(seedByte);
  return { name, publicKey: ed25519.getPublicKey(seed), sign: (message) => ed25519.sign(message, seed) };
}
export const logSigner = signerOf(origin, 1);
export const sealSigner = signerOf(`${origin}/seal`, 2);

export const dataKey = new Uint8Array(32).fill(3);
export const tagKey = new Uint8Array(32).fill(4);
export const tag = entries.tagOf(tagKey);

export const payloadOf = (index: number) => ({
  operation: 'read-profile',
  person: `p-${index}`,
  purpose: 'recommendation',
  decision: 'allowed',
  rows: index,
});

/** Entry `index` concerns the one example person, whose sequence numbers equal the indices here. */
export function leafOf(index: number): Uint8Array {
  const payload = entries.canonicalPayload(payloadOf(index));
  return entries.encodeEntry({
    kind: 'used',
    atSeconds: 1_767_225_600 + 60 * index,
    commitment: entries.commit(entries.openingOf(dataKey, index), payload),
    startedIndex: null,
    about: { concern: 'person', role: 'subject', tag, sequence: index },
  });
}

export const tree = new MerkleTree();
for (let index = 0; index < 12; index++) tree.append(leafHash(leafOf(index)));

export const checkpointAt = (size: number): Promise<string> =>
  signNote(formatCheckpoint({ origin, size, root: tree.root(size) }), logSigner);

export const chain = {
  chainId: 31337,
  genesisHash: `0x${'a1'.repeat(32)}`,
  contract: `0x${'b2'.repeat(20)}`,
  codeHash: `0x${'c3'.repeat(32)}`,
  finality: 'local',
} as const;

export const trust: Trust = {
  format: 'assent-trust/v2',
  origin,
  logKey: formatVerifierKey(logSigner.name, logSigner.publicKey),
  sealKey: formatVerifierKey(sealSigner.name, sealSigner.publicKey),
  chain,
  policy: `log ${formatVerifierKey(logSigner.name, logSigner.publicKey)}\nquorum none\n`,
  populations: null,
  exportedAt: '2026-01-01T00:00:00.000Z',
};
export const trustFile = trustText(trust);

/** Proof of entry `index` under the head of size 7, anchored at `anchoredSize` if that is given. */
export async function unsealed(index: number, anchoredSize?: number): Promise<Omit<Bundle, 'seal'>> {
  const anchored = anchoredSize ?? 0;
  return {
    format: 'assent-bundle/v1',
    origin,
    entry: { index, leaf: toBase64(leafOf(index)) },
    disclosure: {
      opening: toBase64(entries.openingOf(dataKey, index)),
      payload: toBase64(entries.canonicalPayload(payloadOf(index))),
    },
    checkpoint: await checkpointAt(7),
    inclusion: tree.inclusionPath(index, 7).map(toBase64),
    anchor:
      anchoredSize === undefined
        ? null
        : {
            chainId: chain.chainId,
            genesisHash: chain.genesisHash,
            contract: chain.contract,
            transactionHash: `0x${'d4'.repeat(32)}`,
            blockNumber: 9,
            seq: 2,
            size: anchored,
            root: toBase64(tree.root(anchored)),
            checkpointHash: toBase64(sha256(toUtf8(await checkpointAt(anchored)))),
            consistency: tree.consistencyPath(Math.min(7, anchored), Math.max(7, anchored)).map(toBase64),
          },
  };
}

export const sealed = async (bundle: Omit<Bundle, 'seal'>): Promise<string> =>
  bundleText(await sealBundle(bundle, (message) => sealSigner.sign(message)));
