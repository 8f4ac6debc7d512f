"""What nodes cost: `python -m bench.nodes`.

A round trip of a message between two programs beside the same bytes over the same kind
of socket without fastask; tasks started in batches; a lost node; work on two workers
beside one; what a worker takes to start, and its memory.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import pickle
import signal
import socket
import statistics
import sys
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import cast

import fastask
from fastask import Process, RemoteTaskSupervisor, TaskSupervisor

TRIPS = 3_000
BATCH = 100
BATCHES = 100
WORK = 600_000


class RawEcho(asyncio.Protocol):
    """Sends back what arrives, read and written as a value: a transport and pickle."""

    def __init__(self, answer: bool) -> None:
        self.answer = answer
        self.arrived: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        value = pickle.loads(memoryview(data)[8:])
        if self.answer:
            self.send(value)
        elif self.arrived is not None:
            self.arrived.set_result(None)

    def send(self, value: object) -> None:
        data = pickle.dumps(value, 5)
        self.transport.write(len(data).to_bytes(8, "little") + data)


def serve_raw(own: socket.socket) -> None:
    """Be the other side of the raw transport."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        own.setblocking(False)
        await loop.create_unix_connection(lambda: RawEcho(True), sock=own)
        await loop.create_future()

    fastask.run(main)


async def raw_round_trip(count: int) -> list[float]:
    """Round trips over a socket between two programs, without fastask."""
    ours, theirs = socket.socketpair()
    other = get_context("spawn").Process(target=serve_raw, args=(theirs,), daemon=True)
    other.start()
    theirs.close()
    ours.setblocking(False)
    loop = asyncio.get_running_loop()
    transport, echo = await loop.create_unix_connection(
        lambda: RawEcho(False), sock=ours
    )
    spent = []
    for number in range(count + 100):
        begin = time.perf_counter()
        echo.arrived = loop.create_future()
        echo.send(("message", number))
        await echo.arrived
        spent.append(time.perf_counter() - begin)
    transport.close()
    other.kill()
    other.join()
    return spent[100:]


async def echo() -> None:
    """Send back to whoever sent."""
    while True:
        sender, message = await fastask.receive()
        fastask.send(sender, message)


async def round_trip(other: Process[None], count: int) -> list[float]:
    """Round trips of a message to a process of another node."""
    me, spent = fastask.self_(), []
    for number in range(count + 100):
        begin = time.perf_counter()
        fastask.send(other, (me, ("message", number)))
        await fastask.receive()
        spent.append(time.perf_counter() - begin)
    return spent[100:]


async def plus_one(x: int) -> int:
    """Be a task that costs nothing."""
    return x + 1


async def pipelined(tasks: RemoteTaskSupervisor, size: int, count: int) -> float:
    """Tasks a second, `size` started at once, `count` times."""
    begin = time.perf_counter()
    for _ in range(count):
        await fastask.await_many([tasks.async_(plus_one, n) for n in range(size)])
    return size * count / (time.perf_counter() - begin)


async def closures(tasks: RemoteTaskSupervisor, size: int, count: int) -> float:
    """The same with a function that travels by its code."""

    async def plus_two(x: int) -> int:
        return x + 2

    begin = time.perf_counter()
    for _ in range(count):
        await fastask.await_many([tasks.async_(plus_two, n) for n in range(size)])
    return size * count / (time.perf_counter() - begin)


async def pid() -> int:
    """Tell which OS process it is."""
    return os.getpid()


async def work(count: int) -> int:
    """Compute, and let nobody else run meanwhile."""
    total = 0
    for number in range(count):
        total += number * number % 7
    return total


async def lost(name: str) -> float:
    """Milliseconds from the kill of a node to `NOCONNECTION`."""
    tasks = TaskSupervisor.ref("task_supervisor", name)
    number = await tasks.async_(pid)
    task = tasks.async_nolink(fastask.sleep, 3600)
    await tasks.async_(pid)
    fastask.monitor_nodes(True)
    begin = time.perf_counter()
    if sys.platform == "win32":
        raise RuntimeError("a node is killed by SIGKILL, which Windows lacks")
    os.kill(number, signal.SIGKILL)
    outcome = await task.yield_(10)
    spent = time.perf_counter() - begin
    assert outcome == fastask.Failed(fastask.NOCONNECTION)
    await fastask.receive(fastask.NodeUp)
    fastask.monitor_nodes(False)
    return spent * 1000


