-- Values of plugins of one node in a span of time: the table's key has the plugin's and the figure's name before the time.
CREATE INDEX node_plugin_metrics_by_node ON node_plugin_metrics (node_id, at);
