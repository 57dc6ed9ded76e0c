-- What creating calls with an Idempotency-Key answered, written in the transaction of what they made. `id` is a hash of who
-- called and of the key, `request` one of what was asked; `answer` is locked (server/seals.py), for it may hold a new token.

CREATE TABLE answers (
  id CHAR(64) NOT NULL PRIMARY KEY,
  request CHAR(64) NOT NULL,
  answer MEDIUMTEXT NOT NULL,
  created_at BIGINT NOT NULL
);

CREATE INDEX answers_by_time ON answers (created_at);
