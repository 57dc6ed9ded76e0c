-- What each turn of the alerts reads in the order of time: by an index of its own, since with a limit a server would rather walk all alerts
-- in their order than sort the few that are meant.

CREATE INDEX alerts_by_group_time ON alerts (group_id, opened_at, id);

CREATE INDEX alerts_by_command_time ON alerts (command_state, opened_at, id);
