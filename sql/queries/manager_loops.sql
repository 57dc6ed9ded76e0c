-- name: insert
INSERT INTO manager_loops (manager_id, loop_name, manager_name, failures, since, good_at, error, seen_at)
VALUES (:manager_id, :loop_name, :manager_name, :failures, :since, :good_at, :error, :seen_at);

-- name: delete
DELETE FROM manager_loops WHERE manager_id = :manager_id AND loop_name = :loop_name;

-- name: others
SELECT manager_name, loop_name, failures, since, good_at, error FROM manager_loops
WHERE seen_at >= :seen AND manager_id <> :manager_id ORDER BY since, manager_name, loop_name LIMIT :limit;

-- name: forget
DELETE FROM manager_loops WHERE seen_at < :before;
