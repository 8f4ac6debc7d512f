"""Keepers: what is opened and closed, as a child of a supervisor."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

import fastask


class Resource(Protocol):
    """What others use, and somebody has to open and close.

    `open` may find it open, after a keeper that was killed.
    """

    def open(self) -> Awaitable[None]: ...

    def close(self) -> Awaitable[None]: ...


class Keeper(fastask.GenServer):
    """Opens a resource when it starts, and closes it when it stops.

    The children before it are there when it opens, and still there when it closes.
    """

    async def init(self, resource: Resource) -> None:
        """Open the resource; what it raises is the reason not to start."""
        fastask.trap_exit(True)  # so that `terminate` runs
        self.resource = resource
        await resource.open()

    async def terminate(self, reason: object) -> None:
        """Close the resource."""
        await self.resource.close()
