-- name: insert
INSERT INTO alerts (id, open_key, rule_id, rule_name, rule_kind, metric, severity, node_id, node_name, subject, state, silent, flapping,
  silenced, summary, value, threshold, opened_at, told_at, reminded_at, acknowledged_at, acknowledged_by, comment, resolved_at,
  resolved_why, group_id, command_state, command_task, command_note, command_at)
VALUES (:id, :open_key, :rule_id, :rule_name, :rule_kind, :metric, :severity, :node_id, :node_name, :subject, 'open', 0, :flapping,
  :silenced, :summary, :value, :threshold, :now, :told_at, :told_at, 0, '', '', 0, '', :group_id, :command_state, '', :command_note, 0);

-- name: insert_event
INSERT INTO alert_events (id, alert_id, kind, at, rule_id, rule_name, rule_kind, severity, node_id, node_name, subject, summary, value,
  threshold, opened_at, resolved_at, group_id, alert_count, told, who, note)
VALUES (:id, :alert_id, :kind, :at, :rule_id, :rule_name, :rule_kind, :severity, :node_id, :node_name, :subject, :summary, :value,
  :threshold, :opened_at, :resolved_at, :group_id, :count, :told, :who, :note);

-- name: by_id
SELECT * FROM alerts WHERE id = :id;

-- name: events
SELECT * FROM alert_events WHERE alert_id = :alert_id
ORDER BY at, CASE kind WHEN 'opened' THEN 0 WHEN 'grouped' THEN 1 WHEN 'acknowledged' THEN 2 WHEN 'reminded' THEN 3 ELSE 4 END, id LIMIT 500;

-- name: page
SELECT a.* FROM alerts a
WHERE (1 = 1 /* filtered */)
  AND (:narrow = 0 OR a.node_id IN (SELECT n.id FROM nodes n JOIN node_facts f ON f.node_id = n.id WHERE (1 = 1 /* selected */)))
ORDER BY /* sorted */ a.opened_at DESC, a.id DESC LIMIT :limit OFFSET :offset;

-- name: total
SELECT COUNT(*) AS total FROM alerts a
WHERE (1 = 1 /* filtered */)
  AND (:narrow = 0 OR a.node_id IN (SELECT n.id FROM nodes n JOIN node_facts f ON f.node_id = n.id WHERE (1 = 1 /* selected */)));

-- name: counts
SELECT state, severity, COUNT(*) AS total FROM alerts WHERE state IN ('open', 'acknowledged') GROUP BY state, severity;

-- name: open_of_node
SELECT id, rule_id, rule_name, severity, subject, state, silent, flapping, silenced, summary, opened_at FROM alerts
WHERE node_id = :node_id AND state IN ('open', 'acknowledged') ORDER BY opened_at DESC, id DESC LIMIT 100;

-- name: open_of_rule
SELECT * FROM alerts WHERE rule_id = :rule_id AND state IN ('open', 'acknowledged');

-- name: all_open
SELECT * FROM alerts WHERE state IN ('open', 'acknowledged');

-- name: acknowledge
UPDATE alerts SET state = 'acknowledged', acknowledged_at = :now, acknowledged_by = :who, comment = :comment
WHERE id = :id AND state = 'open';

-- name: resolve
UPDATE alerts SET state = 'resolved', resolved_at = :now, resolved_why = :why, open_key = NULL, silent = 0
WHERE id = :id AND state IN ('open', 'acknowledged');

-- name: resolve_many
UPDATE alerts SET state = 'resolved', resolved_at = :now, resolved_why = :why, open_key = NULL, silent = 0
WHERE id IN (:ids*) AND state IN ('open', 'acknowledged');

-- name: set_silent
UPDATE alerts SET silent = :silent WHERE id IN (:ids*) AND state IN ('open', 'acknowledged');

-- name: set_silenced
UPDATE alerts SET silenced = :silenced WHERE id IN (:ids*) AND state IN ('open', 'acknowledged');

-- name: set_told
UPDATE alerts SET told_at = :now, reminded_at = :now WHERE id IN (:ids*) AND state IN ('open', 'acknowledged') AND told_at = 0;

-- name: set_reminded
UPDATE alerts SET reminded_at = :now WHERE id IN (:ids*) AND state = 'open';

-- name: recent_nodes
SELECT rule_id, node_id FROM alerts WHERE rule_id IN (:ids*) AND opened_at > :since;

-- name: storms
SELECT id, rule_id, started_at, last_at, alerts, told FROM alert_storms WHERE ended_at = 0;

-- name: insert_storm
INSERT INTO alert_storms (id, rule_id, started_at, last_at, alerts, told, ended_at)
VALUES (:id, :rule_id, :now, :now, :alerts, :alerts, 0);

-- name: grow_storm
UPDATE alert_storms SET alerts = alerts + :alerts, last_at = :now WHERE id = :id AND ended_at = 0;

-- name: tell_storm
UPDATE alert_storms SET told = :alerts WHERE id = :id AND told < :alerts;

-- name: end_storm
UPDATE alert_storms SET ended_at = :now WHERE id = :id AND ended_at = 0;

-- name: first_of_storm
SELECT * FROM alerts WHERE group_id = :id ORDER BY opened_at, id LIMIT 1;

-- name: wanting_command
SELECT id, rule_id, node_id FROM alerts WHERE command_state = 'wanted' ORDER BY opened_at, id LIMIT 100;

-- name: claim_command
UPDATE alerts SET command_state = 'starting', command_at = :now WHERE id = :id AND command_state = 'wanted';

-- name: end_command
UPDATE alerts SET command_state = :state, command_task = :task, command_note = :note WHERE id = :id AND command_state = 'starting';

-- name: interrupted_commands
UPDATE alerts SET command_state = 'refused', command_note = :note WHERE command_state = 'starting' AND command_at < :before;

-- name: commands_since
SELECT COUNT(*) AS total FROM alerts WHERE rule_id = :rule_id AND command_at > :since AND command_state IN ('starting', 'started');

-- name: forget
DELETE FROM alerts WHERE resolved_at > 0 AND resolved_at < :before;

-- name: forget_events
DELETE FROM alert_events WHERE at < :before AND NOT EXISTS (SELECT 1 FROM alerts a WHERE a.id = alert_events.alert_id);

-- name: forget_storms
DELETE FROM alert_storms WHERE ended_at > 0 AND ended_at < :before;
