"""A row: one question, and for each side the function that answers it."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from bench.clock import ClockName

T = TypeVar("T")

Figures = int | dict[str, float]
"""Nanoseconds (or bytes) of all operations, or several figures by their names."""

Workload = Callable[[int], Coroutine[Any, Any, Figures]]
Plain = Callable[[int], int]
TaskFactory = Callable[..., Any]

ONLY = ""
"""What the figure of a row is called that has no other."""


@dataclass(frozen=True)
class Row:
    """One question, asked of every side that has an answer.

    A workload takes the number of operations and returns what they took: it reads the
    clock itself, so that neither the start of the loop nor what has to be prepared
    (20 000 live timers, say) counts. What it returns as a number is divided by the
    operations; figures that it names itself are not.
    """

    name: str
    title: str
    operations: int
    sides: Mapping[str, Workload | Plain]
    """The workloads by the names of their sides, see `bench.side`."""

    beam: tuple[str, ...] = ()
    """The script in `bench/elixir`, and what comes before the number of operations."""

    small: int = 0
    """Operations of a run that only asks whether it works; 0 means a hundredth."""

    figures: tuple[str, ...] = (ONLY,)
    unit: str = "ns"
    clock: ClockName = "wall"
    plain: bool = False
    """Whether workloads are plain functions, which start the loops that they need."""

    fresh: bool = False
    """Whether each round needs a process that has run none before."""

    rounds: int = 0
    """Rounds at most, where each takes long; 0 means as many as are asked for."""

    linux: bool = False
    """Whether only Linux tells what the workload asks for."""

    factories: tuple[TaskFactory | None, TaskFactory] | None = None
    """What makes the tasks of asyncio's side and of ours, where the loop is told it."""

    def __str__(self) -> str:
        """Return the name, by which the row is chosen."""
        return self.name

    @property
    def least(self) -> int:
        """The operations of a run that only asks whether it works."""
        return self.small or max(1, self.operations // 100)

    @property
    def few(self) -> int:
        """The operations of a quick measurement."""
        return max(self.least, self.operations // 10)

    def line(self, figure: str) -> str:
        """Return what a line of a report with that figure is called."""
        return f"{self.name}.{figure}" if figure else self.name


def given(
    workload: Callable[..., Awaitable[T]], *arguments: object
) -> Callable[[int], Coroutine[Any, Any, T]]:
    """Give a workload what comes before its number of operations."""

    @functools.wraps(workload)
    async def with_arguments(operations: int) -> T:
        return await workload(*arguments, operations)

    return with_arguments
