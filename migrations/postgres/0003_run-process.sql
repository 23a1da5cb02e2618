-- Which process computes a run: null where one process has the data to itself
ALTER TABLE run ADD COLUMN process BIGINT;
