"""What a link of the engine on Ray costs, beside Ray's own calls.

    scripts/test-ray bench             # about a minute and a half; Linux, root
    scripts/test-ray bench --quick

It runs only where there is no interface but loopback, as Ray listens on all of them.
Processes on one machine, so read ratios: all compete for the CPUs. `raw` is a call to a
threaded actor of Ray, awaited in this loop; two actors that call each other without
results are what a link consists of; `link` is a link between two nodes, whose receiver
sends each frame back.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped,unused-ignore]  # where no stubs are
import uvloop

from tests.nodes.cluster import Program
from tests.nodes.ray_cluster import RayHead, RayNode, echo_nodes, joined, running_ray

BODY = b"x" * 100
WINDOW = 200
REPEATS = 5
MEGABYTE = 1_000_000


class Ear:
    """Counts frames, and wakes who waits for them."""

    def __init__(self) -> None:
        self.count = 0
        self.wanted = 0
        self.waiter: asyncio.Future[None] | None = None
        self.closed_at = 0.0

    def received(self, frame: list[Any]) -> None:
        self.count += 1
        if self.waiter is not None and self.count >= self.wanted:
            self.waiter.set_result(None)
            self.waiter = None

    def closed(self, reason: object) -> None:
        self.closed_at = time.perf_counter()
        if self.waiter is not None:
            self.waiter.set_result(None)
            self.waiter = None

    async def reach(self, wanted: int) -> None:
        """Wait until so many frames have come."""
        if self.count < wanted:
            self.wanted = wanted
            self.waiter = asyncio.get_running_loop().create_future()
            await self.waiter


class Actor:
    """Answers calls, or calls another one back."""

    def __init__(self) -> None:
        self.other: Any = None
        self.left = -1
        self.times: list[float] = []

    def answer(self, body: bytes) -> bytes:
        return body

    def meet(self, other: Any) -> None:
        self.other = other

    def play(self, rounds: int) -> None:
        self.left = rounds
        self.times = [time.perf_counter()]
        self.other.take.remote(BODY)

    def take(self, body: bytes) -> None:
        if self.left != -1:
            self.times.append(time.perf_counter())
            self.left -= 1
        if self.left != 0:
            self.other.take.remote(body)

    def result(self) -> list[float]:
        return self.times


def actors(count: int) -> list[Any]:
    """Threaded actors, as hosts are."""
    import ray

    ray.method(concurrency_group="inbox")(Actor.answer)
    ray.method(concurrency_group="inbox", num_returns=0)(Actor.take)
    made = ray.remote(
        concurrency_groups={"inbox": 1}, num_cpus=0, enable_task_events=False
    )(Actor)
    return [made.remote() for _ in range(count)]


async def round_trips(once: Callable[[], Awaitable[object]], number: int) -> float:
    """The median of the seconds that one takes, one at a time; the best of some."""
    best = float("inf")
    for _ in range(REPEATS):
        seconds = []
        for _ in range(number):
            started = time.perf_counter()
            await once()
            seconds.append(time.perf_counter() - started)
        best = min(best, statistics.median(seconds))
    return best


async def actor_trips(number: int) -> float:
    """The same, of two actors that call each other."""
    one, other = actors(2)
    await asyncio.gather(one.meet.remote(other), other.meet.remote(one))
    best = float("inf")
    for _ in range(REPEATS):
        one.play.remote(number)
        times: list[float] = []
        while len(times) <= number:
            await asyncio.sleep(0.2)
            times = await one.result.remote()
        trips = [b - a for a, b in itertools.pairwise(times)]
        best = min(best, statistics.median(trips))
    return best


async def raw_pipelined(actor: Any, number: int) -> float:
    """Calls per second, a window of them in flight."""
    best = 0.0
    for _ in range(REPEATS):
        started = time.perf_counter()
        flying: deque[Any] = deque()
        for _ in range(number):
            if len(flying) == WINDOW:
                await flying.popleft()
            flying.append(actor.answer.remote(BODY))
        await asyncio.gather(*flying)
        best = max(best, number / (time.perf_counter() - started))
    return best


async def link_pipelined(link: Any, ear: Ear, frame: list[bytes], number: int) -> float:
    """Frames there and back per second, a window of them in flight."""
    best = 0.0
    window = WINDOW if len(frame[0]) < MEGABYTE else 4
    for _ in range(REPEATS):
        ear.count = 0
        started = time.perf_counter()
        for sent in range(0, number, window):
            await ear.reach(sent - window)
            for _ in range(window):
                link.send(frame)
        await ear.reach(number)
        best = max(best, number / (time.perf_counter() - started))
    return best


def host_memory() -> float:
    """Megabytes PSS that the host of a node takes, the mean of all."""
    hosts = [
        process.memory_full_info().pss
        for process in psutil.process_iter(["cmdline"])
        if (process.info["cmdline"] or [""])[0].startswith("ray::Host")
    ]
    return statistics.fmean(hosts) / MEGABYTE


async def killed(node: RayNode, program: Program, name: str) -> float:
    """Seconds from the death of a program to the end of its link."""
    ear = Ear()
    await node.meets(name)
    await node.engine.connect(name, ear)
    started = time.perf_counter()
    program.kill()
    await ear.reach(1)
    return ear.closed_at - started


async def measure(head: RayHead, quick: bool) -> None:
    """Measure all, and print it."""
    trips, calls, frames, big = (200, 1000, 20_000, 40) if quick else (
        1000, 4000, 200_000, 200,
    )  # fmt: skip
    with echo_nodes(head, "echo@bench"):
        started = time.perf_counter()
        async with joined(head, "bench@bench") as [node]:
            start = time.perf_counter() - started
            await node.meets("echo@bench")
            ear = Ear()
            link = await node.engine.connect("echo@bench", ear)

            async def once() -> None:
                link.send([BODY])
                await ear.reach(1)
                ear.count = 0

            trip = await round_trips(once, trips)
            rate = await link_pipelined(link, ear, [BODY], frames)
            bytes_rate = await link_pipelined(link, ear, [bytes(MEGABYTE)], big)
            memory = host_memory()
            deaths = []
            for number in range(5):
                name = f"kill{number}@bench"
                with echo_nodes(head, name) as [program]:
                    deaths.append(await killed(node, program, name))

    import ray  # after the links, which do without its threads; with its token known

    ray.init(head.address, log_to_driver=False, logging_level="ERROR")
    [actor] = actors(1)
    raw = await round_trips(lambda: actor.answer.remote(BODY), trips)
    there_and_back = await actor_trips(trips)
    raw_rate = await raw_pipelined(actor, calls)
    ray.shutdown()

    print(f"raw call, p50                 {raw * 1e6:8.0f} us")
    print(f"two actors, there and back     {there_and_back * 1e6:8.0f} us")
    print(f"link there and back, p50      {trip * 1e6:8.0f} us")
    print(f"link / raw call               {trip / raw:8.2f}    (at most 1.5)")
    print(f"link / two actors             {trip / there_and_back:8.2f}")
    print(f"raw calls, {WINDOW} in flight      {raw_rate:8.0f} /s")
    print(f"frames, {WINDOW} in flight         {rate:8.0f} /s")
    print(f"frames / raw calls            {rate / raw_rate:8.1f}    (at least 25)")
    print(f"1 MB there and back           {bytes_rate:8.0f} MB/s")
    print(f"a node starts in              {start:8.2f} s")
    print(f"PSS of a host                 {memory:8.0f} MB")
    worst, middle = max(deaths) * 1e3, statistics.median(deaths) * 1e3
    print(f"killed to closed, p50, worst  {middle:8.1f} ms, {worst:.1f} ms")


def main() -> None:
    """Run in a cluster of its own."""
    parser = argparse.ArgumentParser(description=__doc__, prog="bench.nodes_ray")
    parser.add_argument("--quick", action="store_true", help="less exact")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_ray(Path(folder)) as head:
        os.environ |= {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": head.security["token"],
        }
        uvloop.run(measure(head, arguments.quick))


if __name__ == "__main__":
    main()
