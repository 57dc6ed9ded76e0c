-- The newest samples by ids, not by a join with the nodes: MySQL and MariaDB use both parts of the key only so.

-- name: nodes
SELECT id, name, state, state_since FROM nodes WHERE state <> 'pending';

-- name: newest
SELECT m.node_id, m.at, m.seq, m.cpu_usage, m.memory_usage, m.disk_usage, m.load_1, m.network_rx, m.network_tx
FROM node_metrics m WHERE m.node_id IN (:ids*) AND m.at >= :since AND m.at <= :until;

-- name: newest_details
SELECT m.node_id, m.at, m.seq, m.detail
FROM node_metrics m WHERE m.node_id IN (:ids*) AND m.at >= :since AND m.at <= :until;

-- name: plugin_newest
SELECT p.node_id, p.at, p.value
FROM (SELECT n.id AS node_id, (SELECT MAX(q.at) FROM node_plugin_metrics q
    WHERE q.node_id = n.id AND q.plugin = :plugin AND q.name = :name) AS newest_at
  FROM nodes n WHERE n.state = 'online') w
CROSS JOIN node_plugin_metrics p ON p.node_id = w.node_id AND p.plugin = :plugin AND p.name = :name AND p.at = w.newest_at;

-- name: plugin_units
SELECT plugin, name, MAX(unit) AS unit FROM node_plugin_metrics WHERE at >= :since GROUP BY plugin, name ORDER BY plugin, name LIMIT 500;

-- name: before
SELECT r.node_id, r.at, r.cpu_usage, r.memory_usage, r.disk_usage, r.load_1, r.network_rx, r.network_tx
FROM nodes n CROSS JOIN node_rollups r ON r.node_id = n.id AND r.tier = :tier AND r.at = :at WHERE n.state = 'online';

-- name: plugin_before
SELECT r.node_id, r.at, r.value
FROM nodes n CROSS JOIN node_plugin_rollups r ON r.node_id = n.id AND r.tier = :tier AND r.plugin = :plugin AND r.name = :name AND r.at = :at
WHERE n.state = 'online';

-- When each of these nodes told first in each span of `step` ms; of the sections that make a headline figure, when it told that section.
-- name: firsts
SELECT node_id, MIN(at) AS at FROM node_metrics
WHERE node_id IN (:ids*) AND at >= :since AND at < :until
  AND (:section NOT IN ('cpu', 'memory', 'disks', 'load', 'nics') OR CASE :section WHEN 'cpu' THEN cpu_usage WHEN 'memory' THEN memory_usage
    WHEN 'disks' THEN disk_usage WHEN 'load' THEN load_1 WHEN 'nics' THEN network_rx END IS NOT NULL)
GROUP BY node_id, at - at % :step;

-- name: details_at
SELECT at, detail FROM node_metrics WHERE node_id = :node_id AND at IN (:ats*);

-- name: agents
SELECT a.node_id, a.state, a.restarts FROM nodes n CROSS JOIN agents a ON a.node_id = n.id WHERE n.state = 'online';

-- name: healths
SELECT d.node_id, d.health FROM nodes n CROSS JOIN daemons d ON d.node_id = n.id WHERE n.state = 'online' AND d.health_at > 0;

-- name: certificates
SELECT node_id, MAX(not_after) AS not_after FROM node_certificates WHERE revoked_at IS NULL GROUP BY node_id;

-- name: updates
SELECT node_id, component, state, finished_at FROM update_records WHERE finished_at >= :since ORDER BY finished_at, id;
