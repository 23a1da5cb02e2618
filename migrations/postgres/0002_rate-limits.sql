-- How often somebody asked, counted by several gateways together. Unlogged: not in the write-ahead log, and empty
-- after a crash of the server.
CREATE UNLOGGED TABLE rate (
  key TEXT COLLATE "C" PRIMARY KEY, -- keyed hash of route, address and day
  count BIGINT NOT NULL,
  until_ms BIGINT NOT NULL          -- when it begins anew
) WITH (fillfactor = 50);
