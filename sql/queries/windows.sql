-- name: every
SELECT id, name, reason, selector, schedule, zone, silences, opens, enabled, version, created_by, created_at, updated_by, updated_at
FROM maintenance_windows ORDER BY name, id;

-- name: versions
SELECT id, version FROM maintenance_windows ORDER BY id;

-- name: by_id
SELECT id, name, reason, selector, schedule, zone, silences, opens, enabled, version, created_by, created_at, updated_by, updated_at
FROM maintenance_windows WHERE id = :id;

-- name: insert
INSERT INTO maintenance_windows (id, name, reason, selector, schedule, zone, silences, opens, enabled, version, created_by, created_at,
  updated_by, updated_at)
VALUES (:id, :name, :reason, :selector, :schedule, :zone, :silences, :opens, :enabled, 1, :who, :now, :who, :now);

-- name: update
UPDATE maintenance_windows SET name = :name, reason = :reason, selector = :selector, schedule = :schedule, zone = :zone,
  silences = :silences, opens = :opens, enabled = :enabled, version = version + 1, updated_by = :who, updated_at = :now
WHERE id = :id AND version = :version;

-- name: delete
DELETE FROM maintenance_windows WHERE id = :id AND version = :version;

-- name: members
SELECT n.id, n.name, f.timezone FROM nodes n JOIN node_facts f ON f.node_id = n.id
WHERE (1 = 1 /* selected */) AND n.state <> 'retired' ORDER BY n.name, n.id;

-- name: member
SELECT f.timezone FROM nodes n JOIN node_facts f ON f.node_id = n.id
WHERE n.id = :one_node AND (1 = 1 /* selected */) AND n.state <> 'retired';

-- name: close_gates
UPDATE commands SET opens_at = NULL, start_by = NULL, window_id = '' WHERE waits = 1 AND state = 'queued' AND window_id = :id;
