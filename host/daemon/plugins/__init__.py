"""Figures of the operator's own (D2): a Python file or an executable in the plugin folder adds metrics to the samples.

Each runs as a short-lived process of its own, so that nothing it does reaches the daemon's memory or threads.
`host.lib.plugin_folder` says what may run, `host.lib.short_lived` runs it, `contract` reads what it printed, `runner` decides
when and tells what is broken; `call` is what a Python file is started with.
"""
