-- Witnesses' signature lines under our checkpoints
CREATE TABLE cosignature (
  size BIGINT NOT NULL REFERENCES checkpoint (size),
  witness TEXT COLLATE "C" NOT NULL,            -- key name and id, as in the policy
  line TEXT COLLATE "C" NOT NULL,               -- the signature line, as a note carries it
  at_ms BIGINT NOT NULL,
  PRIMARY KEY (size, witness)
);

-- Erasure: what was asked, what is done, what lives on until when
CREATE TABLE erasure (
  id TEXT COLLATE "C" PRIMARY KEY,
  person TEXT COLLATE "C" NOT NULL UNIQUE REFERENCES person (id),
  state TEXT COLLATE "C" NOT NULL CHECK (state IN ('requested', 'held', 'deleted', 'completed', 'closed')),
  requested_ms BIGINT NOT NULL,
  requested_entry BIGINT NOT NULL,
  completed_ms BIGINT,
  completed_entry BIGINT,
  evidence_until_ms BIGINT NOT NULL, -- when evidence and tag key are destroyed too
  counts TEXT COLLATE "C" NOT NULL DEFAULT '{}',  -- rows deleted by table, JSON
  receipt_hash TEXT COLLATE "C"                   -- SHA-256 of the code that fetches the receipt
);
CREATE INDEX erasure_state ON erasure (state);
-- Keyed hashes of erased people's references in sources: a later import passes over them.
CREATE TABLE suppression (
  hash TEXT COLLATE "C" PRIMARY KEY,
  since_ms BIGINT NOT NULL
);
CREATE TABLE legal_hold (
  id TEXT COLLATE "C" PRIMARY KEY,
  person TEXT COLLATE "C" NOT NULL REFERENCES person (id),
  categories TEXT COLLATE "C" NOT NULL,         -- JSON list of what rows it preserves
  payloads BIGINT NOT NULL CHECK (payloads IN (0, 1)), -- whether it preserves payloads of uses of data too
  reason TEXT COLLATE "C" NOT NULL,
  disclose BIGINT NOT NULL CHECK (disclose IN (0, 1)), -- whether the person is told
  ordered_by TEXT COLLATE "C" NOT NULL,
  ordered_ms BIGINT NOT NULL,
  confirmed_by TEXT COLLATE "C" CHECK (confirmed_by <> ordered_by),
  confirmed_ms BIGINT,
  expires_ms BIGINT NOT NULL,
  ended_by TEXT COLLATE "C",
  ended_ms BIGINT
);
CREATE INDEX legal_hold_person ON legal_hold (person);
