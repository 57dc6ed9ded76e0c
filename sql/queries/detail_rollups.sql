-- name: state
SELECT details_until, details_node, details_since FROM rollup_state WHERE name = 'samples';

-- name: begin
UPDATE rollup_state SET details_until = :until, details_since = :since
WHERE name = 'samples' AND leased_until = :lease AND details_until = 0;

-- name: advance
UPDATE rollup_state SET details_until = :until, details_node = :node
WHERE name = 'samples' AND leased_until = :lease AND details_until = :hour AND details_node = :after;

-- name: first
SELECT MIN(w.first) AS at FROM (
  SELECT (SELECT m.at FROM node_metrics m WHERE m.node_id = n.id ORDER BY m.at LIMIT 1) AS first FROM nodes n) w;

-- name: nodes_after
SELECT id FROM nodes WHERE id > :after ORDER BY id LIMIT :limit;

-- name: samples
SELECT at, detail FROM node_metrics WHERE node_id = :node_id AND at >= :since AND at < :until ORDER BY at, epoch, seq LIMIT :limit OFFSET :offset;

-- name: of_tier
SELECT at, detail FROM node_detail_rollups WHERE node_id = :node_id AND tier = :tier AND at >= :since AND at < :until ORDER BY at LIMIT :limit;

-- A node that was deleted meanwhile gets none.
-- name: put
REPLACE INTO node_detail_rollups (node_id, tier, at, detail) SELECT id, :tier, :at, :detail FROM nodes WHERE id = :node_id;

-- name: forget
DELETE FROM node_detail_rollups WHERE node_id = :node_id AND tier = :tier AND at < :before;
