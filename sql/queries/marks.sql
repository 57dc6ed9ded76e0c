-- name: alerts
SELECT id, severity, summary, state, opened_at, resolved_at FROM alerts
WHERE node_id = :node_id AND resolved_at >= :since AND opened_at <= :until ORDER BY resolved_at DESC, id DESC LIMIT :limit;

-- name: open_alerts
SELECT id, severity, summary, state, opened_at, resolved_at FROM alerts
WHERE node_id = :node_id AND resolved_at = 0 AND opened_at <= :until ORDER BY opened_at DESC, id DESC LIMIT :limit;

-- name: updates
SELECT id, component, from_version, to_version, state, started_at FROM update_records
WHERE node_id = :node_id AND started_at >= :since AND started_at <= :until ORDER BY started_at DESC, id DESC LIMIT :limit;

-- name: starts
SELECT at, epoch, seq, detail FROM node_events
WHERE node_id = :node_id AND at >= :since AND at <= :until AND name = :name ORDER BY at DESC, lane DESC, epoch DESC, seq DESC LIMIT :limit;
