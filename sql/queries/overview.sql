-- name: agents
SELECT CASE WHEN n.state = 'online' THEN a.state ELSE 'silent' END AS state, COUNT(*) AS total
FROM nodes n JOIN agents a ON a.node_id = n.id WHERE n.state <> 'retired'
GROUP BY CASE WHEN n.state = 'online' THEN a.state ELSE 'silent' END;

-- name: daemon_versions
SELECT daemon_version AS version, COUNT(*) AS total FROM nodes WHERE state <> 'retired' GROUP BY daemon_version ORDER BY 2 DESC, 1;

-- name: agent_versions
SELECT a.version AS version, COUNT(*) AS total FROM nodes n JOIN agents a ON a.node_id = n.id WHERE n.state <> 'retired'
GROUP BY a.version ORDER BY 2 DESC, 1;

-- name: unfinished
SELECT state, COUNT(*) AS total FROM commands WHERE state IN ('queued', 'accepted', 'started') AND target_id IS NULL GROUP BY state;

-- name: running
SELECT c.id, c.node_id, n.name AS node_name, c.kind, c.state, c.reason, c.queued_at, c.started_at, c.finished_at, t.name AS task_name
FROM commands c JOIN nodes n ON n.id = c.node_id LEFT JOIN tasks t ON t.id = c.task_id
WHERE c.state = :state AND c.target_id IS NULL ORDER BY c.queued_at DESC, c.id DESC LIMIT :limit;
