"""`ops-agent conformance`: does a program keep the contract of docs/agent-contract.md, so that it can take the agent's place?

It plays the daemon: listens on the socket (`daemon`), sends signed requests (`caller`), and looks at what comes of it. One module
for each group of checks: `presence`, `door`, `tasks`, `ledger`, `restart`. A check is a function that raises `Failed` or `Skipped`.
"""
