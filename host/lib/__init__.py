"""What daemon and agent share on a host. Imports `host.wire`, never the daemon or the agent."""
