"""What a test leaves behind: processes, tasks, names, timers, crashes nobody read."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from fastask import runtime
from fastask._core.names import registered
from fastask._core.process import Process
from fastask._core.reason import KILLED
from fastask._core.scheduler import Scheduler, scheduler_for
from fastask._core.timer import Timer
from fastask._core.verb import self_

__all__ = ["Crashes", "Leaks"]

OURS = str(Path(__file__).parent)
DRIVER = runtime.__file__
TURNS_TO_END = 20
"""Of the loop, that what is ending anyway has at the end of a test."""


class Crashes(logging.Handler):
    """Collects the reports of crashes that nobody observed."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the report of a crash; other records are left alone."""
        if getattr(record, "process_observed", True):
            return
        if getattr(record, "exit_reason", None) is not KILLED:  # who kills knows
            self.records.append(record)

    def __enter__(self) -> Crashes:
        logging.getLogger("fastask").addHandler(self)
        return self

    def __exit__(self, *exception: object) -> None:
        logging.getLogger("fastask").removeHandler(self)


class Leaks:
    """Watches one run, from inside its root process."""

    def __init__(self, crashes: Crashes | None) -> None:
        """Look at the crashes too, unless the test reads them itself."""
        self._crashes = crashes
        self._places: dict[int, str] = {}
        self.found: list[str] = []

    def watch(self) -> None:
        """Begin to note where processes are spawned."""
        self._scheduler().witness = self._spawned

    async def look(self) -> None:
        """Find what is left, when what ends of itself had the time to."""
        self._scheduler().witness = None
        for _ in range(TURNS_TO_END):
            self.found = self._left()
            if not self.found:
                return
            await asyncio.sleep(0)

    @staticmethod
    def _scheduler() -> Scheduler:
        return scheduler_for(asyncio.get_running_loop())

    def _spawned(self, process: Process[Any]) -> None:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename.startswith(OURS):
            if frame.f_code.co_filename == DRIVER:
                frame = None  # the rest of the stack is of who runs the loop
                break
            frame = frame.f_back
        if frame is not None:
            place = f"spawned at {frame.f_code.co_filename}:{frame.f_lineno}"
        else:
            place = f"spawned by {asyncio.current_task()!r}"
        self._places[process.id] = place

    def _left(self) -> list[str]:
        me: Process[Any] = self_()
        mine: object = me
        scheduler = self._scheduler()
        processes = [p for p in scheduler.processes() if p is not me]
        adopted = {id(p.get_coro()) for p in processes}
        left = [f"process {self._told(process)}" for process in processes]
        left += [
            f"asyncio task {task!r}"
            for task in asyncio.all_tasks()
            if task is not mine and id(task.get_coro()) not in adopted
        ]
        left += [
            f"timer {node!r}"
            for node in scheduler.armed_nodes()
            if isinstance(node, Timer)
        ]
        left += [f"name {name!r} of the test itself" for name in self._own_names(me)]
        if self._crashes is not None:
            left += [self._crash(record) for record in self._crashes.records]
        return left

    def _told(self, process: Process[Any]) -> str:
        place = self._places.get(process.id)
        return repr(process) if place is None else f"{process!r}, {place}"

    @staticmethod
    def _own_names(me: Process[Any]) -> list[Any]:
        return [name for name in registered() if name == me.name]

    def _crash(self, record: logging.LogRecord) -> str:
        id: int = record.process_id  # type: ignore[attr-defined]  # of a crash report
        headline = record.getMessage().splitlines()[0]
        place = self._places.get(id)
        where = "" if place is None else f", {place}"
        return f"crash that nobody observed: {headline}{where}"
