-- An officer's list of entries by kind, by outcome, and by both, each in the order of the log
CREATE INDEX entry_kind ON entry (kind, number);
CREATE INDEX entry_outcome ON entry (outcome, number);
CREATE INDEX entry_kind_outcome ON entry (kind, outcome, number);
