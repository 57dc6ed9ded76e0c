-- Releases and what became of them on each node (requirements 5.2.3).

CREATE TABLE versions (
  id CHAR(26) NOT NULL PRIMARY KEY,
  component VARCHAR(16) NOT NULL,
  version VARCHAR(32) NOT NULL,
  hash CHAR(64) NOT NULL,
  signature TEXT NOT NULL,
  file_path VARCHAR(255) NOT NULL,
  created_at BIGINT NOT NULL,
  UNIQUE (component, version)
);

CREATE TABLE update_records (
  id CHAR(26) NOT NULL PRIMARY KEY,
  node_id CHAR(26) NOT NULL,
  component VARCHAR(16) NOT NULL,
  from_version VARCHAR(32) NOT NULL,
  to_version VARCHAR(32) NOT NULL,
  state VARCHAR(24) NOT NULL,
  started_at BIGINT NOT NULL,
  finished_at BIGINT
);

CREATE INDEX update_records_by_node ON update_records (node_id, started_at);
