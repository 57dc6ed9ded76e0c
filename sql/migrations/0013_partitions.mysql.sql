-- A partition for each day (server/partitions.py), so that old samples are dropped, not deleted. `:days` is written out from the time of
-- the migration. Each statement copies its table once, and reports wait meanwhile: docs/database.md says how long.

ALTER TABLE node_metrics PARTITION BY RANGE (at) (:days);

ALTER TABLE node_plugin_metrics PARTITION BY RANGE (at) (:days);
