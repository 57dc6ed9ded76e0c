-- name: waiting
SELECT id, node_id, window_id, opens_at, start_by, expires_at, deadline_at FROM commands
WHERE waits = 1 AND state = 'queued' AND id > :after ORDER BY id LIMIT :limit;

-- name: set_gate
UPDATE commands SET window_id = :window_id, opens_at = :opens_at, start_by = :start_by WHERE id = :id AND waits = 1 AND state = 'queued';

-- name: due
SELECT DISTINCT node_id FROM commands WHERE waits = 1 AND state = 'queued' AND opens_at <= :now AND start_by >= :now;

-- name: release
UPDATE commands SET waits = 2, window_id = :window_id, headers = :headers, expires_at = :expires_at, deadline_at = :deadline_at,
  handed_at = :now WHERE id = :id AND waits = 1 AND state = 'queued' AND handed_at IS NULL;

-- name: waiting_for
SELECT COUNT(*) AS total FROM commands WHERE waits = 1 AND state = 'queued' AND window_id = :window_id;
