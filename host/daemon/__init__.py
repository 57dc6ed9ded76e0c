"""The daemon of one host: it collects, buffers, polls, reports and watches the agent.

It never listens on a network socket and never runs a task. The steady process imports neither
requests nor cryptography nor asyncio: its memory is promised (D15).
"""

VERSION = "0.1.0"
