-- An officer's list of entries by kind, by outcome, and by both, each in the order of the log
CREATE INDEX entry_kind ON entry (kind);
CREATE INDEX entry_outcome ON entry (outcome);
CREATE INDEX entry_kind_outcome ON entry (kind, outcome);
