"""The database: a pool of connections to PostgreSQL, and the tables."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import asyncpg

CONNECT_SECONDS = 2.0
COMMAND_SECONDS = 10.0
CLOSE_SECONDS = 3.0

SCHEMA = """
SELECT pg_advisory_xact_lock(20240607);  -- two services may start at once

CREATE TABLE IF NOT EXISTS products (
    name text PRIMARY KEY,
    price integer NOT NULL,
    stock integer NOT NULL CHECK (stock >= 0)
);
CREATE TABLE IF NOT EXISTS orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL UNIQUE,            -- made by the client, see `place`
    product text NOT NULL REFERENCES products,
    quantity integer NOT NULL CHECK (quantity > 0),
    total bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS outbox (
    order_id bigint PRIMARY KEY REFERENCES orders,
    text text NOT NULL,
    written timestamptz NOT NULL DEFAULT now(),
    sent boolean NOT NULL DEFAULT false
);
CREATE INDEX IF NOT EXISTS unsent ON outbox (written) WHERE NOT sent;

INSERT INTO products VALUES
    ('tea', 900, 1000000), ('cup', 1200, 100000), ('teapot', 4500, 25)
    ON CONFLICT DO NOTHING;
"""

GONE = (
    OSError,  # of the connection, and every time that ran out
    asyncpg.PostgresConnectionError,  # cut in the middle
    asyncpg.OperatorInterventionError,  # the server stops, starts or cut us off
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,  # the connection was cut before this use of it
    asyncpg.InternalClientError,  # likewise, at a moment that asyncpg does not expect
)
"""What asyncpg raises when there is no server, or not for long enough."""

# asyncpg has no types of its own.
Connection: TypeAlias = Any

_LOGGER = logging.getLogger(__name__)


class Unavailable(Exception):
    """A neighbour is away: ask again later, for the same."""


class Database:
    """Lends connections. Its pool is opened and closed by its keeper.

    Nobody keeps a connection, or the pool, for longer than a block. So when the pool is
    opened anew, everybody has the new one with the next use.

    Args:
        dsn: Where the server is.
        size: How many connections there are at most.
    """

    def __init__(self, dsn: str, size: int = 10) -> None:
        self.dsn = dsn
        self.size = size
        self._pool: asyncpg.Pool | None = None

    async def open(self) -> None:
        """Connect, and make the tables where there are none.

        Raises:
            Unavailable: If there is no server.
        """
        if self._pool is not None:  # its keeper was killed
            self._pool.terminate()
            self._pool = None
        try:
            pool = await asyncpg.create_pool(
                self.dsn,
                min_size=0,
                max_size=self.size,
                timeout=CONNECT_SECONDS,
                command_timeout=COMMAND_SECONDS,
                server_settings={"application_name": "examples.service"},
            )
            try:
                await pool.execute(SCHEMA)
            except BaseException:  # raised again
                pool.terminate()
                raise
        except GONE as error:
            raise Unavailable(f"no database: {error!r}") from error
        self._pool = pool

    async def close(self) -> None:
        """Wait until what was lent is back, for some seconds, and disconnect."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await pool.close()
        except GONE as error:  # TimeoutError is one of them
            _LOGGER.warning("the database was not left in order: %r", error)
            pool.terminate()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection for a block.

        Raises:
            Unavailable: If there is none, or it was lost within the block. What was
                asked may have been done all the same.
        """
        pool = self._pool
        if pool is None:
            raise Unavailable("no database: it is being opened")
        try:
            connection = await pool.acquire(timeout=CONNECT_SECONDS)
        except (*GONE, RuntimeError) as error:  # the last by uvloop, see `is_lost`
            raise Unavailable(f"no database: {error!r}") from error
        try:
            yield connection
        except Exception as error:
            if is_lost(connection, error):
                raise Unavailable(f"no database: {error!r}") from error
            raise
        finally:
            await give_back(pool, connection)


def is_lost(connection: Connection, error: Exception) -> bool:
    """Tell whether an error is that of a connection that was cut.

    On one that is closed already there are others than GONE, as uvloop's RuntimeError.
    """
    try:
        return isinstance(error, GONE) or connection.is_closed()
    except asyncpg.InterfaceError:  # the pool took it back, as it was cut
        return True


async def give_back(pool: asyncpg.Pool, connection: Connection) -> None:
    """Give a connection back; what was done by it is done, even if that fails."""
    try:
        await pool.release(connection)
    except (*GONE, RuntimeError) as error:
        _LOGGER.info("a connection was lost when it was given back: %r", error)
