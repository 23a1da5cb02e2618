-- Times are milliseconds since 1970 UTC. Ids are lower-case text compared byte by byte. Secrets are stored as hashes.
-- The same tables as in sqlite/0000_start.sql. Every text column is COLLATE "C": else the database's language would
-- decide which ids are equal or come first. Whole numbers are BIGINT; the gateway refuses those beyond 2^53.

CREATE FUNCTION refuse () RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '%', TG_ARGV[0]; END $$;

CREATE TABLE setting (name TEXT COLLATE "C" PRIMARY KEY, value TEXT COLLATE "C" NOT NULL);

-- People, and how they sign in
CREATE TABLE person (
  id TEXT COLLATE "C" PRIMARY KEY,
  reference TEXT COLLATE "C" UNIQUE,            -- the person's key in the source, such as movielens:196
  status TEXT COLLATE "C" NOT NULL CHECK (status IN ('active', 'restricted', 'erased')),
  gpc_since_ms BIGINT,
  created_ms BIGINT NOT NULL
);
CREATE TABLE account (
  person TEXT COLLATE "C" PRIMARY KEY REFERENCES person (id),
  user_name TEXT COLLATE "C" NOT NULL UNIQUE,
  password TEXT COLLATE "C" NOT NULL,
  created_ms BIGINT NOT NULL
);
CREATE TABLE invitation (
  hash TEXT COLLATE "C" PRIMARY KEY,
  person TEXT COLLATE "C" NOT NULL REFERENCES person (id),
  expires_ms BIGINT NOT NULL,
  used_ms BIGINT
);
CREATE TABLE staff (
  id TEXT COLLATE "C" PRIMARY KEY,
  user_name TEXT COLLATE "C" NOT NULL UNIQUE,
  role TEXT COLLATE "C" NOT NULL CHECK (role IN ('officer', 'analyst', 'operator')),
  password TEXT COLLATE "C" NOT NULL,
  created_ms BIGINT NOT NULL
);
CREATE TABLE staff_token (
  hash TEXT COLLATE "C" PRIMARY KEY,
  staff TEXT COLLATE "C" NOT NULL REFERENCES staff (id),
  expires_ms BIGINT NOT NULL
);
CREATE TABLE session (
  hash TEXT COLLATE "C" PRIMARY KEY,
  kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('person', 'staff')),
  subject TEXT COLLATE "C" NOT NULL,
  csrf TEXT COLLATE "C" NOT NULL,
  created_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL
);

-- Keys: three for a person, one or two for other holders; wrapped by the key of the configuration
CREATE TABLE holder_key (
  holder TEXT COLLATE "C" PRIMARY KEY,          -- person:ID, population:HEX, system, quarantine
  data BYTEA,
  evidence BYTEA,
  tag BYTEA
);

-- Consent
CREATE TABLE notice (
  id TEXT COLLATE "C" NOT NULL,
  version BIGINT NOT NULL,
  language TEXT COLLATE "C" NOT NULL,
  body TEXT COLLATE "C" NOT NULL,
  hash TEXT COLLATE "C" NOT NULL,               -- SHA-256 of the body, hex
  replaced_asks_again BIGINT NOT NULL DEFAULT 0,
  published_ms BIGINT NOT NULL,
  PRIMARY KEY (id, version, language)
);
CREATE INDEX notice_hash ON notice (hash);
CREATE TABLE consent_event (
  number BIGINT PRIMARY KEY,
  person TEXT COLLATE "C" NOT NULL REFERENCES person (id),
  category TEXT COLLATE "C" NOT NULL,
  purpose TEXT COLLATE "C" NOT NULL,
  recipient TEXT COLLATE "C" NOT NULL,
  action TEXT COLLATE "C" NOT NULL CHECK (action IN ('on', 'off', 'unset')),
  method TEXT COLLATE "C" NOT NULL,             -- portal, oauth, migrated
  notice_hash TEXT COLLATE "C",
  valid_until_ms BIGINT,
  extent TEXT COLLATE "C" NOT NULL DEFAULT '{}',
  collected_ms BIGINT NOT NULL,
  recorded_ms BIGINT NOT NULL
);
CREATE INDEX consent_event_person ON consent_event (person, number);
CREATE TRIGGER consent_event_is_final BEFORE UPDATE ON consent_event
FOR EACH ROW EXECUTE FUNCTION refuse ('consent events are never edited');
CREATE TABLE switch (
  person TEXT COLLATE "C" NOT NULL REFERENCES person (id),
  category TEXT COLLATE "C" NOT NULL,
  purpose TEXT COLLATE "C" NOT NULL,
  recipient TEXT COLLATE "C" NOT NULL,
  state TEXT COLLATE "C" NOT NULL CHECK (state IN ('on', 'off')),
  valid_until_ms BIGINT,
  notice_hash TEXT COLLATE "C",
  extent TEXT COLLATE "C" NOT NULL DEFAULT '{}',
  since_ms BIGINT NOT NULL,
  event BIGINT NOT NULL,
  PRIMARY KEY (person, category, purpose, recipient)
);
CREATE INDEX switch_purpose ON switch (purpose, category);
CREATE TABLE partner (
  id TEXT COLLATE "C" PRIMARY KEY,
  name TEXT COLLATE "C" NOT NULL,
  status TEXT COLLATE "C" NOT NULL CHECK (status IN ('active', 'suspended')),
  client TEXT COLLATE "C" NOT NULL,             -- client metadata, JSON
  created_ms BIGINT NOT NULL
);
CREATE TABLE oauth_grant (
  id TEXT COLLATE "C" PRIMARY KEY,
  person TEXT COLLATE "C" NOT NULL REFERENCES person (id),
  partner TEXT COLLATE "C" NOT NULL REFERENCES partner (id),
  scopes TEXT COLLATE "C" NOT NULL,             -- blank-separated
  notice_hash TEXT COLLATE "C",
  created_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL,
  revoked_ms BIGINT
);
CREATE INDEX oauth_grant_person ON oauth_grant (person);
CREATE TABLE oauth_record (
  model TEXT COLLATE "C" NOT NULL,
  hash TEXT COLLATE "C" NOT NULL,               -- SHA-256 of the id, hex
  payload TEXT COLLATE "C" NOT NULL,
  grant_hash TEXT COLLATE "C",
  uid_hash TEXT COLLATE "C",
  account TEXT COLLATE "C",
  expires_ms BIGINT,
  consumed_ms BIGINT,
  PRIMARY KEY (model, hash)
);
CREATE INDEX oauth_record_grant ON oauth_record (grant_hash) WHERE grant_hash IS NOT NULL;
CREATE INDEX oauth_record_uid ON oauth_record (uid_hash) WHERE uid_hash IS NOT NULL;
CREATE INDEX oauth_record_expiry ON oauth_record (expires_ms) WHERE expires_ms IS NOT NULL;

