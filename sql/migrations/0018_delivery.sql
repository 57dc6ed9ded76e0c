-- Who is told of alerts, what was to be told to whom, and what came of each attempt.
-- `settings` is JSON without secrets, `secrets` JSON that only the manager can read (server/seals.py), `event_kinds` a JSON list.

CREATE TABLE receivers (
  id CHAR(26) NOT NULL PRIMARY KEY,
  name VARCHAR(64) NOT NULL UNIQUE,
  kind VARCHAR(16) NOT NULL,
  enabled INT NOT NULL,
  min_severity VARCHAR(16) NOT NULL,
  selector TEXT NOT NULL,
  event_kinds VARCHAR(190) NOT NULL,
  settings TEXT NOT NULL,
  secrets TEXT NOT NULL,
  version INT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  updated_by VARCHAR(128) NOT NULL
);

-- What changes with each message, beside what people change: neither waits for the other. `leased_until`: until then one manager
-- sends to this receiver; `pause_until`: nothing is tried before; `failing_since`: 0 while it takes what it is given.
CREATE TABLE receiver_health (
  receiver_id CHAR(26) NOT NULL PRIMARY KEY,
  leased_by VARCHAR(32) NOT NULL,
  leased_until BIGINT NOT NULL,
  pause_until BIGINT NOT NULL,
  failures INT NOT NULL,
  failing_since BIGINT NOT NULL,
  ok_at BIGINT NOT NULL,
  problem VARCHAR(500) NOT NULL,
  minute_at BIGINT NOT NULL,
  minute_sent INT NOT NULL,
  repeat_at BIGINT NOT NULL
);

-- One row for each event and receiver, written with the event. `place`: its number among what this alert had to tell, by which nothing
-- overtakes. `message_id`: the delivery under whose id it is sent: its own, or, folded into a digest, that of the first in there.
CREATE TABLE deliveries (
  id CHAR(26) NOT NULL PRIMARY KEY,
  receiver_id CHAR(26) NOT NULL,
  receiver_name VARCHAR(64) NOT NULL,
  alert_id VARCHAR(26) NOT NULL,
  place INT NOT NULL,
  event_kind VARCHAR(16) NOT NULL,
  severity VARCHAR(16) NOT NULL,
  event TEXT NOT NULL,
  message_id CHAR(26) NOT NULL,
  state VARCHAR(16) NOT NULL,
  reason VARCHAR(500) NOT NULL,
  attempts INT NOT NULL,
  created_at BIGINT NOT NULL,
  next_at BIGINT NOT NULL,
  deadline_at BIGINT NOT NULL,
  finished_at BIGINT NOT NULL
);

CREATE INDEX deliveries_by_state ON deliveries (state, next_at);

CREATE INDEX deliveries_by_receiver ON deliveries (receiver_id, state, created_at);

CREATE INDEX deliveries_by_alert ON deliveries (alert_id, created_at);

CREATE INDEX deliveries_by_time ON deliveries (created_at);

CREATE INDEX deliveries_by_message ON deliveries (message_id);

CREATE TABLE delivery_attempts (
  message_id CHAR(26) NOT NULL,
  id CHAR(26) NOT NULL,
  begun_at BIGINT NOT NULL,
  took_ms BIGINT NOT NULL,
  status INT NOT NULL,
  good INT NOT NULL,
  answer VARCHAR(500) NOT NULL,
  PRIMARY KEY (message_id, id)
);

CREATE INDEX delivery_attempts_by_time ON delivery_attempts (begun_at);

-- What Alertmanager is told again and again: it forgets an alert of which it hears nothing. `event` is the newest word on it.
CREATE TABLE receiver_firing (
  receiver_id CHAR(26) NOT NULL,
  alert_id VARCHAR(26) NOT NULL,
  event TEXT NOT NULL,
  resolved_at BIGINT NOT NULL,
  PRIMARY KEY (receiver_id, alert_id)
);
