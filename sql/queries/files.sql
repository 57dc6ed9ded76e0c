-- name: insert
INSERT INTO files (id, name, state, size, received, sha256, node_id, created_by, created_at, used_at)
VALUES (:id, :name, 'receiving', :size, 0, '', :node_id, :created_by, :now, :now);

-- name: by_id
SELECT * FROM files WHERE id = :id AND state <> 'deleted';

-- name: by_ids
SELECT * FROM files WHERE id IN (:ids*) AND state <> 'deleted';

-- name: page
SELECT f.*, u.name AS creator, n.name AS node_name,
  (SELECT COUNT(*) FROM command_files cf WHERE cf.file_id = f.id) AS commands,
  (SELECT COUNT(*) FROM command_files cf JOIN commands c ON c.id = cf.command_id
    WHERE cf.file_id = f.id AND c.state IN ('queued', 'accepted', 'started')) AS busy
FROM files f LEFT JOIN users u ON u.id = f.created_by LEFT JOIN nodes n ON n.id = f.node_id
WHERE f.state <> 'deleted' AND (1 = 1 /* filtered */)
ORDER BY /* sorted */ f.created_at DESC, f.id DESC LIMIT :limit OFFSET :offset;

-- name: total
SELECT COUNT(*) AS total FROM files f WHERE f.state <> 'deleted' AND (1 = 1 /* filtered */);

-- name: occupied
SELECT COALESCE(SUM(CASE WHEN state = 'receiving' AND size > received THEN size ELSE received END), 0) AS bytes FROM files;

-- name: grow
UPDATE files SET received = :after, size = :size, used_at = :now WHERE id = :id AND received = :before AND state = 'receiving';

-- name: insert_chunk
INSERT INTO file_chunks (file_id, start_offset, size, data) VALUES (:file_id, :start_offset, :size, :data);

-- name: chunks
SELECT start_offset, size, data FROM file_chunks
WHERE file_id = :file_id AND start_offset > :least AND start_offset < :until AND start_offset + size > :offset
ORDER BY start_offset LIMIT :limit;

-- name: finish
UPDATE files SET state = 'ready', sha256 = :sha256, used_at = :now
WHERE id = :id AND state = 'receiving' AND received = :size AND size = :size;

-- name: use
UPDATE files SET used_at = :now WHERE id IN (:ids*) AND state <> 'deleted' AND used_at < :now;

-- name: give_up
UPDATE files SET state = 'deleted' WHERE id = :id AND state <> 'deleted';

-- name: in_use
SELECT cf.command_id FROM command_files cf JOIN commands c ON c.id = cf.command_id
WHERE cf.file_id = :id AND c.state IN ('queued', 'accepted', 'started') LIMIT 1;

-- name: link
INSERT INTO command_files (command_id, file_id, node_id, direction) VALUES (:command_id, :file_id, :node_id, :direction);

-- name: of_node
SELECT f.* FROM files f JOIN command_files cf ON cf.file_id = f.id JOIN commands c ON c.id = cf.command_id
WHERE f.id = :id AND f.state <> 'deleted' AND cf.node_id = :node_id AND cf.direction = :direction
  AND c.node_id = :node_id AND c.state IN ('queued', 'accepted', 'started') LIMIT 1;

-- name: expire
UPDATE files SET state = 'deleted' WHERE state <> 'deleted' AND (used_at < :before OR (state = 'receiving' AND node_id IS NOT NULL))
  AND NOT EXISTS (SELECT 1 FROM command_files cf JOIN commands c ON c.id = cf.command_id
    WHERE cf.file_id = files.id AND c.state IN ('queued', 'accepted', 'started'));

-- name: deleted
SELECT id FROM files WHERE state = 'deleted' ORDER BY id LIMIT 20;

-- name: first_chunks
SELECT start_offset FROM file_chunks WHERE file_id = :id ORDER BY start_offset LIMIT :limit;

-- name: delete_chunks
DELETE FROM file_chunks WHERE file_id = :id AND start_offset <= :last;

-- name: unlink
DELETE FROM command_files WHERE file_id = :id;

-- name: delete
DELETE FROM files WHERE id = :id AND state = 'deleted';

-- name: filled_by
SELECT f.id FROM command_files c JOIN files f ON f.id = c.file_id
WHERE c.command_id = :command_id AND c.direction = 'write' AND f.state = 'ready';
