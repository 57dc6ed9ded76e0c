"""`POST /node/v1/poll`: held until there is a command, at most `wait` seconds. 204 when the manager stops."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from host.wire.messages import PollRequest
from host.wire.protocol import POLL_PATH
from server.answers import body, plain
from server.auth import NODE_LINK, Caller
from server.door import Door
from server.services import Services
from server.wakeups import node


def routes(door: Door, services: Services) -> list[Route]:
    async def poll(request: Request, caller: Caller) -> Response:
        wanted = await body(request, PollRequest)
        gone = asyncio.Event()
        watcher = asyncio.create_task(_watch(request, gone, services, caller.id))
        try:
            answer = await services.polls.poll(caller, wanted, gone)
        finally:
            watcher.cancel()
        return plain(answer) if answer else Response(status_code=204)

    return [door.route(POLL_PATH, poll, NODE_LINK, ("POST",))]


async def _watch(request: Request, gone: asyncio.Event, services: Services, node_id: str) -> None:
    """Notice at once that the host hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    gone.set()
    services.wakeups.wake(node(node_id))
