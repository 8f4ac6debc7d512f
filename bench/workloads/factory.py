"""What does `loop.set_task_factory(fastask.task_factory)` do to a program of asyncio?

Both sides run the same functions, written for asyncio; only the task factory differs.
"""

from __future__ import annotations

import asyncio
import inspect
import sys

import fastask
from bench.clock import now
from bench.row import Row, TaskFactory, Workload
from bench.workloads.spawn import work

BATCH = 100


async def create_await(n: int) -> int:
    """Start one, await it, start the next."""
    start = now()
    for i in range(n):
        await asyncio.create_task(work(i))
    return now() - start


async def group(n: int) -> int:
    """Start a hundred in a `TaskGroup`, then the next hundred."""
    start = now()
    for _ in range(n // BATCH):
        async with asyncio.TaskGroup() as tasks:
            for i in range(BATCH):
                tasks.create_task(work(i))
    return now() - start


async def gather(n: int) -> int:
    """Gather a hundred, then the next hundred."""
    start = now()
    for _ in range(n // BATCH):
        await asyncio.gather(*[work(i) for i in range(BATCH)])
    return now() - start


async def sleep_zero(n: int) -> int:
    """Give the loop a turn, again and again."""
    start = now()
    for _ in range(n):
        await asyncio.sleep(0)
    return now() - start


async def sleep_zero_together(n: int) -> int:
    """Do the same in a hundred tasks at a time."""

    async def turns() -> None:
        for _ in range(n // BATCH):
            await asyncio.sleep(0)

    start = now()
    await asyncio.gather(*[turns() for _ in range(BATCH)])
    return now() - start


def same(
    name: str,
    title: str,
    workload: Workload,
    operations: int = 20_000,
    rival: TaskFactory | None = None,
    small: int = 0,
) -> Row:
    """Return the row of one function, with tasks of asyncio and with ours."""
    own = fastask.task_factory if rival is None else fastask.eager_task_factory
    sides = {"asyncio": workload, "fastask": workload}
    return Row(name, title, operations, sides, small=small, factories=(rival, own))


def eager_factory() -> TaskFactory | None:
    """Return asyncio's eager factory, or None where uvloop has none to work with.

    It came with 3.12. From 3.13 on uvloop passes it an argument that the one of 3.13.0
    does not take.
    """
    if sys.version_info < (3, 12):
        return None
    factory: TaskFactory = asyncio.eager_task_factory
    taken = inspect.signature(factory).parameters.values()
    takes_it = any(p.name == "eager_start" or p.kind is p.VAR_KEYWORD for p in taken)
    return factory if takes_it or sys.version_info < (3, 13) else None


def eager_rows(
    *rows: tuple[str, str, Workload, int], small: int = 0
) -> tuple[Row, ...]:
    """Return rows with both eager factories; none where asyncio's does not work."""
    rival = eager_factory()
    if rival is None:
        return ()
    return tuple(same(*row, rival, small) for row in rows)


ROWS = (
    same("factory_create", "task factory: `create_task` and await", create_await),
    same("factory_group", "task factory: `TaskGroup` of 100", group),
    same("factory_gather", "task factory: `gather` of 100", gather),
    same("factory_sleep", "task factory: `sleep(0)`, alone", sleep_zero),
    same("factory_sleeps", "task factory: `sleep(0)`, 100 tasks", sleep_zero_together),
    *eager_rows(
        ("eager_create", "both eager: `create_task` and await", create_await, 20_000),
        ("eager_group", "both eager: `TaskGroup` of 100", group, 20_000),
        ("eager_gather", "both eager: `gather` of 100", gather, 20_000),
    ),
)
