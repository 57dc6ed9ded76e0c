"""Kinds of task of the operator's own (A6): a Python file or an executable in the plugin folder is a kind `plugin.<name>`.

`describe` asks one for its schema, in a short-lived process: nothing of a plugin is ever imported into the agent.
`shape` reads what it answered; `watch` looks at the folder and keeps the registry true to it; `task` prepares a run,
`worker` is the process that runs it.
"""
