"""An article's program: a hundred tasks spread over the nodes of a cluster."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import fastask

TASKS = 100
SPREAD = 0.05
"""Seconds that a task takes at most."""


@dataclass(frozen=True)
class Spread:
    """What became of the tasks.

    Attributes:
        counts: How many tasks each node ran.
        start: Seconds until all nodes were up.
        seconds: Seconds from the first task to the last outcome.
        right: How many outcomes were what they should be.
    """

    counts: dict[str, int]
    start: float
    seconds: float
    right: int

    @property
    def is_good(self) -> bool:
        """Whether every task did what it should, where it should."""
        return self.right == TASKS


async def some_expensive_task(number: int, seconds: float) -> tuple[int, str]:
    """Take some time, and tell on which node."""
    await asyncio.sleep(seconds)
    return number, fastask.node()


async def spread_tasks(workers: int, seed: int) -> Spread:
    """Run the tasks on random nodes, this one and `workers` others."""
    begin = time.perf_counter()
    async with fastask.connect("local", workers=workers):
        return await _spread(time.perf_counter() - begin, seed)


async def spread_tasks_on_dask(nodes: int, seed: int) -> Spread:
    """Do it on this node and `nodes` others, programs that join a head.

    Raises:
        OSError: If the head or a node ends before it is up.
    """
    begin = time.perf_counter()
    names = [f"{number}@demo" for number in range(1, nodes + 1)]
    async with contextlib.AsyncExitStack() as stack:
        head = await stack.enter_async_context(_program("scheduler", "--port=0"))
        for name in names:
            command = ["node", "--engine=dask", f"--name={name}", f"--join={head}"]
            await stack.enter_async_context(_program(*command))
        await stack.enter_async_context(fastask.connect("dask", "0@demo", join=head))
        fastask.monitor_nodes(True)
        while not set(names) <= set(fastask.nodes()):
            await fastask.receive(fastask.NodeUp)
        return await _spread(time.perf_counter() - begin, seed)


@contextlib.asynccontextmanager
async def _program(*arguments: str) -> AsyncIterator[str]:
    """Run a command of fastask; give the last word of its first line."""
    program = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "fastask", *arguments, "--log-level=ERROR"],
        stdout=asyncio.subprocess.PIPE,
    )
    assert program.stdout is not None
    try:
        line = (await program.stdout.readline()).decode()
        if not line:
            raise OSError(f"{arguments[0]} ended before it was up")
        yield line.split()[-1]
    finally:
        with contextlib.suppress(ProcessLookupError):
            program.terminate()
        await program.communicate()


async def _spread(start: float, seed: int) -> Spread:
    chance = random.Random(seed)
    nodes = sorted([fastask.node(), *fastask.nodes()])
    chosen = [chance.choice(nodes) for _ in range(TASKS)]
    begin = time.perf_counter()
    tasks = [
        fastask.TaskSupervisor.ref("task_supervisor", node).async_(
            some_expensive_task, number, chance.uniform(0, SPREAD)
        )
        for number, node in enumerate(chosen)
    ]
    outcomes = [outcome for _, outcome in await fastask.yield_many(tasks)]
    seconds = time.perf_counter() - begin
    right = sum(
        outcome == fastask.Ok(wanted)
        for outcome, wanted in zip(outcomes, enumerate(chosen), strict=True)
    )
    return Spread(dict(sorted(Counter(chosen).items())), start, seconds, right)
