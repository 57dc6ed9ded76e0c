-- Which machine is a node, who else claims to be it, and when it changed its state.

-- The mark (host/wire/machine.py) of the machine that is this node; empty until it has told one.
ALTER TABLE nodes ADD COLUMN machine VARCHAR(255) NOT NULL DEFAULT '';

-- Machines that called with a certificate of the node, by their mark. `standing`: own, claims, former, split.
CREATE TABLE node_machines (
  node_id CHAR(26) NOT NULL,
  marks VARCHAR(255) NOT NULL,
  standing VARCHAR(16) NOT NULL,
  ip VARCHAR(64) NOT NULL,
  first_at BIGINT NOT NULL,
  last_at BIGINT NOT NULL,
  PRIMARY KEY (node_id, marks)
);

-- Each change of a node's state; bounded by retention.
CREATE TABLE node_states (
  id CHAR(26) NOT NULL PRIMARY KEY,
  node_id CHAR(26) NOT NULL,
  at BIGINT NOT NULL,
  state VARCHAR(16) NOT NULL
);

CREATE INDEX node_states_by_node ON node_states (node_id, at, id);

CREATE INDEX node_states_by_time ON node_states (at);
