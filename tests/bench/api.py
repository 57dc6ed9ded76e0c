"""`./ops bench api`: p50, p95 and p99 of every GET of the API.

1,000 emulated nodes that report once a minute, 500 open alerts, thirty days of history; the calls are the manager's own routes.
The value is the p95 of the slowest call. Promise: < 200 ms; aim 50 ms (DESIGN §8).
"""

from __future__ import annotations

import sys

from tests.bench.answers import busy, measure, options_of, room


def main() -> int:
    size, options = options_of("api", __doc__)
    room(size.amounts.samples)
    with busy(size, options.database) as running:
        return measure("api", size, running, ("api",), options.only)


if __name__ == "__main__":
    sys.exit(main())
