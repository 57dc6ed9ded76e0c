-- Nodes: who is managed, how it proves who it is, and what it has told so far.

CREATE TABLE nodes (
  id CHAR(26) NOT NULL PRIMARY KEY,
  name VARCHAR(190) NOT NULL UNIQUE,
  hostname VARCHAR(255) NOT NULL,
  ip VARCHAR(64) NOT NULL,
  group_id CHAR(26),
  tags TEXT NOT NULL,
  state VARCHAR(16) NOT NULL,
  state_since BIGINT NOT NULL,
  facts MEDIUMTEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  daemon_version VARCHAR(32) NOT NULL,
  last_seen BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

CREATE INDEX nodes_by_state ON nodes (state, last_seen);

CREATE TABLE node_certificates (
  fingerprint CHAR(64) NOT NULL PRIMARY KEY,
  node_id CHAR(26) NOT NULL,
  public_key CHAR(64) NOT NULL,
  certificate TEXT NOT NULL,
  token_id CHAR(26),
  not_after BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  revoked_at BIGINT
);

CREATE INDEX node_certificates_by_node ON node_certificates (node_id);

CREATE INDEX node_certificates_by_key ON node_certificates (public_key);

CREATE TABLE enrolment_tokens (
  id CHAR(26) NOT NULL PRIMARY KEY,
  hash CHAR(64) NOT NULL UNIQUE,
  note VARCHAR(255) NOT NULL,
  tags TEXT NOT NULL,
  uses_left INT NOT NULL,
  expires_at BIGINT NOT NULL,
  created_by CHAR(26) NOT NULL,
  created_at BIGINT NOT NULL,
  revoked_at BIGINT
);

-- The high-water mark of each lane: records up to and including `stored_seq` are in the tables below.
CREATE TABLE node_lanes (
  node_id CHAR(26) NOT NULL,
  lane VARCHAR(8) NOT NULL,
  epoch BIGINT NOT NULL,
  stored_seq BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (node_id, lane, epoch)
);

-- Tombstones: what a host had to let go of, exactly.
CREATE TABLE node_drops (
  node_id CHAR(26) NOT NULL,
  lane VARCHAR(8) NOT NULL,
  epoch BIGINT NOT NULL,
  last_seq BIGINT NOT NULL,
  first_seq BIGINT NOT NULL,
  at BIGINT NOT NULL,
  why VARCHAR(255) NOT NULL,
  PRIMARY KEY (node_id, lane, epoch, last_seq)
);

-- One row a sample: the headline figures in columns, the whole of it in `detail` (JSON).
CREATE TABLE node_metrics (
  node_id CHAR(26) NOT NULL,
  at BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  cpu_usage DOUBLE,
  memory_usage DOUBLE,
  disk_usage DOUBLE,
  load_1 DOUBLE,
  network_rx DOUBLE,
  network_tx DOUBLE,
  detail MEDIUMTEXT NOT NULL,
  PRIMARY KEY (node_id, at, epoch, seq)
);

CREATE TABLE node_logs (
  node_id CHAR(26) NOT NULL,
  at BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  component VARCHAR(16) NOT NULL,
  level VARCHAR(16) NOT NULL,
  logger VARCHAR(128) NOT NULL,
  message TEXT NOT NULL,
  PRIMARY KEY (node_id, at, epoch, seq)
);

CREATE TABLE node_events (
  node_id CHAR(26) NOT NULL,
  at BIGINT NOT NULL,
  lane VARCHAR(8) NOT NULL,
  epoch BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  name VARCHAR(64) NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (node_id, at, lane, epoch, seq)
);

CREATE TABLE agents (
  node_id CHAR(26) NOT NULL PRIMARY KEY,
  version VARCHAR(32) NOT NULL,
  state VARCHAR(16) NOT NULL,
  reason VARCHAR(255) NOT NULL,
  pid BIGINT,
  cpu_usage DOUBLE,
  memory_usage BIGINT,
  restarts INT NOT NULL,
  updated_at BIGINT NOT NULL
);
