"""`/api/v1/file/upload` and `/api/v1/file/download`: files in signed chunks, by the same rules as tasks of files (A7, A2).

    POST /api/v1/file/upload?path=…&offset=…&total=…&sha256=…[&mode=…&owner=…&group=…&overwrite=1]     the body is the chunk
    GET  /api/v1/file/download?path=…&offset=…&length=…[&mark=…]                                       so is the answer's

An upload grows beside its target as a partial file (`host.agent.files.incoming`) and takes its place with the last chunk. A chunk
that does not begin where the partial file ends is answered 409 with `data.received`: go on there. `mark` is what the
first answer of a download said in `X-Ops-File-Mark`; a file that has changed since is answered 409.

The query is signed with the request. Each signed request is taken once (`host.agent.nonces`).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from host.agent.answers import ApiError
from host.agent.files.copying import unchanged
from host.agent.files.facts import mark_of, open_regular
from host.agent.files.incoming import check_room, check_target, incoming
from host.agent.files.places import Places
from host.agent.files.problems import wrong
from host.agent.files.sending import wish_of
from host.agent.guard import Guard
from host.agent.tasks.base import TaskProblem
from host.lib.clock import Clock
from host.wire import codec, envelope
from host.wire.schema import build
from host.wire.tasks import File

T = TypeVar("T")
MAX_CHUNK = 1024 * 1024
MAX_LIFE_MS = 600_000
AT_ONCE = 2
"""Calls that work on the disk at the same time; the others wait, and the event loop serves meanwhile."""
_BYTES = "application/octet-stream"
_STATUS = {"A3001": 400, "A3002": 403, "A3003": 403, "A3004": 404, "A3007": 403, "A3008": 507, "A3013": 500, "A3014": 400}
"""HTTP statuses of problems; of all others 409: it is not in the state for it."""
Policing = Callable[[str, Mapping[str, Any]], str]


class FileApi:
    """`policing(kind, content)` says why this host refuses it, or ""."""

    def __init__(self, guard: Guard, places: Places, policing: Policing, clock: Clock) -> None:
        self._guard, self._places, self._policing, self._clock = guard, places, policing, clock
        self._busy = asyncio.Semaphore(AT_ONCE)

    async def upload(self, request: Request) -> Response:
        body = await self._fresh(request)
        offset, total = _whole(request, "offset"), _whole(request, "total")
        content = self._content(request, "upload", ("path", "sha256", "mode", "owner", "group"))
        if not content.sha256:
            raise ApiError(400, envelope.BAD_PARAMETER, "sha256: is missing; it is that of the whole file")
        if offset + len(body) > total:
            raise ApiError(400, envelope.BAD_PARAMETER, "total: the chunk reaches past it")
        done, data = await self._work(lambda: self._take(content, offset, total, body))
        if done is None:
            return self._answer(data, 409, envelope.BAD_PARAMETER, f"offset: {data['received']} bytes are here; go on there")
        return self._answer(data | {"done": done})

    async def download(self, request: Request) -> Response:
        await self._fresh(request)
        offset, length = _whole(request, "offset"), _whole(request, "length")
        if not 0 < length <= MAX_CHUNK:
            raise ApiError(400, envelope.BAD_PARAMETER, f"length: 1 to {MAX_CHUNK} bytes")
        content, mark = self._content(request, "download", ("path",)), request.query_params.get("mark", "")
        data, headers = await self._work(lambda: self._give(content.path, offset, length, mark))
        return Response(data, 200, {"cache-control": "no-store", "x-content-type-options": "nosniff", **headers}, _BYTES)

    async def _fresh(self, request: Request) -> bytes:
        signed = await self._guard.fresh(request, _BYTES)
        if signed.expires - signed.timestamp > MAX_LIFE_MS:
            raise ApiError(400, envelope.BAD_PARAMETER, f"sign it to expire within {MAX_LIFE_MS // 1000} s")
        if len(signed.body) > MAX_CHUNK:
            raise ApiError(413, envelope.BAD_PARAMETER, f"a chunk has at most {MAX_CHUNK} bytes")
        return signed.body

    def _content(self, request: Request, action: str, names: tuple[str, ...]) -> File:
        """The query as a task of a file would be written, by whose checks it has to stand."""
        query = request.query_params
        content: dict[str, Any] = {"action": action, "path": "", "file": "api"} | {name: query[name] for name in names if name in query}
        if action == "upload":
            content["overwrite"] = query.get("overwrite") == "1"
        try:
            found = build(File, content)
        except ValueError as problem:
            raise ApiError(400, envelope.BAD_PARAMETER, str(problem)) from problem
        if reason := self._policing(File.KIND, content):
            raise ApiError(403, envelope.NOT_ALLOWED, reason)
        return found

    async def _work(self, work: Callable[[], T]) -> T:
        async with self._busy:
            try:
                return await asyncio.to_thread(work)
            except TaskProblem as problem:
                status = _STATUS.get(problem.code, 409)
                code = {400: envelope.BAD_PARAMETER, 403: envelope.NOT_ALLOWED}.get(status, envelope.TASK_FAILED)
                raise ApiError(status, code, str(problem)) from problem

    def _take(self, content: File, offset: int, total: int, data: bytes) -> tuple[bool | None, dict[str, Any]]:
        """Whether the file is in its place now, None for a gap; and what to tell."""
        wish = wish_of(content)
        with self._places.at(content.path) as place:
            check_target(place, content.overwrite)
            with incoming(place, content.sha256, resume=True) as part:
                if offset > part.size:
                    return None, {"received": part.size}
                fresh = data[part.size - offset :]
                check_room(place, total - part.size)
                part.write(fresh)
                if part.size < total:
                    return False, {"received": part.size}
                if part.size > total or part.sha256() != content.sha256:
                    part.discard()
                    raise wrong("A3009", f"what arrived for {place.path} has another SHA-256 than {content.sha256}", "send it anew")
                placed = part.place(wish, check_target(place, content.overwrite))
                return True, {"received": total, "sha256": content.sha256, **placed}

    def _give(self, path: str, offset: int, length: int, mark: str) -> tuple[bytes, dict[str, str]]:
        with self._places.at(path) as place:
            handle, found = open_regular(place)
            try:
                now = hashlib.sha256(repr(mark_of(found)).encode()).hexdigest()[:32]
                if mark and mark != now:
                    raise wrong("A3010", f"{place.path} was changed since the download began", "begin again")
                data = os.pread(handle, length, offset)
                unchanged(handle, found, place.path)
            finally:
                os.close(handle)
        return data, {"x-ops-file-size": str(found.st_size), "x-ops-file-mark": now}

    def _answer(self, data: Any, status: int = 200, code: int = envelope.OK, message: str = "ok") -> Response:
        content = codec.dumps(envelope.envelope(self._clock.now(), code, message, data))
        return Response(content, status, {"cache-control": "no-store"}, "application/json")


def _whole(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise ApiError(400, envelope.BAD_PARAMETER, f"{name}: a whole number of bytes is needed")
    return int(text)
