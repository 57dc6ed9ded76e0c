-- name: all
SELECT * FROM alert_rules ORDER BY name, id;

-- name: by_id
SELECT * FROM alert_rules WHERE id = :id;

-- name: by_name
SELECT id FROM alert_rules WHERE name = :name;

-- name: insert
INSERT INTO alert_rules (id, name, kind, metric, subject, selector, comparison, threshold, clear_threshold, hold_ms, clear_ms, span_ms,
  severity, enabled, command, command_kind, command_limit, author_id, author, problem, version, created_at, updated_at, updated_by)
VALUES (:id, :name, :kind, :metric, :subject, :selector, :comparison, :threshold, :clear_threshold, :hold_ms, :clear_ms, :span_ms,
  :severity, :enabled, :command, :command_kind, :command_limit, :author_id, :author, '', 1, :now, :now, :author);

-- name: update
UPDATE alert_rules SET name = :name, kind = :kind, metric = :metric, subject = :subject, selector = :selector,
  comparison = :comparison, threshold = :threshold, clear_threshold = :clear_threshold, hold_ms = :hold_ms, clear_ms = :clear_ms,
  span_ms = :span_ms, severity = :severity, enabled = :enabled, command = :command, command_kind = :command_kind,
  command_limit = :command_limit, author_id = :author_id, author = :author, problem = '', version = version + 1, updated_at = :now,
  updated_by = :author
WHERE id = :id AND version = :version;

-- name: delete
DELETE FROM alert_rules WHERE id = :id AND version = :version;

-- name: forget_watches
DELETE FROM alert_watches WHERE rule_id = :id;

-- name: set_problem
UPDATE alert_rules SET problem = :problem WHERE id = :id AND version = :version AND problem <> :problem;

-- name: open_counts
SELECT rule_id, COUNT(*) AS total FROM alerts WHERE state IN ('open', 'acknowledged') GROUP BY rule_id;

-- name: seed
UPDATE alert_state SET seeded = 1 WHERE name = 'alerts' AND seeded = 0;

-- name: lock
UPDATE alert_state SET done_at = done_at + 1 WHERE name = 'alerts';

-- name: versions
SELECT id, version FROM alert_rules;
