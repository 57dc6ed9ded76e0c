-- name: tags_of
SELECT id, name, state, tags FROM nodes WHERE id IN (:ids*) ORDER BY name;

-- name: set_tags
UPDATE nodes SET tags = :tags, updated_at = :now WHERE id = :id AND tags = :before;

-- name: next_version
UPDATE nodes SET version = version + 1 WHERE id = :id AND version = :version;

-- name: next_versions
UPDATE nodes SET version = version + 1 WHERE id IN (:ids*);

-- name: last_edit
SELECT e.actor AS updated_by, e.created_at AS updated_at FROM audit_nodes a JOIN audit_logs e ON e.id = a.entry
WHERE a.node_id = :node_id AND a.topic = 'action' AND e.action IN (:actions*) ORDER BY a.at DESC, a.entry DESC LIMIT 1;

-- name: insert_note
INSERT INTO node_notes (id, node_id, text, author, created_at) VALUES (:id, :node_id, :text, :author, :now);

-- name: notes
SELECT id, text, author, created_at FROM node_notes WHERE node_id = :node_id ORDER BY created_at DESC, id DESC;

-- name: delete_note
DELETE FROM node_notes WHERE id = :id AND node_id = :node_id;

-- name: field
SELECT name, title, type, choices, version, updated_at, updated_by FROM node_fields WHERE name = :name;

-- name: insert_field
INSERT INTO node_fields (name, title, type, choices, version, created_at, updated_at, updated_by)
VALUES (:name, :title, :type, :choices, 1, :now, :now, :who);

-- name: update_field
UPDATE node_fields SET title = :title, choices = :choices, version = version + 1, updated_at = :now, updated_by = :who
WHERE name = :name AND version = :version;

-- name: delete_field
DELETE FROM node_fields WHERE name = :name AND version = :version;

-- name: delete_field_values
DELETE FROM node_field_values WHERE field = :name;

-- name: field_use
SELECT value, COUNT(*) AS total FROM node_field_values WHERE field = :name GROUP BY value;

-- name: set_field
INSERT INTO node_field_values (node_id, field, value, folded, number) VALUES (:node_id, :field, :value, :folded, :number);

-- name: clear_field
DELETE FROM node_field_values WHERE node_id = :node_id AND field = :field;

-- name: field_values
SELECT v.node_id, v.field, v.value FROM node_field_values v WHERE v.node_id IN (:ids*) ORDER BY v.field;
