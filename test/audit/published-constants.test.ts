// Values that others published, so that the formats are proven against more than our own code, from a clone alone.
import { describe, expect, it } from 'vitest';
import { fromHex, toHex, toUtf8 } from '../../gateway/audit/bytes.ts';
import { formatNote, parseNote } from '../../gateway/audit/note.ts';
import { createTileClient, tileBytes, type Tile, parseTilePath } from '../../gateway/audit/tiles.ts';
import {
  emptyRoot,
  leafHash,
  MerkleTree,
  nodeHash,
  verifyConsistency,
  verifyInclusion,
} from '../../gateway/audit/tree.ts';

// transparency-dev/merkle, rfc6962/rfc6962_test.go.
const hashes = {
  empty: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  emptyLeaf: '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  leafOfL123456: '395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56',
  nodeOfN123AndN456: 'aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb',
};

// transparency-dev/merkle, testonly/constants.go: LeafInputs, NodeHashes, RootHashes.
const leaves = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
].map((leaf) => fromHex(leaf, 'test'));
const nodes = [
  [
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
    '0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7',
    '07506a85fd9dd2f120eb694f86011e5bb4662e5c415a62917033d4a9624487e7',
    'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    '4271a26be0d8a84f0bd54c8c302e7cb3a3b5d1fa6780a40bcce2873477dab658',
    'b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f',
    '46f6ffadd3d06a09ff3c5860d2755c8b9819db7df44251788c7d8e3180de8eb1',
  ],
  [
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
    '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
    'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
  ],
  [
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
  ],
  ['5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328'],
];
const roots = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

describe('RFC 6962, against the constants of transparency-dev/merkle', () => {
  const tree = new MerkleTree();
  for (const leaf of leaves) tree.append(leafHash(leaf));
  const rootAt = (size: number): Uint8Array => fromHex(roots[size] ?? '', 'test');

  it('the published hashes come out', () => {
    expect({
      empty: toHex(emptyRoot),
      emptyLeaf: toHex(leafHash(new Uint8Array(0))),
      leafOfL123456: toHex(leafHash(toUtf8('L123456'))),
      nodeOfN123AndN456: toHex(nodeHash(toUtf8('N123'), toUtf8('N456'))),
    }).toEqual(hashes);
  });

  it('the eight fixed leaves give the published root at every size', () => {
    expect(roots.map((_, size) => toHex(tree.root(size)))).toEqual(roots);
  });

  it('and the published hash of every complete subtree', () => {
    for (const [level, row] of nodes.entries())
      expect(toHex(tree.hashes(level, 0, row.length))).toBe(row.join(''));
  });

  it('every proof between them is accepted under the published roots, and under no other', async () => {
    for (let size = 1; size <= leaves.length; size++) {
      const tiles = createTileClient(size, async (path) => tileBytes(tree, parseTilePath(path) as Tile));
      expect(toHex(await tiles.root())).toBe(roots[size]);
      for (let index = 0; index < size; index++) {
        const path = tree.inclusionPath(index, size);
        expect((await tiles.inclusionPath(index)).map(toHex)).toEqual(path.map(toHex));
        const claim = { index, size, leafHash: fromHex(nodes[0]?.[index] ?? '', 'test'), path };
        expect(verifyInclusion({ ...claim, root: rootAt(size) })).toBe(true);
        expect(verifyInclusion({ ...claim, root: rootAt(size - 1) })).toBe(false);
      }
      for (let oldSize = 1; oldSize <= size; oldSize++) {
        const path = tree.consistencyPath(oldSize, size);
        const claim = { oldSize, newSize: size, path, newRoot: rootAt(size) };
        expect(verifyConsistency({ ...claim, oldRoot: rootAt(oldSize) })).toBe(true);
        expect(verifyConsistency({ ...claim, oldRoot: rootAt(oldSize - 1) })).toBe(false);
      }
    }
  });
});

describe('signed notes, against the document that defines them', () => {
  it('the example of c2sp.org/signed-note is parsed and re-written byte for byte', () => {
    const example =
      'Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n' +
      '— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n';
    const note = parseNote(example);
    expect(note.text.split('\n')).toHaveLength(5);
    expect(note.signatures[0]).toMatchObject({ name: 'quasimodo.example/salvatore', keyId: 0x367ba04b });
    expect(formatNote(note)).toBe(example);
  });
});
