-- Background loops that fail, of every manager on this database: each writes its own when one begins to fail or is well again, and once a
-- minute while it fails. What was not seen for minutes is of a manager that is gone.

CREATE TABLE manager_loops (
  manager_id VARCHAR(26) NOT NULL,
  loop_name VARCHAR(32) NOT NULL,
  manager_name VARCHAR(255) NOT NULL,
  failures INT NOT NULL,
  since BIGINT NOT NULL,
  good_at BIGINT NOT NULL,
  error VARCHAR(300) NOT NULL,
  seen_at BIGINT NOT NULL,
  PRIMARY KEY (manager_id, loop_name)
);

CREATE INDEX manager_loops_by_time ON manager_loops (seen_at);
