// What a backup is: one SQLite file, a copy of the database with one table more. That table holds a manifest and the
// local chain's journal, so that database and chain never come apart. Keys are never in it.
import { hash } from 'node:crypto';
import Sqlite from 'better-sqlite3';
import { Type, type Static } from 'typebox';
import { Value } from 'typebox/value';
import { leafHash, MerkleTree } from '../audit/tree.ts';
import { GatewayError } from '../errors.ts';

const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer');
const base64Hash = Type.String({ pattern: '^[A-Za-z0-9+/]{43}=$' });
const hexHash = Type.String({ pattern: '^[0-9a-f]{64}$' });
const count = Type.Integer({ minimum: 0 });

const manifestSchema = Type.Object(
  {
    format: Type.Literal('assent-backup/v1'),
    /** Name of the log. */
    origin: Type.String({ minLength: 1, maxLength: 255 }),
    /** Verifier key of checkpoints: says which keys belong to this backup. */
    logKey: Type.String({ minLength: 1, maxLength: 400 }),
    /** Version of the schema, SQLite's `user_version`. */
    schema: count,
    entries: count,
    /** Time of the last entry, ms since 1970 UTC; null for an empty log. */
    lastEntryMs: Type.Union([count, Type.Null()]),
    /** The newest signed head; null when none was signed. */
    checkpoint: Type.Union([
      Type.Object({ size: count, root: base64Hash }, { additionalProperties: false }),
      Type.Null(),
    ]),
    /** SHA-256 of the local chain's journal, hex; null without one. */
    journalSha256: Type.Union([hexHash, Type.Null()]),
    /** When the backup was made, ms since 1970 UTC. */
    madeMs: count,
  },
  { additionalProperties: false },
);

export type Manifest = Static<typeof manifestSchema>;

export interface BackupContent {
  readonly manifest: Manifest;
  /** The local chain's journal, whole lines; null without one. */
  readonly journal: Buffer | null;
}

/** Turns a copy of the database (made by `VACUUM INTO`) into a backup. */
export function addManifest(
  path: string,
  known: { readonly logKey: string; readonly journal: Buffer | null; readonly madeMs: number },
): Manifest {
  const { logKey, journal, madeMs } = known;
  const raw = openCopy(path);
  try {
    const last = raw.prepare('SELECT number, at_ms AS atMs FROM entry ORDER BY number DESC LIMIT 1').get() as
      { number: number; atMs: number } | undefined;
    const head = raw.prepare('SELECT size, root FROM checkpoint ORDER BY size DESC LIMIT 1').get() as
      { size: number; root: Buffer } | undefined;
    const manifest: Manifest = {
      format: 'assent-backup/v1',
      origin: originOf(raw),
      logKey,
      schema: raw.pragma('user_version', { simple: true }) as number,
      entries: (last?.number ?? -1) + 1,
      lastEntryMs: last?.atMs ?? null,
      checkpoint: head === undefined ? null : { size: head.size, root: head.root.toString('base64') },
      journalSha256: journal === null ? null : hash('sha256', journal),
      madeMs,
    };
    raw.transaction(() => {
      raw.exec('CREATE TABLE backup (manifest TEXT NOT NULL, journal BLOB) STRICT');
      raw.prepare('INSERT INTO backup VALUES (?, ?)').run(JSON.stringify(manifest), journal);
    })();
    return manifest;
  } finally {
    raw.close();
  }
}

/**
 * Reads a backup and checks it from end to end: SQLite's own check, the manifest against the content, every entry
 * against its hash, and all of them against the newest signed head.
 *
 * @param newestSchema what this program knows; an older one is brought forward at the next start
 * @throws GatewayError `backup_invalid`
 */
export function readBackup(path: string, newestSchema: number): BackupContent {
  return damaged(() => {
    const raw = openCopy(path, true);
    try {
      return readFrom(raw, newestSchema);
    } finally {
      raw.close();
    }
  });
}

