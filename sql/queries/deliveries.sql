-- name: wanting
SELECT id, name, kind, min_severity, selector, event_kinds FROM receivers WHERE enabled = 1 ORDER BY id;

-- name: places
SELECT alert_id, MAX(place) AS place, MAX(created_at) AS newest FROM deliveries WHERE alert_id IN (:alerts*) GROUP BY alert_id;

-- name: insert
INSERT INTO deliveries (id, receiver_id, receiver_name, alert_id, place, event_kind, severity, event, message_id, state, reason, attempts,
  created_at, next_at, deadline_at, finished_at)
VALUES (:id, :receiver_id, :receiver_name, :alert_id, :place, :event_kind, :severity, :event, :message_id, 'waiting', '', 0,
  :created_at, :next_at, :deadline_at, 0);

-- name: firing_of
SELECT receiver_id, alert_id, event FROM receiver_firing WHERE receiver_id IN (:receivers*) AND alert_id IN (:alerts*);

-- name: insert_firing
INSERT INTO receiver_firing (receiver_id, alert_id, event, resolved_at) VALUES (:receiver_id, :alert_id, :event, :resolved_at);

-- name: delete_firing
DELETE FROM receiver_firing WHERE receiver_id IN (:receivers*) AND alert_id IN (:alerts*);

-- name: mark_problem
UPDATE receiver_health SET problem = :problem WHERE receiver_id = :id;

-- name: page
SELECT d.id, d.receiver_id, d.receiver_name, d.alert_id, d.event_kind, d.severity, d.event, d.message_id, d.state, d.reason, d.attempts,
  d.created_at, d.next_at, d.deadline_at, d.finished_at
FROM deliveries d WHERE (1 = 1 /* filtered */)
ORDER BY /* sorted */ d.created_at DESC, d.id DESC LIMIT :limit OFFSET :offset;

-- name: total
SELECT COUNT(*) AS total FROM deliveries d WHERE (1 = 1 /* filtered */);

-- name: of_alert
SELECT d.id, d.receiver_id, d.receiver_name, d.alert_id, d.event_kind, d.severity, d.event, d.message_id, d.state, d.reason, d.attempts,
  d.created_at, d.next_at, d.deadline_at, d.finished_at
FROM deliveries d WHERE d.alert_id = :alert_id
ORDER BY d.created_at DESC, d.place DESC, d.receiver_name LIMIT :limit;

-- name: total_of_alert
SELECT COUNT(*) AS total FROM deliveries d WHERE d.alert_id = :alert_id;

-- name: by_id
SELECT d.id, d.receiver_id, d.receiver_name, d.alert_id, d.event_kind, d.severity, d.event, d.message_id, d.state, d.reason, d.attempts,
  d.created_at, d.next_at, d.deadline_at, d.finished_at, COALESCE(r.enabled, 0) AS takes
FROM deliveries d LEFT JOIN receivers r ON r.id = d.receiver_id WHERE d.id = :id;

-- name: of_message
SELECT d.id, d.alert_id, d.event FROM deliveries d WHERE d.message_id = :message_id ORDER BY d.created_at, d.place, d.id;

-- name: attempts
SELECT id, begun_at, took_ms, status, good, answer FROM delivery_attempts WHERE message_id = :message_id ORDER BY id;

-- name: again
UPDATE deliveries SET state = 'waiting', reason = '', next_at = :now, deadline_at = :deadline_at, finished_at = 0
WHERE message_id = :message_id AND state = 'failed';

-- name: receiver_of
SELECT id, name, enabled FROM receivers WHERE id = :id;

-- name: overdue
SELECT id FROM deliveries WHERE state = 'waiting' AND next_at <= :now AND deadline_at <= :now LIMIT 1;

-- name: expire
UPDATE deliveries SET state = 'failed', reason = :reason, finished_at = :now
WHERE state = 'waiting' AND next_at <= :now AND deadline_at <= :now;

-- name: forget
DELETE FROM deliveries WHERE created_at < :before AND state <> 'waiting';

-- name: forget_attempts
DELETE FROM delivery_attempts WHERE begun_at < :before;

-- name: forget_firing
DELETE FROM receiver_firing WHERE resolved_at > 0 AND resolved_at < :before;
