-- name: known
SELECT hash FROM node_kinds WHERE node_id = :node_id;

-- name: update
UPDATE node_kinds SET kinds = :kinds, hash = :hash, refused = :refused, told_at = :at WHERE node_id = :node_id;

-- name: insert
INSERT INTO node_kinds (node_id, kinds, hash, refused, told_at) VALUES (:node_id, :kinds, :hash, :refused, :at);

-- name: of_node
SELECT kinds, hash, refused, told_at FROM node_kinds WHERE node_id = :node_id;

-- name: hashes
SELECT node_id, hash FROM node_kinds WHERE node_id IN (:ids*);

-- name: in_service
SELECT n.id AS node_id, k.hash FROM nodes n LEFT JOIN node_kinds k ON k.node_id = n.id WHERE n.state <> 'retired';

-- name: sets
SELECT COALESCE(k.hash, '') AS hash, MIN(n.id) AS node_id FROM nodes n LEFT JOIN node_kinds k ON k.node_id = n.id
WHERE n.state <> 'retired' GROUP BY COALESCE(k.hash, '');
