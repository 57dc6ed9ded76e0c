-- name: insert_token
INSERT INTO enrolment_tokens (id, hash, note, tags, uses, uses_left, expires_at, created_by, created_at, revoked_at, node_name,
  for_node)
VALUES (:id, :hash, :note, :tags, :uses, :uses, :expires_at, :created_by, :now, NULL, :node_name, :for_node);

-- name: watched
SELECT uses, uses_left, created_at, expires_at, revoked_at, refused_at, refused_host, refused_ip, refused_why
FROM enrolment_tokens WHERE id = :id;

-- name: arrived
SELECT n.id, n.name, n.state, n.ip, n.last_seen, MIN(c.created_at) AS enrolled_at
FROM node_certificates c JOIN nodes n ON n.id = c.node_id WHERE c.token_id = :id
GROUP BY n.id, n.name, n.state, n.ip, n.last_seen ORDER BY enrolled_at DESC, n.id DESC LIMIT :limit;

-- name: refuse
UPDATE enrolment_tokens SET refused_at = :now, refused_host = :host, refused_ip = :ip, refused_why = :why
WHERE id = :id AND (refused_at IS NULL OR refused_at <= :before);

-- name: token_by_hash
SELECT id, tags, uses_left, expires_at, revoked_at, node_name, for_node FROM enrolment_tokens WHERE hash = :hash;

-- name: use_token
UPDATE enrolment_tokens SET uses_left = uses_left - 1
WHERE id = :id AND uses_left > 0 AND expires_at > :now AND revoked_at IS NULL;

-- name: insert_certificate
INSERT INTO node_certificates (fingerprint, node_id, public_key, certificate, token_id, not_after, created_at, revoked_at)
VALUES (:fingerprint, :node_id, :public_key, :certificate, :token_id, :not_after, :now, NULL);

-- name: certificate_by_key
SELECT c.fingerprint, c.node_id, c.certificate, c.token_id, c.not_after, c.revoked_at, n.name
FROM node_certificates c JOIN nodes n ON n.id = c.node_id WHERE c.public_key = :public_key;

-- name: caller
SELECT c.fingerprint, c.node_id, c.not_after, c.revoked_at, c.created_at, n.name, n.state, n.machine,
  (SELECT COUNT(*) FROM node_machines m WHERE m.node_id = c.node_id AND m.standing = 'claims') AS claims,
  (SELECT COUNT(*) FROM node_certificates o
   WHERE o.node_id = c.node_id AND o.revoked_at IS NULL AND o.created_at < c.created_at) AS older
FROM node_certificates c JOIN nodes n ON n.id = c.node_id WHERE c.fingerprint = :fingerprint;

-- name: newest
SELECT MAX(created_at) AS newest FROM node_certificates WHERE node_id = :node_id;

-- name: revoke_older
UPDATE node_certificates SET revoked_at = :now WHERE node_id = :node_id AND revoked_at IS NULL AND created_at < :created_at;

-- name: revoke_newer
UPDATE node_certificates SET revoked_at = :now WHERE node_id = :node_id AND revoked_at IS NULL AND created_at > :created_at;

-- name: revoke_certificates
UPDATE node_certificates SET revoked_at = :now WHERE node_id = :node_id AND revoked_at IS NULL;
