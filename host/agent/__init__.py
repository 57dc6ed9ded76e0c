"""The agent: runs tasks on this host, remembers each in a ledger, tells the daemon how it went.

It listens on loopback only, does what the manager signed and nothing else, and knows nothing of the
network beyond. Imports `host.lib` and `host.wire`, never the daemon.
"""
