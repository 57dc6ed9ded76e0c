-- name: ranges
SELECT node_id, MIN(CASE :metric WHEN 'cpu_usage' THEN cpu_usage_least WHEN 'memory_usage' THEN memory_usage_least WHEN 'disk_usage' THEN disk_usage_least
    WHEN 'load_1' THEN load_1_least WHEN 'network_rx' THEN network_rx_least WHEN 'network_tx' THEN network_tx_least END) AS least,
  MAX(CASE :metric WHEN 'cpu_usage' THEN cpu_usage_most WHEN 'memory_usage' THEN memory_usage_most WHEN 'disk_usage' THEN disk_usage_most
    WHEN 'load_1' THEN load_1_most WHEN 'network_rx' THEN network_rx_most WHEN 'network_tx' THEN network_tx_most END) AS most
FROM node_rollups WHERE node_id IN (:ids*) AND tier = :tier AND at >= :since AND at < :until GROUP BY node_id;

-- name: points
SELECT node_id, at, CASE :metric WHEN 'cpu_usage' THEN cpu_usage WHEN 'memory_usage' THEN memory_usage WHEN 'disk_usage' THEN disk_usage
    WHEN 'load_1' THEN load_1 WHEN 'network_rx' THEN network_rx WHEN 'network_tx' THEN network_tx END AS mean,
  CASE :metric WHEN 'cpu_usage' THEN cpu_usage_least WHEN 'memory_usage' THEN memory_usage_least WHEN 'disk_usage' THEN disk_usage_least
    WHEN 'load_1' THEN load_1_least WHEN 'network_rx' THEN network_rx_least WHEN 'network_tx' THEN network_tx_least END AS least,
  CASE :metric WHEN 'cpu_usage' THEN cpu_usage_most WHEN 'memory_usage' THEN memory_usage_most WHEN 'disk_usage' THEN disk_usage_most
    WHEN 'load_1' THEN load_1_most WHEN 'network_rx' THEN network_rx_most WHEN 'network_tx' THEN network_tx_most END AS most
FROM node_rollups WHERE node_id IN (:ids*) AND tier = :tier AND at >= :since AND at < :until ORDER BY node_id, at;

-- name: plugin_ranges
SELECT node_id, MIN(value_least) AS least, MAX(value_most) AS most FROM node_plugin_rollups
WHERE node_id IN (:ids*) AND tier = :tier AND plugin = :plugin AND name = :name AND at >= :since AND at < :until GROUP BY node_id;

-- name: plugin_points
SELECT node_id, at, value AS mean, value_least AS least, value_most AS most FROM node_plugin_rollups
WHERE node_id IN (:ids*) AND tier = :tier AND plugin = :plugin AND name = :name AND at >= :since AND at < :until ORDER BY node_id, at;

-- name: states
SELECT node_id, at, state FROM node_states WHERE node_id IN (:ids*) AND at >= :since AND at < :until ORDER BY node_id, at, id;
