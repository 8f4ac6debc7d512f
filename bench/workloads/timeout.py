"""What does a time limit add that is never reached?"""

from __future__ import annotations

import asyncio
from time import perf_counter_ns

import fastask
from bench.pair import Pair
from bench.workloads.spawn import work

SECONDS = 5.0


async def await_timeout_asyncio(n: int) -> int:
    """Start one, await it for five seconds at most: `wait_for`."""
    start = perf_counter_ns()
    for i in range(n):
        await asyncio.wait_for(asyncio.create_task(work(i)), SECONDS)
    return perf_counter_ns() - start


async def await_timeout(n: int) -> int:
    """Start one, await it for five seconds at most: `await_`."""
    start = perf_counter_ns()
    for i in range(n):
        await fastask.await_(fastask.async_(work, i), SECONDS)
    return perf_counter_ns() - start


PAIRS = (
    Pair(
        "await_timeout",
        "spawn and await with a 5 s limit; `wait_for`",
        await_timeout_asyncio,
        await_timeout,
        20_000,
    ),
)
