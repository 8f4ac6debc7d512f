"""What does supervision add to a task?"""

from __future__ import annotations

import asyncio
from time import perf_counter_ns

import fastask
from bench.pair import Pair
from bench.workloads.spawn import work


async def supervised_asyncio(n: int) -> int:
    """Keep each task in a set until it is done, as one does by hand."""
    tasks = set[asyncio.Task[int]]()
    start = perf_counter_ns()
    for i in range(n):
        task = asyncio.create_task(work(i))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await task
    return perf_counter_ns() - start


async def supervised(n: int) -> int:
    """Start a task under a supervisor, await it, start the next."""
    async with fastask.TaskSupervisor() as supervisor:
        start = perf_counter_ns()
        for i in range(n):
            await supervisor.async_(work, i)
        return perf_counter_ns() - start


PAIRS = (
    Pair(
        "supervised",
        "spawn under a supervisor and await; a set of tasks",
        supervised_asyncio,
        supervised,
        20_000,
    ),
)
