-- Times are milliseconds since 1970 UTC. Ids are lower-case text compared byte by byte. Secrets are stored as hashes.

CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- People, and how they sign in
CREATE TABLE person (
  id TEXT PRIMARY KEY,
  reference TEXT UNIQUE,            -- the person's key in the source, such as movielens:196
  status TEXT NOT NULL CHECK (status IN ('active', 'restricted', 'erased')),
  gpc_since_ms INTEGER,
  created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE account (
  person TEXT PRIMARY KEY REFERENCES person (id),
  user_name TEXT NOT NULL UNIQUE,
  password TEXT NOT NULL,
  created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE invitation (
  hash TEXT PRIMARY KEY,
  person TEXT NOT NULL REFERENCES person (id),
  expires_ms INTEGER NOT NULL,
  used_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE staff (
  id TEXT PRIMARY KEY,
  user_name TEXT NOT NULL UNIQUE,
  role TEXT NOT NULL CHECK (role IN ('officer', 'analyst', 'operator')),
  password TEXT NOT NULL,
  created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE staff_token (
  hash TEXT PRIMARY KEY,
  staff TEXT NOT NULL REFERENCES staff (id),
  expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE session (
  hash TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('person', 'staff')),
  subject TEXT NOT NULL,
  csrf TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Keys: three for a person, one or two for other holders; wrapped by the key of the configuration
CREATE TABLE holder_key (
  holder TEXT PRIMARY KEY,          -- person:ID, population:HEX, system, quarantine
  data BLOB,
  evidence BLOB,
  tag BLOB
) STRICT, WITHOUT ROWID;

-- Consent
CREATE TABLE notice (
  id TEXT NOT NULL,
  version INTEGER NOT NULL,
  language TEXT NOT NULL,
  body TEXT NOT NULL,
  hash TEXT NOT NULL,               -- SHA-256 of the body, hex
  replaced_asks_again INTEGER NOT NULL DEFAULT 0,
  published_ms INTEGER NOT NULL,
  PRIMARY KEY (id, version, language)
) STRICT, WITHOUT ROWID;
CREATE INDEX notice_hash ON notice (hash);
CREATE TABLE consent_event (
  number INTEGER PRIMARY KEY,
  person TEXT NOT NULL REFERENCES person (id),
  category TEXT NOT NULL,
  purpose TEXT NOT NULL,
  recipient TEXT NOT NULL,
  action TEXT NOT NULL CHECK (action IN ('on', 'off', 'unset')),
  method TEXT NOT NULL,             -- portal, oauth, migrated
  notice_hash TEXT,
  valid_until_ms INTEGER,
  extent TEXT NOT NULL DEFAULT '{}',
  collected_ms INTEGER NOT NULL,
  recorded_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX consent_event_person ON consent_event (person, number);
CREATE TRIGGER consent_event_is_final BEFORE UPDATE ON consent_event
BEGIN SELECT RAISE(ABORT, 'consent events are never edited'); END;
CREATE TABLE switch (
  person TEXT NOT NULL REFERENCES person (id),
  category TEXT NOT NULL,
  purpose TEXT NOT NULL,
  recipient TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('on', 'off')),
  valid_until_ms INTEGER,
  notice_hash TEXT,
  extent TEXT NOT NULL DEFAULT '{}',
  since_ms INTEGER NOT NULL,
  event INTEGER NOT NULL,
  PRIMARY KEY (person, category, purpose, recipient)
) STRICT, WITHOUT ROWID;
CREATE INDEX switch_purpose ON switch (purpose, category);
CREATE TABLE partner (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'suspended')),
  client TEXT NOT NULL,             -- client metadata, JSON
  created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE oauth_grant (
  id TEXT PRIMARY KEY,
  person TEXT NOT NULL REFERENCES person (id),
  partner TEXT NOT NULL REFERENCES partner (id),
  scopes TEXT NOT NULL,             -- blank-separated
  notice_hash TEXT,
  created_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL,
  revoked_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX oauth_grant_person ON oauth_grant (person);
CREATE TABLE oauth_record (
  model TEXT NOT NULL,
  hash TEXT NOT NULL,               -- SHA-256 of the id, hex
  payload TEXT NOT NULL,
  grant_hash TEXT,
  uid_hash TEXT,
  account TEXT,
  expires_ms INTEGER,
  consumed_ms INTEGER,
  PRIMARY KEY (model, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX oauth_record_grant ON oauth_record (grant_hash) WHERE grant_hash IS NOT NULL;
CREATE INDEX oauth_record_uid ON oauth_record (uid_hash) WHERE uid_hash IS NOT NULL;
CREATE INDEX oauth_record_expiry ON oauth_record (expires_ms) WHERE expires_ms IS NOT NULL;

-- The log: leaves never change; what lies beside them may be cleared by an erasure
CREATE TABLE entry (
  number INTEGER PRIMARY KEY,       -- leaf index, 0-based
  leaf BLOB NOT NULL,
  leaf_hash BLOB NOT NULL,
  holder TEXT,                      -- whose keys open it
  sequence INTEGER NOT NULL,        -- that holder's count, 0-based
  operation_id TEXT NOT NULL,
  kind INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  outcome TEXT NOT NULL,            -- allowed, refused, failed, noted
  recipient TEXT,
  key_class TEXT NOT NULL CHECK (key_class IN ('data', 'evidence')),
  nonce BLOB,
  payload BLOB                      -- AES-256-GCM, canonical JSON
) STRICT;
CREATE UNIQUE INDEX entry_holder ON entry (holder, sequence);
CREATE INDEX entry_operation ON entry (operation_id);
CREATE TRIGGER entry_leaf_is_final BEFORE UPDATE OF number, leaf, leaf_hash ON entry
BEGIN SELECT RAISE(ABORT, 'leaves are never edited'); END;
CREATE TRIGGER entry_is_kept BEFORE DELETE ON entry
BEGIN SELECT RAISE(ABORT, 'entries are never deleted'); END;
CREATE TABLE checkpoint (
  size INTEGER PRIMARY KEY,
  root BLOB NOT NULL,
  note TEXT NOT NULL,
  signed_ms INTEGER NOT NULL
) STRICT;
CREATE TRIGGER checkpoint_is_final BEFORE UPDATE ON checkpoint
BEGIN SELECT RAISE(ABORT, 'checkpoints are never edited'); END;
CREATE TRIGGER checkpoint_is_kept BEFORE DELETE ON checkpoint
BEGIN SELECT RAISE(ABORT, 'checkpoints are never deleted'); END;
CREATE TABLE anchor (
  id INTEGER PRIMARY KEY,
  epoch TEXT NOT NULL,              -- chain id, genesis and contract this anchor belongs to
  size INTEGER NOT NULL,
  root BLOB NOT NULL,
  checkpoint_hash BLOB NOT NULL,
  nonce INTEGER NOT NULL,
  raw TEXT NOT NULL,                -- signed transaction, stored before it is broadcast
  transaction_hash TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('signed', 'broadcast', 'mined', 'final', 'failed', 'lost')),
  sequence INTEGER,
  block_number INTEGER,
  block_hash TEXT,
  gas_used INTEGER,
  cost_wei TEXT,
  created_ms INTEGER NOT NULL,
  changed_ms INTEGER NOT NULL
) STRICT;

-- Integrated data, each row with its category
CREATE TABLE source (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  legal_basis TEXT NOT NULL,
  imported_ms INTEGER NOT NULL,
  accepted INTEGER NOT NULL,
  rejected INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE item (
  key TEXT PRIMARY KEY,
  title TEXT NOT NULL,
  attributes TEXT NOT NULL DEFAULT '{}',
  source TEXT NOT NULL REFERENCES source (id)
) STRICT, WITHOUT ROWID;
CREATE TABLE event (
  id INTEGER PRIMARY KEY,
  person TEXT NOT NULL REFERENCES person (id),
  category TEXT NOT NULL,
  kind TEXT NOT NULL,
  item TEXT NOT NULL,
  value REAL,
  at_ms INTEGER NOT NULL,
  source TEXT NOT NULL REFERENCES source (id)
) STRICT;
-- Finds a person's events of a category by time, and keeps the same event from being loaded twice.
CREATE UNIQUE INDEX event_once ON event (person, category, at_ms, kind, item);
CREATE TABLE attribute (
  person TEXT NOT NULL REFERENCES person (id),
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  category TEXT NOT NULL,
  source TEXT NOT NULL REFERENCES source (id),
  PRIMARY KEY (person, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE quarantine (
  id INTEGER PRIMARY KEY,
  source TEXT NOT NULL REFERENCES source (id),
  line INTEGER NOT NULL,
  code TEXT NOT NULL,
  person TEXT,                      -- when the row names a known person, so that erasure finds it
  nonce BLOB NOT NULL,
  raw BLOB NOT NULL,                -- AES-256-GCM under the quarantine holder's data key
  expires_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX quarantine_expiry ON quarantine (expires_ms);
CREATE INDEX quarantine_person ON quarantine (person) WHERE person IS NOT NULL;

-- Long work and the privacy budget
CREATE TABLE run (
  id TEXT PRIMARY KEY,
  operation TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('started', 'released', 'withheld', 'abandoned', 'failed')),
  population TEXT NOT NULL,
  consent_event INTEGER NOT NULL,   -- the last one the population was computed from
  people INTEGER NOT NULL,
  started_entry INTEGER NOT NULL,
  ended_entry INTEGER,
  manifest TEXT NOT NULL DEFAULT '{}',
  begun_ms INTEGER NOT NULL,
  ended_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX run_state ON run (state);
CREATE TABLE run_member (
  run TEXT NOT NULL REFERENCES run (id),
  person TEXT NOT NULL,
  PRIMARY KEY (run, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_member_person ON run_member (person);
CREATE TABLE model (
  run TEXT PRIMARY KEY REFERENCES run (id),
  kind TEXT NOT NULL,
  bytes BLOB NOT NULL,
  made_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE budget_scope (
  id TEXT PRIMARY KEY,
  limit_micro INTEGER NOT NULL,
  spent_micro INTEGER NOT NULL CHECK (spent_micro >= 0 AND spent_micro <= limit_micro)
) STRICT, WITHOUT ROWID;
CREATE TABLE budget_person (
  person TEXT PRIMARY KEY REFERENCES person (id),
  limit_micro INTEGER NOT NULL,
  spent_micro INTEGER NOT NULL DEFAULT 0 CHECK (spent_micro >= 0)
) STRICT, WITHOUT ROWID;
CREATE TABLE dp_query (
  id TEXT PRIMARY KEY,
  caller TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  epsilon_micro INTEGER NOT NULL,
  scope TEXT NOT NULL REFERENCES budget_scope (id),
  run TEXT NOT NULL REFERENCES run (id),
  answer TEXT,
  asked_ms INTEGER NOT NULL,
  UNIQUE (caller, idempotency_key)
) STRICT, WITHOUT ROWID;
