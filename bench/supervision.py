"""`python -m bench.supervision`: figures of supervision that have no rival.

- What a supervised start costs beside an unsupervised one: rounds of both in turn, the
  median of their ratios.
- What a child costs of a thousand, and of a hundred thousand that are alive at once:
  supervised, not, and by hand in asyncio; with the garbage collector on and off.
- What a restart of a child that crashes costs.
- What an idle server weighs (Linux only: the size is read from /proc).
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Sequence
from statistics import median

import fastask
from bench.clock import now
from bench.row import given
from bench.side import run_asyncio, run_fastask
from bench.workloads.memory import resident
from bench.workloads.spawn import spawn_await, work
from bench.workloads.supervised import supervised

STARTS = 20_000
RESTARTS = 10_000
SERVERS = 100_000
COUNTS = (1_000, 10_000, 100_000)


def supervised_ratio(rounds: int) -> float:
    """Return how many times longer spawn and await take under a supervisor."""
    ratios = []
    for _ in range(rounds + 1):
        gc.collect()
        plain = run_fastask(spawn_await, STARTS)
        gc.collect()
        ratios.append(run_fastask(supervised, STARTS) / plain)
    return median(ratios[1:])


async def _wait() -> None:
    await fastask.receive()


async def children(is_supervised: bool, n: int) -> int:
    """Start `n` tasks, let all wait, end all."""
    async with fastask.TaskSupervisor() as supervisor:
        start_task = supervisor.async_nolink if is_supervised else fastask.async_nolink
        start = now()
        tasks = [start_task(_wait) for _ in range(n)]
        await fastask.async_(work, 0)
        assert supervisor.count_children().active == n * is_supervised
        for task in tasks:
            assert task.process is not None
            fastask.send(task.process, "end")
        await fastask.await_many(tasks, timeout=None)
        return now() - start


async def children_asyncio(n: int) -> int:
    """Keep `n` tasks in a set until they are done, let all wait, end all."""
    loop = asyncio.get_running_loop()
    alive = set[asyncio.Task[None]]()

    async def wait(future: asyncio.Future[None]) -> None:
        await future

    start = now()
    futures = [loop.create_future() for _ in range(n)]
    for future in futures:
        task = asyncio.create_task(wait(future))
        alive.add(task)
        task.add_done_callback(alive.discard)
    await asyncio.sleep(0)
    for future in futures:
        future.set_result(None)
    await asyncio.wait(alive)
    return now() - start


def a_child(run: Callable[[int], int], collects: bool, n: int) -> float:
    """Return what one of `n` tasks costs, in nanoseconds: the median of five runs."""
    spent = []
    for _ in range(5):
        gc.collect()
        if not collects:
            gc.disable()
        try:
            spent.append(run(n) / n)
        finally:
            gc.enable()
    return median(spent)


def print_children() -> None:
    """Print what a child costs with few and with many of them alive."""
    kinds: list[Callable[[int], int]] = [
        functools.partial(run_fastask, given(children, True)),
        functools.partial(run_fastask, given(children, False)),
        functools.partial(run_asyncio, children_asyncio),
    ]
    print("| alive at once | collector | a child, ns | unsupervised | a set, asyncio |")
    print("|---:|---|---:|---:|---:|")
    for collects in (True, False):
        for count in COUNTS:
            figures = [f"{a_child(run, collects, count):,.0f}" for run in kinds]
            state = "on" if collects else "off"
            print(f"| {count:,} | {state} | {' | '.join(figures)} |")


class Crashing(fastask.GenServer):
    """Tells who asked that it has started, and crashes when it is told to."""

    def init(self, client: fastask.Process[None]) -> None:
        fastask.send(client, fastask.self_())

    @fastask.cast
    def crash(self) -> None:
        raise ValueError("on purpose")


async def restarts(n: int) -> int:
    """Crash a server, wait until it runs again, and so on."""
    child = Crashing.child_spec(fastask.self_())
    options = {"max_restarts": n + 1, "max_seconds": 1e9}
    async with fastask.Supervisor([child], **options):  # type: ignore[arg-type]  # two kinds of number
        process = await fastask.receive()
        start = now()
        for _ in range(n):
            Crashing.crash(process)
            process = await fastask.receive()
        return now() - start


class Idle(fastask.GenServer):
    """Does nothing."""


async def servers(n: int) -> int:
    """Weigh `n` idle servers; bytes of all."""
    gc.collect()
    before = resident()
    processes = [await Idle.start_link() for _ in range(n)]
    grown = resident() - before
    for process in processes:
        assert process is not None
        fastask.exit(process, fastask.SHUTDOWN)
        fastask.unlink(process)
    return grown


def weigh_servers(n: int) -> float:
    """Weigh idle servers in a Python process of their own; bytes of each."""
    command = [sys.executable, "-m", "bench.supervision", "--weigh", str(n)]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    grown: int = json.loads(run.stdout)
    return grown / n


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print, or be the subprocess that weighs."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.supervision", description=__doc__
    )
    parser.add_argument("--rounds", type=int, default=7, help="rounds (default: 7)")
    parser.add_argument("--weigh", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    logging.disable()  # a crash is logged, which takes longer than a restart
    if arguments.weigh:
        print(run_fastask(servers, arguments.weigh))
        return 0
    ratio = supervised_ratio(arguments.rounds)
    print("| what | figure |")
    print("|---|---:|")
    print(f"| a supervised start and await, times an unsupervised one | {ratio:.2f} |")
    spent = run_fastask(restarts, RESTARTS) / RESTARTS
    print(
        f"| one of {RESTARTS:,} restarts of a server that crashes, ns | {spent:,.0f} |"
    )
    print(f"| an idle server, bytes | {weigh_servers(SERVERS):,.0f} |")
    print()
    print_children()
    return 0


if __name__ == "__main__":
    sys.exit(main())
