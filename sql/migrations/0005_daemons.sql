-- What daemons tell of themselves, and what their plugins measure.

CREATE TABLE daemons (
  node_id CHAR(26) NOT NULL PRIMARY KEY,
  health TEXT NOT NULL,
  health_at BIGINT NOT NULL,
  configuration MEDIUMTEXT NOT NULL,
  configuration_hash CHAR(64) NOT NULL,
  configuration_note VARCHAR(255) NOT NULL,
  configuration_at BIGINT NOT NULL
);

CREATE TABLE node_plugin_metrics (
  node_id CHAR(26) NOT NULL,
  plugin VARCHAR(64) NOT NULL,
  name VARCHAR(64) NOT NULL,
  at BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  value DOUBLE NOT NULL,
  unit VARCHAR(32) NOT NULL,
  PRIMARY KEY (node_id, plugin, name, at, epoch, seq)
);

CREATE INDEX node_plugin_metrics_by_time ON node_plugin_metrics (at);
