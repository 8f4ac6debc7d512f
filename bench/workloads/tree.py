"""What does the task factory do to a program that calls itself in many tasks?

The shapes are those that pyperformance describes as `async_tree`: each node runs six
more below it and waits for them, the leaves do some work. Its tree has 6 levels (55 986
tasks) and its leaves sleep for 50 ms. To keep a round short, this one has 5 (9330
tasks), and the sleep is shorter in the same proportion.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable

from bench.clock import now
from bench.row import Row, given
from bench.workloads.factory import eager_rows, same

BRANCHES = 6
LEVELS = 5
SLEEP = 0.050 / BRANCHES
KNOWN = 0.9
"""The share of what leaves ask for that is remembered, in "memoization"."""

NUMBER = 500
"""Whose factorial is the work of a computing leaf."""

TASKS = sum(BRANCHES**level for level in range(1, LEVELS + 1))

Leaf = Callable[[random.Random], Awaitable[None]]
Node = Callable[[Leaf, random.Random, int], Awaitable[None]]


async def none(chance: random.Random) -> None:
    """Do nothing."""


async def io(chance: random.Random) -> None:
    """Wait as if for an answer of the network."""
    await asyncio.sleep(SLEEP)


async def memoization(chance: random.Random) -> None:
    """Wait for what is not remembered."""
    if chance.random() >= KNOWN:
        await io(chance)


async def cpu_io_mixed(chance: random.Random) -> None:
    """Compute in every second leaf or so, else do as "memoization"."""
    if chance.random() < 0.5:
        math.factorial(NUMBER)
    else:
        await memoization(chance)


async def gathered(leaf: Leaf, chance: random.Random, levels: int) -> None:
    """Run what is below with `gather`."""
    if levels == 0:
        await leaf(chance)
        return
    await asyncio.gather(*[gathered(leaf, chance, levels - 1) for _ in range(BRANCHES)])


async def grouped(leaf: Leaf, chance: random.Random, levels: int) -> None:
    """Run what is below in a `TaskGroup`."""
    if levels == 0:
        await leaf(chance)
        return
    async with asyncio.TaskGroup() as group:
        for _ in range(BRANCHES):
            group.create_task(grouped(leaf, chance, levels - 1))


async def grow(node: Node, leaf: Leaf, tasks: int) -> int:
    """Time a whole tree; the same leaves do the same on both sides."""
    chance = random.Random(0)
    start = now()
    await node(leaf, chance, LEVELS)
    return now() - start


LEAVES: dict[str, Leaf] = {
    "none": none,
    "io": io,
    "memoization": memoization,
    "cpu_io_mixed": cpu_io_mixed,
}


def rows() -> tuple[Row, ...]:
    """Return a row for each kind of leaf and either way to wait."""
    made = [
        same(
            f"tree_{name}_{short}",
            f"task factory: a tree, {name}, `{call}`; per task",
            given(grow, node, leaf),
            TASKS,
            small=TASKS,
        )
        for name, leaf in LEAVES.items()
        for short, call, node in (
            ("gather", "gather", gathered),
            ("group", "TaskGroup", grouped),
        )
    ]
    eager = eager_rows(
        (
            "eager_tree",
            "both eager: a tree, none, `gather`; per task",
            given(grow, gathered, none),
            TASKS,
        ),
        small=TASKS,
    )
    return (*made, *eager)


ROWS = rows()
