-- name: known_chunk
SELECT chunk FROM command_output WHERE command_id = :command_id AND chunk = :chunk;

-- name: insert
INSERT INTO command_output (command_id, chunk, stream, start_offset, at, data)
VALUES (:command_id, :chunk, :stream, :start_offset, :at, :data);

-- name: after
SELECT chunk, stream, start_offset, at, data FROM command_output
WHERE command_id = :command_id AND chunk >= :chunk ORDER BY chunk LIMIT :limit;

-- name: take_in
UPDATE commands SET output_bytes = output_bytes + :size
WHERE id = :command_id AND node_id = :node_id AND output_bytes + :size <= :most AND (finished_at IS NULL OR finished_at > :since);
