"""Pipe: the program's end of the socket to its host, and how the host is started."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from fastask._core.errors import NameTakenError
from fastask._nodes.engine import Buffer, Peer
from fastask._nodes.ray.wire import (
    BYE,
    READY,
    UNIX_ONLY,
    Records,
    described,
    peer_from,
    record,
)

START = 30.0
"""Seconds in which Ray must have started a host."""

LEAVE = 5.0
"""Seconds that a host has to go when its program leaves."""

LAUNCHER = "fastask._nodes.ray.launch"

HOME = Path(__file__).resolve().parents[3]
"""Where fastask is: Ray has its processes look where the launcher was started."""


class Owner(Protocol):
    """Who gets what a pipe brings."""

    def told(self, kind: int, number: int, payload: bytes) -> None: ...

    def lost(self, pipe: Pipe) -> None: ...


class Pipe(asyncio.Protocol):
    """The socket to a host. When the program ends, however it does, the host does."""

    def __init__(self, owner: Owner) -> None:
        loop = asyncio.get_running_loop()
        self._owner: Owner | None = owner
        self._records = Records()
        self._transport: asyncio.Transport | None = None
        self.ready: asyncio.Future[bytes] = loop.create_future()
        self._gone: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the host."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none

    def data_received(self, data: bytes) -> None:
        """Tell the owner what the host says."""
        for kind, number, payload in self._records.feed(data):
            if kind == READY:
                if not self.ready.done():
                    self.ready.set_result(payload)
            elif self._owner is not None:
                self._owner.told(kind, number, payload)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner that the host is dead, or who waits for it to be ready."""
        if not self._gone.done():
            self._gone.set_result(None)
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("the host has ended at once"))
            self.ready.exception()  # nobody may be waiting any more
        elif self._owner is not None:
            self._owner.lost(self)

    def write(self, kind: int, number: int = 0, *payload: Buffer) -> None:
        """Send a record to the host; do nothing when it is gone."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(record(kind, number, *payload))

    async def leave(self) -> None:
        """Have the host send what it has, and end; wait until it has ended."""
        self._owner = None
        if self._transport is None:
            return
        self.write(BYE)
        with contextlib.suppress(OSError, RuntimeError):  # it is gone already
            self._transport.write_eof()
        await asyncio.wait([self._gone], timeout=LEAVE)
        self.abort()

    def abort(self) -> None:
        """Let go of the host at once: it ends by itself."""
        self._owner = None
        if self._transport is not None:
            self._transport.abort()


async def opened(
    pipe: Pipe, this: Peer, join: str, environment: Mapping[str, str]
) -> Peer:
    """Have Ray start a host at the other end; return the node as others see it.

    Raises:
        NameTakenError: If a live node has the name.
        ConnectionError: If there is no cluster, or it starts no host.
    """
    # Nobody else gets into this folder, and the socket is gone once it is used.
    folder = tempfile.mkdtemp(prefix="fastask-")
    path = os.path.join(folder, "host")
    server = None
    try:
        server = await listening(pipe, path)
        async with asyncio.timeout(START):
            order = {"join": join, "path": path, "peer": described(this).decode()}
            check(await launched(order, environment), this.name, join)
            return peer_from(await pipe.ready)
    except TimeoutError as error:
        raise ConnectionError(
            f"the Ray cluster {join!r} did not start a host within {START:g} s; "
            "is its token or TLS another one?"
        ) from error
    finally:
        if server is not None:
            server.close()
        shutil.rmtree(folder, ignore_errors=True)


async def listening(pipe: Pipe, path: str) -> asyncio.Server:
    """Have a pipe take the host that connects to a path."""
    if sys.platform != "win32":
        loop = asyncio.get_running_loop()
        return await loop.create_unix_server(lambda: pipe, path, backlog=1)
    raise OSError(UNIX_ONLY)


async def launched(
    order: Mapping[str, object], environment: Mapping[str, str]
) -> dict[str, str]:
    """Run the launcher; return its outcome."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", LAUNCHER),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=HOME,
        env=environment,
    )
    try:
        out, noise = await process.communicate(json.dumps(order).encode() + b"\n")
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await asyncio.shield(process.wait())
        raise
    try:
        outcome: Any = json.loads(out)
    except ValueError:
        return {"failed": noise.decode(errors="replace")[-2000:].strip()}
    return dict(outcome)


def check(outcome: Mapping[str, str], name: str, join: str) -> None:
    """Raise what an outcome means."""
    if "taken" in outcome:
        raise NameTakenError(
            f"name must be free in the cluster, a live node has {name!r}"
        )
    if "unreachable" in outcome:
        raise ConnectionError(
            f"the Ray cluster {join!r} cannot be joined: {outcome['unreachable']}"
        )
    if "failed" in outcome:
        raise ConnectionError(
            f"the Ray cluster {join!r} started no host for {name!r}: "
            f"{outcome['failed']}"
        )
