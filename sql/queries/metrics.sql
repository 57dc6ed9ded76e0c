-- name: insert
INSERT INTO node_metrics (node_id, at, epoch, seq, cpu_usage, memory_usage, disk_usage, load_1, network_rx, network_tx, detail)
VALUES (:node_id, :at, :epoch, :seq, :cpu_usage, :memory_usage, :disk_usage, :load_1, :network_rx, :network_tx, :detail);

-- name: series
SELECT at, cpu_usage, memory_usage, disk_usage, load_1, network_rx, network_tx FROM node_metrics
WHERE node_id = :node_id AND at >= :since AND at <= :until ORDER BY at LIMIT :limit;

-- name: series_by_step
SELECT MIN(at) - MIN(at) % :step AS at,
  AVG(cpu_usage) AS cpu_usage, MAX(cpu_usage) AS cpu_usage_most, COUNT(cpu_usage) AS cpu_usage_count,
  AVG(memory_usage) AS memory_usage, MAX(memory_usage) AS memory_usage_most, COUNT(memory_usage) AS memory_usage_count,
  AVG(disk_usage) AS disk_usage, MAX(disk_usage) AS disk_usage_most, COUNT(disk_usage) AS disk_usage_count,
  AVG(load_1) AS load_1, MAX(load_1) AS load_1_most, COUNT(load_1) AS load_1_count,
  AVG(network_rx) AS network_rx, MAX(network_rx) AS network_rx_most, COUNT(network_rx) AS network_rx_count,
  AVG(network_tx) AS network_tx, MAX(network_tx) AS network_tx_most, COUNT(network_tx) AS network_tx_count
FROM node_metrics WHERE node_id = :node_id AND at >= :since AND at <= :until
GROUP BY at - at % :step ORDER BY 1 LIMIT :limit;

-- name: latest
SELECT at, detail FROM node_metrics WHERE node_id = :node_id AND at >= :since ORDER BY at DESC LIMIT 100;

-- name: details
SELECT m.at, m.detail FROM node_metrics m WHERE m.node_id = :node_id AND m.at >= :since AND m.at <= :until AND m.at IN (
  SELECT MIN(s.at) FROM node_metrics s WHERE s.node_id = :node_id AND s.at >= :since AND s.at <= :until
    AND (:cpu = 0 OR s.cpu_usage IS NOT NULL) AND (:disk = 0 OR s.disk_usage IS NOT NULL) AND (:network = 0 OR s.network_rx IS NOT NULL)
    AND (:word = '' OR INSTR(s.detail, :word) > 0)
  GROUP BY s.at - s.at % :slot)
ORDER BY m.at, m.epoch, m.seq LIMIT :limit;

-- name: first
SELECT node_id, MIN(at) AS at FROM node_metrics WHERE node_id IN (:ids*) AND at >= :since GROUP BY node_id;

-- name: delete_before
DELETE FROM node_metrics WHERE node_id = :node_id AND at < :before;

-- name: insert_plugin
INSERT INTO node_plugin_metrics (node_id, plugin, name, at, epoch, seq, value, unit)
VALUES (:node_id, :plugin, :name, :at, :epoch, :seq, :value, :unit);

-- name: plugin_series
SELECT plugin, name, at, value, unit FROM node_plugin_metrics
WHERE node_id = :node_id AND at >= :since AND at <= :until ORDER BY plugin, name, at LIMIT :limit;

-- name: plugin_series_by_step
SELECT plugin, name, MIN(at) - MIN(at) % :step AS at, AVG(value) AS value, MAX(value) AS value_most, COUNT(value) AS value_count, MAX(unit) AS unit
FROM node_plugin_metrics WHERE node_id = :node_id AND at >= :since AND at <= :until
GROUP BY plugin, name, at - at % :step ORDER BY plugin, name, 3 LIMIT :limit;

-- name: newest
SELECT node_id, cpu_usage, memory_usage FROM node_metrics
WHERE node_id IN (:ids*) AND at >= :since AND at <= :until ORDER BY node_id, at;

-- name: delete_plugin_before
DELETE FROM node_plugin_metrics WHERE at < :before;
