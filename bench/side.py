"""A side: fastask or a rival, and how a workload is run on it."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from shutil import which
from typing import Any, TypeVar, cast

import fastask
from bench.row import Figures, Plain, Row, TaskFactory, Workload

T = TypeVar("T")
Async = Callable[[int], Coroutine[Any, Any, T]]

LoopFactory = Callable[[], asyncio.AbstractEventLoop]
Runner = Callable[[Workload, int], Figures]

LIBUV = "winloop" if sys.platform == "win32" else "uvloop"


@dataclass(frozen=True)
class Side:
    """Who is measured.

    A side without a runner is a program of its own, see `bench.beam`.
    """

    name: str
    title: str
    runner: Runner | None = None
    needs: tuple[str, ...] = ()
    """Distributions that must be installed."""

    like: str = ""
    """The side whose workloads this one runs, where it has none of its own."""

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    def missing(self) -> str | None:
        """Say what is not installed; None where nothing is."""
        if self.runner is None:
            return None if which("elixir") else "elixir is not on the PATH"
        absent = [name for name in self.needs if find_spec(name) is None]
        return f"not installed: {', '.join(absent)}" if absent else None

    def versions(self) -> dict[str, str]:
        """Name the versions of what it needs."""
        return {name: version(name) for name in self.needs}

    def workload(self, row: Row) -> Workload | Plain | None:
        """Return what this side runs for a row; None where it has no answer."""
        if self.runner is None:
            return None
        if self.name in row.sides or row.plain or row.factories:
            return row.sides.get(self.name)
        return row.sides.get(self.like)

    def answers(self, row: Row) -> bool:
        """Tell whether this side has something to run for a row."""
        return bool(row.beam if self.runner is None else self.workload(row))

    def run(self, row: Row, operations: int, idle: int = 0) -> Figures:
        """Run its workload of a row once, on a fresh event loop.

        Args:
            row: One that this side answers.
            operations: How many.
            idle: So many processes (of asyncio: tasks) wait beside it.

        Returns:
            What the workload returned.
        """
        workload = self.workload(row)
        assert workload is not None
        assert self.runner is not None
        gc.collect()
        if row.plain:
            return cast(Plain, workload)(operations)
        work = cast(Workload, workload)
        runner = self.runner
        if row.factories is not None:
            factory = row.factories[self.name == "fastask"]
            return run_with_factory(factory, beside_tasks(work, idle), operations)
        if self.name == "fastask":
            return runner(beside_processes(work, idle), operations)
        return runner(beside_tasks(work, idle), operations)


def libuv_loop() -> asyncio.AbstractEventLoop:
    """Make a loop of uvloop, or of winloop on Windows."""
    loop: asyncio.AbstractEventLoop = import_module(LIBUV).new_event_loop()
    return loop


def loop_factory() -> LoopFactory | None:
    """Return what makes the loops of both sides: libuv's, else asyncio's own."""
    return libuv_loop if find_spec(LIBUV) else None


def run_asyncio(workload: Async[T], operations: int) -> T:
    """Run a workload of asyncio on uvloop."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(workload(operations))


def run_asyncio_own(workload: Async[T], operations: int) -> T:
    """Run a workload of asyncio on its own loop."""
    with asyncio.Runner() as runner:
        return runner.run(workload(operations))


def run_fastask(workload: Async[T], operations: int) -> T:
    """Run a workload of fastask as the root process, on uvloop."""
    return fastask.run(workload, operations, loop_factory=loop_factory())


def run_trio(workload: Workload, operations: int) -> Figures:
    """Run a workload of trio."""
    import trio

    figures: Figures = trio.run(workload, operations)
    return figures


def run_with_factory(
    factory: TaskFactory | None, workload: Workload, operations: int
) -> Figures:
    """Run a workload of asyncio on uvloop, all its tasks made by a factory."""
    make = loop_factory() or asyncio.new_event_loop

    def make_loop() -> asyncio.AbstractEventLoop:
        loop = make()
        loop.set_task_factory(factory)
        return loop

    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(workload(operations))


async def _wait() -> None:
    await fastask.receive()


async def _pass() -> None:
    pass


def beside_processes(workload: Workload, idle: int) -> Workload:
    """Let so many processes wait in `receive` while the workload runs."""

    async def run(operations: int) -> Figures:
        processes = [fastask.spawn(_wait) for _ in range(idle)]
        # The last one to run: all others have come to their receive before.
        await fastask.async_(_pass)
        gc.collect()
        figures = await workload(operations)
        for process in processes:
            fastask.exit(process, fastask.KILL)
        return figures

    return run if idle else workload


def beside_tasks(workload: Workload, idle: int) -> Workload:
    """Let so many tasks of asyncio wait for a future each while the workload runs."""

    async def wait(future: asyncio.Future[None]) -> None:
        await future

    async def run(operations: int) -> Figures:
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in range(idle)]
        tasks = [loop.create_task(wait(future)) for future in futures]
        await asyncio.sleep(0)
        gc.collect()
        figures = await workload(operations)
        for future in futures:
            future.set_result(None)
        await asyncio.wait(tasks)
        return figures

    return run if idle else workload


FASTASK = Side("fastask", "fastask", run_fastask)

SIDES = {
    side.name: side
    for side in (
        FASTASK,
        Side("asyncio", f"asyncio on {LIBUV}", run_asyncio, (LIBUV,)),
        Side("asyncio_own", "asyncio, own loop", run_asyncio_own, like="asyncio"),
        Side("anyio", f"anyio on {LIBUV}", run_asyncio, ("anyio", LIBUV)),
        Side("trio", "trio", run_trio, ("trio",)),
        Side("aiostream", "aiostream", run_asyncio, ("aiostream", LIBUV)),
        Side("aiometer", "aiometer", run_asyncio, ("aiometer", LIBUV)),
        Side("xoscar", "xoscar", run_asyncio, ("xoscar", LIBUV)),
        Side("fauxtp", "fauxtp", run_asyncio, ("fauxtp", LIBUV)),
        Side("elixir", "Elixir, one scheduler"),
        Side("elixir_all", "Elixir, all schedulers"),
    )
}
"""The sides by their names, in the order in which reports have them."""

BESIDE = ("fastask", "asyncio", "asyncio_own")
"""Who is also measured beside idle processes or tasks."""
