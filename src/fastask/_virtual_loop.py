"""An event loop whose clock jumps to the next timer when nothing can run."""

from __future__ import annotations

import asyncio
import contextlib
import math
import selectors
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from typing import TypeVar, TypeVarTuple

from fastask._core.executor import Pools
from fastask._core.scheduler import Scheduler
from fastask._core.thread import Job, ThreadPool

__all__ = ["PATIENCE", "VirtualLoop"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

PATIENCE = 1.0
"""Real seconds that the loop waits for a thread before anything else goes on."""

FINENESS = 1000
"""Nanoseconds that a sum of floats may be beside the point."""

MOST_TURNS = 10_000
CREEP = 1_000_000
"""After so many turns at one instant, nanoseconds that every further one takes."""


# The name stands for another class on each system, which checkers see differently.
class _Selector(selectors.DefaultSelector):  # type: ignore[misc,valid-type,unused-ignore]
    """The selector of a virtual loop: it asks the loop how long to wait."""

    loop: VirtualLoop

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            self.loop._busy()
            return ready
        limit = self.loop._real_limit(timeout)
        if limit is None:
            assert timeout is not None
            self.loop._jump(timeout)
            return ready
        begin = time.monotonic()
        ready = super().select(None if limit == math.inf else limit)
        self.loop._passed(time.monotonic() - begin, ready or limit == timeout)
        return ready

    @property
    def is_watching(self) -> bool:
        """Tell whether a file descriptor is watched that is not the loop's own."""
        return len(self.get_map()) > 1


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's selector loop, on a clock of its own that begins at zero.

    Time stands while anything can run, for `MOST_TURNS` of the loop, after which it
    creeps. When nothing can run, it jumps to the next timer:
    unless a thread works, or a file descriptor is watched, for then something may still
    happen, and time goes on as it does outside. When there is no timer either, `stuck`
    is called, which raises.
    """

    def __init__(
        self, virtual_time: bool, began: float, stuck: Callable[[], Exception]
    ) -> None:
        self._virtual = virtual_time
        self._began = began
        self._stuck = stuck
        self._elapsed = 0
        self._at_work = 0
        self._overdue = False
        self._turns = 0
        self._scheduler: Scheduler | None = None
        selector = _Selector()
        selector.loop = self
        self._watched = selector
        super().__init__(selector)

    def time(self) -> float:
        """Return the seconds since the loop was made, or real ones."""
        return self._elapsed / 1e9 if self._virtual else super().time()

    def wall_time(self) -> float:
        """Return the seconds since 1970."""
        return self._began + self._elapsed / 1e9 if self._virtual else time.time()

    @property
    def is_ready(self) -> bool:
        """Tell whether a callback waits for its turn."""
        return bool(self._ready)  # type: ignore[attr-defined]  # private to asyncio

    def attach(self, scheduler: Scheduler) -> None:
        """Let the clock of a new scheduler be that of the loop."""
        scheduler.pools = _SteadyPools(self)
        if self._virtual:
            self._scheduler = scheduler
            scheduler.set_clock(self._elapsed)

    # Time.

    def _real_limit(self, timeout: float | None) -> float | None:
        """Return for how long to wait in real time, or None to jump."""
        if self._may_be_roused():
            self._overdue = False
            return math.inf if timeout is None else timeout
        if timeout is None:
            return self._limit_to_rouse()
        return None if self._virtual else timeout

    def _may_be_roused(self) -> bool:
        if self._at_work or self._watched.is_watching:
            return True
        # The thread of asyncio that waits for the end of a child process.
        return any("waitpid-" in t.name for t in threading.enumerate())

    def _limit_to_rouse(self) -> float:
        """Return for how long to wait for other threads, when only they can help."""
        strangers = [
            thread
            for thread in threading.enumerate()
            if thread is not threading.current_thread()
            and not thread.name.startswith(("fastask-thread-", "fastask-process-"))
        ]
        if self._overdue or not strangers:
            raise self._stuck()
        self._overdue = True
        return PATIENCE

    def _busy(self) -> None:
        """Count a turn without a wait: who spins until it is later gets there."""
        self._turns += 1
        if self._virtual and self._turns > MOST_TURNS:
            self._set_elapsed(self._elapsed + CREEP)

    def _jump(self, seconds: float) -> None:
        self._turns = 0
        elapsed = self._elapsed + round(seconds * 1e9)
        deadline = -1 if self._scheduler is None else self._scheduler.next_deadline()
        # A float of seconds is not as fine as the nanoseconds that it was made of.
        if deadline > self._elapsed and abs(deadline - elapsed) < FINENESS:
            elapsed = deadline
        self._set_elapsed(max(elapsed, self._elapsed + 1))

    def _passed(self, seconds: float, was_roused: object) -> None:
        """Real time has passed."""
        if was_roused:
            self._overdue = False
        if self._virtual:
            self._jump(seconds)

    def _set_elapsed(self, nanoseconds: int) -> None:
        self._elapsed = nanoseconds
        if self._scheduler is not None:
            self._scheduler.set_clock(nanoseconds)

    # Threads.

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Call a function in an executor, and let nothing else run meanwhile.

        A function that takes longer than `PATIENCE` is waited for no longer.
        """
        if executor is None:
            executor = self._executor()
        job: Future[T] = executor.submit(func, *args)
        wait([job], PATIENCE)
        if not job.done():
            self._count_in()
            job.add_done_callback(self._count_out_from_afar)
        return asyncio.wrap_future(job, loop=self)

    def _executor(self) -> Executor:
        # Private to asyncio, which offers no other way to ask.
        executor: Executor | None = self._default_executor  # type: ignore[attr-defined]
        if executor is None:
            executor = ThreadPoolExecutor(thread_name_prefix="asyncio")
            self.set_default_executor(executor)
        return executor

    def _count_in(self) -> None:
        self._at_work += 1

    def _count_out(self) -> None:
        self._at_work -= 1

    def _count_out_from_afar(self, job: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self.call_soon_threadsafe(self._count_out)


class _SteadyPools(Pools):
    """Threads and workers of plain functions; nothing else runs while one works."""

    def class_of(self, kind: str) -> type[ThreadPool]:
        return type("_SteadyPool", (_Steady, super().class_of(kind)), {})


class _Steady(ThreadPool):
    """What makes a pool steady: the loop stands while a job is done.

    One that takes longer than `PATIENCE` is waited for no longer.
    """

    loop: VirtualLoop

    def submit(self, job: Job) -> None:
        """Have a job done, and wait for it."""
        delivered = threading.Event()
        job.when_delivered = delivered.set
        super().submit(job)
        if not delivered.wait(PATIENCE):
            self.loop._count_in()
            job.future.add_done_callback(lambda future: self.loop._count_out())
