-- name: insert_user
INSERT INTO users (id, name, password_hash, password_is_initial, role, language, created_at, updated_at, disabled_at, seal)
VALUES (:id, :name, :password_hash, :initial, :role, '', :now, :now, NULL, :seal);

-- name: user_by_name
SELECT * FROM users WHERE name = :name;

-- name: any_user
SELECT id FROM users LIMIT 1;

-- name: set_password
UPDATE users SET password_hash = :password_hash, password_is_initial = :initial, updated_at = :now, seal = :seal WHERE id = :id;

-- name: accounts
SELECT name, role, created_at, disabled_at FROM users ORDER BY name;

-- name: set_disabled
UPDATE users SET disabled_at = :disabled_at, updated_at = :now, seal = :seal WHERE id = :id;

-- name: set_language
UPDATE users SET language = :language, updated_at = :now WHERE id = :id;

-- name: insert_session
INSERT INTO sessions (hash, user_id, ip, created_at, expires_at, seal) VALUES (:hash, :user_id, :ip, :now, :expires_at, :seal);

-- name: session
SELECT s.hash, s.expires_at, s.seal AS grant_seal, u.id, u.name, u.role, u.language, u.password_is_initial, u.password_hash,
  u.disabled_at, u.seal
FROM sessions s JOIN users u ON u.id = s.user_id
WHERE s.hash = :hash AND s.expires_at > :now AND u.disabled_at IS NULL;

-- name: delete_session
DELETE FROM sessions WHERE hash = :hash;

-- name: delete_sessions_of_user
DELETE FROM sessions WHERE user_id = :user_id;

-- name: delete_expired_sessions
DELETE FROM sessions WHERE expires_at <= :now;

-- name: insert_token
INSERT INTO api_tokens (id, hash, user_id, name, created_at, expires_at, revoked_at, seal)
VALUES (:id, :hash, :user_id, :name, :now, :expires_at, NULL, :seal);

-- name: token
SELECT t.id AS token_id, t.hash, t.expires_at, t.seal AS grant_seal, u.id, u.name, u.role, u.language, u.password_hash,
  u.disabled_at, u.seal
FROM api_tokens t JOIN users u ON u.id = t.user_id
WHERE t.hash = :hash AND t.expires_at > :now AND t.revoked_at IS NULL AND u.disabled_at IS NULL;

-- name: revoke_token
UPDATE api_tokens SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL;

-- name: revoke_tokens_of_user
UPDATE api_tokens SET revoked_at = :now WHERE user_id = :user_id AND revoked_at IS NULL;

-- name: failures
SELECT subject, failures, last_at FROM sign_in_failures WHERE subject IN (:subjects*);

-- name: first_failure__sqlite
INSERT OR IGNORE INTO sign_in_failures (subject, failures, last_at) VALUES (:subject, 1, :now);

-- name: first_failure__mysql
INSERT IGNORE INTO sign_in_failures (subject, failures, last_at) VALUES (:subject, 1, :now);

-- name: next_failure
UPDATE sign_in_failures SET failures = CASE WHEN last_at < :since THEN 1 ELSE failures + 1 END, last_at = :now
WHERE subject = :subject;

-- name: forget_failures
DELETE FROM sign_in_failures WHERE subject IN (:subjects*);

-- name: user_by_id
SELECT * FROM users WHERE id = :id;