/** Makes the database of a backup one that a gateway starts on; its next start records that it was restored. */
export function takeManifestOff(path: string, restored: object): void {
  const raw = openCopy(path);
  try {
    raw.transaction(() => {
      raw.exec('DROP TABLE backup');
      raw
        .prepare('INSERT OR REPLACE INTO setting VALUES (?, ?)')
        .run(restoredSetting, JSON.stringify(restored));
    })();
  } finally {
    raw.close();
  }
}

/** Setting that is there from a restore until the next start that was not refused. */
export const restoredSetting = 'restored';

function readFrom(raw: Sqlite.Database, newestSchema: number): BackupContent {
  const table = raw.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'backup'").get();
  if (table === undefined) throw invalid('this is no file that `assent backup` made');
  const found = raw.pragma('integrity_check', { simple: true });
  if (found !== 'ok') throw invalid(`the database in it is damaged: ${String(found).slice(0, 200)}`);
  const rows = raw.prepare('SELECT manifest, journal FROM backup').all() as {
    manifest: string;
    journal: Buffer | null;
  }[];
  const [row] = rows;
  if (row === undefined || rows.length !== 1) throw invalid('it does not hold one manifest');
  const manifest = JSON.parse(row.manifest) as unknown;
  if (!Value.Check(manifestSchema, manifest)) throw invalid('its manifest is of another format');
  if (manifest.schema > newestSchema) {
    throw invalid(
      `it has schema ${manifest.schema}, this program knows ${newestSchema}: use a newer program`,
    );
  }
  if (raw.pragma('user_version', { simple: true }) !== manifest.schema || originOf(raw) !== manifest.origin)
    throw invalid('its manifest is about another database');
  const journalSha256 = row.journal === null ? null : hash('sha256', row.journal);
  if (journalSha256 !== manifest.journalSha256) throw invalid("the local chain's journal in it was changed");
  checkEntries(raw, manifest);
  return { manifest, journal: row.journal };
}

function checkEntries(raw: Sqlite.Database, { entries, checkpoint }: Manifest): void {
  const tree = new MerkleTree(sha256);
  for (const row of raw
    .prepare('SELECT number, leaf, leaf_hash AS leafHash FROM entry ORDER BY number')
    .iterate()) {
    const { number, leaf, leafHash: stored } = row as { number: number; leaf: Buffer; leafHash: Buffer };
    if (number !== tree.size) throw invalid(`entry ${tree.size} is missing in it`);
    if (!stored.equals(leafHash(leaf, sha256)))
      throw invalid(`entry ${number} in it does not have the hash it was logged with`);
    tree.append(stored);
  }
  if (tree.size !== entries) throw invalid(`it holds ${tree.size} entries, its manifest says ${entries}`);
  const head = raw.prepare('SELECT size, root FROM checkpoint ORDER BY size DESC LIMIT 1').get() as
    { size: number; root: Buffer } | undefined;
  if (
    head?.size !== checkpoint?.size ||
    (head?.root.toString('base64') ?? null) !== (checkpoint?.root ?? null)
  )
    throw invalid('its manifest names another signed head than it holds');
  if (head === undefined) return;
  if (head.size > tree.size)
    throw invalid(`it holds ${tree.size} entries, but a head of ${head.size} was signed`);
  if (!head.root.equals(tree.root(head.size)))
    throw invalid(`the first ${head.size} entries in it do not have the root that was signed`);
}

function originOf(raw: Sqlite.Database): string {
  const row = raw.prepare("SELECT value FROM setting WHERE name = 'origin'").get() as
    { value: string } | undefined;
  return row?.value ?? '';
}

/** A copy that nothing else opens: plain locks and a rollback journal that is gone when it is closed. */
function openCopy(path: string, readonly = false): Sqlite.Database {
  const raw = new Sqlite(path, { readonly, fileMustExist: true });
  if (!readonly) raw.pragma('synchronous = FULL');
  return raw;
}

/** What SQLite and JSON say of a damaged file, as one code. */
function damaged<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    const message = error instanceof Error ? error.message : 'unknown';
    throw new GatewayError('backup_invalid', `the backup cannot be read: ${message}`, { cause: error });
  }
}

const invalid = (message: string): GatewayError => new GatewayError('backup_invalid', message);
