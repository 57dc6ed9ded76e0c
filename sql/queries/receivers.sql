-- name: all
SELECT r.id, r.name, r.kind, r.enabled, r.min_severity, r.selector, r.event_kinds, r.settings, r.secrets, r.version, r.created_at,
  r.updated_at, r.updated_by, h.pause_until, h.failures, h.failing_since, h.ok_at, h.problem
FROM receivers r JOIN receiver_health h ON h.receiver_id = r.id ORDER BY r.name, r.id;

-- name: by_id
SELECT r.id, r.name, r.kind, r.enabled, r.min_severity, r.selector, r.event_kinds, r.settings, r.secrets, r.version, r.created_at,
  r.updated_at, r.updated_by, h.pause_until, h.failures, h.failing_since, h.ok_at, h.problem
FROM receivers r JOIN receiver_health h ON h.receiver_id = r.id WHERE r.id = :id;

-- name: names
SELECT id, name FROM receivers ORDER BY name;

-- name: insert
INSERT INTO receivers (id, name, kind, enabled, min_severity, selector, event_kinds, settings, secrets, version, created_at, updated_at, updated_by)
VALUES (:id, :name, :kind, :enabled, :min_severity, :selector, :event_kinds, :settings, :secrets, 1, :now, :now, :who);

-- name: insert_health
INSERT INTO receiver_health (receiver_id, leased_by, leased_until, pause_until, failures, failing_since, ok_at, problem, minute_at, minute_sent, repeat_at)
VALUES (:id, '', 0, 0, 0, 0, 0, '', 0, 0, 0);

-- name: update
UPDATE receivers SET name = :name, enabled = :enabled, min_severity = :min_severity, selector = :selector, event_kinds = :event_kinds,
  settings = :settings, secrets = :secrets, version = version + 1, updated_at = :now, updated_by = :who
WHERE id = :id AND version = :version;

-- name: try_soon
UPDATE receiver_health SET pause_until = 0, repeat_at = 0 WHERE receiver_id = :id;

-- name: end_waiting
UPDATE deliveries SET state = 'failed', reason = :reason, finished_at = :now WHERE receiver_id = :id AND state = 'waiting';

-- name: delete
DELETE FROM receivers WHERE id = :id AND version = :version;

-- name: delete_health
DELETE FROM receiver_health WHERE receiver_id = :id;

-- name: delete_firing
DELETE FROM receiver_firing WHERE receiver_id = :id;

-- name: waiting_by_receiver
SELECT own.id AS receiver_id, COUNT(*) AS total, MIN(w.created_at) AS oldest
FROM receivers own CROSS JOIN deliveries w ON w.receiver_id = own.id AND w.state = 'waiting' GROUP BY own.id;
