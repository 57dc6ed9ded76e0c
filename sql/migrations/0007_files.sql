-- The manager's store of files for tasks: what people put here for hosts, and what hosts send.
-- Bytes are rows of their own, so that every manager has them. `received` bytes are there, from the first on without a gap;
-- `size` is not known before a host has begun to send. `sha256` is empty until the file is whole.

CREATE TABLE files (
  id CHAR(26) NOT NULL PRIMARY KEY,
  name VARCHAR(190) NOT NULL,
  state VARCHAR(16) NOT NULL,
  size BIGINT,
  received BIGINT NOT NULL,
  sha256 CHAR(64) NOT NULL,
  node_id CHAR(26),
  created_by CHAR(26) NOT NULL,
  created_at BIGINT NOT NULL,
  used_at BIGINT NOT NULL
);

CREATE INDEX files_by_use ON files (state, used_at);

CREATE INDEX files_by_time ON files (created_at);

CREATE TABLE file_chunks (
  file_id CHAR(26) NOT NULL,
  start_offset BIGINT NOT NULL,
  size INT NOT NULL,
  data MEDIUMBLOB NOT NULL,
  PRIMARY KEY (file_id, start_offset)
);

-- Which command may do what with which file: `direction` is `read` (the host fetches it) or `write` (it sends it).
CREATE TABLE command_files (
  command_id CHAR(26) NOT NULL,
  file_id CHAR(26) NOT NULL,
  node_id CHAR(26) NOT NULL,
  direction VARCHAR(8) NOT NULL,
  PRIMARY KEY (command_id, file_id)
);

CREATE INDEX command_files_by_file ON command_files (file_id);