async def compute(names: Sequence[str], parts: int) -> float:
    """Seconds for `parts` pieces of work on these nodes."""
    begin = time.perf_counter()
    await fastask.await_many(
        [
            TaskSupervisor.ref("task_supervisor", names[n % len(names)]).async_(
                work, WORK
            )
            for n in range(parts)
        ],
        timeout=None,
    )
    return time.perf_counter() - begin


def compute_raw(count: int) -> int:
    """Do the same in a pool of processes, without fastask."""
    total = 0
    for number in range(count):
        total += number * number % 7
    return total


def pool_ratio(parts: int) -> float:
    """How many times as fast a pool of two processes is as one, on this machine."""
    spent = []
    for size in (1, 2):
        with get_context("spawn").Pool(size) as pool:
            pool.map(compute_raw, [1] * size)
            begin = time.perf_counter()
            pool.map(compute_raw, [WORK] * parts, chunksize=1)
            spent.append(time.perf_counter() - begin)
    return spent[0] / spent[1]


def memory_of(number: int) -> float:
    """Megabytes that are a process's own, and its part of what it shares."""
    for line in Path(f"/proc/{number}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def tell(what: str, figure: str) -> None:
    """Print a row."""
    print(f"{what:<46} {figure}", flush=True)


async def measure(quick: bool) -> None:
    """Measure all of it."""
    part = 10 if quick else 1
    starts = []
    for count in (1, 2):
        begin = time.perf_counter()
        async with fastask.connect(workers=count):
            starts.append(time.perf_counter() - begin)
    tell("start of 1 and of 2 workers", f"{starts[0]:.2f} s, {starts[1]:.2f} s")
    async with fastask.connect(workers=2):
        names = fastask.nodes()
        tasks = TaskSupervisor.ref("task_supervisor", names[0])
        other = await tasks.start_child(echo)
        await round_trip(other, 100)
        ratios, raws, links = [], [], []
        for _ in range(1 if quick else 5):
            raws.append(statistics.median(await raw_round_trip(TRIPS // part)))
            links.append(statistics.median(await round_trip(other, TRIPS // part)))
            ratios.append(links[-1] / raws[-1])
        tell("round trip, raw socket and pickle, median", f"{min(raws) * 1e6:.0f} us")
        tell("round trip, message to a process, median", f"{min(links) * 1e6:.0f} us")
        tell("ratio, median of the pairs", f"{statistics.median(ratios):.2f}")
        for size in (1, 10, BATCH, 1000):
            count = max(1, BATCHES * BATCH // size // part // (10 if size == 1 else 1))
            rate = max([await pipelined(tasks, size, count) for _ in range(3)])
            tell(f"tasks, {size} at once", f"{rate:,.0f} a second")
        rate = await closures(tasks, BATCH, BATCHES // part)
        tell(f"tasks by a closure, {BATCH} at once", f"{rate:,.0f} a second")
        one, two = [], []
        for _ in range(1 if quick else 3):
            one.append(await compute(names[:1], 20 // min(part, 5)))
            two.append(await compute(names, 20 // min(part, 5)))
        tell("work on 2 workers beside 1", f"{min(one) / min(two):.2f} times as fast")
        tell("work in a pool of 2 beside 1", f"{pool_ratio(20):.2f} times as fast")
        if Path("/proc/self/smaps_rollup").exists():
            number = await tasks.async_(pid)
            tell("memory of a worker (PSS)", f"{memory_of(number):.1f} MB")
    async with fastask.connect(workers=1):
        (name,) = fastask.nodes()
        losses = [await lost(name) for _ in range(1 if quick else 3)]
        tell("kill -9 to NOCONNECTION", f"{max(losses):.1f} ms at most")


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    fastask.run(measure, parser.parse_args().quick)


if __name__ == "__main__":
    main()
