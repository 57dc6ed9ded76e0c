-- The request that gave a command: its id is in the manager's log, in the host's log and here.

ALTER TABLE commands ADD COLUMN request_id VARCHAR(64) NOT NULL DEFAULT '';
