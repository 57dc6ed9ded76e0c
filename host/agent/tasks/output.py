"""`output`: what an earlier task printed, from where the agent keeps it to the manager's store (A5).

`settings`: `spool` and `kept` (folders), `socket` (the daemon's transfer socket).
"""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import Any

from host.agent.files import sending
from host.agent.files.transfer import PATIENCE_S, Transfer
from host.agent.kept import KeptOutput
from host.agent.tasks.base import TaskProblem, Work
from host.wire.tasks import Output


def run(content: Output, work: Work) -> dict[str, Any]:
    """Raises TaskProblem A2006 (nothing of it is here), A3…"""
    kept = KeptOutput(Path(work.settings["spool"]), Path(work.settings["kept"]), 0)
    handle = kept.ended(content.command, content.stream)
    if handle is None:
        mend = "look at the command's page: it still runs, was sent whole, or ended too long ago"
        raise TaskProblem("A2006", f"there is no {content.stream} of the command {content.command} on this host", mend)
    try:
        with closing(Transfer(Path(work.settings["socket"]), PATIENCE_S)) as transfer:
            name = f"{content.stream} of {content.command}"
            sha256, size = sending.send(handle, os.fstat(handle), name, content.file, transfer)
    finally:
        os.close(handle)
    work.say(f"sent {name}: {size} bytes, SHA-256 {sha256}")
    return {"size": size, "sha256": sha256, "file": content.file}
