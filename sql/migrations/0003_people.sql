-- People, their sessions and tokens, and the record of what they did.
-- `seal`: an HMAC over what decides who may what, with a key that is not in here (server/seals.py).

CREATE TABLE users (
  id CHAR(26) NOT NULL PRIMARY KEY,
  name VARCHAR(64) NOT NULL UNIQUE,
  password_hash VARCHAR(255) NOT NULL,
  password_is_initial INT NOT NULL,
  role VARCHAR(16) NOT NULL,
  language VARCHAR(8) NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  disabled_at BIGINT,
  seal CHAR(64) NOT NULL
);

CREATE TABLE sessions (
  hash CHAR(64) NOT NULL PRIMARY KEY,
  user_id CHAR(26) NOT NULL,
  ip VARCHAR(64) NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  seal CHAR(64) NOT NULL
);

CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE api_tokens (
  id CHAR(26) NOT NULL PRIMARY KEY,
  hash CHAR(64) NOT NULL UNIQUE,
  user_id CHAR(26) NOT NULL,
  name VARCHAR(128) NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  revoked_at BIGINT,
  seal CHAR(64) NOT NULL
);

CREATE INDEX api_tokens_by_user ON api_tokens (user_id);

-- Wrong passwords by account and by address, for the growing wait.
CREATE TABLE sign_in_failures (
  subject VARCHAR(190) NOT NULL PRIMARY KEY,
  failures INT NOT NULL,
  last_at BIGINT NOT NULL
);

-- The head of the chain: its row is locked by each entry, so there is one order.
CREATE TABLE audit_head (
  id INT NOT NULL PRIMARY KEY,
  entries BIGINT NOT NULL,
  hash CHAR(64) NOT NULL
);

INSERT INTO audit_head (id, entries, hash) VALUES (1, 0, '');

CREATE TABLE audit_logs (
  id BIGINT NOT NULL PRIMARY KEY,
  created_at BIGINT NOT NULL,
  user_id CHAR(26) NOT NULL,
  actor VARCHAR(128) NOT NULL,
  action VARCHAR(64) NOT NULL,
  resource VARCHAR(190) NOT NULL,
  detail TEXT NOT NULL,
  ip VARCHAR(64) NOT NULL,
  hash CHAR(64) NOT NULL
);

CREATE INDEX audit_logs_by_time ON audit_logs (created_at);
