"""The protocol's version, its addresses, and the limits both sides keep.

`PROTOCOL` goes up by one with each change that an older peer could not live with.
A manager serves hosts that are one protocol older.

    1  2026-11-21  enroll, ca, poll, report, renew; commands for the daemon itself; files of tasks
       2026-11-25  each call may say which machine it comes from (`host.wire.machine`); 410: enrol anew, with a new key
"""

from __future__ import annotations

PROTOCOL = 1

CA_PATH = "/node/v1/ca"
ENROLL_PATH = "/node/v1/enroll"
POLL_PATH = "/node/v1/poll"
REPORT_PATH = "/node/v1/report"
RENEW_PATH = "/node/v1/renew"

FILE_READ_PATH = "/node/v1/files/{id}/read"
FILE_WRITE_PATH = "/node/v1/files/{id}/write"

FILE_CHUNK_BYTES = 128 * 1024
"""The most bytes of a file in one call, before base64: small enough that the daemon, which passes them on, stays small."""

DAEMON_PREFIX = "/daemon/v1/"
"""A command whose path begins so is for the daemon itself: signed like every other, never passed on to the agent."""

LANES = ("urgent", "bulk")
"""Records travel in two lanes, so that a day of samples never delays a result (DESIGN §3)."""

MAX_BODY_BYTES = 8 * 1024 * 1024
"""The largest request body, in bytes, after and before unpacking."""

MAX_RECORDS = 500
"""The most records in one report; a longer backlog takes several."""

MAX_CHUNK_BYTES = 64 * 1024
"""The most bytes of a task's output in one `output` record."""
