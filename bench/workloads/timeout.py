"""What does a time limit add that is never reached?"""

from __future__ import annotations

import asyncio

import fastask
from bench.clock import now
from bench.kit import Kit, structured
from bench.row import Row
from bench.workloads.spawn import work

SECONDS = 5.0


async def await_timeout_asyncio(n: int) -> int:
    """Start one, await it for five seconds at most: `wait_for`."""
    start = now()
    for i in range(n):
        await asyncio.wait_for(asyncio.create_task(work(i)), SECONDS)
    return now() - start


async def await_timeout(n: int) -> int:
    """Start one, await it for five seconds at most: `await_`."""
    start = now()
    for i in range(n):
        await fastask.await_(fastask.async_(work, i), SECONDS)
    return now() - start


async def await_timeout_structured(kit: Kit, n: int) -> int:
    """Start one in a group of its own, under `fail_after`."""
    open_group, fail_after = kit.group, kit.fail_after
    assert fail_after is not None
    start = now()
    for i in range(n):
        with fail_after(SECONDS):
            async with open_group() as group:
                group.start_soon(work, i)
    return now() - start


ROWS = (
    Row(
        "await_timeout",
        "spawn and await with a 5 s limit; `wait_for`",
        20_000,
        {
            "fastask": await_timeout,
            "asyncio": await_timeout_asyncio,
            **structured(await_timeout_structured),
        },
        beam=("spawn", "await_timeout"),
    ),
)
