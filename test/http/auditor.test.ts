// The public log as anybody reads it over HTTP, and the leaves as only officers do.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseTrust } from '../../gateway/audit/bundle.ts';
import { toHex } from '../../gateway/audit/bytes.ts';
import { parseCheckpoint, parseNote, parseVerifierKey, verifyNote } from '../../gateway/audit/note.ts';
import {
  bundlesOf,
  createTileClient,
  formatTilePath,
  parseEntryBundle,
  tilesOf,
  type Tile,
} from '../../gateway/audit/tiles.ts';
import { leafHash, MerkleTree, verifyConsistency, verifyInclusion } from '../../gateway/audit/tree.ts';
import { openLogSource, Unreadable } from '../../gateway/commands/log-source.ts';
import { replayCommand } from '../../gateway/commands/replay.ts';
import { staffRequest } from '../../gateway/operations/accounts.ts';
import { closeCores, entriesOf } from '../support/core.ts';
import { openService, problemIn, type Service } from './service.ts';

let service: Service;
let officer: string;

beforeAll(async () => {
  service = await openService({ limits: { requestsPerMinute: 0 } });
  officer = await service.staffToken('officer');
  await grow(300);
});

afterAll(async () => {
  await service.close();
  await closeCores();
});

async function grow(entries: number): Promise<void> {
  for (let added = 0; added < entries; added++) {
    await service.core.gate.run(staffRequest({ kind: 'operator', id: 'test' }, 'administer'), async () => ({
      value: undefined,
      kind: 'configured',
      keyClass: 'evidence',
    }));
  }
  await service.core.publisher.publish();
}

const anonymous = (path: string, request: RequestInit = {}): Promise<Response> =>
  service.call(`/log/${path}`, { authorization: null, ...request });
const asOfficer = (path: string): Promise<Response> =>
  service.call(`/log/${path}`, { authorization: `Bearer ${officer}` });

async function bytesOf(response: Response): Promise<Uint8Array> {
  expect(response.status).toBe(200);
  return new Uint8Array(await response.arrayBuffer());
}

async function head(): Promise<{ size: number; root: Uint8Array }> {
  const note = parseNote(await bytesOf(await anonymous('checkpoint')));
  const trust = parseTrust(await bytesOf(await anonymous('trust.json')));
  verifyNote(note, [parseVerifierKey(trust.logKey)]);
  return parseCheckpoint(note.text);
}

const pathOf = (level: Tile['level'], index: number, width: number): string =>
  formatTilePath({ level, index, width });

describe('the public log', () => {
  it('gives a checkpoint, and tiles whose hashes lead to its root', async () => {
    const { size, root } = await head();
    expect(size).toBeGreaterThan(300);
    const client = createTileClient(size, async (path) => bytesOf(await anonymous(path)));
    expect(toHex(await client.root())).toBe(toHex(root));
    const hash = await client.leafHash(17);
    const path = await client.inclusionPath(17);
    expect(verifyInclusion({ index: 17, size, leafHash: hash, path, root })).toBe(true);
  });

  it('may be read by any page and kept for ever; the checkpoint for a second', async () => {
    const tile = await anonymous('tile/0/000');
    expect(Object.fromEntries(tile.headers)).toMatchObject({
      'content-type': 'application/octet-stream',
      'cache-control': 'public, max-age=31536000, immutable',
      'access-control-allow-origin': '*',
      'content-length': '8192',
      'x-content-type-options': 'nosniff',
    });
    const checkpoint = await anonymous('checkpoint');
    expect(Object.fromEntries(checkpoint.headers)).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'public, max-age=1',
      'access-control-allow-origin': '*',
    });
    expect((await anonymous('trust.json')).headers.has('access-control-allow-origin')).toBe(false);
  });

  it('serves every tile of the published size, and every narrower one, which is its beginning', async () => {
    const { size } = await head();
    for (const tile of tilesOf(size)) {
      const whole = await bytesOf(await anonymous(formatTilePath(tile)));
      expect(whole).toHaveLength(32 * tile.width);
      for (const width of new Set([1, Math.ceil(tile.width / 2), tile.width])) {
        const part = await bytesOf(await anonymous(formatTilePath({ ...tile, width })));
        expect(toHex(part)).toBe(toHex(whole.slice(0, 32 * width)));
      }
    }
  });

  it('keeps the tiles of an earlier size, and proves that it only grew', async () => {
    const before = await head();
    const kept = new Map<string, string>();
    for (const tile of tilesOf(before.size)) {
      const path = formatTilePath(tile);
      kept.set(path, toHex(await bytesOf(await anonymous(path))));
    }
    await grow(5);
    const after = await head();
    expect(after.size).toBeGreaterThan(before.size);
    for (const [path, bytes] of kept) expect(toHex(await bytesOf(await anonymous(path)))).toBe(bytes);
    const client = createTileClient(after.size, async (path) => bytesOf(await anonymous(path)));
    expect(
      verifyConsistency({
        oldSize: before.size,
        newSize: after.size,
        oldRoot: before.root,
        newRoot: after.root,
        path: await client.consistencyPath(before.size),
      }),
    ).toBe(true);
  });

  it('has nothing beyond what is published, though the log goes on', async () => {
    const { size } = await head();
    const [index, width] = [Math.floor(size / 256), size % 256];
    const wanted = pathOf(0, index, width + 1);
    await service.core.gate.run(staffRequest({ kind: 'operator', id: 'test' }, 'administer'), async () => ({
      value: undefined,
      kind: 'configured',
      keyClass: 'evidence',
    }));
    const early = await anonymous(wanted);
    expect(early.headers.get('cache-control')).toBe('no-store');
    expect(early.headers.has('access-control-allow-origin')).toBe(false);
    await problemIn(early, 404, 'not_found');
    await problemIn(await asOfficer(pathOf('entries', index, width + 1)), 404, 'not_found');
    await service.core.publisher.publish();
    expect((await anonymous(wanted)).status).toBe(200);
  });

  it.each([
    'tile/0/001',
    'tile/0/009.p/1',
    'tile/1/000',
    'tile/1/000.p/9',
    'tile/2/000.p/1',
    'tile/63/000.p/1',
    'tile/64/000.p/1',
    'tile/0/000.p/0',
    'tile/0/000.p/256',
    'tile/0/000.p/01',
    'tile/0/0',
    'tile/00/000',
    'tile/0/%30%30%30',
    'tile/0/000?width=1',
    'tile/0/000/',
    'tile/0/x000/000',
    'tile/entries/009',
    'tile/',
    `tile/0/${'x001/'.repeat(300)}000`,
  ])('answers /log/%s with "nothing here", uncached', async (path) => {
    const response = await anonymous(path);
    expect(response.headers.get('cache-control')).toBe('no-store');
    await problemIn(response, 404, 'not_found');
  });

  it('takes nothing in', async () => {
    await problemIn(await anonymous('tile/0/000', { method: 'POST' }), 404, 'not_found');
    await problemIn(await anonymous('checkpoint', { method: 'DELETE' }), 405, 'method_not_allowed');
  });
});

