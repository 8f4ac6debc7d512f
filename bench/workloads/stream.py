"""What does an item of a bounded stream cost?

Both rivals of `async_stream` are what asyncio offers: a semaphore with `gather`, which
makes a task for each item, and workers that share an iterator, which make none. An
item that never waits leaves it all to the first worker, which is then a plain loop;
items that yield once make the hundred take turns.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import fastask
from bench.clock import now
from bench.kit import Kit, structured, with_kit
from bench.row import Row, Workload, given
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

    start = now()
    results = await asyncio.gather(*[limited(x) for x in range(n)])
    spent = now() - start
    assert len(results) == n
    return spent


async def workers(function: Function, n: int) -> int:
    """100 workers over one iterator, each result in its place: no task for an item."""
    items = iter(range(n))
    results = [-1] * n

    async def worker() -> None:
        for x in items:
            results[x] = await function(x)

    start = now()
    async with asyncio.TaskGroup() as group:
        for _ in range(CONCURRENCY):
            group.create_task(worker())
    spent = now() - start
    assert results[-1] == n - 1
    return spent


async def _stream(function: Function, n: int, *, ordered: bool) -> int:
    results = []
    start = now()
    stream = fastask.async_stream(
        range(n), function, max_concurrency=CONCURRENCY, ordered=ordered, timeout=None
    )
    async for result in stream:
        results.append(result.unwrap())
    spent = now() - start
    assert len(results) == n
    return spent


async def ordered(function: Function, n: int) -> int:
    """`async_stream`: a process for each item, results in the order of the input."""
    return await _stream(function, n, ordered=True)


async def unordered(function: Function, n: int) -> int:
    """`async_stream`: a process for each item, results as they come."""
    return await _stream(function, n, ordered=False)


async def limiter(kit: Kit, function: Function, n: int) -> int:
    """`CapacityLimiter(100)` and a group: a task for each item."""
    assert kit.limiter is not None
    limit = kit.limiter(CONCURRENCY)
    results = []

    async def limited(x: int) -> None:
        async with limit:
            results.append(await function(x))

    start = now()
    async with kit.group() as group:
        for x in range(n):
            group.start_soon(limited, x)
    spent = now() - start
    assert len(results) == n
    return spent


async def aiostream(function: Function, is_ordered: bool, n: int) -> int:
    """`aiostream.stream.map` with 100 tasks."""
    import aiostream

    async def mapped(x: int, *_: int) -> int:
        return await function(x)

    operators: Any = aiostream.stream
    start = now()
    items = operators.iterate(range(n))
    made = operators.map(items, mapped, ordered=is_ordered, task_limit=CONCURRENCY)
    results = await operators.list(made)
    spent = now() - start
    assert len(results) == n
    return spent


async def aiometer_unordered(function: Function, n: int) -> int:
    """`aiometer.amap`: results as they come."""
    import aiometer

    results = []
    start = now()
    async with aiometer.amap(function, range(n), max_at_once=CONCURRENCY) as made:
        async for result in made:
            results.append(result)
    spent = now() - start
    assert len(results) == n
    return spent


async def aiometer_ordered(function: Function, n: int) -> int:
    """`aiometer.run_all`: results in the order of the input."""
    import aiometer

    start = now()
    jobs = [functools.partial(function, x) for x in range(n)]
    results = await aiometer.run_all(jobs, max_at_once=CONCURRENCY)
    spent = now() - start
    assert len(results) == n
    return spent


def _row(
    name: str,
    title: str,
    own: Workload,
    rivals: Mapping[str, Workload],
    beam: tuple[str, ...] = (),
) -> Row:
    return Row(name, title, ITEMS, {"fastask": own, **rivals}, beam=beam)


ROWS = (
    _row(
        "stream_unordered",
        "unordered stream, per item; semaphore and `gather`",
        given(unordered, work),
        {
            "asyncio": given(semaphore, work),
            "aiostream": given(aiostream, work, False),
            "aiometer": given(aiometer_unordered, work),
            **structured(limiter, work),
        },
        ("stream", "unordered"),
    ),
    _row(
        "stream_ordered",
        "ordered stream, per item; semaphore and `gather`",
        given(ordered, work),
        {
            "asyncio": given(semaphore, work),
            "aiostream": given(aiostream, work, True),
            "aiometer": given(aiometer_ordered, work),
        },
        ("stream", "ordered"),
    ),
    _row(
        "stream_unordered_workers",
        "unordered stream, per item; 100 workers",
        given(unordered, work),
        {"asyncio": given(workers, work)},
    ),
    _row(
        "stream_ordered_workers",
        "ordered stream, per item; 100 workers",
        given(ordered, work),
        {"asyncio": given(workers, work)},
    ),
    _row(
        "stream_yield",
        "unordered stream, items that yield once; semaphore and `gather`",
        given(unordered, yield_once),
        {
            "asyncio": given(semaphore, yield_once),
            "aiostream": given(aiostream, yield_once, False),
            "aiometer": given(aiometer_unordered, yield_once),
            "anyio": with_kit("anyio", limiter, yield_once),
        },
    ),
    _row(
        "stream_yield_workers",
        "unordered stream, items that yield once; 100 workers",
        given(unordered, yield_once),
        {"asyncio": given(workers, yield_once)},
    ),
)
