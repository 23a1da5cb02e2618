import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  currentNotice,
  ensureNotices,
  noticeByHash,
  noticeByLabel,
  noticeIdOf,
  noticeLabel,
  noticeLanguages,
  paragraphsOf,
} from '../../gateway/consent/notices.ts';
import { purposeNames } from '../../gateway/consent/vocabulary.ts';
import { migrateSqlite } from '../../gateway/store/migrate.ts';
import { openSqlite } from '../../gateway/store/sqlite.ts';
import { notice as noticeTable } from '../../gateway/store/tables.ts';

const folder = mkdtempSync(join(tmpdir(), 'assent-notices-'));
const store = openSqlite(join(folder, 'gateway.db'), { onFatal: () => undefined });

beforeAll(
  () => void migrateSqlite(store.raw, resolve(import.meta.dirname, '..', '..', 'migrations', 'sqlite')),
);
afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

test('the built-in notices are published once, and never again', async () => {
  expect(await store.write((tx) => ensureNotices(tx, 1))).toBeGreaterThanOrEqual(8);
  expect(await store.write((tx) => ensureNotices(tx, 2))).toBe(0);
});

test('every purpose has a notice in every language, found by its label and by the SHA-256 of its text', async () => {
  for (const id of ['partner-access', ...purposeNames.map(noticeIdOf)]) {
    for (const language of noticeLanguages) {
      const notice = await store.read((reader) => currentNotice(reader, id, language));
      expect(notice.hash).toBe(createHash('sha256').update(notice.body).digest('hex'));
      expect(paragraphsOf(notice).length).toBeGreaterThanOrEqual(4);
      expect(await store.read((reader) => noticeByHash(reader, notice.hash))).toEqual(notice);
      expect(await store.read((reader) => noticeByLabel(reader, noticeLabel(notice)))).toEqual(notice);
    }
  }
});

test('a newer version is the current one, and the older is still found by its hash', async () => {
  const before = await store.read((reader) => currentNotice(reader, 'analytics', 'en'));
  await store.write(async ({ db }) => {
    await db.insert(noticeTable).values({ ...before, version: 2, body: 'New', hash: 'f00d', publishedMs: 3 });
  });
  expect((await store.read((reader) => currentNotice(reader, 'analytics', 'en'))).version).toBe(2);
  expect((await store.read((reader) => noticeByHash(reader, before.hash)))?.version).toBe(1);
});

test('an unknown notice, hash or label is none', async () => {
  await expect(store.read((reader) => currentNotice(reader, 'nothing', 'en'))).rejects.toMatchObject({
    code: 'not_found',
  });
  expect(await store.read((reader) => noticeByHash(reader, 'beef'))).toBeUndefined();
  for (const label of ['', 'partner-access', 'partner-access-1-fr', 'partner-access-9-en', `x'; --1-en`]) {
    expect(await store.read((reader) => noticeByLabel(reader, label))).toBeUndefined();
  }
});
