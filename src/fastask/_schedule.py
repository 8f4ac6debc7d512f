"""Schedules: the choices of one run, by chance or as they were made before."""

from __future__ import annotations

import gc
import random
from collections import deque
from collections.abc import Sequence
from typing import Any

from fastask._core.process import Process
from fastask._virtual_loop import VirtualLoop

__all__ = ["Schedule"]

STEPS_TO_SHOW = 20
CHOICES_BETWEEN_COLLECTIONS = 1 << 16


class Schedule:
    """Decides what a scheduler leaves open, and remembers what was decided.

    Number 0 is always what happens outside of tests: the process that has waited
    longest goes next, and goes on as long as it can.
    """

    def __init__(self, seed: int | None, choices: Sequence[int] = ()) -> None:
        """With a seed, choose at random; without, follow `choices` and then 0."""
        self._random = None if seed is None else random.Random(seed)
        self._given = choices
        self._loop: VirtualLoop | None = None
        self.taken: list[int] = []
        self.steps: deque[tuple[float, str]] = deque(maxlen=STEPS_TO_SHOW)

    def direct(self, loop: VirtualLoop, scheduler: Any) -> None:
        """Begin to decide for a scheduler."""
        self._loop = loop
        scheduler.choose_by(self)

    def choose(self, count: int) -> int:
        """Return a number of 0 to `count` - 1; called by the core."""
        taken = self.taken
        if self._random is not None:
            choice = int(self._random.random() * count)
        elif len(taken) < len(self._given):
            choice = min(self._given[len(taken)], count - 1)
        else:
            choice = 0
        taken.append(choice)
        if len(taken) % CHOICES_BETWEEN_COLLECTIONS == 0:
            gc.collect()
        return choice

    def chosen(self, process: Process[Any]) -> None:
        """Remember that a process goes next; called by the core."""
        assert self._loop is not None
        self.steps.append((self._loop.time(), repr(process)))

    def loop_is_ready(self) -> bool:
        """Tell whether the loop has something else to run; called by the core."""
        assert self._loop is not None
        return self._loop.is_ready

    def last_steps(self) -> str:
        """Return the last steps of processes as lines of text."""
        return "\n".join(f"    {time:.6f} s  {process}" for time, process in self.steps)
