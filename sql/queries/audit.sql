-- name: lock
UPDATE audit_head SET entries = entries + 1 WHERE id = 1;

-- name: head
SELECT entries, hash FROM audit_head WHERE id = 1;

-- name: set_head
UPDATE audit_head SET hash = :hash WHERE id = 1;

-- name: insert
INSERT INTO audit_logs (id, created_at, user_id, actor, action, resource, detail, ip, hash)
VALUES (:id, :created_at, :user_id, :actor, :action, :resource, :detail, :ip, :hash);

-- name: page
SELECT id, created_at, user_id, actor, action, resource, detail, ip FROM audit_logs a WHERE (1 = 1 /* filtered */)
ORDER BY /* sorted */ id DESC LIMIT :limit OFFSET :offset;

-- name: total
SELECT entries AS total FROM audit_head WHERE id = 1;

-- name: total_of
SELECT COUNT(*) AS total FROM audit_logs a WHERE (1 = 1 /* filtered */);

-- name: chain
SELECT id, created_at, user_id, actor, action, resource, detail, ip, hash FROM audit_logs
WHERE id > :after ORDER BY id LIMIT 1000;

-- name: written_at
SELECT created_at FROM audit_logs WHERE id = :id;

-- name: link
INSERT INTO audit_nodes (node_id, topic, at, entry) VALUES (:node_id, :topic, :at, :entry);
