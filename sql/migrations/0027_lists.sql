-- What the lists of alerts, deliveries, commands and the audit log are narrowed down and ordered by.

CREATE INDEX alerts_by_time ON alerts (opened_at, id);

CREATE INDEX deliveries_by_state_time ON deliveries (state, created_at);

CREATE INDEX deliveries_by_receiver_time ON deliveries (receiver_id, created_at);

CREATE INDEX audit_logs_by_actor ON audit_logs (actor, id);

CREATE INDEX audit_logs_by_action ON audit_logs (action, id);

CREATE INDEX audit_logs_by_resource ON audit_logs (resource, id);

-- Commands that stop another have a target, and are in no list.
CREATE INDEX commands_by_time ON commands (target_id, queued_at);
