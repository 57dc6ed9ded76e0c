-- What a database that was restored must let go of, so that nothing runs or counts twice: server/upkeep/settle.py.

-- name: begin
INSERT INTO schema_migrations (number, name, checksum, done, applied_at) VALUES (:number, 'restore', '', 0, :now);

-- name: end
DELETE FROM schema_migrations WHERE number = :number;

-- name: forget_migrations
DELETE FROM schema_migrations WHERE number <> :number;

-- name: end_commands
UPDATE commands SET state = 'interrupted', reason = :reason, finished_at = :now, body = '', headers = '' WHERE state = 'queued';

-- name: end_sessions
DELETE FROM sessions;

-- name: end_enrolment_tokens
UPDATE enrolment_tokens SET revoked_at = :now WHERE revoked_at IS NULL;

-- name: still_away
UPDATE nodes SET state_since = :now WHERE state = 'offline';

-- name: release_rollups
UPDATE rollup_state SET leased_until = 0;

-- name: end_deliveries
UPDATE deliveries SET state = 'failed', reason = :reason, finished_at = :now WHERE state = 'waiting';

-- name: release_receivers
UPDATE receiver_health SET leased_by = '', leased_until = 0, pause_until = 0;
