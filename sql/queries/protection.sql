-- name: some
SELECT id FROM node_groups WHERE protected = 1 LIMIT 1;

-- name: tree
SELECT id, kind, parent_id, name, protected FROM node_groups;

-- name: holding
SELECT group_id, COUNT(*) AS total FROM node_group_members WHERE node_id IN (:ids*) GROUP BY group_id;
