// What a witness remembers: the newest head it cosigned of each log, and what contradicts it. A file of its own,
// synced at every commit: a witness that forgets may vouch for two histories.
import Sqlite from 'better-sqlite3';
import { GatewayError } from '../errors.ts';

export interface Remembered {
  readonly size: number;
  /** 32 bytes. */
  readonly root: Buffer;
  /** The signed note, with signatures of the log alone. */
  readonly note: string;
  /** Time of the last cosignature: seconds since 1970 UTC. */
  readonly seconds: number;
}

/**
 * Two heads that both carry the log's signature. `split`: one size, two roots, which proves a split view to anybody.
 * `unproven`: the larger came without a valid consistency proof, which may be a mistake of who sent it.
 */
export interface Conflict {
  readonly kind: 'split' | 'unproven';
  readonly seenMs: number;
  readonly size: number;
  readonly root: Buffer;
  /** The note the witness had cosigned. */
  readonly cosigned: string;
  /** The note it refused. */
  readonly refused: string;
}

export interface Memory {
  newest(origin: string): Remembered | undefined;
  /** Runs `work` in a transaction that no other process can run beside; durable when this returns. */
  atomically<Result>(work: () => Result): Result;
  /** Only within `atomically`. */
  remember(origin: string, head: Remembered): void;
  /** Keeps a conflict once. Returns whether it is new; `unproven` ones beyond the first 1,000 of a log are dropped. */
  keepConflict(origin: string, conflict: Conflict): boolean;
  /** Newest first, 1,000 at most. */
  conflicts(origin: string): readonly Conflict[];
  /** The name this witness signs with, from its first start on; undefined before. */
  name(): string | undefined;
  setName(name: string): void;
  close(): void;
}

const schema = `
CREATE TABLE identity (only INTEGER PRIMARY KEY CHECK (only = 1), name TEXT NOT NULL) STRICT;
CREATE TABLE head (
  origin TEXT PRIMARY KEY,
  size INTEGER NOT NULL CHECK (size >= 0),
  root BLOB NOT NULL CHECK (length(root) = 32),
  note TEXT NOT NULL,
  seconds INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER head_only_grows BEFORE UPDATE ON head
  WHEN NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root <> OLD.root) OR NEW.seconds < OLD.seconds
  BEGIN SELECT RAISE(ABORT, 'a witness takes nothing back'); END;
CREATE TRIGGER head_stays BEFORE DELETE ON head
  BEGIN SELECT RAISE(ABORT, 'a witness forgets nothing'); END;
CREATE TABLE conflict (
  origin TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('split', 'unproven')),
  seen_ms INTEGER NOT NULL,
  size INTEGER NOT NULL,
  root BLOB NOT NULL,
  cosigned TEXT NOT NULL,
  refused TEXT NOT NULL,
  PRIMARY KEY (origin, kind, size, root)
) STRICT, WITHOUT ROWID;
`;
const conflictLimit = 1000;

/** Opens the file and makes it where it is missing. @throws GatewayError `store_unavailable` for a newer schema */
export function openMemory(path: string): Memory {
  const raw = new Sqlite(path);
  raw.pragma('journal_mode = WAL');
  raw.pragma('synchronous = FULL');
  raw.pragma('busy_timeout = 5000');
  const version = raw.pragma('user_version', { simple: true });
  if (version !== 0 && version !== 1) {
    raw.close();
    throw new GatewayError('store_unavailable', `the witness's memory has schema ${String(version)}`);
  }
  if (version === 0) raw.transaction(() => void raw.exec(`${schema}PRAGMA user_version = 1;`)).immediate();

  const newest = raw.prepare<[string], Remembered>(
    'SELECT size, root, note, seconds FROM head WHERE origin = ?',
  );
  const remember = raw.prepare(
    `INSERT INTO head (origin, size, root, note, seconds) VALUES (@origin, @size, @root, @note, @seconds)
     ON CONFLICT (origin) DO UPDATE SET size = @size, root = @root, note = @note, seconds = @seconds`,
  );
  // What was unproven and then came with its proof is no conflict any more.
  const settle = raw.prepare(
    `DELETE FROM conflict WHERE origin = @origin AND kind = 'unproven' AND size = @size AND root = @root`,
  );
  const countUnproven = raw
    .prepare<[string], number>(`SELECT count(*) FROM conflict WHERE origin = ? AND kind = 'unproven'`)
    .pluck();
  const keep = raw.prepare(
    `INSERT INTO conflict (origin, kind, seen_ms, size, root, cosigned, refused)
     VALUES (@origin, @kind, @seenMs, @size, @root, @cosigned, @refused) ON CONFLICT DO NOTHING`,
  );
  const conflicts = raw.prepare<[string], Conflict>(
    `SELECT kind, seen_ms AS seenMs, size, root, cosigned, refused FROM conflict
     WHERE origin = ? ORDER BY kind, seen_ms DESC LIMIT ${conflictLimit}`,
  );
  const name = raw.prepare<[], string>('SELECT name FROM identity').pluck();

  return {
    newest: (origin) => newest.get(origin),
    atomically: (work) => raw.transaction(work).immediate(),
    remember(origin, head) {
      remember.run({ origin, ...head });
      settle.run({ origin, size: head.size, root: head.root });
    },
    keepConflict(origin, conflict) {
      // Anybody can send a public head with a wrong proof: such reports must not fill the disk.
      if (conflict.kind === 'unproven' && (countUnproven.get(origin) ?? 0) >= conflictLimit) return false;
      return keep.run({ origin, ...conflict }).changes > 0;
    },
    conflicts: (origin) => conflicts.all(origin),
    name: () => name.get(),
    setName: (chosen) => void raw.prepare('INSERT INTO identity (only, name) VALUES (1, ?)').run(chosen),
    close: () => void raw.close(),
  };
}
