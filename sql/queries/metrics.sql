-- name: insert
INSERT INTO node_metrics (node_id, at, epoch, seq, cpu_usage, memory_usage, disk_usage, load_1, network_rx, network_tx, detail)
VALUES (:node_id, :at, :epoch, :seq, :cpu_usage, :memory_usage, :disk_usage, :load_1, :network_rx, :network_tx, :detail);

-- name: series
SELECT at, cpu_usage, memory_usage, disk_usage, load_1, network_rx, network_tx FROM node_metrics
WHERE node_id = :node_id AND at >= :since AND at <= :until ORDER BY at LIMIT :limit;

-- name: latest
SELECT at, detail FROM node_metrics WHERE node_id = :node_id AND at >= :since ORDER BY at DESC LIMIT 10;

-- name: delete_before
DELETE FROM node_metrics WHERE at < :before;
