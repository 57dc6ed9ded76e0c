-- name: node__sqlite
SELECT id, name, state, state_since, machine, last_seen, created_at, ip FROM nodes WHERE id = :id;

-- name: node__mysql
SELECT id, name, state, state_since, machine, last_seen, created_at, ip FROM nodes WHERE id = :id FOR UPDATE;

-- name: of_node
SELECT marks, standing, ip, first_at, last_at FROM node_machines WHERE node_id = :node_id ORDER BY first_at, marks;

-- name: insert
INSERT INTO node_machines (node_id, marks, standing, ip, first_at, last_at) VALUES (:node_id, :marks, :standing, :ip, :first, :now);

-- name: touch
UPDATE node_machines SET standing = :standing, ip = :ip, last_at = :now WHERE node_id = :node_id AND marks = :marks;

-- name: stand
UPDATE node_machines SET standing = :standing WHERE node_id = :node_id AND marks = :marks;

-- name: delete_one
DELETE FROM node_machines WHERE node_id = :node_id AND marks = :marks;

-- name: delete_of_node
DELETE FROM node_machines WHERE node_id = :node_id;

-- name: set_machine
UPDATE nodes SET machine = :machine, updated_at = :now WHERE id = :id AND machine = :before;

-- name: set_fingerprint
UPDATE nodes SET fingerprint = :fingerprint, updated_at = :now WHERE id = :id AND machine = :machine AND fingerprint <> :fingerprint;

-- name: leave_quarantine
UPDATE nodes SET state = 'offline', state_since = :now, updated_at = :now, machine = :machine
WHERE id = :id AND state = 'quarantined' AND state_since = :since;

-- name: split_off
SELECT node_id FROM node_machines WHERE marks = :marks AND standing = 'split' LIMIT 1;
