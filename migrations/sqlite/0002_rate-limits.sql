-- How often somebody asked, counted by several gateways together. With SQLite there is one, and it counts in memory:
-- the table stays empty.
CREATE TABLE rate (
  key TEXT PRIMARY KEY,             -- keyed hash of route, address and day
  count INTEGER NOT NULL,
  until_ms INTEGER NOT NULL         -- when it begins anew
) STRICT, WITHOUT ROWID;
