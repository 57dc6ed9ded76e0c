-- name: state
SELECT done_until, fleet_until, leased_until FROM rollup_state WHERE name = 'samples';

-- name: lease
UPDATE rollup_state SET leased_until = :until WHERE name = 'samples' AND leased_until <= :now;

-- name: release
UPDATE rollup_state SET leased_until = 0 WHERE name = 'samples' AND leased_until = :until;

-- name: done
UPDATE rollup_state SET done_until = :done_until WHERE name = 'samples' AND done_until < :done_until;

-- name: fleet_done
UPDATE rollup_state SET fleet_until = :fleet_until WHERE name = 'samples' AND fleet_until < :fleet_until;

-- name: oldest
SELECT MIN(created_at) AS oldest FROM nodes;

-- name: roll
REPLACE INTO node_rollups (node_id, tier, at, cpu_usage, cpu_usage_least, cpu_usage_most, cpu_usage_count, memory_usage, memory_usage_least, memory_usage_most, memory_usage_count, disk_usage, disk_usage_least, disk_usage_most, disk_usage_count, load_1, load_1_least, load_1_most, load_1_count, network_rx, network_rx_least, network_rx_most, network_rx_count, network_tx, network_tx_least, network_tx_most, network_tx_count)
SELECT m.node_id, :tier, m.at - m.at % :tier,
  AVG(m.cpu_usage), MIN(m.cpu_usage), MAX(m.cpu_usage), COUNT(m.cpu_usage),
  AVG(m.memory_usage), MIN(m.memory_usage), MAX(m.memory_usage), COUNT(m.memory_usage),
  AVG(m.disk_usage), MIN(m.disk_usage), MAX(m.disk_usage), COUNT(m.disk_usage),
  AVG(m.load_1), MIN(m.load_1), MAX(m.load_1), COUNT(m.load_1),
  AVG(m.network_rx), MIN(m.network_rx), MAX(m.network_rx), COUNT(m.network_rx),
  AVG(m.network_tx), MIN(m.network_tx), MAX(m.network_tx), COUNT(m.network_tx)
FROM nodes n CROSS JOIN node_metrics m ON m.node_id = n.id AND m.at >= :since AND m.at < :until
GROUP BY m.node_id, m.at - m.at % :tier;

-- name: roll_node
REPLACE INTO node_rollups (node_id, tier, at, cpu_usage, cpu_usage_least, cpu_usage_most, cpu_usage_count, memory_usage, memory_usage_least, memory_usage_most, memory_usage_count, disk_usage, disk_usage_least, disk_usage_most, disk_usage_count, load_1, load_1_least, load_1_most, load_1_count, network_rx, network_rx_least, network_rx_most, network_rx_count, network_tx, network_tx_least, network_tx_most, network_tx_count)
SELECT m.node_id, :tier, m.at - m.at % :tier,
  AVG(m.cpu_usage), MIN(m.cpu_usage), MAX(m.cpu_usage), COUNT(m.cpu_usage),
  AVG(m.memory_usage), MIN(m.memory_usage), MAX(m.memory_usage), COUNT(m.memory_usage),
  AVG(m.disk_usage), MIN(m.disk_usage), MAX(m.disk_usage), COUNT(m.disk_usage),
  AVG(m.load_1), MIN(m.load_1), MAX(m.load_1), COUNT(m.load_1),
  AVG(m.network_rx), MIN(m.network_rx), MAX(m.network_rx), COUNT(m.network_rx),
  AVG(m.network_tx), MIN(m.network_tx), MAX(m.network_tx), COUNT(m.network_tx)
FROM node_metrics m WHERE m.node_id = :node_id AND m.at >= :since AND m.at < :until
GROUP BY m.node_id, m.at - m.at % :tier;

-- name: roll_plugins
REPLACE INTO node_plugin_rollups (node_id, plugin, name, tier, at, value, value_least, value_most, value_count, unit)
SELECT node_id, plugin, name, :tier, at - at % :tier, AVG(value), MIN(value), MAX(value), COUNT(value), MAX(unit)
FROM node_plugin_metrics WHERE at >= :since AND at < :until GROUP BY node_id, plugin, name, at - at % :tier;

-- name: roll_plugins_of_node
REPLACE INTO node_plugin_rollups (node_id, plugin, name, tier, at, value, value_least, value_most, value_count, unit)
SELECT node_id, plugin, name, :tier, at - at % :tier, AVG(value), MIN(value), MAX(value), COUNT(value), MAX(unit)
FROM node_plugin_metrics WHERE node_id = :node_id AND at >= :since AND at < :until
GROUP BY node_id, plugin, name, at - at % :tier;

-- name: due__sqlite
INSERT INTO node_rollups_due (node_id, at) VALUES (:node_id, :at)
ON CONFLICT (node_id, at) DO NOTHING;

