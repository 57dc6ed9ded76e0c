-- name: names__mysql
SELECT table_name AS name, partition_name AS part FROM information_schema.partitions
WHERE table_schema = DATABASE() AND table_name IN (:tables*) ORDER BY table_name, partition_ordinal_position;

-- name: lock__mysql
SELECT GET_LOCK(CONCAT('ops_partitions_', LEFT(SHA2(DATABASE(), 256), 40)), 0) AS taken;

-- name: unlock__mysql
SELECT RELEASE_LOCK(CONCAT('ops_partitions_', LEFT(SHA2(DATABASE(), 256), 40))) AS released;
