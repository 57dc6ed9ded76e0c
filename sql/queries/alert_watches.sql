-- name: state
SELECT leased_until, done_at FROM alert_state WHERE name = 'alerts';

-- name: lease
UPDATE alert_state SET leased_until = :until WHERE name = 'alerts' AND leased_until <= :now;

-- name: hold
UPDATE alert_state SET done_at = CASE WHEN done_at < :now THEN :now ELSE done_at + 1 END WHERE name = 'alerts' AND leased_until = :until;

-- name: release
UPDATE alert_state SET leased_until = 0 WHERE name = 'alerts' AND leased_until = :until;

-- name: all
SELECT rule_id, node_id, subject, state, since, seen_at, value, silent, flapping, opens, marks, alert_id FROM alert_watches;

-- name: save
REPLACE INTO alert_watches (rule_id, node_id, subject, state, since, seen_at, value, silent, flapping, opens, marks, alert_id)
VALUES (:rule_id, :node_id, :subject, :state, :since, :seen_at, :value, :silent, :flapping, :opens, :marks, :alert_id);

-- name: delete
DELETE FROM alert_watches WHERE rule_id = :rule_id AND node_id = :node_id AND subject = :subject;
