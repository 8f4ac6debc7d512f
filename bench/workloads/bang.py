"""Bang: a hundred actors send to a single one, which can hardly keep up."""

from __future__ import annotations

from typing import Any

import fastask
from bench.clock import now
from bench.kit import Kit, actors
from bench.row import Row

SENDERS = 100


async def bang_rival(kit: Kit, n: int) -> int:
    """Put from a hundred tasks into the queue of one."""
    put, get = kit.mailbox()

    async def sender() -> None:
        for i in range(n // SENDERS):
            put(i)

    start = now()
    async with kit.group() as group:
        for _ in range(SENDERS):
            group.start_soon(sender)
        for _ in range(n):
            await get()
    return now() - start


async def _sender(target: fastask.Process[Any], count: int) -> None:
    for i in range(count):
        fastask.send(target, i)


async def bang(n: int) -> int:
    """Send from a hundred processes to one."""
    start = now()
    for _ in range(SENDERS):
        fastask.spawn(_sender, fastask.self_(), n // SENDERS)
    for _ in range(n):
        await fastask.receive()
    return now() - start


ROWS = (
    Row(
        "bang",
        "bang, 100 senders to one; per message",
        100_000,
        {"fastask": bang, **actors(bang_rival)},
        beam=("actors", "bang"),
    ),
)
