"""What does it cost to start something and to wait for it?"""

from __future__ import annotations

import asyncio
from time import perf_counter_ns

import fastask
from bench.pair import Pair

BATCH = 1000


async def work(x: int) -> int:
    """Do nothing and be done at once."""
    return x


async def spawn_await_asyncio(n: int) -> int:
    """Start one, await it, start the next."""
    start = perf_counter_ns()
    for i in range(n):
        await asyncio.create_task(work(i))
    return perf_counter_ns() - start


async def spawn_await(n: int) -> int:
    """Start one, await it, start the next."""
    start = perf_counter_ns()
    for i in range(n):
        await fastask.async_(work, i)
    return perf_counter_ns() - start


async def spawn_then_await_asyncio(n: int) -> int:
    """Start a thousand, then await each."""
    start = perf_counter_ns()
    for _ in range(n // BATCH):
        tasks = [asyncio.create_task(work(i)) for i in range(BATCH)]
        for task in tasks:
            await task
    return perf_counter_ns() - start


async def spawn_then_await(n: int) -> int:
    """Start a thousand, then await each."""
    start = perf_counter_ns()
    for _ in range(n // BATCH):
        tasks = [fastask.async_(work, i) for i in range(BATCH)]
        for task in tasks:
            await task
    return perf_counter_ns() - start


async def await_many_asyncio(n: int) -> int:
    """Start a thousand and wait for all in one go: `gather`."""
    start = perf_counter_ns()
    for _ in range(n // BATCH):
        await asyncio.gather(*[work(i) for i in range(BATCH)])
    return perf_counter_ns() - start


async def await_many(n: int) -> int:
    """Start a thousand and wait for all in one go: `await_many`."""
    start = perf_counter_ns()
    for _ in range(n // BATCH):
        await fastask.await_many([fastask.async_(work, i) for i in range(BATCH)])
    return perf_counter_ns() - start


PAIRS = (
    Pair(
        "spawn_await",
        "spawn and await, one by one",
        spawn_await_asyncio,
        spawn_await,
        20_000,
    ),
    Pair(
        "spawn_then_await",
        "1000 spawned, then awaited",
        spawn_then_await_asyncio,
        spawn_then_await,
        20_000,
    ),
    Pair(
        "await_many",
        "`await_many` of 1000; `gather`",
        await_many_asyncio,
        await_many,
        20_000,
    ),
)
