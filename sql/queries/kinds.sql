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
SELECT id FROM nodes WHERE state <> 'retired';
