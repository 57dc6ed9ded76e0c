"""Where a database is: `sqlite:///PATH` or `mysql://USER:PASSWORD@HOST:PORT/NAME`, and how that is shown."""

from __future__ import annotations

from databases import DatabaseURL

from server.errors import ConfigError


def parse_url(text: str) -> DatabaseURL:
    """`sqlite:///path` or `mysql://user:password@host:port/name`. Raises ConfigError."""
    url = DatabaseURL(text)
    try:
        _ = url.port
    except ValueError as problem:
        raise ConfigError(f"database_url {describe(url)!r}: {problem}; the port is a number") from problem
    if url.scheme not in ("sqlite", "mysql") or not url.database:
        raise ConfigError(f"database_url {describe(url)!r} is neither sqlite:///PATH nor mysql://USER:PASSWORD@HOST:PORT/NAME")
    return url


def describe(url: DatabaseURL) -> str:
    """The address without its password."""
    return str(url.replace(password="***")) if url.password else str(url)
