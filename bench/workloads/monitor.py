"""What does it cost to start something and to be told of its end by a message?"""

from __future__ import annotations

import asyncio

import fastask
from bench.clock import now
from bench.row import Row


async def _end() -> None:
    pass


async def monitor_asyncio(n: int) -> int:
    """Start a task whose end puts it in a queue, take it from there."""
    ends: asyncio.Queue[asyncio.Task[None]] = asyncio.Queue()
    start = now()
    for _ in range(n):
        asyncio.create_task(_end()).add_done_callback(ends.put_nowait)
        await ends.get()
    return now() - start


async def monitor(n: int) -> int:
    """Start a process with a monitor, receive its `Down`."""
    start = now()
    for _ in range(n):
        _, ref = fastask.spawn_monitor(_end)
        await fastask.receive(ref)
    return now() - start


ROWS = (
    Row(
        "monitor",
        "`spawn_monitor` and `Down`; a done callback and a queue",
        20_000,
        {"fastask": monitor, "asyncio": monitor_asyncio},
        beam=("process", "monitor"),
    ),
)
