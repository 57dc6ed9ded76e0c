"""Why a file cannot be had, as code, sentence and mend: A3001 … (docs/agent.md lists them)."""

from __future__ import annotations

import errno

from host.agent.tasks.base import TaskProblem

MENDS = {
    "A3001": "give an absolute path without . and .. in it",
    "A3002": "give the path that the link leads to",
    "A3003": "choose another place, or change files.roots in agent.yaml or the policy of this host",
    "A3004": "check the path",
    "A3005": "set overwrite, or choose another path",
    "A3006": "name a regular file, or set recursive for a folder",
    "A3007": "run the agent as a user who may, or change the rights of the place",
    "A3008": "make room, or raise the limit, and try again",
    "A3009": "try again; if it comes again, the stored file is damaged: put it anew",
    "A3010": "try again when nothing writes to it",
    "A3011": "put the file into the store again, or give a new command",
    "A3012": "check the daemon and its link; the same upload goes on where it stopped",
    "A3013": "look at the file system and the kernel's log",
    "A3014": "name one that exists on this host",
    "A3015": "name the folders one by one",
}

_OF_ERRNO = {
    errno.ENOENT: ("A3004", "does not exist"),
    errno.EEXIST: ("A3005", "exists already"),
    errno.ENOTEMPTY: ("A3006", "is a folder that is not empty"),
    errno.EISDIR: ("A3006", "is a folder"),
    errno.ENOTDIR: ("A3006", "is no folder"),
    errno.ENXIO: ("A3006", "is no regular file"),
    errno.EACCES: ("A3007", "may not be touched by the agent's user"),
    errno.EPERM: ("A3007", "may not be changed by the agent's user, or is protected"),
    errno.EROFS: ("A3007", "lies on a read-only file system"),
    errno.ENOSPC: ("A3008", "does not fit: the disk is full"),
    errno.EDQUOT: ("A3008", "does not fit: the quota is used up"),
    errno.EFBIG: ("A3008", "is larger than a file may be here"),
    errno.ENAMETOOLONG: ("A3001", "has a name that is too long"),
    errno.ELOOP: ("A3002", "is a symbolic link"),
}


def wrong(code: str, what: str, mend: str = "") -> TaskProblem:
    """The problem with its usual mend, or with another."""
    return TaskProblem(code, what, mend or MENDS[code])


def of_os(problem: OSError, path: str) -> TaskProblem:
    """What the system's error means for `path`."""
    code, what = _OF_ERRNO.get(problem.errno or 0, ("A3013", f"failed: {problem.strerror or problem}"))
    return wrong(code, f"{path} {what}")
