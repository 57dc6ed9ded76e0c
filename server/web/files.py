"""The store of files: list, put in (by static/js, chunk by chunk), download, delete."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from server.auth import FILE_READ, FILE_WRITE, Caller
from server.door import Door
from server.errors import BadInput
from server.service.files import MAX_PUT, STATES
from server.services import Services
from server.streams import file_answer
from server.web import session
from server.web.render import Pages

PAGE = 50


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    files = services.files

    async def show(request: Request, caller: Caller) -> Response:
        number = session.page_of(request)
        q, state = request.query_params.get("q", "").strip()[:190], request.query_params.get("state", "")
        page = await files.page(PAGE, (number - 1) * PAGE, q=q, state=state)
        values: dict[str, Any] = {
            "rows": page.rows,
            "total": page.total,
            "page": number,
            "page_size": PAGE,
            "q": q,
            "state": state,
            "states": STATES,
            "occupied": await files.occupied(),
            "quota": files.quota,
            "most": files.max_bytes,
            "days": services.config.file_days,
            "chunk": MAX_PUT,
            "busy": any(row["state"] != "ready" for row in page.rows),
        }
        return pages.render(request, "files", values, block="list")

    async def create(request: Request, caller: Caller) -> Response:
        fields = await session.form_of(request)
        row = await files.create(caller, fields.get("name"), _number(fields.get("size"), "size"), services.clock())
        return JSONResponse({"id": row["id"], "stored": 0}, 201)

    async def put(request: Request, caller: Caller) -> Response:
        offset = _number(request.query_params.get("offset", ""), "offset")
        stored = await files.put(request.path_params["id"], offset, await request.body(), services.clock())
        return JSONResponse({"stored": stored})

    async def finish(request: Request, caller: Caller) -> Response:
        # Over TLS each byte is proven on its way; what came is shown with its SHA-256.
        row = await files.finish(caller, request.path_params["id"], "", services.clock())
        return JSONResponse({"sha256": row["sha256"]})

    async def fetch(request: Request, caller: Caller) -> Response:
        return file_answer(request, await files.open(caller, request.path_params["id"], services.clock()), files.parts)

    async def ask(request: Request, caller: Caller) -> Response:
        return pages.render(request, "file_delete", {"file": await files.get(request.path_params["id"])})

    async def delete(request: Request, caller: Caller) -> Response:
        await files.delete(caller, request.path_params["id"], services.clock())
        return RedirectResponse("/files?notice=deleted", 303)

    return [
        door.route("/files", show, FILE_READ),
        door.route("/files", create, FILE_WRITE, ["POST"]),
        door.route("/files/{id}/content", put, FILE_WRITE, ["PUT"]),
        door.route("/files/{id}/content", fetch, FILE_READ),
        door.route("/files/{id}/finish", finish, FILE_WRITE, ["POST"]),
        door.route("/files/{id}/delete", ask, FILE_WRITE),
        door.route("/files/{id}/delete", delete, FILE_WRITE, ["POST"]),
    ]


def _number(text: str, field: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise BadInput(f"{field}: a whole number of bytes is needed", field=field)
    return int(text)
