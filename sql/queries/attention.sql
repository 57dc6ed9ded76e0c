-- name: in_state
SELECT id, name, state_since AS since FROM nodes WHERE state = :state ORDER BY state_since, id LIMIT :limit;

-- name: offline
SELECT id, name, state_since AS since, last_seen AS figure FROM nodes
WHERE state = 'offline' AND CASE WHEN last_seen <= created_at THEN 1 ELSE 0 END = :never ORDER BY state_since, id LIMIT :limit;

-- What nobody has taken on and no window silences; the gravest first.
-- name: alerts
SELECT a.id AS alert_id, a.node_id AS id, a.node_name AS name, a.opened_at AS since, a.severity, a.summary AS reason FROM alerts a
WHERE a.state = 'open' AND a.silenced = 0 AND a.severity IN ('critical', 'warning')
ORDER BY CASE a.severity WHEN 'critical' THEN 0 ELSE 1 END, a.opened_at, a.id LIMIT :limit;

-- name: receivers
SELECT '' AS id, r.id AS receiver_id, r.name, h.failing_since AS since, h.problem AS reason FROM receivers r
JOIN receiver_health h ON h.receiver_id = r.id
WHERE r.enabled = 1 AND h.failing_since > 0 AND h.failing_since <= :before ORDER BY h.failing_since, r.id LIMIT :limit;

-- name: agents_failed
SELECT n.id, n.name, a.updated_at AS since, a.reason FROM agents a JOIN nodes n ON n.id = a.node_id
WHERE a.state = 'failed' AND n.state = 'online' ORDER BY a.updated_at, n.id LIMIT :limit;

-- name: agents_restarting
SELECT n.id, n.name, a.restarts_since AS since, a.restarts - a.restarts_before AS figure FROM agents a JOIN nodes n ON n.id = a.node_id
WHERE a.restarts - a.restarts_before >= :often AND a.updated_at >= :since AND n.state = 'online' ORDER BY a.restarts_since, n.id LIMIT :limit;

-- name: drops
SELECT n.id, n.name, MIN(d.at) AS since, SUM(d.last_seq - d.first_seq + 1) AS figure FROM node_drops d JOIN nodes n ON n.id = d.node_id
WHERE d.at >= :since AND n.state <> 'retired' GROUP BY n.id, n.name ORDER BY 3, 1 LIMIT :limit;

-- name: backlog
SELECT n.id, n.name, d.outbox_oldest AS since, d.outbox_records AS figure FROM daemons d JOIN nodes n ON n.id = d.node_id
WHERE d.outbox_oldest < :before AND d.health_at >= :since AND n.state = 'online' ORDER BY d.outbox_oldest, n.id LIMIT :limit;

-- name: clocks
SELECT n.id, n.name, d.health_at AS since, d.clock_ahead_ms AS figure FROM daemons d JOIN nodes n ON n.id = d.node_id
WHERE (d.clock_ahead_ms > :most OR d.clock_ahead_ms < -:most) AND n.state = 'online' ORDER BY d.health_at, n.id LIMIT :limit;

-- name: certificates
SELECT n.id, n.name, c.not_after AS since FROM node_certificates c JOIN nodes n ON n.id = c.node_id
WHERE c.not_after >= :since AND c.not_after < :before AND c.revoked_at IS NULL AND n.state IN ('online', 'offline', 'quarantined')
  AND NOT EXISTS (SELECT 1 FROM node_certificates o WHERE o.node_id = c.node_id AND o.revoked_at IS NULL AND o.not_after > c.not_after)
ORDER BY c.not_after, n.id LIMIT :limit;

-- name: stuck
SELECT c.id AS command_id, n.id, n.name, c.queued_at AS since, c.state, c.kind, n.state AS node_state, c.deadline_at, t.name AS task_name
FROM commands c JOIN nodes n ON n.id = c.node_id LEFT JOIN tasks t ON t.id = c.task_id
WHERE c.state IN ('queued', 'accepted', 'started') AND c.target_id IS NULL
  AND (c.deadline_at < :now OR (c.state = 'queued' AND c.handed_at IS NULL AND c.waits <> 1 AND (c.expires_at < :soon OR (n.state = 'online' AND c.queued_at < :waiting))))
ORDER BY c.queued_at, c.id LIMIT :limit;

-- name: disks__sqlite
SELECT id, name, MAX(since) AS since, MAX(figure) AS figure FROM (
  SELECT n.id, n.name, r.at AS since, r.disk_usage_most AS figure
  FROM nodes n CROSS JOIN node_rollups r ON r.node_id = n.id AND r.tier = 300000 AND r.at = :first
  WHERE n.state = 'online' AND r.disk_usage_most >= :full
  UNION ALL
  SELECT n.id, n.name, r.at AS since, r.disk_usage_most AS figure
  FROM nodes n CROSS JOIN node_rollups r ON r.node_id = n.id AND r.tier = 300000 AND r.at = :second
  WHERE n.state = 'online' AND r.disk_usage_most >= :full
) f GROUP BY id, name ORDER BY 4 DESC, 1 LIMIT :limit;

-- The same; MySQL would rather read all roll-ups while they are few.
-- name: disks__mysql
SELECT id, name, MAX(since) AS since, MAX(figure) AS figure FROM (
  SELECT n.id, n.name, r.at AS since, r.disk_usage_most AS figure
  FROM nodes n CROSS JOIN node_rollups r FORCE INDEX (PRIMARY) ON r.node_id = n.id AND r.tier = 300000 AND r.at = :first
  WHERE n.state = 'online' AND r.disk_usage_most >= :full
  UNION ALL
  SELECT n.id, n.name, r.at AS since, r.disk_usage_most AS figure
  FROM nodes n CROSS JOIN node_rollups r FORCE INDEX (PRIMARY) ON r.node_id = n.id AND r.tier = 300000 AND r.at = :second
  WHERE n.state = 'online' AND r.disk_usage_most >= :full
) f GROUP BY id, name ORDER BY 4 DESC, 1 LIMIT :limit;