-- The log: leaves never change; what lies beside them may be cleared by an erasure
CREATE TABLE entry (
  number BIGINT PRIMARY KEY,       -- leaf index, 0-based
  leaf BYTEA NOT NULL,
  leaf_hash BYTEA NOT NULL,
  holder TEXT COLLATE "C",                      -- whose keys open it
  sequence BIGINT NOT NULL,        -- that holder's count, 0-based
  operation_id TEXT COLLATE "C" NOT NULL,
  kind BIGINT NOT NULL,
  at_ms BIGINT NOT NULL,
  outcome TEXT COLLATE "C" NOT NULL,            -- allowed, refused, failed, noted
  recipient TEXT COLLATE "C",
  key_class TEXT COLLATE "C" NOT NULL CHECK (key_class IN ('data', 'evidence')),
  nonce BYTEA,
  payload BYTEA                      -- AES-256-GCM, canonical JSON
);
CREATE UNIQUE INDEX entry_holder ON entry (holder, sequence);
CREATE INDEX entry_operation ON entry (operation_id);
CREATE TRIGGER entry_leaf_is_final BEFORE UPDATE OF number, leaf, leaf_hash ON entry
FOR EACH ROW EXECUTE FUNCTION refuse ('leaves are never edited');
CREATE TRIGGER entry_is_kept BEFORE DELETE ON entry
FOR EACH ROW EXECUTE FUNCTION refuse ('entries are never deleted');
CREATE TRIGGER entry_is_not_emptied BEFORE TRUNCATE ON entry
FOR EACH STATEMENT EXECUTE FUNCTION refuse ('entries are never deleted');
CREATE TABLE checkpoint (
  size BIGINT PRIMARY KEY,
  root BYTEA NOT NULL,
  note TEXT COLLATE "C" NOT NULL,
  signed_ms BIGINT NOT NULL
);
CREATE TRIGGER checkpoint_is_final BEFORE UPDATE ON checkpoint
FOR EACH ROW EXECUTE FUNCTION refuse ('checkpoints are never edited');
CREATE TRIGGER checkpoint_is_kept BEFORE DELETE ON checkpoint
FOR EACH ROW EXECUTE FUNCTION refuse ('checkpoints are never deleted');
CREATE TRIGGER checkpoint_is_not_emptied BEFORE TRUNCATE ON checkpoint
FOR EACH STATEMENT EXECUTE FUNCTION refuse ('checkpoints are never deleted');
CREATE TABLE anchor (
  id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  epoch TEXT COLLATE "C" NOT NULL,              -- chain id, genesis and contract this anchor belongs to
  size BIGINT NOT NULL,
  root BYTEA NOT NULL,
  checkpoint_hash BYTEA NOT NULL,
  nonce BIGINT NOT NULL,
  raw TEXT COLLATE "C" NOT NULL,                -- signed transaction, stored before it is broadcast
  transaction_hash TEXT COLLATE "C" NOT NULL,
  state TEXT COLLATE "C" NOT NULL CHECK (state IN ('signed', 'broadcast', 'mined', 'final', 'failed', 'lost')),
  sequence BIGINT,
  block_number BIGINT,
  block_hash TEXT COLLATE "C",
  gas_used BIGINT,
  cost_wei TEXT COLLATE "C",
  created_ms BIGINT NOT NULL,
  changed_ms BIGINT NOT NULL
);

