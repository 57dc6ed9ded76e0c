"""`./ops bench pages`: p50, p95 and p99 of every page, and the weight of its first view.

1,000 emulated nodes that report once a minute, 500 open alerts, thirty days of history; the pages are the manager's own routes.
The value is the p95 of the slowest page. Promise: < 200 ms, a first view ≤ 150 KB and ≤ 12 requests; aim 50 ms (DESIGN §8).
"""

from __future__ import annotations

import sys

from tests.bench.answers import busy, measure, options_of, room


def main() -> int:
    size, options = options_of("pages", __doc__)
    room(size.amounts.samples)
    with busy(size, options.database) as running:
        return measure("pages", size, running, ("pages",), options.only)


if __name__ == "__main__":
    sys.exit(main())
