"""What a restored manager must not do again.

Between the backup and now hosts went on. Theirs is the truth about what ran: a command that waited in the backup may have been
fetched and run since, so it is ended, never delivered. What waited to be told of alerts may have been told since: it fails with that
reason, and is sent again by who wants it. Who signed in since, or used up an enrolment token, is not known here, so
sessions and open enrolment tokens end. A node that was away then is not retired for its silence until it has been silent anew.
The high-water marks of reports stand as they were: a host that has deleted what was acknowledged since sees that the manager's count
is behind its own, and tells the gap as a tombstone (host/daemon/report.py). Whoever adds what is sent once (letters, calls) ends it here.
"""

from __future__ import annotations

from server.auth import Caller
from server.db import Db, Session
from server.service.audit import Audit
from server.upkeep.archive import Manifest

REASON = "the manager was restored from a backup; whether this ran after the backup was made is not known here"
UNTOLD = "the manager was restored from a backup; whether this was told after the backup was made is not known here"
_SHELL = Caller("admin", name="ops-manager")


async def settle(session: Session, db: Db, audit: Audit, manifest: Manifest, now: int) -> None:
    """In the transaction that ends the restore. The audit log says which entries are lost, and from when on."""
    q = db.q.restore
    at = {"now": now}
    await session.execute(q.end_commands, at | {"reason": REASON})
    await session.execute(q.end_deliveries, at | {"reason": UNTOLD})
    await session.execute(q.release_receivers)
    await session.execute(q.end_sessions)
    await session.execute(q.end_enrolment_tokens, at)
    await session.execute(q.still_away, at)
    await session.execute(q.release_rollups)
    detail = {"backup_of": manifest.made_at, "entries": manifest.audit_entries, "known_before": audit.known_entries()}
    await audit.record(session, _SHELL, "database.restore", "database", detail, now)
