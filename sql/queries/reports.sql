-- name: lanes__sqlite
SELECT node_id, epoch, stored_seq FROM node_lanes WHERE node_id IN (:ids*) AND lane = :lane;

-- name: lanes__mysql
SELECT node_id, epoch, stored_seq FROM node_lanes WHERE node_id IN (:ids*) AND lane = :lane FOR UPDATE;

-- name: new_lane
INSERT INTO node_lanes (node_id, lane, epoch, stored_seq, updated_at) VALUES (:node_id, :lane, :epoch, :stored, :now);

-- name: raise_lane__sqlite
INSERT INTO node_lanes (node_id, lane, epoch, stored_seq, updated_at) VALUES (:node_id, :lane, :epoch, :stored, :now)
ON CONFLICT (node_id, lane, epoch) DO UPDATE SET stored_seq = excluded.stored_seq, updated_at = excluded.updated_at;

-- name: raise_lane__mysql
INSERT INTO node_lanes (node_id, lane, epoch, stored_seq, updated_at) VALUES (:node_id, :lane, :epoch, :stored, :now)
ON DUPLICATE KEY UPDATE stored_seq = VALUES(stored_seq), updated_at = VALUES(updated_at);

-- name: drop
INSERT INTO node_drops (node_id, lane, epoch, last_seq, first_seq, at, why)
VALUES (:node_id, :lane, :epoch, :last_seq, :first_seq, :at, :why);

-- name: log
INSERT INTO node_logs (node_id, at, epoch, seq, component, level, logger, message)
VALUES (:node_id, :at, :epoch, :seq, :component, :level, :logger, :message);

-- name: event
INSERT INTO node_events (node_id, at, lane, epoch, seq, name, detail)
VALUES (:node_id, :at, :lane, :epoch, :seq, :name, :detail);

-- name: events_named
SELECT at, detail FROM node_events WHERE node_id = :node_id AND name = :name ORDER BY at DESC, seq DESC LIMIT :limit;

-- name: agent
SELECT node_id, version, state, reason, pid, cpu_usage, memory_usage, restarts, updated_at FROM agents WHERE node_id = :node_id;

-- name: new_agent
INSERT INTO agents (node_id, version, state, reason, pid, cpu_usage, memory_usage, restarts, updated_at)
VALUES (:node_id, '', 'unknown', '', NULL, NULL, NULL, 0, 0);

-- name: update_agent
UPDATE agents SET
  restarts_before = CASE WHEN :at - restarts_since >= 3600000 OR :restarts < restarts THEN restarts ELSE restarts_before END,
  restarts_since = CASE WHEN :at - restarts_since >= 3600000 OR :restarts < restarts THEN :at ELSE restarts_since END,
  version = :version, state = :state, reason = :reason, pid = :pid, cpu_usage = :cpu_usage,
  memory_usage = :memory_usage, restarts = :restarts, updated_at = :at
WHERE node_id = :node_id AND updated_at <= :at;

-- name: daemon
SELECT node_id, health, health_at, configuration, configuration_hash, configuration_note, configuration_at
FROM daemons WHERE node_id = :node_id;

-- name: health
SELECT health FROM daemons WHERE node_id = :node_id;

-- name: new_daemon
INSERT INTO daemons (node_id, health, health_at, configuration, configuration_hash, configuration_note, configuration_at)
VALUES (:node_id, '{}', 0, '', '', '', 0);

-- name: update_health
UPDATE daemons SET health = :health, health_at = :at, outbox_records = :outbox_records, outbox_oldest = :outbox_oldest,
  clock_ahead_ms = :clock_ahead_ms
WHERE node_id = :node_id AND health_at <= :at;

-- name: update_configuration
UPDATE daemons SET configuration = :text, configuration_hash = :hash, configuration_note = :note, configuration_at = :at
WHERE node_id = :node_id;

-- name: delete_logs_before
DELETE FROM node_logs WHERE at < :before;

-- name: delete_events_before
DELETE FROM node_events WHERE at < :before;