-- Integrated data, each row with its category
CREATE TABLE source (
  id TEXT COLLATE "C" PRIMARY KEY,
  name TEXT COLLATE "C" NOT NULL,
  legal_basis TEXT COLLATE "C" NOT NULL,
  imported_ms BIGINT NOT NULL,
  accepted BIGINT NOT NULL,
  rejected BIGINT NOT NULL
);
CREATE TABLE item (
  key TEXT COLLATE "C" PRIMARY KEY,
  title TEXT COLLATE "C" NOT NULL,
  attributes TEXT COLLATE "C" NOT NULL DEFAULT '{}',
  source TEXT COLLATE "C" NOT NULL REFERENCES source (id)
);
CREATE TABLE event (
  id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  person TEXT COLLATE "C" NOT NULL REFERENCES person (id),
  category TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  item TEXT COLLATE "C" NOT NULL,
  value DOUBLE PRECISION,
  at_ms BIGINT NOT NULL,
  source TEXT COLLATE "C" NOT NULL REFERENCES source (id)
);
-- Finds a person's events of a category by time, and keeps the same event from being loaded twice.
CREATE UNIQUE INDEX event_once ON event (person, category, at_ms, kind, item);
CREATE TABLE attribute (
  person TEXT COLLATE "C" NOT NULL REFERENCES person (id),
  name TEXT COLLATE "C" NOT NULL,
  value TEXT COLLATE "C" NOT NULL,
  category TEXT COLLATE "C" NOT NULL,
  source TEXT COLLATE "C" NOT NULL REFERENCES source (id),
  PRIMARY KEY (person, name)
);
CREATE TABLE quarantine (
  id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  source TEXT COLLATE "C" NOT NULL REFERENCES source (id),
  line BIGINT NOT NULL,
  code TEXT COLLATE "C" NOT NULL,
  person TEXT COLLATE "C",                      -- when the row names a known person, so that erasure finds it
  nonce BYTEA NOT NULL,
  raw BYTEA NOT NULL,                -- AES-256-GCM under the quarantine holder's data key
  expires_ms BIGINT NOT NULL
);
CREATE INDEX quarantine_expiry ON quarantine (expires_ms);
CREATE INDEX quarantine_person ON quarantine (person) WHERE person IS NOT NULL;

-- Long work and the privacy budget
CREATE TABLE run (
  id TEXT COLLATE "C" PRIMARY KEY,
  operation TEXT COLLATE "C" NOT NULL,
  state TEXT COLLATE "C" NOT NULL CHECK (state IN ('started', 'released', 'withheld', 'abandoned', 'failed')),
  population TEXT COLLATE "C" NOT NULL,
  consent_event BIGINT NOT NULL,   -- the last one the population was computed from
  people BIGINT NOT NULL,
  started_entry BIGINT NOT NULL,
  ended_entry BIGINT,
  manifest TEXT COLLATE "C" NOT NULL DEFAULT '{}',
  begun_ms BIGINT NOT NULL,
  ended_ms BIGINT
);
CREATE INDEX run_state ON run (state);
CREATE TABLE run_member (
  run TEXT COLLATE "C" NOT NULL REFERENCES run (id),
  person TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (run, person)
);
CREATE INDEX run_member_person ON run_member (person);
CREATE TABLE model (
  run TEXT COLLATE "C" PRIMARY KEY REFERENCES run (id),
  kind TEXT COLLATE "C" NOT NULL,
  bytes BYTEA NOT NULL,
  made_ms BIGINT NOT NULL
);
CREATE TABLE budget_scope (
  id TEXT COLLATE "C" PRIMARY KEY,
  limit_micro BIGINT NOT NULL,
  spent_micro BIGINT NOT NULL CHECK (spent_micro >= 0 AND spent_micro <= limit_micro)
);
CREATE TABLE budget_person (
  person TEXT COLLATE "C" PRIMARY KEY REFERENCES person (id),
  limit_micro BIGINT NOT NULL,
  spent_micro BIGINT NOT NULL DEFAULT 0 CHECK (spent_micro >= 0)
);
CREATE TABLE dp_query (
  id TEXT COLLATE "C" PRIMARY KEY,
  caller TEXT COLLATE "C" NOT NULL,
  idempotency_key TEXT COLLATE "C" NOT NULL,
  request_hash TEXT COLLATE "C" NOT NULL,
  epsilon_micro BIGINT NOT NULL,
  scope TEXT COLLATE "C" NOT NULL REFERENCES budget_scope (id),
  run TEXT COLLATE "C" NOT NULL REFERENCES run (id),
  answer TEXT COLLATE "C",
  asked_ms BIGINT NOT NULL,
  UNIQUE (caller, idempotency_key)
);
