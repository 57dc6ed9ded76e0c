-- name: due
SELECT h.receiver_id FROM receivers own JOIN receiver_health h ON h.receiver_id = own.id
WHERE own.enabled = 1 AND h.leased_until <= :now AND h.pause_until <= :now
  AND (EXISTS (SELECT 1 FROM deliveries w WHERE w.receiver_id = h.receiver_id AND w.state = 'waiting' AND w.next_at <= :now AND w.deadline_at > :now)
    OR (h.repeat_at <= :now AND EXISTS (SELECT 1 FROM receiver_firing f WHERE f.receiver_id = h.receiver_id)));

-- name: lease
UPDATE receiver_health SET leased_by = :me, leased_until = :until
WHERE receiver_id = :id AND (leased_until <= :now OR leased_by = :me);

-- name: release
UPDATE receiver_health SET leased_by = '', leased_until = 0 WHERE receiver_id = :id AND leased_by = :me;

-- name: health
SELECT receiver_id, leased_by, pause_until, failures, failing_since, minute_at, minute_sent, repeat_at FROM receiver_health WHERE receiver_id = :id;

-- name: waiting
SELECT id, alert_id, place, message_id, attempts, next_at, event, deadline_at FROM deliveries
WHERE receiver_id = :id AND state = 'waiting' AND event_kind <> 'test' ORDER BY created_at, place, id LIMIT :limit;

-- name: fold
UPDATE deliveries SET message_id = :message_id WHERE id IN (:ids*) AND state = 'waiting' AND attempts = 0;

-- name: begin
UPDATE deliveries SET attempts = attempts + 1, next_at = :until WHERE message_id = :message_id AND state = 'waiting';

-- name: count
UPDATE receiver_health SET minute_at = :minute_at, minute_sent = :minute_sent WHERE receiver_id = :id;

-- name: pause
UPDATE receiver_health SET pause_until = :until WHERE receiver_id = :id AND pause_until < :until;

-- name: attempt
INSERT INTO delivery_attempts (message_id, id, begun_at, took_ms, status, good, answer)
VALUES (:message_id, :id, :begun_at, :took_ms, :status, :good, :answer);

-- name: finish
UPDATE deliveries SET state = :state, reason = :reason, finished_at = :now WHERE message_id = :message_id AND state = 'waiting';

-- name: later
UPDATE deliveries SET next_at = :next_at, reason = :reason WHERE message_id = :message_id AND state = 'waiting';

-- name: went_well
UPDATE receiver_health SET failures = 0, failing_since = 0, pause_until = 0, problem = '', ok_at = :now WHERE receiver_id = :id;

-- name: went_wrong
UPDATE receiver_health SET failures = failures + 1, failing_since = CASE WHEN failing_since = 0 THEN :now ELSE failing_since END,
  problem = :problem
WHERE receiver_id = :id;

-- name: firing
SELECT alert_id, event FROM receiver_firing WHERE receiver_id = :id ORDER BY alert_id LIMIT :limit;

-- name: repeat_later
UPDATE receiver_health SET repeat_at = :at WHERE receiver_id = :id;
