"""The clock of the workloads: time on the wall, or time of the processor alone."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns, process_time_ns
from typing import Literal

ClockName = Literal["wall", "cpu"]

CLOCKS: dict[ClockName, Callable[[], int]] = {
    "wall": perf_counter_ns,
    "cpu": process_time_ns,
}


class Clock:
    """What `now` reads; one for the process, as a process measures one thing."""

    def __init__(self) -> None:
        """Begin with the time on the wall."""
        self.read = CLOCKS["wall"]


_clock = Clock()


def now() -> int:
    """Return nanoseconds by the clock that was chosen last."""
    return _clock.read()


def choose(name: ClockName) -> None:
    """Let `now` read that clock from here on."""
    _clock.read = CLOCKS[name]
