"""What does supervision add to a task?"""

from __future__ import annotations

import asyncio

import fastask
from bench.clock import now
from bench.row import Row
from bench.workloads.spawn import work


async def supervised_asyncio(n: int) -> int:
    """Keep each task in a set until it is done, as one does by hand."""
    tasks = set[asyncio.Task[int]]()
    start = now()
    for i in range(n):
        task = asyncio.create_task(work(i))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await task
    return now() - start


async def supervised(n: int) -> int:
    """Start a task under a supervisor, await it, start the next."""
    async with fastask.TaskSupervisor() as supervisor:
        start = now()
        for i in range(n):
            await supervisor.async_(work, i)
        return now() - start


ROWS = (
    Row(
        "supervised",
        "spawn under a supervisor and await; a set of tasks",
        20_000,
        {"fastask": supervised, "asyncio": supervised_asyncio},
        beam=("spawn", "supervised"),
    ),
)