-- name: due__mysql
INSERT INTO node_rollups_due (node_id, at) VALUES (:node_id, :at)
ON DUPLICATE KEY UPDATE at = VALUES(at);

-- name: next_due
SELECT node_id, at FROM node_rollups_due WHERE at < :before ORDER BY node_id, at LIMIT :limit;

-- name: take_due
DELETE FROM node_rollups_due WHERE node_id = :node_id AND at = :at;

-- name: series
SELECT MIN(at) - MIN(at) % :step AS at,
  SUM(cpu_usage * cpu_usage_count) / NULLIF(SUM(cpu_usage_count), 0) AS cpu_usage, MAX(cpu_usage_most) AS cpu_usage_most, SUM(cpu_usage_count) AS cpu_usage_count,
  SUM(memory_usage * memory_usage_count) / NULLIF(SUM(memory_usage_count), 0) AS memory_usage, MAX(memory_usage_most) AS memory_usage_most, SUM(memory_usage_count) AS memory_usage_count,
  SUM(disk_usage * disk_usage_count) / NULLIF(SUM(disk_usage_count), 0) AS disk_usage, MAX(disk_usage_most) AS disk_usage_most, SUM(disk_usage_count) AS disk_usage_count,
  SUM(load_1 * load_1_count) / NULLIF(SUM(load_1_count), 0) AS load_1, MAX(load_1_most) AS load_1_most, SUM(load_1_count) AS load_1_count,
  SUM(network_rx * network_rx_count) / NULLIF(SUM(network_rx_count), 0) AS network_rx, MAX(network_rx_most) AS network_rx_most, SUM(network_rx_count) AS network_rx_count,
  SUM(network_tx * network_tx_count) / NULLIF(SUM(network_tx_count), 0) AS network_tx, MAX(network_tx_most) AS network_tx_most, SUM(network_tx_count) AS network_tx_count
FROM node_rollups WHERE node_id = :node_id AND tier = :tier AND at >= :since AND at < :until
GROUP BY at - at % :step ORDER BY 1 LIMIT :limit;

-- name: plugin_series
SELECT plugin, name, MIN(at) - MIN(at) % :step AS at, SUM(value * value_count) / SUM(value_count) AS value,
  MAX(value_most) AS value_most, SUM(value_count) AS value_count, MAX(unit) AS unit
FROM node_plugin_rollups WHERE node_id = :node_id AND tier = :tier AND at >= :since AND at < :until
GROUP BY plugin, name, at - at % :step ORDER BY plugin, name, 3 LIMIT :limit;

-- name: minutes
SELECT m.node_id, m.at - m.at % 60000 AS minute, AVG(m.cpu_usage) AS cpu_usage, AVG(m.memory_usage) AS memory_usage,
  AVG(m.disk_usage) AS disk_usage
FROM nodes n CROSS JOIN node_metrics m ON m.node_id = n.id AND m.at >= :since AND m.at < :until
GROUP BY m.node_id, m.at - m.at % 60000;

-- name: fleet_minute
REPLACE INTO fleet_metrics (at, nodes, total, online, cpu_usage, cpu_usage_median, cpu_usage_p95, cpu_usage_most,
  memory_usage, memory_usage_median, memory_usage_p95, memory_usage_most, disk_usage, disk_usage_median, disk_usage_p95, disk_usage_most)
VALUES (:at, :nodes, :total, :online, :cpu_usage, :cpu_usage_median, :cpu_usage_p95, :cpu_usage_most,
  :memory_usage, :memory_usage_median, :memory_usage_p95, :memory_usage_most, :disk_usage, :disk_usage_median, :disk_usage_p95, :disk_usage_most);

-- name: fleet
SELECT MIN(at) - MIN(at) % :step AS at, MAX(nodes) AS nodes, MAX(total) AS total, MIN(online) AS online,
  AVG(cpu_usage) AS cpu_usage, AVG(cpu_usage_median) AS cpu_usage_median, MAX(cpu_usage_p95) AS cpu_usage_p95, MAX(cpu_usage_most) AS cpu_usage_most,
  AVG(memory_usage) AS memory_usage, AVG(memory_usage_median) AS memory_usage_median, MAX(memory_usage_p95) AS memory_usage_p95, MAX(memory_usage_most) AS memory_usage_most,
  AVG(disk_usage) AS disk_usage, AVG(disk_usage_median) AS disk_usage_median, MAX(disk_usage_p95) AS disk_usage_p95, MAX(disk_usage_most) AS disk_usage_most
FROM fleet_metrics WHERE at >= :since AND at <= :until GROUP BY at - at % :step ORDER BY 1 LIMIT :limit;

-- name: forget
DELETE FROM node_rollups WHERE node_id = :node_id AND tier = :tier AND at < :before;

-- name: forget_plugins
DELETE FROM node_plugin_rollups WHERE node_id = :node_id AND tier = :tier AND at < :before;

-- name: forget_fleet
DELETE FROM fleet_metrics WHERE at < :before;
