-- What the overview is served from: bands of the fleet's minutes, what daemons told of themselves in columns, logs by time.

-- Minutes from before have no median and no highest value: they are read as mean and 95th percentile alone.
ALTER TABLE fleet_metrics ADD COLUMN cpu_usage_median DOUBLE;

ALTER TABLE fleet_metrics ADD COLUMN cpu_usage_most DOUBLE;

ALTER TABLE fleet_metrics ADD COLUMN memory_usage_median DOUBLE;

ALTER TABLE fleet_metrics ADD COLUMN memory_usage_most DOUBLE;

ALTER TABLE fleet_metrics ADD COLUMN disk_usage_median DOUBLE;

ALTER TABLE fleet_metrics ADD COLUMN disk_usage_most DOUBLE;

-- From the newest health record: what is worth a warning is found without reading every record's text. NULL: not told yet.
ALTER TABLE daemons ADD COLUMN outbox_records BIGINT;

ALTER TABLE daemons ADD COLUMN outbox_oldest BIGINT;

ALTER TABLE daemons ADD COLUMN clock_ahead_ms BIGINT;

-- How often the agent had been restarted when the hour that is counted began, and when that was.
ALTER TABLE agents ADD COLUMN restarts_before INT NOT NULL DEFAULT 0;

ALTER TABLE agents ADD COLUMN restarts_since BIGINT NOT NULL DEFAULT 0;

CREATE INDEX node_logs_by_time ON node_logs (at, node_id, epoch, seq);

CREATE INDEX node_certificates_by_end ON node_certificates (not_after);
