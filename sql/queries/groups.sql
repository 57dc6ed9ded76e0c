-- name: lock_tree
UPDATE node_group_trees SET changes = changes + 1 WHERE kind = :kind;

-- name: by_id
SELECT id, kind, parent_id, name, protected, version, updated_at, updated_by FROM node_groups WHERE id = :id;

-- name: of_kind
SELECT id, kind, parent_id, name, protected, version, updated_at, updated_by FROM node_groups WHERE kind = :kind;

-- name: counts
SELECT m.group_id, COUNT(*) AS total FROM node_group_members m JOIN nodes n ON n.id = m.node_id
WHERE n.state <> 'retired' GROUP BY m.group_id;

-- name: insert
INSERT INTO node_groups (id, kind, parent_id, name, protected, version, created_at, updated_at, updated_by)
VALUES (:id, :kind, :parent_id, :name, :protected, 1, :now, :now, :who);

-- name: update
UPDATE node_groups SET parent_id = :parent_id, name = :name, protected = :protected, version = version + 1, updated_at = :now, updated_by = :who
WHERE id = :id AND version = :version;

-- name: delete
DELETE FROM node_groups WHERE id = :id AND version = :version;

-- name: move_children
UPDATE node_groups SET parent_id = :parent_id, version = version + 1, updated_at = :now, updated_by = :who WHERE parent_id = :id;

-- name: move_members
UPDATE node_group_members SET group_id = :parent_id WHERE group_id = :id;

-- name: drop_members
DELETE FROM node_group_members WHERE group_id = :id;

-- name: members
SELECT COUNT(*) AS total FROM node_group_members WHERE group_id = :id;

-- name: leave
DELETE FROM node_group_members WHERE node_id = :node_id AND kind = :kind;

-- name: join_group
INSERT INTO node_group_members (node_id, kind, group_id) VALUES (:node_id, :kind, :group_id);

-- name: of_nodes
SELECT m.node_id, m.kind, g.id, g.name, g.protected FROM node_group_members m JOIN node_groups g ON g.id = m.group_id
WHERE m.node_id IN (:ids*) ORDER BY m.kind;
