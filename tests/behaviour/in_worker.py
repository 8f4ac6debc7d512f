"""Plain functions for worker processes, and the door at which these knock.

It imports little: every worker imports it.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import socket
import sys
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from fastask import BRUTAL_KILL, Exit

WAIT = 20.0

language: ContextVar[str] = ContextVar("language", default="none")

kept: list[socket.socket] = []
"""Connections that a worker holds open until it ends."""


class Door:
    """Where functions knock that run elsewhere, to say that they have begun."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self._visitors: list[socket.socket] = []

    def __enter__(self) -> Door:
        return self

    def __exit__(self, *exception: object) -> None:
        for visitor in [self._socket, *self._visitors]:
            visitor.close()

    async def opened(self) -> Visitor:
        """Wait until somebody knocks."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(WAIT):
            connection, _ = await loop.sock_accept(self._socket)
            self._visitors.append(connection)
            return Visitor(connection, int(await loop.sock_recv(connection, 20)))


class Visitor:
    """A function that has begun, and the OS process that it runs in."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self._connection = connection
        self.pid = pid

    def let_go(self) -> None:
        """Let the function return."""
        self._connection.close()

    async def gone(self) -> None:
        """Wait until its OS process has ended, or it has returned."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(WAIT):
            with contextlib.suppress(ConnectionError):  # how Windows says it
                assert await loop.sock_recv(self._connection, 1) == b""


def knock(port: int) -> socket.socket:
    """Tell which OS process this is."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(b"%d" % os.getpid())
    return connection


def stay(port: int) -> int:
    """Knock, and return when the other side lets go."""
    with knock(port) as connection, contextlib.suppress(ConnectionError):
        connection.recv(1)
    return os.getpid()


def knock_and_return(port: int) -> int:
    """Knock, and leave the connection to the worker."""
    kept.append(knock(port))
    return os.getpid()


def stay_for_item(item: int, port: int) -> int:
    """Do nothing for even items; for odd ones stay."""
    if item % 2:
        stay(port)
    return item


def pid_of(_: object) -> int:
    """Return where this runs."""
    return os.getpid()


def die_for_item(item: int) -> int:
    """End the worker for the item 2."""
    if item == 2:
        os._exit(7)
    return item


def read_language() -> str:
    """Read the context variable."""
    return language.get()


def fail(text: str) -> None:
    """Raise an exception in here."""
    raise ValueError(text)


async def wait() -> None:
    """What is no plain function."""


def make_coroutine() -> Any:
    """Do what no plain function may."""
    return wait()


class OddError(Exception):
    """It can be pickled, but not unpickled."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first + second)


def fail_oddly() -> None:
    """Raise it."""
    raise OddError("odd", "ly")


class Unreadable:
    """It can be pickled, but not unpickled, in the parent."""

    def __setstate__(self, state: object) -> None:
        raise ValueError("unreadable")

    def __getstate__(self) -> object:
        return {"state": 1}


def make_unreadable() -> Unreadable:
    """Return one."""
    return Unreadable()


def fork_and_die(port: int) -> None:
    """Die while a copy of this process holds everything open until it is let go."""
    if sys.platform != "win32" and os.fork() == 0:
        stay(port)
        os._exit(0)
    os._exit(3)


def leave_early() -> None:
    """End the process of the task with a reason."""
    raise Exit("enough")


def touch_at_exit(path: str) -> None:
    """Leave something to be done when the worker ends in order."""
    atexit.register(Path(path).touch)


def is_brutal_kill(value: object) -> tuple[bool, object]:
    """Tell whether the constant is the one of this process, and send it back."""
    return value is BRUTAL_KILL, value
