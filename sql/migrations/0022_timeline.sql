-- The history of one node, read newest first: which audit entries are about it, and the order of its other records.
-- An order is there as its command.
-- `topic` is `identity` (who it is: enrolled, approved, certificate, machine) or `action` (what people did), see server/service/audit.py.
CREATE TABLE audit_nodes (
  node_id CHAR(26) NOT NULL,
  topic VARCHAR(16) NOT NULL,
  at BIGINT NOT NULL,
  entry BIGINT NOT NULL,
  PRIMARY KEY (node_id, topic, at, entry)
);
INSERT INTO audit_nodes (node_id, topic, at, entry)
SELECT l.node_id, CASE WHEN l.action IN ('node.enrol', 'node.ask', 'node.approve', 'node.renew', 'node.certificate', 'node.machine',
  'node.quarantine', 'node.split', 'node.merge') THEN 'identity' ELSE 'action' END, l.created_at, l.id
FROM (SELECT id, created_at, action, SUBSTR(resource, 6) AS node_id FROM audit_logs WHERE resource LIKE 'node %'
  AND action <> 'node.order') l
JOIN nodes n ON n.id = l.node_id;
CREATE INDEX alert_events_by_node ON alert_events (node_id, at, id);
CREATE INDEX commands_by_node_kind ON commands (node_id, kind, queued_at, id);
CREATE INDEX node_events_by_name ON node_events (node_id, name, at);
-- The known node that a token is for, when its machine is installed anew; the token that a host which waits came with. Empty for none.
ALTER TABLE enrolment_tokens ADD COLUMN for_node VARCHAR(26) NOT NULL DEFAULT '';
ALTER TABLE node_requests ADD COLUMN token_id VARCHAR(26) NOT NULL DEFAULT '';
-- Counts what people changed of a node, so that nobody's change is overwritten unseen.
ALTER TABLE nodes ADD COLUMN version INT NOT NULL DEFAULT 1;
