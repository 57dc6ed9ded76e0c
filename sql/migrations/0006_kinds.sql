-- What agents tell of the kinds of task that they run, and what tasks return.
-- `kinds` is a list of schemas as JSON, `hash` its SHA-256, `refused` plugin → why it is not among them.

CREATE TABLE node_kinds (
  node_id CHAR(26) NOT NULL PRIMARY KEY,
  kinds MEDIUMTEXT NOT NULL,
  hash CHAR(64) NOT NULL,
  refused MEDIUMTEXT NOT NULL,
  told_at BIGINT NOT NULL
);

ALTER TABLE commands ADD COLUMN result MEDIUMTEXT;

ALTER TABLE commands ADD COLUMN cpu_ms BIGINT;

ALTER TABLE commands ADD COLUMN memory_bytes BIGINT;

-- Names of the fields of `content` whose values are only in the locked command, as a JSON list; of those before, `environment`.
ALTER TABLE tasks ADD COLUMN withheld TEXT;
