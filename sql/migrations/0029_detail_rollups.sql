-- Roll-ups of details: what each mount, disk, interface, core and GPU of a node came to over an hour, 6 hours and a day.

-- `at` is the begin of the span, `tier` its length in ms; `detail` is JSON: kind → name → mean, least, most and count of each figure.
CREATE TABLE node_detail_rollups (
  node_id CHAR(26) NOT NULL,
  tier INT NOT NULL,
  at BIGINT NOT NULL,
  detail MEDIUMTEXT NOT NULL,
  PRIMARY KEY (node_id, tier, at)
);

-- Hours before `details_until` are rolled up; of the hour that begins then, the nodes up to `details_node`. `details_since`: the first hour
-- whose details were still there when a manager with a longer past began with it; 0 where nothing was missed.
ALTER TABLE rollup_state ADD COLUMN details_until BIGINT NOT NULL DEFAULT 0;

ALTER TABLE rollup_state ADD COLUMN details_node VARCHAR(26) NOT NULL DEFAULT '';

ALTER TABLE rollup_state ADD COLUMN details_since BIGINT NOT NULL DEFAULT 0;
