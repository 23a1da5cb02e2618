-- Witnesses' signature lines under our checkpoints
CREATE TABLE cosignature (
  size INTEGER NOT NULL REFERENCES checkpoint (size),
  witness TEXT NOT NULL,            -- key name and id, as in the policy
  line TEXT NOT NULL,               -- the signature line, as a note carries it
  at_ms INTEGER NOT NULL,
  PRIMARY KEY (size, witness)
) STRICT, WITHOUT ROWID;

-- Erasure: what was asked, what is done, what lives on until when
CREATE TABLE erasure (
  id TEXT PRIMARY KEY,
  person TEXT NOT NULL UNIQUE REFERENCES person (id),
  state TEXT NOT NULL CHECK (state IN ('requested', 'held', 'deleted', 'completed', 'closed')),
  requested_ms INTEGER NOT NULL,
  requested_entry INTEGER NOT NULL,
  completed_ms INTEGER,
  completed_entry INTEGER,
  evidence_until_ms INTEGER NOT NULL, -- when evidence and tag key are destroyed too
  counts TEXT NOT NULL DEFAULT '{}',  -- rows deleted by table, JSON
  receipt_hash TEXT                   -- SHA-256 of the code that fetches the receipt
) STRICT, WITHOUT ROWID;
CREATE INDEX erasure_state ON erasure (state);
-- Keyed hashes of erased people's references in sources: a later import passes over them.
CREATE TABLE suppression (
  hash TEXT PRIMARY KEY,
  since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE legal_hold (
  id TEXT PRIMARY KEY,
  person TEXT NOT NULL REFERENCES person (id),
  categories TEXT NOT NULL,         -- JSON list of what rows it preserves
  payloads INTEGER NOT NULL CHECK (payloads IN (0, 1)), -- whether it preserves payloads of uses of data too
  reason TEXT NOT NULL,
  disclose INTEGER NOT NULL CHECK (disclose IN (0, 1)), -- whether the person is told
  ordered_by TEXT NOT NULL,
  ordered_ms INTEGER NOT NULL,
  confirmed_by TEXT CHECK (confirmed_by <> ordered_by),
  confirmed_ms INTEGER,
  expires_ms INTEGER NOT NULL,
  ended_by TEXT,
  ended_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX legal_hold_person ON legal_hold (person);
