"""`./ops bench both`: what `./ops bench pages` and `./ops bench api` measure, over one history: filling it takes longest."""

from __future__ import annotations

import sys

from tests.bench.answers import busy, measure, options_of, room


def main() -> int:
    size, options = options_of("both", __doc__)
    room(size.amounts.samples)
    with busy(size, options.database) as running:
        return measure("both", size, running, ("pages", "api"), options.only)


if __name__ == "__main__":
    sys.exit(main())
