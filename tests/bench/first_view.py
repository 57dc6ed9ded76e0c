"""What a browser fetches before a page stands, and how many bytes that are on the wire: the page, its styles, scripts and pictures."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

MOST_BYTES, MOST_REQUESTS = 150_000, 12
"""Promised (issues 5 and 6)."""


class _Parts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        address = given.get("src") if tag in ("script", "img") else given.get("href") if tag in ("link", "use") else ""
        if tag == "link" and given.get("rel") not in ("stylesheet", "icon"):
            return
        # A live part fetches itself as soon as the page stands.
        if "load" in given.get("hx-trigger", "").split(",")[0].split():
            address = given.get("hx-get", "")
        if address and not address.startswith(("data:", "#")):
            self.found.append(address.partition("#")[0])


class FirstView:
    """Weighs pages; what several pages share is fetched once, and counts for each."""

    def __init__(self, session: requests.Session, url: str) -> None:
        self._session, self._url = session, url
        self._known: dict[str, int] = {}

    def of(self, path: str) -> tuple[int, int] | None:
        """Bytes (bodies as they were sent, and headers) and requests; None for a file to be stored."""
        answer = self._session.get(self._url + path, stream=True, timeout=30, headers={"Accept-Encoding": "gzip, deflate, br"})
        if answer.headers.get("content-disposition", "").startswith("attachment"):
            answer.close()
            return None
        body, total = _weigh(answer)
        if "text/html" not in answer.headers.get("content-type", ""):
            return total, 1
        parts = _Parts()
        parts.feed(body.decode())
        wanted = list(dict.fromkeys(parts.found))
        return total + sum(self._part(urljoin(path, one)) for one in wanted), 1 + len(wanted)

    def _part(self, path: str) -> int:
        if path not in self._known:
            answer = self._session.get(self._url + path, stream=True, timeout=30, headers={"Accept-Encoding": "gzip, deflate, br"})
            if answer.status_code != 200:
                raise SystemExit(f"bench: {path}, which a page asks for, answered {answer.status_code}")
            self._known[path] = _weigh(answer)[1]
        return self._known[path]


def _weigh(answer: requests.Response) -> tuple[bytes, int]:
    body = answer.raw.read(decode_content=False)
    size = len(body) + sum(len(name) + len(value) + 4 for name, value in answer.raw.headers.items()) + 17
    if answer.headers.get("content-encoding") == "gzip":
        import gzip

        return gzip.decompress(body), size
    return body, size
