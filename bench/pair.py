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
TaskFactory = Callable[..., Any]

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
    factories: tuple[TaskFactory | None, TaskFactory] | None = None
    """What makes the tasks of asyncio's side and of ours, where the loop is told it."""

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
        workload = self.fastask if side == "fastask" else self.asyncio
        if self.factories is not None:
            factory = self.factories[side == "fastask"]
            spent = run_with_factory(factory, workload, self.operations)
        elif side == "fastask":
            spent = run_fastask(workload, self.operations)
        else:
            spent = run_asyncio(workload, self.operations)
        return spent / self.operations


def run_asyncio(workload: Workload, operations: int) -> int:
    """Run an asyncio workload on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(workload(operations))


def run_fastask(workload: Workload, operations: int) -> int:
    """Run a fastask workload as the root process, on uvloop."""
    return fastask.run(workload, operations, loop_factory=uvloop.new_event_loop)


def run_with_factory(
    factory: TaskFactory | None, workload: Workload, operations: int
) -> int:
    """Run an asyncio workload on uvloop, all its tasks made by a factory."""

    def make_loop() -> asyncio.AbstractEventLoop:
        loop = uvloop.new_event_loop()
        loop.set_task_factory(factory)
        return loop

    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(workload(operations))


def given(
    workload: Callable[..., Awaitable[int]], *arguments: object
) -> Callable[[int], Coroutine[Any, Any, int]]:
    """Give a workload what comes before its number of operations."""

    @functools.wraps(workload)
    async def with_arguments(operations: int) -> int:
        return await workload(*arguments, operations)

    return with_arguments
