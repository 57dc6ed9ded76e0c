"""`./ops bench pages`: p50, p95 and p99 of the pages with 1,000 emulated nodes reporting once a minute and a month of history.

The value is the p95 of the slowest page. Promise: < 200 ms; aim 50 ms (DESIGN §8).
"""

from __future__ import annotations

import sys

import requests

from tests.bench.answers import busy, measure, sized


def main() -> int:
    size = sized("pages", __doc__)
    with busy(size) as (stack, ids, filled), requests.Session() as session:
        session.trust_env = False
        session.headers["Origin"] = stack.url
        form = {"name": "admin", "password": stack.password, "next": "/nodes"}
        answer = session.post(f"{stack.url}/sign-in", data=form, timeout=30, allow_redirects=False)
        if answer.status_code != 303:
            raise SystemExit(f"pages: signing in answered {answer.status_code}")
        cookie = "; ".join(f"{name}={value}" for name, value in answer.cookies.items())
        session.cookies.clear()
        session.headers["Cookie"] = cookie  # marked for HTTPS, which the bench leaves out
        node = ids[len(ids) // 2]
        addresses = {
            "overview": "/",
            "overview, 7d": "/?range=7d",
            "log": "/log",
            "log, searched": "/log?q=nothing+like+this",
            "nodes": "/nodes",
            "nodes, searched": "/nodes?q=fra",
        }
        addresses |= {f"node, {span}": f"/nodes/{node}?range={span}" for span in ("15m", "1h", "6h", "24h", "7d", "30d")}
        addresses |= {"commands": "/commands", "run": f"/run?node={node}", "files": "/files", "audit": "/audit", "enrol": "/enrol"}
        addresses |= {"account": "/account"}
        return measure("pages", size, addresses, lambda path: session.get(stack.url + path, timeout=30, allow_redirects=False), filled)


if __name__ == "__main__":
    sys.exit(main())
