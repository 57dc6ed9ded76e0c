"""The only wiring: config → database → keys → services → routes → listeners and loops; and the clean stop.

Stopping: no new connections, held polls are answered (204), running requests end, loops end, database closes.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from argon2 import PasswordHasher
from starlette.applications import Starlette
from starlette.types import ASGIApp

from host.wire.protocol import MAX_BODY_BYTES
from server import api, door, link, web
from server.api import openapi
from server.config import Config, address
from server.db import Db
from server.errors import ConfigError
from server.keys import Keys, open_keys
from server.limits import Limits
from server.listen import bind, listener, tls
from server.loops import runner
from server.migrate import migrate
from server.services import Services, build
from server.web.headers import SecurityHeaders

log = logging.getLogger("server.app")

WEB_BODY_BYTES = 2 * 1024 * 1024
ENROLL_BODY_BYTES = 256 * 1024


def database(config: Config, make: bool = True) -> Db:
    """The database, not yet connected; its folder is made where it is a file. Raises ConfigError. `make`: also where there is none yet."""
    try:
        config.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise ConfigError(f"data_dir: {config.data_dir}: {problem.strerror}; name a folder that can be written") from problem
    return Db(config.url, pool_size=config.pool_open, pool_idle=config.pool_idle, make=make)


@asynccontextmanager
async def opened(config: Config, clock: Callable[[], int], hasher: PasswordHasher | None = None) -> AsyncIterator[tuple[Services, Db]]:
    """Keys made, database migrated, services built (`hasher`: see `build`). Raises ConfigError."""
    async with database(config) as db:
        keys: Keys = open_keys(config.data_dir / "keys", config.public_names, clock())
        for name in await migrate(db, clock()):
            log.info("database: applied %s", name)
        services = build(db, config, keys, clock, hasher)
        # Before anybody can select: a node without its facts would be missed, and with `not` never found.
        if made := await services.index.index_missing():
            log.info("database: %d nodes prepared for selectors", made)
        yield services, db


def web_app(services: Services) -> ASGIApp:
    """Pages and REST API."""
    calls = api.routes(services)
    routes = [*calls, *web.routes(services, lambda: openapi.document(calls))]
    door.check(routes)
    return SecurityHeaders(Limits(Starlette(routes=routes), WEB_BODY_BYTES))


def link_app(services: Services) -> ASGIApp:
    """The node link."""
    routes = link.routes(services)
    door.check(routes)
    return Limits(Starlette(routes=routes), MAX_BODY_BYTES, strangers=ENROLL_BODY_BYTES)


async def serve(config: Config, clock: Callable[[], int]) -> None:
    """Run the manager until SIGTERM or SIGINT. Raises ConfigError."""
    sockets = [bind(*address(config.node_listen, "node_listen"), "node_listen")]
    sockets.append(bind(*address(config.web_listen, "web_listen"), "web_listen"))
    async with opened(config, clock) as (services, _):
        certificate, key = services.keys.server_files
        node_link = listener(link_app(services), tls(certificate, key, services.keys.ca_file))
        web_tls = tls(certificate, key, None) if config.web_tls else None
        pages = listener(web_app(services), web_tls)
        password = await services.people.ensure_first_admin(clock())
        if password:
            # On stdout, never in the log: logs are shipped and kept.
            sys.stdout.write(f"first start: sign in as admin with the one-time password {password}\n")
            sys.stdout.flush()
        stop = asyncio.Event()

        def end() -> None:
            log.info("stopping")
            stop.set()
            services.wakeups.stop()
            node_link.should_exit = pages.should_exit = True

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)
        log.info("node link on %s, pages and API on %s, database %s", config.node_listen, config.web_listen, config.url.split("@")[-1])
        await asyncio.gather(node_link.serve([sockets[0]]), pages.serve([sockets[1]]), runner.run(services, stop))
