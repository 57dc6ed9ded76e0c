-- Roll-ups: what samples come to over 5 minutes and over an hour, for each node; and over a minute for the whole fleet.

-- `at` is the begin of the span, `tier` its length in ms; a figure is the mean, beside it the least, the most, and of how many samples.
CREATE TABLE node_rollups (
  node_id CHAR(26) NOT NULL,
  tier INT NOT NULL,
  at BIGINT NOT NULL,
  cpu_usage DOUBLE,
  cpu_usage_least DOUBLE,
  cpu_usage_most DOUBLE,
  cpu_usage_count INT NOT NULL,
  memory_usage DOUBLE,
  memory_usage_least DOUBLE,
  memory_usage_most DOUBLE,
  memory_usage_count INT NOT NULL,
  disk_usage DOUBLE,
  disk_usage_least DOUBLE,
  disk_usage_most DOUBLE,
  disk_usage_count INT NOT NULL,
  load_1 DOUBLE,
  load_1_least DOUBLE,
  load_1_most DOUBLE,
  load_1_count INT NOT NULL,
  network_rx DOUBLE,
  network_rx_least DOUBLE,
  network_rx_most DOUBLE,
  network_rx_count INT NOT NULL,
  network_tx DOUBLE,
  network_tx_least DOUBLE,
  network_tx_most DOUBLE,
  network_tx_count INT NOT NULL,
  PRIMARY KEY (node_id, tier, at)
);

CREATE TABLE node_plugin_rollups (
  node_id CHAR(26) NOT NULL,
  plugin VARCHAR(64) NOT NULL,
  name VARCHAR(64) NOT NULL,
  tier INT NOT NULL,
  at BIGINT NOT NULL,
  value DOUBLE NOT NULL,
  value_least DOUBLE NOT NULL,
  value_most DOUBLE NOT NULL,
  value_count INT NOT NULL,
  unit VARCHAR(32) NOT NULL,
  PRIMARY KEY (node_id, tier, plugin, name, at)
);

-- Hours of a node for which samples came after they were rolled up.
CREATE TABLE node_rollups_due (
  node_id CHAR(26) NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (node_id, at)
);

-- A minute of the fleet: means and 95th percentiles over the nodes that told something in it; `online` of `total` at its end.
CREATE TABLE fleet_metrics (
  at BIGINT NOT NULL PRIMARY KEY,
  nodes INT NOT NULL,
  total INT,
  online INT,
  cpu_usage DOUBLE,
  cpu_usage_p95 DOUBLE,
  memory_usage DOUBLE,
  memory_usage_p95 DOUBLE,
  disk_usage DOUBLE,
  disk_usage_p95 DOUBLE
);

-- One row: up to when all is rolled up, and until when one manager has the work for itself.
CREATE TABLE rollup_state (
  name VARCHAR(16) NOT NULL PRIMARY KEY,
  done_until BIGINT NOT NULL,
  fleet_until BIGINT NOT NULL,
  leased_until BIGINT NOT NULL
);

INSERT INTO rollup_state (name, done_until, fleet_until, leased_until) VALUES ('samples', 0, 0, 0);
