-- name: find
SELECT id, request, answer FROM answers WHERE id = :id;

-- name: insert
INSERT INTO answers (id, request, answer, created_at) VALUES (:id, :request, :answer, :now);

-- name: forget
DELETE FROM answers WHERE created_at < :before;
