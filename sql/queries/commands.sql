-- name: insert
INSERT INTO commands (id, node_id, task_id, target_id, kind, method, path, body, headers, state, reason, queued_at, expires_at,
  deadline_at, waits, window_id, opens_at, start_by, stdout_bytes, stderr_bytes, truncated, created_by, request_id)
VALUES (:id, :node_id, :task_id, :target_id, :kind, :method, :path, :body, :headers, 'queued', '', :now, :expires_at,
  :deadline_at, :waits, :window_id, :opens_at, :start_by, 0, 0, 0, :created_by, :request_id);

-- name: insert_task
INSERT INTO tasks (id, name, type, content, withheld, cron_expr, state, created_by, created_at)
VALUES (:id, :name, :type, :content, :withheld, NULL, 'active', :created_by, :now);

-- name: by_id
SELECT c.*, n.name AS node_name, n.state AS node_state, t.name AS task_name, t.content AS task_content,
  t.withheld AS task_withheld
FROM commands c JOIN nodes n ON n.id = c.node_id LEFT JOIN tasks t ON t.id = c.task_id WHERE c.id = :id;

-- name: mailbox
SELECT id, node_id, method, path, body, headers, handed_at, waits, expires_at, deadline_at FROM commands
WHERE node_id = :node_id AND state = 'queued' AND expires_at > :now AND id NOT IN (:holding*)
  AND (waits <> 1 OR (opens_at <= :now AND start_by >= :now))
  AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = :node_id AND n.state = 'quarantined')
ORDER BY queued_at, id LIMIT 50;

-- name: hand_out
UPDATE commands SET handed_at = :now WHERE id IN (:ids*) AND state = 'queued' AND handed_at IS NULL;

-- name: end_unfetched
UPDATE commands SET state = :state, reason = :reason, finished_at = :now, body = '', headers = ''
WHERE id = :id AND state = 'queued' AND handed_at IS NULL;

-- name: move
UPDATE commands SET state = :state, reason = :reason,
  accepted_at = CASE WHEN :state = 'accepted' THEN :at ELSE accepted_at END,
  started_at = CASE WHEN :state = 'started' THEN :at ELSE started_at END,
  finished_at = CASE WHEN :final = 1 THEN :at ELSE finished_at END,
  body = CASE WHEN :final = 1 THEN '' ELSE body END, headers = CASE WHEN :final = 1 THEN '' ELSE headers END,
  deadline_at = CASE WHEN :state = 'started' THEN :now + deadline_at - expires_at ELSE deadline_at END
WHERE id = :id AND node_id = :node_id AND state IN (:from_states*);

-- name: result
UPDATE commands SET exit_code = :exit_code, exit_signal = :exit_signal, stdout_bytes = :stdout_bytes,
  stderr_bytes = :stderr_bytes, truncated = :truncated, result = :result, cpu_ms = :cpu_ms, memory_bytes = :memory_bytes
WHERE id = :id AND node_id = :node_id;

-- name: overdue
SELECT c.id, c.node_id, c.state, c.handed_at, c.waits, n.state AS node_state
FROM commands c JOIN nodes n ON n.id = c.node_id
WHERE (c.state = 'queued' AND c.handed_at IS NULL AND c.expires_at <= :now)
  OR (c.state IN ('queued', 'accepted', 'started') AND c.deadline_at <= :late
    AND (n.state NOT IN ('offline', 'unknown', 'quarantined') OR c.deadline_at <= :forget))
ORDER BY c.deadline_at LIMIT 500;

-- name: recently_queued
SELECT node_id FROM commands WHERE state = 'queued' AND queued_at > :since
UNION SELECT id AS node_id FROM nodes WHERE state = 'retired' AND state_since > :since;

-- name: page
SELECT c.id, c.node_id, c.task_id, c.kind, c.state, c.reason, c.queued_at, c.accepted_at, c.started_at, c.finished_at,
  c.exit_code, c.exit_signal, c.stdout_bytes, c.stderr_bytes, c.truncated, c.cpu_ms, c.memory_bytes,
  c.waits, c.window_id, c.opens_at, c.expires_at,
  CASE WHEN c.result IS NULL THEN 0 ELSE 1 END AS has_result, n.name AS node_name, t.name AS task_name
FROM commands c LEFT JOIN nodes n ON n.id = c.node_id LEFT JOIN tasks t ON t.id = c.task_id
WHERE c.target_id IS NULL AND (1 = 1 /* filtered */)
ORDER BY /* sorted */ c.queued_at DESC, c.id DESC LIMIT :limit OFFSET :offset;

-- name: total
SELECT COUNT(*) AS total FROM commands c WHERE c.target_id IS NULL AND (1 = 1 /* filtered */);

-- name: unfinished
SELECT c.id, c.node_id, c.kind, c.path, c.state, c.reason, c.queued_at, c.started_at, c.finished_at, c.waits, c.opens_at, t.name AS task_name
FROM commands c LEFT JOIN tasks t ON t.id = c.task_id
WHERE c.node_id = :node_id AND c.state IN ('queued', 'accepted', 'started') AND c.target_id IS NULL
ORDER BY c.queued_at, c.id LIMIT :limit;
