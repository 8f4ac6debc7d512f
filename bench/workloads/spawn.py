"""What does it cost to start something and to wait for it?"""

from __future__ import annotations

import asyncio

import fastask
from bench.clock import now
from bench.kit import Kit, structured
from bench.row import Row

BATCH = 1000


async def work(x: int) -> int:
    """Do nothing and be done at once."""
    return x


async def spawn_await_asyncio(n: int) -> int:
    """Start one, await it, start the next."""
    start = now()
    for i in range(n):
        await asyncio.create_task(work(i))
    return now() - start


async def spawn_await(n: int) -> int:
    """Start one, await it, start the next."""
    start = now()
    for i in range(n):
        await fastask.async_(work, i)
    return now() - start


async def spawn_then_await_asyncio(n: int) -> int:
    """Start a thousand, then await each."""
    start = now()
    for _ in range(n // BATCH):
        tasks = [asyncio.create_task(work(i)) for i in range(BATCH)]
        for task in tasks:
            await task
    return now() - start


async def spawn_then_await(n: int) -> int:
    """Start a thousand, then await each."""
    start = now()
    for _ in range(n // BATCH):
        tasks = [fastask.async_(work, i) for i in range(BATCH)]
        for task in tasks:
            await task
    return now() - start


async def await_many_asyncio(n: int) -> int:
    """Start a thousand and wait for all in one go: `gather`."""
    start = now()
    for _ in range(n // BATCH):
        await asyncio.gather(*[work(i) for i in range(BATCH)])
    return now() - start


async def await_many(n: int) -> int:
    """Start a thousand and wait for all in one go: `await_many`."""
    start = now()
    for _ in range(n // BATCH):
        await fastask.await_many([fastask.async_(work, i) for i in range(BATCH)])
    return now() - start


async def spawn_await_structured(kit: Kit, n: int) -> int:
    """Start one in a group of its own, which waits for it; then the next."""
    open_group = kit.group
    start = now()
    for i in range(n):
        async with open_group() as group:
            group.start_soon(work, i)
    return now() - start


async def spawn_then_await_structured(kit: Kit, n: int) -> int:
    """Start a thousand in a group, which waits for them."""
    open_group = kit.group
    start = now()
    for _ in range(n // BATCH):
        async with open_group() as group:
            for i in range(BATCH):
                group.start_soon(work, i)
    return now() - start


ROWS = (
    Row(
        "spawn_await",
        "spawn and await, one by one",
        20_000,
        {
            "fastask": spawn_await,
            "asyncio": spawn_await_asyncio,
            **structured(spawn_await_structured),
        },
        beam=("spawn", "spawn_await"),
    ),
    Row(
        "spawn_then_await",
        "1000 spawned, then awaited",
        20_000,
        {
            "fastask": spawn_then_await,
            "asyncio": spawn_then_await_asyncio,
            **structured(spawn_then_await_structured),
        },
        beam=("spawn", "spawn_then_await"),
        small=BATCH,
    ),
    Row(
        "await_many",
        "`await_many` of 1000; `gather`",
        20_000,
        {"fastask": await_many, "asyncio": await_many_asyncio},
        beam=("spawn", "await_many"),
        small=BATCH,
    ),
)
