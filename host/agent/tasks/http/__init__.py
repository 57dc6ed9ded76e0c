"""`http`: a check from this host. It asks (`fetch`), to allowed addresses only (`guard`), and compares (`judge`).

A7001 not reached; A7002 TLS; A7003 too slow; A7004 status; A7005 body; A7006 redirect; A7007 address refused;
A7008 certificate ends too soon.
"""

from __future__ import annotations

import time
from typing import Any

from host.agent.tasks.base import TaskProblem, Work
from host.agent.tasks.http.fetch import TooSlow, bounded, fetch
from host.agent.tasks.http.judge import judge, not_after
from host.wire.tasks import Http


def run(content: Http, work: Work) -> dict[str, Any]:
    """status, took_ms, size, sha256, tls_not_after (UTC ms), redirects, matched. Raises TaskProblem A70xx."""
    try:
        with bounded(min(content.max_time, max(0.05, content.timeout - 0.5))):
            answer = fetch(content, bool(work.settings.get("allow_link_local", False)))
            redirected = "".join(f"\n→ {one[:300]}" for one in answer.redirects)
            work.say(f"{content.method} {content.url}{redirected}: {answer.status}, {len(answer.body)} bytes in {answer.took_ms} ms")
            if content.show_bytes and answer.body:
                work.say(answer.body[: content.show_bytes].decode("utf-8", "replace"))
            judge(content, answer, time.time_ns() // 1_000_000)
    except TooSlow:
        raise TaskProblem("A7003", f"no whole answer within {content.max_time:g} s", "see why it is slow, or raise max_time") from None
    return {
        "status": answer.status,
        "took_ms": answer.took_ms,
        "size": len(answer.body),
        "complete": answer.complete,
        "sha256": answer.sha256,
        "tls_not_after": not_after(answer),
        "redirects": [one[:2000] for one in answer.redirects],
        "matched": True,
    }
