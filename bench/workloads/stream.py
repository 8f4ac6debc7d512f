"""What does an item of a bounded stream cost?

Both rivals of `async_stream` are what asyncio offers: a semaphore with `gather`, which
makes a task for each item, and workers that share an iterator, which make none. An
item that never waits leaves it all to the first worker, which is then a plain loop;
items that yield once make the hundred take turns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from time import perf_counter_ns
from typing import Any

import fastask
from bench.pair import Pair, given
from bench.workloads.spawn import work

Function = Callable[[int], Coroutine[Any, Any, int]]

CONCURRENCY = 100
ITEMS = 10_000


async def yield_once(x: int) -> int:
    """Let the others run once, then be done."""
    await asyncio.sleep(0)
    return x


async def semaphore(function: Function, n: int) -> int:
    """`Semaphore(100)` and `gather`: a task for each item."""
    limit = asyncio.Semaphore(CONCURRENCY)

    async def limited(x: int) -> int:
        async with limit:
            return await function(x)

    start = perf_counter_ns()
    results = await asyncio.gather(*[limited(x) for x in range(n)])
    spent = perf_counter_ns() - start
    assert len(results) == n
    return spent


async def workers(function: Function, n: int) -> int:
    """100 workers over one iterator, each result in its place: no task for an item."""
    items = iter(range(n))
    results = [-1] * n

    async def worker() -> None:
        for x in items:
            results[x] = await function(x)

    start = perf_counter_ns()
    async with asyncio.TaskGroup() as group:
        for _ in range(CONCURRENCY):
            group.create_task(worker())
    spent = perf_counter_ns() - start
    assert results[-1] == n - 1
    return spent


async def _stream(function: Function, n: int, *, ordered: bool) -> int:
    results = []
    start = perf_counter_ns()
    stream = fastask.async_stream(
        range(n), function, max_concurrency=CONCURRENCY, ordered=ordered, timeout=None
    )
    async for result in stream:
        results.append(result.unwrap())
    spent = perf_counter_ns() - start
    assert len(results) == n
    return spent


async def ordered(function: Function, n: int) -> int:
    """`async_stream`: a process for each item, results in the order of the input."""
    return await _stream(function, n, ordered=True)


async def unordered(function: Function, n: int) -> int:
    """`async_stream`: a process for each item, results as they come."""
    return await _stream(function, n, ordered=False)


PAIRS = (
    Pair(
        "stream_unordered",
        "unordered stream, per item; semaphore and `gather`",
        given(semaphore, work),
        given(unordered, work),
        ITEMS,
    ),
    Pair(
        "stream_ordered",
        "ordered stream, per item; semaphore and `gather`",
        given(semaphore, work),
        given(ordered, work),
        ITEMS,
    ),
    Pair(
        "stream_unordered_workers",
        "unordered stream, per item; 100 workers",
        given(workers, work),
        given(unordered, work),
        ITEMS,
    ),
    Pair(
        "stream_ordered_workers",
        "ordered stream, per item; 100 workers",
        given(workers, work),
        given(ordered, work),
        ITEMS,
    ),
    Pair(
        "stream_yield",
        "unordered stream, items that yield once; semaphore and `gather`",
        given(semaphore, yield_once),
        given(unordered, yield_once),
        ITEMS,
    ),
    Pair(
        "stream_yield_workers",
        "unordered stream, items that yield once; 100 workers",
        given(workers, yield_once),
        given(unordered, yield_once),
        ITEMS,
    ),
)
