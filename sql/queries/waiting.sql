-- name: by_key
SELECT public_key, node_id, token_id, rejected_at FROM node_requests WHERE public_key = :public_key;

-- name: by_node
SELECT public_key, node_id, csr, same_as, token_id, rejected_at FROM node_requests WHERE node_id = :node_id AND rejected_at IS NULL;

-- name: insert
INSERT INTO node_requests (public_key, node_id, csr, ip, same_as, token_id, created_at, asked_at, rejected_at, rejected_by)
VALUES (:public_key, :node_id, :csr, :ip, :same_as, :token_id, :now, :now, NULL, '');

-- name: vouched
UPDATE node_requests SET token_id = :token_id, same_as = :same_as, asked_at = :now WHERE public_key = :public_key;

-- name: asked
UPDATE node_requests SET asked_at = :now WHERE public_key = :public_key;

-- name: total
SELECT COUNT(*) AS total FROM node_requests WHERE rejected_at IS NULL;

-- name: page
SELECT r.public_key, r.node_id, r.ip, r.same_as, r.token_id, r.created_at, r.asked_at, n.name, n.hostname, n.facts, n.fingerprint,
  s.name AS same_name, s.state AS same_state
FROM node_requests r JOIN nodes n ON n.id = r.node_id LEFT JOIN nodes s ON s.id = r.same_as
WHERE r.rejected_at IS NULL ORDER BY r.created_at, r.public_key;

-- name: reject
UPDATE node_requests SET rejected_at = :now, rejected_by = :who WHERE public_key = :public_key AND rejected_at IS NULL;

-- name: delete_request
DELETE FROM node_requests WHERE public_key = :public_key;

-- name: silent
SELECT node_id, public_key FROM node_requests WHERE rejected_at IS NULL AND asked_at < :before;

-- name: with_card
SELECT id, name, state, last_seen, fingerprint FROM nodes WHERE state <> 'pending' AND LOWER(fingerprint) LIKE :pattern;

-- name: set_machine
UPDATE nodes SET fingerprint = :fingerprint, updated_at = :now WHERE id = :id;

-- name: give_back_certificates
UPDATE node_certificates SET revoked_at = NULL WHERE node_id IN (:ids*) AND not_after > :now
  AND revoked_at = (SELECT n.state_since FROM nodes n WHERE n.id = node_certificates.node_id);

-- name: revoke_of_nodes
UPDATE node_certificates SET revoked_at = :now WHERE node_id IN (:ids*) AND revoked_at IS NULL;

-- name: unfetched
SELECT COUNT(*) AS total FROM commands WHERE node_id IN (:ids*) AND state = 'queued' AND handed_at IS NULL;

-- name: cancel_of_nodes
UPDATE commands SET state = 'canceled', reason = :reason, finished_at = :now, body = '', headers = ''
WHERE node_id IN (:ids*) AND state = 'queued' AND handed_at IS NULL;

-- name: long_gone
SELECT id FROM nodes WHERE state = 'offline' AND last_seen < :before AND state_since < :before LIMIT 200;

-- name: delete_node
DELETE FROM nodes WHERE id = :node_id AND state = :state;

-- name: delete_certificates
DELETE FROM node_certificates WHERE node_id = :node_id;

-- name: delete_lanes
DELETE FROM node_lanes WHERE node_id = :node_id;

-- name: delete_drops
DELETE FROM node_drops WHERE node_id = :node_id;

-- name: delete_metrics
DELETE FROM node_metrics WHERE node_id = :node_id;

-- name: delete_plugin_metrics
DELETE FROM node_plugin_metrics WHERE node_id = :node_id;

-- name: delete_logs
DELETE FROM node_logs WHERE node_id = :node_id;

-- name: delete_events
DELETE FROM node_events WHERE node_id = :node_id;

-- name: delete_agent
DELETE FROM agents WHERE node_id = :node_id;

-- name: delete_daemon
DELETE FROM daemons WHERE node_id = :node_id;

-- name: delete_kinds
DELETE FROM node_kinds WHERE node_id = :node_id;

-- name: delete_updates
DELETE FROM update_records WHERE node_id = :node_id;

-- name: delete_output
DELETE FROM command_output WHERE command_id IN (SELECT id FROM commands WHERE node_id = :node_id);

-- name: delete_command_files
DELETE FROM command_files WHERE node_id = :node_id;

-- name: delete_commands
DELETE FROM commands WHERE node_id = :node_id;

-- name: delete_members
DELETE FROM node_group_members WHERE node_id = :node_id;

-- name: delete_field_values
DELETE FROM node_field_values WHERE node_id = :node_id;

-- name: delete_notes
DELETE FROM node_notes WHERE node_id = :node_id;

-- name: delete_states
DELETE FROM node_states WHERE node_id = :node_id;

-- name: delete_rollups
DELETE FROM node_rollups WHERE node_id = :node_id;

-- name: delete_plugin_rollups
DELETE FROM node_plugin_rollups WHERE node_id = :node_id;

-- name: delete_detail_rollups
DELETE FROM node_detail_rollups WHERE node_id = :node_id;

-- name: delete_rollups_due
DELETE FROM node_rollups_due WHERE node_id = :node_id;

-- name: delete_files
UPDATE files SET state = 'deleted' WHERE node_id = :node_id AND state <> 'deleted';

-- name: delete_audit_nodes
DELETE FROM audit_nodes WHERE node_id = :node_id;