describe('entry bundles', () => {
  it('hold the leaves under the checkpoint, and every reading is an entry', async () => {
    const { size, root } = await head();
    const before = (await entriesOf(service.core)).length;
    const tree = new MerkleTree();
    const bundles = [...bundlesOf(size)];
    for (const tile of bundles) {
      const response = await asOfficer(formatTilePath(tile));
      expect(Object.fromEntries(response.headers)).toMatchObject({
        'content-type': 'application/octet-stream',
        'cache-control': 'private, no-store',
      });
      expect(response.headers.has('access-control-allow-origin')).toBe(false);
      expect(response.headers.get('assent-entry')).toMatch(/^\d+$/);
      for (const leaf of parseEntryBundle(await bytesOf(response), tile.width)) tree.append(leafHash(leaf));
    }
    expect(toHex(tree.root())).toBe(toHex(root));
    const written = await service.entriesAfter(before);
    expect(written.map(({ kind, payload }) => [kind, payload?.['operation'], payload?.['basis']])).toEqual(
      bundles.map(() => ['used', 'read-log', 'accountability']),
    );
    expect(written.map(({ payload }) => payload?.['counts'])).toEqual(
      bundles.map(({ width }) => ({ entries: width })),
    );
  });

  it('and tiles let anyone with a token replay the log, and nobody without', async () => {
    const trustText = await bytesOf(await anonymous('trust.json'));
    const { size } = await head();
    for (const from of [service.url, `${service.url}/log`, `${service.url}/log/`]) {
      const result = await replayCommand({ source: openLogSource(from, officer), trustText });
      expect(result.json).toMatchObject({ verdict: 'holds', unlistedPopulations: { count: 0 } });
      expect(result.json['size']).toBeGreaterThanOrEqual(size);
    }
    for (const token of [undefined, 'staff_nobody'])
      await expect(replayCommand({ source: openLogSource(service.url, token), trustText })).rejects.toThrow(
        Unreadable,
      );
  });

  it('are for officers: without a token, or with another, they stay closed', async () => {
    const before = (await entriesOf(service.core)).length;
    await problemIn(await anonymous('tile/entries/000'), 401, 'unauthenticated');
    await problemIn(await service.call('/log/tile/entries/000'), 401, 'invalid_token');
    for (const authorization of ['Bearer staff_nobody', 'Basic b2xnYTpvbGdh', `DPoP ${officer}x`])
      await problemIn(await service.call('/log/tile/entries/000', { authorization }), 401, 'invalid_token');
    expect(await service.entriesAfter(before)).toEqual([]);
  });

  it('are refused to analysts and operators on the record', async () => {
    for (const role of ['analyst', 'operator'] as const) {
      const token = await service.staffToken(role);
      const before = (await entriesOf(service.core)).length;
      const response = await service.call('/log/tile/entries/000', { authorization: `Bearer ${token}` });
      expect(response.headers.get('assent-entry')).toBe(String(before));
      expect(response.headers.get('cache-control')).toBe('no-store');
      await problemIn(response, 403, 'forbidden');
      const [refused, ...more] = await service.entriesAfter(before);
      expect(more).toEqual([]);
      expect(refused).toMatchObject({ kind: 'refused', payload: { operation: 'read-log' } });
    }
  });
});

describe('the limit of requests', () => {
  it('lets an auditor read twenty times as many files as others make requests, and then says so', async () => {
    const limited = await openService({ limits: { requestsPerMinute: 2 } });
    try {
      await limited.staffToken('officer');
      await limited.core.publisher.publish();
      const statuses: number[] = [];
      for (let n = 0; n < 41; n++)
        statuses.push((await limited.call('/log/checkpoint', { authorization: null })).status);
      expect(statuses).toEqual([...Array.from({ length: 40 }, () => 200), 429]);
    } finally {
      await limited.close();
    }
  });
});
