-- name: all
SELECT number, name, checksum, done FROM schema_migrations ORDER BY number;

-- name: begin
INSERT INTO schema_migrations (number, name, checksum, done, applied_at) VALUES (:number, :name, :checksum, 0, :now);

-- name: progress
UPDATE schema_migrations SET done = :done WHERE number = :number;
