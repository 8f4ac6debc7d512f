"""Wait for a second among ten thousand idle processes; print what it cost as JSON.

python idle.py asyncio|uvloop

Three seconds are looked at: with everything waiting, after everything was shut down in
the same loop, and after `fastask.run` has returned. Each has the CPU time of the
program in seconds, how often it went to sleep (where the system tells), and on asyncio
how often the loop went round.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import fastask
from fastask import (
    SHUTDOWN,
    DynamicSupervisor,
    Every,
    GenServer,
    IdleTimeout,
    PartitionSupervisor,
    Process,
    Registry,
    Supervisor,
    TaskSupervisor,
    receive,
)

HOUR = 3600.0
PROCESSES = 10_000
SERVERS = 1_000
TIMERS = 1_000
SECOND = 1.0

Figures = dict[str, float | None]


class CountingLoop(asyncio.SelectorEventLoop):
    """Knows how often it went round."""

    rounds = 0

    def _run_once(self) -> None:
        self.rounds += 1
        super()._run_once()  # type: ignore[misc]  # typeshed leaves private methods out


class Quiet(GenServer):
    """A server that waits for ever."""


class Patient(GenServer):
    """A server that asks for a message after an hour of quiet."""

    def init(self) -> IdleTimeout:
        return IdleTimeout(HOUR)


class Registered(GenServer):
    """A server under a key of the registry."""

    def init(self, key: int) -> None:
        Registry.ref("registry").register(key, None)


async def wait() -> None:
    await receive()


async def wait_an_hour() -> None:
    await receive(timeout=HOUR)


async def sleep_an_hour() -> None:
    await fastask.sleep(HOUR)


async def nothing() -> None:
    """Be what is run every hour."""


def tree() -> Supervisor:
    children: list[Any] = [
        Registry(name="registry"),
        TaskSupervisor(name="tasks"),
        DynamicSupervisor(name="dynamic"),
        PartitionSupervisor(TaskSupervisor, name="partitions", partitions=4),
        Every(HOUR, nothing, immediate=False),
        Supervisor([Quiet, Patient], name="inner"),
    ]
    return Supervisor(children)


def start_processes() -> list[Process]:
    kinds: list[Callable[[], Any]] = [wait, wait_an_hour, wait, sleep_an_hour]
    return [fastask.spawn(kinds[n % len(kinds)]) for n in range(PROCESSES)]


async def start_servers() -> list[Process]:
    kinds: list[type[GenServer]] = [Quiet, Patient]
    started = [await kinds[n % 2].start() for n in range(SERVERS)]
    return [process for process in started if process is not None]


async def fill_tree() -> None:
    tasks = TaskSupervisor.ref("tasks")
    for kind in (wait, wait_an_hour) * 50:
        tasks.start_child(kind, restart="permanent")
    dynamic = DynamicSupervisor.ref("dynamic")
    for key in range(100):
        await dynamic.start_child((Registered, key))


def start_timers() -> list[fastask.Timer]:
    me = fastask.self_()
    return [fastask.send_after(me, "late", HOUR + n) for n in range(TIMERS)]


@contextlib.asynccontextmanager
async def everything() -> AsyncIterator[int]:
    """Start all that can wait, and end it in order."""
    async with tree():
        processes = start_processes() + await start_servers()
        await fill_tree()
        timers = start_timers()
        task = fastask.async_(sleep_an_hour)
        await fastask.sleep(0.1)
        yield len(fastask.processes())
        await fastask.shutdown(task)
        for timer in timers:
            timer.cancel()
        for process in processes:
            fastask.exit(process, SHUTDOWN)
        await fastask.async_(ended, processes)


async def ended(processes: list[Process]) -> None:
    refs = [fastask.monitor(process) for process in processes]
    for ref in refs:
        await receive(ref)


def now() -> dict[str, float]:
    loop = asyncio._get_running_loop()
    figures = {"cpu": time.process_time()}
    if sys.platform != "win32":
        import resource

        figures["sleeps"] = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    if isinstance(loop, CountingLoop):
        figures["rounds"] = loop.rounds
    return figures


def since(before: dict[str, float]) -> dict[str, float]:
    after = now()
    return {name: after[name] - value for name, value in before.items()}


async def idle_second() -> dict[str, float]:
    gc.collect()
    before = now()
    await asyncio.sleep(SECOND)
    return since(before)


async def idle() -> dict[str, Any]:
    figures = dict[str, Any]()
    async with everything() as count:
        figures["processes"] = count
        figures["waiting"] = await idle_second()
    figures["left"] = len(fastask.processes()) - 1
    figures["shut down"] = await idle_second()
    return figures


def main(loop: str) -> None:
    """Look at the three seconds on that loop."""
    factory: Callable[[], asyncio.AbstractEventLoop] = CountingLoop
    if loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    figures = fastask.run(idle, loop_factory=factory)
    gc.collect()
    before = now()
    time.sleep(SECOND)
    figures["returned"] = since(before)
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
