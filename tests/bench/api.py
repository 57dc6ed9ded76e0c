"""`./ops bench api`: p50, p95 and p99 of the API's GETs with 1,000 emulated nodes reporting once a minute and a month of history.

The value is the p95 of the slowest call. Promise: < 200 ms; aim 50 ms (DESIGN §8).
"""

from __future__ import annotations

import sys

import requests

from tests.bench.answers import DAY, HOUR, busy, measure, sized


def main() -> int:
    size = sized("api", __doc__)
    with busy(size) as (stack, ids, filled):
        node = ids[len(ids) // 2]
        now = int(stack.api("GET", f"/nodes/{node}")["last_seen"])
        series = f"/api/v1/nodes/{node}/metrics?until={now}&since="
        fleet = f"/api/v1/fleet/metrics?until={now}&since="
        addresses = {
            "nodes": "/api/v1/nodes",
            "nodes, 500 a page": "/api/v1/nodes?size=500",
            "nodes, searched": "/api/v1/nodes?q=fra&state=online",
            "node": f"/api/v1/nodes/{node}",
            "metrics 1 h": f"{series}{now - HOUR}",
            "metrics 24 h": f"{series}{now - DAY}",
            "metrics 7 d": f"{series}{now - 7 * DAY}",
            "metrics 30 d": f"{series}{now - 30 * DAY}",
            "fleet 1 h": f"{fleet}{now - HOUR}",
            "fleet 30 d": f"{fleet}{now - 30 * DAY}",
            "agent": f"/api/v1/nodes/{node}/agent",
            "log": f"/api/v1/nodes/{node}/log",
            "daemon": f"/api/v1/nodes/{node}/daemon",
            "kinds": f"/api/v1/nodes/{node}/kinds",
            "commands": "/api/v1/commands",
            "files": "/api/v1/files",
            "audit": "/api/v1/audit",
            "me": "/api/v1/me",
            "ca": "/api/v1/ca",
            "healthz": "/healthz",
            "readyz": "/readyz",
            "prometheus": "/metrics",
        }
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {stack.token}"
            return measure("api", size, addresses, lambda path: session.get(stack.url + path, timeout=30), filled)


if __name__ == "__main__":
    sys.exit(main())
