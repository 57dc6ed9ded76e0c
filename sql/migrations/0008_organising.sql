-- How nodes are organised: what selectors look at, groups, custom fields, notes, saved filters, who waits for approval.
-- Text that is compared is stored without case (server/selector/values.py), so that both databases compare alike.

CREATE TABLE node_facts (
  node_id CHAR(26) NOT NULL PRIMARY KEY,
  id_text CHAR(26) NOT NULL,
  name VARCHAR(255) NOT NULL,
  hostname VARCHAR(255) NOT NULL,
  os VARCHAR(255) NOT NULL,
  kernel VARCHAR(255) NOT NULL,
  arch VARCHAR(255) NOT NULL,
  version VARCHAR(255) NOT NULL,
  cpu_count BIGINT NOT NULL,
  memory BIGINT NOT NULL
);

CREATE TABLE node_addresses (
  node_id CHAR(26) NOT NULL,
  address CHAR(32) NOT NULL,
  PRIMARY KEY (node_id, address)
);

CREATE INDEX node_addresses_by_address ON node_addresses (address);

CREATE TABLE node_tags (
  node_id CHAR(26) NOT NULL,
  name VARCHAR(255) NOT NULL,
  value VARCHAR(255) NOT NULL,
  PRIMARY KEY (node_id, name)
);

CREATE INDEX node_tags_by_name ON node_tags (name, value);

-- Trees of three kinds. `parent_id` is empty at the top, not NULL, so that names are unique there too.
CREATE TABLE node_groups (
  id CHAR(26) NOT NULL PRIMARY KEY,
  kind VARCHAR(16) NOT NULL,
  parent_id VARCHAR(26) NOT NULL,
  name VARCHAR(64) NOT NULL,
  protected INT NOT NULL,
  version INT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  updated_by VARCHAR(128) NOT NULL,
  UNIQUE (kind, parent_id, name)
);

CREATE TABLE node_group_members (
  node_id CHAR(26) NOT NULL,
  kind VARCHAR(16) NOT NULL,
  group_id CHAR(26) NOT NULL,
  PRIMARY KEY (node_id, kind)
);

CREATE INDEX node_group_members_by_group ON node_group_members (group_id);

-- The tree of each kind changes under a lock on its row: two moves at once must not make a ring.
CREATE TABLE node_group_trees (
  kind VARCHAR(16) NOT NULL PRIMARY KEY,
  changes BIGINT NOT NULL
);

INSERT INTO node_group_trees (kind, changes) VALUES ('business', 0), ('environment', 0), ('region', 0);

CREATE TABLE node_fields (
  name VARCHAR(64) NOT NULL PRIMARY KEY,
  title VARCHAR(128) NOT NULL,
  type VARCHAR(16) NOT NULL,
  choices TEXT NOT NULL,
  version INT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  updated_by VARCHAR(128) NOT NULL
);

CREATE TABLE node_field_values (
  node_id CHAR(26) NOT NULL,
  field VARCHAR(64) NOT NULL,
  value VARCHAR(255) NOT NULL,
  folded VARCHAR(255) NOT NULL,
  number DOUBLE,
  PRIMARY KEY (node_id, field)
);

CREATE INDEX node_field_values_by_value ON node_field_values (field, folded);

CREATE TABLE node_notes (
  id CHAR(26) NOT NULL PRIMARY KEY,
  node_id CHAR(26) NOT NULL,
  text TEXT NOT NULL,
  author VARCHAR(128) NOT NULL,
  created_at BIGINT NOT NULL
);

CREATE INDEX node_notes_by_node ON node_notes (node_id, created_at);

CREATE TABLE saved_filters (
  id CHAR(26) NOT NULL PRIMARY KEY,
  name VARCHAR(64) NOT NULL UNIQUE,
  selector TEXT NOT NULL,
  author VARCHAR(128) NOT NULL,
  created_at BIGINT NOT NULL
);

-- Hosts that asked to be taken in without a token, or that look like a machine known here. One row a key; a rejected one stays.
CREATE TABLE node_requests (
  public_key CHAR(64) NOT NULL PRIMARY KEY,
  node_id CHAR(26) NOT NULL,
  csr TEXT NOT NULL,
  ip VARCHAR(64) NOT NULL,
  same_as VARCHAR(26) NOT NULL,
  created_at BIGINT NOT NULL,
  asked_at BIGINT NOT NULL,
  rejected_at BIGINT,
  rejected_by VARCHAR(128) NOT NULL
);

CREATE INDEX node_requests_by_node ON node_requests (node_id);

-- A token for one named host (adding by hand); empty for every other.
ALTER TABLE enrolment_tokens ADD COLUMN node_name VARCHAR(190) NOT NULL DEFAULT '';
