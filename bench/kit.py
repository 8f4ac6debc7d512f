"""A kit: what anyio, trio and asyncio call the same things, under one name each.

anyio and trio offer the same shapes, so what is written with a kit reads as their
users would write it for either. Every part is the library's own function or bound
method: nothing stands in between while the clock runs.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from bench.row import Figures, Workload

Put = Callable[[Any], None]
Get = Callable[[], Awaitable[Any]]


@dataclass(frozen=True)
class Kit:
    """The parts of one library."""

    group: Callable[[], AbstractAsyncContextManager[Any]]
    """Opens a group of tasks, with `start_soon(function, *arguments)`."""

    mailbox: Callable[[], tuple[Put, Get]]
    """Makes an unbounded queue; returns what puts and what gets."""

    event: Callable[[], Any]
    sleep: Callable[[float], Awaitable[None]]
    fail_after: Callable[[float], Any] | None = None
    """A time limit, by `with`."""

    limiter: Callable[[int], Any] | None = None
    """Lets so many in at a time, by `async with`."""


class Group(asyncio.TaskGroup):
    """A `TaskGroup` that starts tasks as the groups of anyio and trio do."""

    def start_soon(self, function: Callable[..., Any], *arguments: object) -> None:
        """Start a task."""
        self.create_task(function(*arguments))


def _queue() -> tuple[Put, Get]:
    queue: asyncio.Queue[Any] = asyncio.Queue()
    return queue.put_nowait, queue.get


def asyncio_kit() -> Kit:
    """Return the parts of asyncio."""
    return Kit(Group, _queue, asyncio.Event, asyncio.sleep)


def anyio_kit() -> Kit:
    """Return the parts of anyio."""
    import anyio

    def mailbox() -> tuple[Put, Get]:
        put, get = anyio.create_memory_object_stream[Any](math.inf)
        return put.send_nowait, get.receive

    return Kit(
        anyio.create_task_group,
        mailbox,
        anyio.Event,
        anyio.sleep,
        anyio.fail_after,
        anyio.CapacityLimiter,
    )


def trio_kit() -> Kit:
    """Return the parts of trio."""
    import trio

    def mailbox() -> tuple[Put, Get]:
        put, get = trio.open_memory_channel[Any](math.inf)
        return put.send_nowait, get.receive

    return Kit(
        trio.open_nursery,
        mailbox,
        trio.Event,
        trio.sleep,
        trio.fail_after,
        trio.CapacityLimiter,
    )


KITS: dict[str, Callable[[], Kit]] = {
    "asyncio": asyncio_kit,
    "anyio": anyio_kit,
    "trio": trio_kit,
}


def with_kit(
    name: str, workload: Callable[..., Awaitable[Figures]], *arguments: object
) -> Workload:
    """Give a workload a kit, and what else comes before its operations."""

    async def measured(operations: int) -> Figures:
        return await workload(KITS[name](), *arguments, operations)

    return measured


def structured(
    workload: Callable[..., Awaitable[Figures]], *arguments: object
) -> dict[str, Workload]:
    """Return the sides of anyio and trio of a workload that takes a kit."""
    return {name: with_kit(name, workload, *arguments) for name in ("anyio", "trio")}


def actors(workload: Callable[..., Awaitable[Figures]]) -> dict[str, Workload]:
    """Return the same two and asyncio's: tasks with a queue each."""
    return {name: with_kit(name, workload) for name in KITS}
