"""`POST /node/v1/files/{id}/read` and `…/write`: chunks of the files of the node's own unfinished commands."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from host.wire.messages import FileRead, FileWrite
from host.wire.protocol import FILE_READ_PATH, FILE_WRITE_PATH
from server.answers import body, plain
from server.auth import NODE_LINK, Caller
from server.door import Door
from server.services import Services


def routes(door: Door, services: Services) -> list[Route]:
    async def read(request: Request, caller: Caller) -> Response:
        wanted = await body(request, FileRead)
        return plain(await services.command_files.read(caller, request.path_params["id"], wanted, services.clock()))

    async def write(request: Request, caller: Caller) -> Response:
        sent = await body(request, FileWrite)
        return plain(await services.command_files.write(caller, request.path_params["id"], sent, services.clock()))

    return [door.route(FILE_READ_PATH, read, NODE_LINK, ("POST",)), door.route(FILE_WRITE_PATH, write, NODE_LINK, ("POST",))]
