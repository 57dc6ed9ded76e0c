-- Tasks say what to do; commands are their signed deliveries, one a node; output comes back in chunks.
-- `body` is locked (server/seals.py) and empty once the command has ended: it may hold secrets.

CREATE TABLE tasks (
  id CHAR(26) NOT NULL PRIMARY KEY,
  name VARCHAR(190) NOT NULL,
  type VARCHAR(32) NOT NULL,
  content MEDIUMTEXT NOT NULL,
  cron_expr VARCHAR(128),
  state VARCHAR(16) NOT NULL,
  created_by CHAR(26) NOT NULL,
  created_at BIGINT NOT NULL
);

CREATE INDEX tasks_by_time ON tasks (created_at);

CREATE TABLE commands (
  id CHAR(26) NOT NULL PRIMARY KEY,
  node_id CHAR(26) NOT NULL,
  task_id CHAR(26),
  target_id CHAR(26),
  kind VARCHAR(32) NOT NULL,
  method VARCHAR(8) NOT NULL,
  path VARCHAR(190) NOT NULL,
  body MEDIUMTEXT NOT NULL,
  headers TEXT NOT NULL,
  state VARCHAR(16) NOT NULL,
  reason VARCHAR(255) NOT NULL,
  queued_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  deadline_at BIGINT NOT NULL,
  handed_at BIGINT,
  accepted_at BIGINT,
  started_at BIGINT,
  finished_at BIGINT,
  exit_code INT,
  exit_signal INT,
  stdout_bytes BIGINT NOT NULL,
  stderr_bytes BIGINT NOT NULL,
  truncated INT NOT NULL,
  created_by CHAR(26) NOT NULL
);

CREATE INDEX commands_by_node ON commands (node_id, state);

CREATE INDEX commands_by_state ON commands (state, queued_at);

CREATE INDEX commands_by_deadline ON commands (state, deadline_at);

CREATE INDEX commands_by_task ON commands (task_id);

CREATE INDEX commands_by_node_time ON commands (node_id, queued_at);

CREATE INDEX commands_by_target ON commands (target_id);

CREATE TABLE command_output (
  command_id CHAR(26) NOT NULL,
  chunk INT NOT NULL,
  stream VARCHAR(8) NOT NULL,
  start_offset BIGINT NOT NULL,
  at BIGINT NOT NULL,
  data MEDIUMBLOB NOT NULL,
  PRIMARY KEY (command_id, chunk)
);

-- The executions of tasks, under the name and columns of the requirements (5.2.3): the commands are the truth.
CREATE VIEW task_executions AS
  SELECT id, task_id, node_id, state AS status, exit_code, reason AS error, started_at, finished_at
  FROM commands WHERE task_id IS NOT NULL;
