"""A pair: one workload written twice, and how either side is run."""

from __future__ import annotations

import asyncio
import functools
import gc
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

import uvloop

import fastask

Workload = Callable[[int], Coroutine[Any, Any, int]]
Side = Literal["asyncio", "fastask"]

SIDES: tuple[Side, ...] = ("asyncio", "fastask")


@dataclass(frozen=True)
class Pair:
    """One question, asked of both sides.

    A workload takes the number of operations and returns the nanoseconds they took:
    it reads the clock itself, so that neither the start of the loop nor what has to be
    prepared (20 000 live timers, say) counts.
    """

    name: str
    title: str
    asyncio: Workload
    fastask: Workload
    operations: int

    def __str__(self) -> str:
        """Return the name, by which the pair is chosen."""
        return self.name

    def measure(self, side: Side) -> float:
        """Run one side once, on a fresh uvloop loop.

        Args:
            side: Which one.

        Returns:
            Nanoseconds for one operation.
        """
        gc.collect()
        if side == "fastask":
            spent = run_fastask(self.fastask, self.operations)
        else:
            spent = run_asyncio(self.asyncio, self.operations)
        return spent / self.operations


def run_asyncio(workload: Workload, operations: int) -> int:
    """Run an asyncio workload on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(workload(operations))


def run_fastask(workload: Workload, operations: int) -> int:
    """Run a fastask workload as the root process, on uvloop."""
    return fastask.run(workload, operations, loop_factory=uvloop.new_event_loop)


def given(
    workload: Callable[..., Awaitable[int]], *arguments: object
) -> Callable[[int], Coroutine[Any, Any, int]]:
    """Give a workload what comes before its number of operations."""

    @functools.wraps(workload)
    async def with_arguments(operations: int) -> int:
        return await workload(*arguments, operations)

    return with_arguments
