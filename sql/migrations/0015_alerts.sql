-- Alerts: the rules, where each of them stands on each node, what was opened, and everything that became of it.

-- `threshold` and `clear_threshold` are in the metric's own unit (server/alerting/metrics.py); times are ms. `command` is locked
-- (server/seals.py) together with who gave it and where it may run; empty for none. `problem` says why a rule evaluates nothing.
CREATE TABLE alert_rules (
  id CHAR(26) NOT NULL PRIMARY KEY,
  name VARCHAR(128) NOT NULL UNIQUE,
  kind VARCHAR(24) NOT NULL,
  metric VARCHAR(190) NOT NULL,
  subject VARCHAR(190) NOT NULL,
  selector TEXT NOT NULL,
  comparison VARCHAR(8) NOT NULL,
  threshold DOUBLE NOT NULL,
  clear_threshold DOUBLE,
  hold_ms BIGINT NOT NULL,
  clear_ms BIGINT NOT NULL,
  span_ms BIGINT NOT NULL,
  severity VARCHAR(16) NOT NULL,
  enabled INT NOT NULL,
  command MEDIUMTEXT NOT NULL,
  command_kind VARCHAR(32) NOT NULL,
  command_limit INT NOT NULL,
  author_id VARCHAR(26) NOT NULL,
  author VARCHAR(128) NOT NULL,
  problem VARCHAR(500) NOT NULL,
  version INT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  updated_by VARCHAR(128) NOT NULL
);

-- Where a rule stands on a node's subject; no row: all is well and nothing is remembered.
CREATE TABLE alert_watches (
  rule_id CHAR(26) NOT NULL,
  node_id CHAR(26) NOT NULL,
  subject VARCHAR(190) NOT NULL,
  state VARCHAR(16) NOT NULL,
  since BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  value DOUBLE,
  silent INT NOT NULL,
  flapping INT NOT NULL,
  opens TEXT NOT NULL,
  marks TEXT NOT NULL,
  alert_id VARCHAR(26) NOT NULL,
  PRIMARY KEY (rule_id, node_id, subject)
);

CREATE INDEX alert_watches_by_node ON alert_watches (node_id);

-- `open_key` is rule, node and subject while the alert is not resolved, NULL afterwards: no two managers open one twice.
-- `told_at` is when somebody was told that it opened; 0 for one that a window keeps silent.
CREATE TABLE alerts (
  id CHAR(26) NOT NULL PRIMARY KEY,
  open_key CHAR(64) UNIQUE,
  rule_id CHAR(26) NOT NULL,
  rule_name VARCHAR(128) NOT NULL,
  rule_kind VARCHAR(24) NOT NULL,
  metric VARCHAR(190) NOT NULL,
  severity VARCHAR(16) NOT NULL,
  node_id CHAR(26) NOT NULL,
  node_name VARCHAR(190) NOT NULL,
  subject VARCHAR(190) NOT NULL,
  state VARCHAR(16) NOT NULL,
  silent INT NOT NULL,
  flapping INT NOT NULL,
  silenced INT NOT NULL,
  summary VARCHAR(500) NOT NULL,
  value DOUBLE,
  threshold DOUBLE,
  opened_at BIGINT NOT NULL,
  told_at BIGINT NOT NULL,
  reminded_at BIGINT NOT NULL,
  acknowledged_at BIGINT NOT NULL,
  acknowledged_by VARCHAR(128) NOT NULL,
  comment VARCHAR(1000) NOT NULL,
  resolved_at BIGINT NOT NULL,
  resolved_why VARCHAR(255) NOT NULL,
  group_id VARCHAR(26) NOT NULL,
  command_state VARCHAR(16) NOT NULL,
  command_task VARCHAR(26) NOT NULL,
  command_note VARCHAR(500) NOT NULL,
  command_at BIGINT NOT NULL
);

CREATE INDEX alerts_by_state ON alerts (state, opened_at);

CREATE INDEX alerts_by_node ON alerts (node_id, opened_at);

CREATE INDEX alerts_by_rule ON alerts (rule_id, opened_at);

CREATE INDEX alerts_by_group ON alerts (group_id, state);

CREATE INDEX alerts_by_command ON alerts (command_state, command_at);

CREATE INDEX alerts_by_end ON alerts (resolved_at);

CREATE TABLE alert_events (
  id CHAR(26) NOT NULL PRIMARY KEY,
  alert_id CHAR(26) NOT NULL,
  kind VARCHAR(16) NOT NULL,
  at BIGINT NOT NULL,
  rule_id CHAR(26) NOT NULL,
  rule_name VARCHAR(128) NOT NULL,
  rule_kind VARCHAR(24) NOT NULL,
  severity VARCHAR(16) NOT NULL,
  node_id CHAR(26) NOT NULL,
  node_name VARCHAR(190) NOT NULL,
  subject VARCHAR(190) NOT NULL,
  summary VARCHAR(500) NOT NULL,
  value DOUBLE,
  threshold DOUBLE,
  opened_at BIGINT NOT NULL,
  resolved_at BIGINT NOT NULL,
  group_id VARCHAR(26) NOT NULL,
  alert_count INT NOT NULL,
  told INT NOT NULL,
  who VARCHAR(128) NOT NULL,
  note VARCHAR(1000) NOT NULL
);

CREATE INDEX alert_events_by_alert ON alert_events (alert_id, at);

CREATE INDEX alert_events_by_time ON alert_events (at);

-- Storms: alerts of one rule on many nodes at once, told of together. `told` is how many were named when it was last told.
CREATE TABLE alert_storms (
  id CHAR(26) NOT NULL PRIMARY KEY,
  rule_id CHAR(26) NOT NULL,
  started_at BIGINT NOT NULL,
  last_at BIGINT NOT NULL,
  alerts INT NOT NULL,
  told INT NOT NULL,
  ended_at BIGINT NOT NULL
);

CREATE INDEX alert_storms_by_rule ON alert_storms (ended_at, rule_id, last_at);

-- One row: until when one manager has the work for itself, when it was last done, and whether the first rules have been made.
CREATE TABLE alert_state (
  name VARCHAR(16) NOT NULL PRIMARY KEY,
  leased_until BIGINT NOT NULL,
  done_at BIGINT NOT NULL,
  seeded INT NOT NULL
);

INSERT INTO alert_state (name, leased_until, done_at, seeded) VALUES ('alerts', 0, 0, 0);

CREATE INDEX update_records_by_end ON update_records (finished_at);

CREATE INDEX node_drops_by_time ON node_drops (at);
