-- name: insert
INSERT INTO nodes (id, name, hostname, ip, group_id, tags, state, state_since, facts, fingerprint, machine, daemon_version,
  last_seen, created_at, updated_at)
VALUES (:id, :name, :hostname, :ip, NULL, :tags, :state, :now, :facts, :fingerprint, :machine, :daemon_version, :last_seen,
  :now, :now);

-- name: by_id
SELECT * FROM nodes WHERE id = :id;

-- name: by_ids
SELECT id, name, state FROM nodes WHERE id IN (:ids*);

-- name: keep__sqlite
SELECT id, name, state FROM nodes WHERE id IN (:ids*);

-- name: keep__mysql
SELECT id, name, state FROM nodes WHERE id IN (:ids*) ORDER BY id LOCK IN SHARE MODE;

-- name: lock__sqlite
SELECT id, state FROM nodes WHERE id IN (:ids*);

-- name: lock__mysql
SELECT id, state FROM nodes WHERE id IN (:ids*) ORDER BY id FOR UPDATE;

-- name: names_like
SELECT name FROM nodes WHERE name = :name OR name LIKE :pattern;

-- name: page
SELECT n.id, n.name, n.hostname, n.ip, n.tags, n.state, n.state_since, n.daemon_version, n.last_seen, n.facts,
  a.state AS agent_state, a.version AS agent_version
FROM nodes n LEFT JOIN agents a ON a.node_id = n.id LEFT JOIN node_facts f ON f.node_id = n.id
WHERE (1 = 1 /* selected */) AND (:state = '' OR n.state = :state) AND (:state <> '' OR :selected = 1 OR n.state <> 'retired')
  AND (:pattern = '' OR LOWER(n.name) LIKE :pattern ESCAPE '!' OR LOWER(n.ip) LIKE :pattern ESCAPE '!'
    OR LOWER(n.tags) LIKE :pattern ESCAPE '!')
ORDER BY /* sorted */ n.name, n.id LIMIT :limit OFFSET :offset;

-- name: total
SELECT COUNT(*) AS total FROM nodes n LEFT JOIN node_facts f ON f.node_id = n.id
WHERE (1 = 1 /* selected */) AND (:state = '' OR n.state = :state) AND (:state <> '' OR :selected = 1 OR n.state <> 'retired')
  AND (:pattern = '' OR LOWER(n.name) LIKE :pattern ESCAPE '!' OR LOWER(n.ip) LIKE :pattern ESCAPE '!'
    OR LOWER(n.tags) LIKE :pattern ESCAPE '!');

-- name: matching
SELECT n.id, n.name, n.state FROM nodes n LEFT JOIN agents a ON a.node_id = n.id LEFT JOIN node_facts f ON f.node_id = n.id
WHERE (1 = 1 /* selected */) AND (:state = '' OR n.state = :state) AND (:state <> '' OR :selected = 1 OR n.state <> 'retired')
  AND (:pattern = '' OR LOWER(n.name) LIKE :pattern ESCAPE '!' OR LOWER(n.ip) LIKE :pattern ESCAPE '!'
    OR LOWER(n.tags) LIKE :pattern ESCAPE '!')
ORDER BY /* sorted */ n.name, n.id;

-- name: exported
SELECT n.id, n.name, n.hostname, n.ip, n.tags, n.state, n.state_since, n.daemon_version, n.last_seen, n.created_at, n.facts,
  a.state AS agent_state, a.version AS agent_version
FROM nodes n LEFT JOIN agents a ON a.node_id = n.id WHERE n.id IN (:ids*);

-- name: count_by_state
SELECT state, COUNT(*) AS total FROM nodes GROUP BY state;

-- name: update_facts
UPDATE nodes SET hostname = :hostname, ip = :ip, facts = :facts, daemon_version = :daemon_version, updated_at = :now
WHERE id = :id;

-- name: move
UPDATE nodes SET state = :state, state_since = :now, updated_at = :now WHERE id = :id AND state IN (:from_states*);

-- name: move_all
UPDATE nodes SET state = :state, state_since = :now, updated_at = :now WHERE id IN (:ids*) AND state IN (:from_states*);

-- name: note_state
INSERT INTO node_states (id, node_id, at, state) VALUES (:id, :node_id, :now, :state);

-- name: delete_states_before
DELETE FROM node_states WHERE at < :before;

-- name: seen
UPDATE nodes SET last_seen = :at WHERE id = :id AND last_seen < :at;

-- name: silent
SELECT id FROM nodes WHERE state IN (:from_states*) AND last_seen < :before;

-- name: move_if_silent
UPDATE nodes SET state = :state, state_since = :now, updated_at = :now
WHERE id = :id AND state IN (:from_states*) AND last_seen <= :before;

-- name: drops
SELECT lane, epoch, first_seq, last_seq, at, why FROM node_drops WHERE node_id = :node_id ORDER BY at DESC LIMIT 100;

-- name: enrolled_since
SELECT id, name, ip, state, created_at FROM nodes WHERE created_at >= :since ORDER BY created_at DESC LIMIT 50;

-- name: every_id
SELECT id FROM nodes ORDER BY id;
