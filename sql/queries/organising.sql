-- name: insert_facts
INSERT INTO node_facts (node_id, id_text, name, hostname, os, kernel, arch, version, cpu_count, memory, timezone)
VALUES (:node_id, :id_text, :name, :hostname, :os, :kernel, :arch, :version, :cpu_count, :memory, :timezone);

-- name: delete_facts
DELETE FROM node_facts WHERE node_id = :node_id;

-- name: insert_address
INSERT INTO node_addresses (node_id, address) VALUES (:node_id, :address);

-- name: delete_addresses
DELETE FROM node_addresses WHERE node_id = :node_id;

-- name: insert_tag
INSERT INTO node_tags (node_id, name, value) VALUES (:node_id, :name, :value);

-- name: delete_tags
DELETE FROM node_tags WHERE node_id = :node_id;

-- name: not_indexed
SELECT n.id, n.name, n.hostname, n.ip, n.tags, n.facts, n.daemon_version FROM nodes n
WHERE NOT EXISTS (SELECT 1 FROM node_facts f WHERE f.node_id = n.id) ORDER BY n.id LIMIT 500;

-- name: tag_names
SELECT DISTINCT name FROM node_tags ORDER BY name LIMIT 2000;

-- name: groups
SELECT id, kind, parent_id, name, protected, version, updated_at, updated_by FROM node_groups ORDER BY kind, name, id;

-- name: fields
SELECT name, title, type, choices, version, updated_at, updated_by FROM node_fields ORDER BY name;

-- name: selected
SELECT n.id, n.name, n.state FROM nodes n JOIN node_facts f ON f.node_id = n.id
WHERE (1 = 1 /* selected */) ORDER BY n.name, n.id LIMIT :limit;

-- name: selected_among
SELECT n.id FROM nodes n JOIN node_facts f ON f.node_id = n.id WHERE n.id IN (:ids*) AND (1 = 1 /* selected */);

-- name: selected_states
SELECT n.state, COUNT(*) AS total FROM nodes n JOIN node_facts f ON f.node_id = n.id
WHERE (1 = 1 /* selected */) GROUP BY n.state;

-- name: insert_filter
INSERT INTO saved_filters (id, name, selector, author, created_at) VALUES (:id, :name, :selector, :author, :now);

-- name: filters
SELECT id, name, selector, author, created_at FROM saved_filters ORDER BY name;

-- name: filter_by_name
SELECT id FROM saved_filters WHERE name = :name;

-- name: delete_filter
DELETE FROM saved_filters WHERE id = :id;

-- name: told_zones
SELECT DISTINCT timezone FROM node_facts;
