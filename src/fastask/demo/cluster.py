"""An article's program: a hundred tasks spread over the nodes of a cluster."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
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
    chance = random.Random(seed)
    begin = time.perf_counter()
    async with fastask.connect("local", workers=workers):
        start = time.perf_counter() - begin
        nodes = [fastask.node(), *fastask.nodes()]
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
