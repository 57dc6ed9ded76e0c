-- COALESCE keeps a planner from an index that would save it a sort, or a condition, and cost it all other nodes' or names' rows.

-- name: states
SELECT id, at, state FROM node_states
WHERE node_id = :node_id AND at >= :since AND at <= :at AND (at < :at OR id < :key)
ORDER BY at DESC, id DESC LIMIT :limit;

-- name: audit
SELECT e.id, l.at, e.actor, e.action, e.detail
FROM (SELECT at, entry FROM audit_nodes
  WHERE node_id = :node_id AND topic = :topic AND at >= :since AND at <= :at AND (at < :at OR entry < :number)
  ORDER BY at DESC, entry DESC LIMIT :limit) l JOIN audit_logs e ON e.id = l.entry
ORDER BY l.at DESC, l.entry DESC;

-- name: commands
SELECT l.id, l.at, l.kind, l.state, l.reason, l.started_at, l.finished_at, l.exit_code, t.name AS task_name, u.name AS actor
FROM (SELECT id, queued_at AS at, task_id, kind, state, reason, started_at, finished_at, exit_code, created_by FROM commands
  WHERE node_id = :node_id AND queued_at >= :since AND queued_at <= :at AND (queued_at < :at OR id < :key)
    AND kind <> 'configure' AND COALESCE(target_id, '') = ''
  ORDER BY queued_at DESC, id DESC LIMIT :limit) l
LEFT JOIN tasks t ON t.id = l.task_id LEFT JOIN users u ON u.id = l.created_by
ORDER BY l.at DESC, l.id DESC;

-- name: pushes
SELECT l.id, l.at, l.kind, l.state, l.reason, l.started_at, l.finished_at, l.exit_code, NULL AS task_name, u.name AS actor
FROM (SELECT id, queued_at AS at, kind, state, reason, started_at, finished_at, exit_code, created_by FROM commands
  WHERE node_id = :node_id AND kind = 'configure' AND queued_at >= :since AND queued_at <= :at AND (queued_at < :at OR id < :key)
    AND COALESCE(target_id, '') = ''
  ORDER BY queued_at DESC, id DESC LIMIT :limit) l
LEFT JOIN users u ON u.id = l.created_by
ORDER BY l.at DESC, l.id DESC;

-- name: alerts
SELECT id, at, alert_id, kind, rule_name, severity, subject, summary, who, note FROM alert_events
WHERE node_id = :node_id AND at >= :since AND at <= :at AND (at < :at OR id < :key) AND kind IN ('opened', 'acknowledged', 'resolved')
ORDER BY at DESC, id DESC LIMIT :limit;

-- name: updates
SELECT id, started_at AS at, component, from_version, to_version, state, finished_at FROM update_records
WHERE node_id = :node_id AND started_at >= :since AND started_at <= :at AND (started_at < :at OR id < :key)
ORDER BY started_at DESC, id DESC LIMIT :limit;

-- name: events
SELECT at, lane, epoch, seq, name, detail FROM node_events
WHERE node_id = :node_id AND at >= :since AND at <= :at
  AND (at < :at OR lane < :lane OR (lane = :lane AND (epoch < :epoch OR (epoch = :epoch AND seq < :seq)))) AND name <> :name
ORDER BY at DESC, lane DESC, epoch DESC, seq DESC LIMIT :limit;

-- name: events_named
SELECT at, lane, epoch, seq, name, detail FROM node_events
WHERE node_id = :node_id AND name = :name AND at >= :since AND at <= :at
  AND (at < :at OR lane < :lane OR (lane = :lane AND (epoch < :epoch OR (epoch = :epoch AND seq < :seq))))
ORDER BY at DESC, COALESCE(lane, '') DESC, epoch DESC, seq DESC LIMIT :limit;
