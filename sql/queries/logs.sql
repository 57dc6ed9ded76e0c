-- name: page
SELECT l.at, l.node_id, n.name AS node_name, l.epoch, l.seq, l.component, l.level, l.logger, l.message
FROM (SELECT node_id, at, epoch, seq, component, level, logger, message FROM node_logs
  WHERE at >= :since AND at <= :at AND (at < :at OR node_id < :node OR (node_id = :node AND (epoch < :epoch OR (epoch = :epoch AND seq < :seq))))
  ORDER BY at DESC, node_id DESC, epoch DESC, seq DESC LIMIT :scan) l JOIN nodes n ON n.id = l.node_id
WHERE (:any = 1 OR LOWER(l.level) IN (:levels*))
  AND (:pattern = '' OR LOWER(l.message) LIKE :pattern ESCAPE '!' OR LOWER(n.name) LIKE :pattern ESCAPE '!' OR LOWER(l.logger) LIKE :pattern ESCAPE '!')
ORDER BY l.at DESC, l.node_id DESC, l.epoch DESC, l.seq DESC LIMIT :limit;

-- name: page_of_node
SELECT l.at, l.node_id, n.name AS node_name, l.epoch, l.seq, l.component, l.level, l.logger, l.message
FROM (SELECT node_id, at, epoch, seq, component, level, logger, message FROM node_logs
  WHERE node_id = :node AND at >= :since AND at <= :at AND (at < :at OR epoch < :epoch OR (epoch = :epoch AND seq < :seq))
  ORDER BY at DESC, epoch DESC, seq DESC LIMIT :scan) l JOIN nodes n ON n.id = l.node_id
WHERE (:any = 1 OR LOWER(l.level) IN (:levels*))
  AND (:pattern = '' OR LOWER(l.message) LIKE :pattern ESCAPE '!' OR LOWER(l.logger) LIKE :pattern ESCAPE '!')
ORDER BY l.at DESC, l.epoch DESC, l.seq DESC LIMIT :limit;

-- name: boundary
SELECT at, node_id, epoch, seq FROM node_logs
WHERE at >= :since AND at <= :at AND (at < :at OR node_id < :node OR (node_id = :node AND (epoch < :epoch OR (epoch = :epoch AND seq < :seq))))
ORDER BY at DESC, node_id DESC, epoch DESC, seq DESC LIMIT 1 OFFSET :skip;

-- name: boundary_of_node
SELECT at, node_id, epoch, seq FROM node_logs
WHERE node_id = :node AND at >= :since AND at <= :at AND (at < :at OR epoch < :epoch OR (epoch = :epoch AND seq < :seq))
ORDER BY at DESC, epoch DESC, seq DESC LIMIT 1 OFFSET :skip;
