-- What happened to a node in a span of time, for the marks on its charts: alerts that had not ended before it.

CREATE INDEX alerts_by_node_end ON alerts (node_id, resolved_at);
