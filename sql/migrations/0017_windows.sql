-- Maintenance windows, and commands that wait for one.
-- `schedule` is JSON (server/windows/schedule.py); `zone` an IANA name, or `host` for each host's own.

CREATE TABLE maintenance_windows (
  id CHAR(26) NOT NULL PRIMARY KEY,
  name VARCHAR(120) NOT NULL,
  reason TEXT NOT NULL,
  selector TEXT NOT NULL,
  schedule TEXT NOT NULL,
  zone VARCHAR(64) NOT NULL,
  silences INT NOT NULL,
  opens INT NOT NULL,
  enabled INT NOT NULL,
  version INT NOT NULL,
  created_by VARCHAR(128) NOT NULL,
  created_at BIGINT NOT NULL,
  updated_by VARCHAR(128) NOT NULL,
  updated_at BIGINT NOT NULL
);

-- A command's gate: `waits` 0 for none, 1 while it waits for a window, 2 once a window has let it out. While it waits it may be handed
-- out from `opens_at` on and before `start_by`, the last moment at which it still ends before the window does.
ALTER TABLE commands ADD COLUMN waits INT NOT NULL DEFAULT 0;

ALTER TABLE commands ADD COLUMN window_id VARCHAR(26) NOT NULL DEFAULT '';

ALTER TABLE commands ADD COLUMN opens_at BIGINT;

ALTER TABLE commands ADD COLUMN start_by BIGINT;

CREATE INDEX commands_by_gate ON commands (waits, state, node_id);

-- As the host names it; beside what selectors look at, because both are made anew from a node's facts.
ALTER TABLE node_facts ADD COLUMN timezone VARCHAR(64) NOT NULL DEFAULT '';

-- The next start makes them again, with the time zone (service/node_index.py: index_missing).
DELETE FROM node_facts;
