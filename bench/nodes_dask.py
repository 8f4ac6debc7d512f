"""What a link of the engine on Dask costs, beside what lies below it.

    python -m bench.nodes_dask             # about a minute; needs the extra `dask`
    python -m bench.nodes_dask --quick

Two processes on this machine, so read ratios: caller and callee compete for the CPUs.
`raw` is a connection of `distributed.comm` whose other end sends back what it gets;
`rpc` is the engine's own call, `distributed.rpc`; `link` is a link between two nodes,
whose receiver sends each frame back. `dask` beside `local` is what a program has of
either: tasks and messages, under the meaning of nodes (`--engines`: only that).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

import psutil  # type: ignore[import-untyped,unused-ignore]  # where no stubs are
import uvloop
from distributed.comm.core import connect, listen
from distributed.core import ConnectionPool, Server

import fastask
from bench import nodes
from fastask import RemoteTaskSupervisor, TaskSupervisor
from fastask._nodes.dask import DaskEngine
from fastask._nodes.dask.security import RECIPE, security_of

BODY = b"x" * 100
WINDOW = 200
REPEATS = 5
FILES = {"ca": "ca.pem", "cert": "node.pem", "key": "node.key"}


@dataclass
class Ear:
    """Takes frames, and wakes who waits for them."""

    count: int = 0
    wanted: int = 0
    waiter: asyncio.Future[None] | None = None
    closed_at: float = 0.0
    link: Any = None

    def received(self, frame: list[Any]) -> None:
        self.count += 1
        if self.link is not None:
            self.link.send(frame)
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


@dataclass
class Node:
    """Sends back what every link brings."""

    engine: DaskEngine = field(default_factory=DaskEngine)
    up: asyncio.Event = field(default_factory=asyncio.Event)

    def peer_up(self, peer: object) -> None:
        self.up.set()

    def peer_down(self, peer: object) -> None:
        self.up.clear()

    def accepted(self, link: Any) -> Ear:
        return Ear(link=link)

    async def start(self, name: str, head: str, security: object) -> None:
        """Join."""
        await self.engine.start(
            name, join=head, security=security, net_ticktime=60.0, listener=self
        )


def security_in(folder: str) -> dict[str, str] | None:
    """The certificates of a folder, None for no folder."""
    return {key: f"{folder}/{file}" for key, file in FILES.items()} if folder else None


def arguments_of(folder: str, side: str) -> tuple[str, dict[str, Any]]:
    """The scheme of an address, and what connections and listeners need."""
    security = security_of(security_in(folder))
    if security is None:
        return "tcp", {}
    return "tls", getattr(security, f"get_{side}_args")("worker")


async def be_raw(folder: str) -> None:
    """Send back what connections bring."""

    async def echo(comm: Any) -> None:
        with contextlib.suppress(OSError):
            while True:
                await comm.write(await comm.read())

    scheme, options = arguments_of(folder, "listen")
    listener = await listen(
        f"{scheme}://127.0.0.1:0", echo, deserialize=False, **options
    )
    print(listener.contact_address, flush=True)
    await asyncio.Event().wait()


async def be_rpc(folder: str) -> None:
    """Answer calls."""
    scheme, options = arguments_of(folder, "listen")
    server = Server({"answer": lambda x: x})
    await server.listen(f"{scheme}://127.0.0.1:0", **options)
    print(server.address, flush=True)
    await asyncio.Event().wait()


async def be_node(folder: str, head: str, name: str) -> None:
    """Be a node."""
    started = time.perf_counter()
    node = Node()
    await node.start(name, head, security_in(folder))
    print(time.perf_counter() - started, flush=True)
    await asyncio.Event().wait()


ROLES: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
    "raw": be_raw,
    "rpc": be_rpc,
    "node": be_node,
}


@contextlib.contextmanager
def program(*command: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process of ours, and the last word of its first line."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().split()[-1]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextlib.asynccontextmanager
async def raw_echo(folder: str) -> AsyncIterator[Any]:
    """A bare connection whose other end sends back what it gets."""
    with program("bench.nodes_dask", "--role", "raw", folder) as (_, address):
        _, options = arguments_of(folder, "connection")
        comm = await connect(address, deserialize=False, **options)

        yield comm
        await comm.close()


@contextlib.contextmanager
def cluster(folder: str, *names: str) -> Iterator[tuple[str, list[Any]]]:
    """A head, and nodes as processes."""
    tls = [f"--tls-{key}={path}" for key, path in (security_in(folder) or {}).items()]
    with contextlib.ExitStack() as stack:
        command = ["fastask", "scheduler", "--port=0", *tls]
        head_program, head = stack.enter_context(program(*command))
        nodes = [
            stack.enter_context(
                program("bench.nodes_dask", "--role", "node", folder, head, name)
            )
            for name in names
        ]
        yield head, [head_program, *nodes]


@contextlib.asynccontextmanager
async def linked(folder: str, ear: Any) -> AsyncIterator[tuple[Any, Any]]:
    """A link to a node in another process."""
    with cluster(folder, "b@bench") as (head, _):
        node = Node()
        await node.start("a@bench", head, security_in(folder))
        await node.up.wait()
        yield await node.engine.connect("b@bench", ear), ear
        await node.engine.stop()


@dataclass
class Pinger(Ear):
    """Sends a frame when the one before has come back, and notes how long it took."""

    seconds: list[float] = field(default_factory=list)
    started: float = 0.0
    left: int = 0
    pinged: Any = None

    def received(self, frame: list[Any]) -> None:
        now = time.perf_counter()
        self.seconds.append(now - self.started)
        self.left -= 1
        if self.left:
            self.ping()
        super().received(frame)

    def ping(self) -> None:
        """Send one."""
        self.started = time.perf_counter()
        self.pinged.send([BODY])

    async def round_trips(self, times: int) -> list[float]:
        """Seconds of so many round trips, from `send` to `received`."""
        self.seconds, self.left = [], times
        wanted = self.count + times
        self.ping()
        await self.reach(wanted)
        return self.seconds


async def raw_round_trips(comm: Any, times: int) -> list[float]:
    """Seconds of so many round trips over a bare connection."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        await comm.write(BODY)
        await comm.read()
        seconds.append(time.perf_counter() - start)
    return seconds


async def compare_round_trips(folder: str, times: int) -> None:
    """Print raw beside link, in turns, the best median of each."""
    rounds: dict[str, list[list[float]]] = {"raw": [], "link": []}
    async with raw_echo(folder) as comm, linked(folder, Pinger()) as (link, ear):
        ear.pinged = link
        for _ in range(REPEATS):
            rounds["raw"].append(await raw_round_trips(comm, times))
            rounds["link"].append(await ear.round_trips(times))
    kind = "mTLS" if folder else "plain"
    best = {name: min(each, key=statistics.median) for name, each in rounds.items()}
    for name, seconds in best.items():
        cuts = statistics.quantiles(seconds, n=100)
        print(
            f"{kind:6} {name:5} round trip  p50 {cuts[49] * 1e6:6.0f} us"
            f"  p99 {cuts[98] * 1e6:6.0f} us"
        )
    ratio = statistics.median(best["link"]) / statistics.median(best["raw"])
    print(f"{kind:6} link / raw         {ratio:.2f}  (at most 1.25)")


async def compare_pipelines(folder: str, times: int) -> None:
    """Print calls a second: the engine's own, and frames over a link."""
    kind = "mTLS" if folder else "plain"
    own = await own_calls(folder, times)
    async with linked(folder, Ear()) as (link, ear):
        frames = max([await frames_a_second(link, ear, times) for _ in range(REPEATS)])
        large = max([await bytes_a_second(link, ear) for _ in range(REPEATS)])
    print(f"{kind:6} rpc   {WINDOW} in flight    {own:9,.0f} calls/s")
    print(f"{kind:6} link  {WINDOW} in flight    {frames:9,.0f} frames/s and back")
    print(f"{kind:6} link / rpc         {frames / own:.1f}")
    print(f"{kind:6} link  1 MB frames   {large / 1e6:9,.0f} MB/s and back")


async def own_calls(folder: str, times: int) -> float:
    """Calls a second by distributed's rpc."""
    with program("bench.nodes_dask", "--role", "rpc", folder) as (_, address):
        _, options = arguments_of(folder, "connection")
        pool = ConnectionPool(
            limit=2 * WINDOW, connection_args=options
        )  # or it thrashes
        await pool.start()
        remote = pool(address)
        gate = asyncio.Semaphore(WINDOW)

        async def call() -> None:
            async with gate:
                await remote.answer(x=1)

        rates = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            await asyncio.gather(*(call() for _ in range(times)))
            rates.append(times / (time.perf_counter() - start))
        await pool.close()
        return max(rates)


async def frames_a_second(link: Any, ear: Ear, times: int) -> float:
    """Frames a second that come back, so many at a time on their way."""
    first = ear.count
    start = time.perf_counter()
    for sent in range(times):
        if sent - (ear.count - first) >= WINDOW:
            await ear.reach(first + sent - WINDOW // 2)
        link.send([BODY])
    await ear.reach(first + times)
    return times / (time.perf_counter() - start)


async def bytes_a_second(link: Any, ear: Ear) -> float:
    """Bytes a second that come back, in frames of a megabyte."""
    body, times, first = bytes(1_000_000), 100, ear.count
    start = time.perf_counter()
    for _ in range(times):
        link.send([body])
        await link.drain()
    await ear.reach(first + times)
    return times * len(body) / (time.perf_counter() - start)


async def met(name: str) -> RemoteTaskSupervisor:
    """Wait until a node is up; return its task supervisor."""
    while name not in fastask.nodes():
        await fastask.sleep(0.01)
    return TaskSupervisor.ref("task_supervisor", name)


async def rates_of(node: fastask.Node, name: str, times: int) -> tuple[float, float]:
    """Tasks a second, 100 at once, and the median round trip of a message."""
    async with node:
        tasks = await met(name)
        other = await tasks.start_child(nodes.echo)
        await nodes.pipelined(tasks, 100, 5)
        rates = [await nodes.pipelined(tasks, 100, times // 10) for _ in range(3)]
        trip = statistics.median(await nodes.round_trip(other, times))
        await tasks.terminate_child(other)
    return max(rates), trip


async def compare_engines(folder: str, times: int) -> None:
    """Print `dask` beside `local`, both under the meaning of nodes, in turns."""
    kind = "mTLS" if folder else "plain"
    tls = [f"--tls-{key}={path}" for key, path in (security_in(folder) or {}).items()]
    rounds = []
    with cluster(folder) as (head, _):
        command = ["node", "--name=b@bench", f"--join={head}", *tls]
        with program("fastask", *command):
            for _ in range(REPEATS):
                local = await rates_of(
                    fastask.connect("local", "a@local", workers=1), "a@local/0", times
                )
                security = security_in(folder)
                dask = await rates_of(
                    fastask.connect("dask", "a@bench", join=head, security=security),
                    "b@bench",
                    times,
                )
                rounds.append((local, dask))
    for number, name in enumerate(("local", "dask")):
        rate = max(each[number][0] for each in rounds)
        trip = min(each[number][1] for each in rounds)
        print(f"{kind:6} {name:5} starts     {rate:9,.0f}/s, 100 at once")
        print(f"{kind:6} {name:5} message    {trip * 1e6:9.0f} us and back, p50")
    starts = statistics.median(dask[0] / local[0] for local, dask in rounds)
    trips = statistics.median(dask[1] / local[1] for local, dask in rounds)
    least = 0.45 if folder else 0.7
    print(f"{kind:6} dask / local starts   {starts:.2f}  (at least {least})")
    print(f"{kind:6} dask / local message  {trips:.2f}")


async def seconds_to_noconnection(name: str) -> float:
    """From the kill of a node to the outcome of a task there."""
    tasks = await met(name)
    number = await tasks.async_(nodes.pid)
    task = tasks.async_nolink(fastask.sleep, 3600)
    await tasks.async_(nodes.pid)
    start = time.perf_counter()
    if sys.platform == "win32":
        raise RuntimeError("a node is killed by SIGKILL, which Windows lacks")
    os.kill(number, signal.SIGKILL)
    assert await task.yield_(10) == fastask.Failed(fastask.NOCONNECTION)
    return time.perf_counter() - start


async def compare_kills(kills: int) -> None:
    """Print how soon a task knows that its node was killed, on both engines."""
    async with fastask.connect("local", "a@local", workers=kills):
        local = [await seconds_to_noconnection(name) for name in fastask.nodes()]
    names = [f"n{number}@bench" for number in range(kills)]
    with cluster("") as (head, _), contextlib.ExitStack() as stack:
        for name in names:
            command = ["fastask", "node", f"--name={name}", f"--join={head}"]
            stack.enter_context(program(*command))
        async with fastask.connect("dask", "a@bench", join=head):
            dask = [await seconds_to_noconnection(name) for name in names]
    for engine, seconds in {"local": local, "dask": dask}.items():
        print(
            f"kill -9 to NOCONNECTION, {engine:5}: "
            f"p50 {statistics.median(seconds) * 1e3:.1f} ms, "
            f"worst {max(seconds) * 1e3:.1f} ms of {len(seconds)}  (at most 50)"
        )


async def measure_failures(kills: int) -> None:
    """Print how soon a link knows that its node was killed."""
    names = [f"n{number}@bench" for number in range(kills)]
    seconds = []
    with cluster("", *names) as (head, [_, *programs]):
        node = Node()
        await node.start("a@bench", head, None)
        while len(node.engine.peers()) < kills:
            await asyncio.sleep(0.01)
        for name, (process, _) in zip(names, programs, strict=True):
            ear = Ear()
            await node.engine.connect(name, ear)
            start = time.perf_counter()
            process.kill()
            await ear.reach(sys.maxsize)
            seconds.append(ear.closed_at - start)
        await node.engine.stop()
    print(
        f"kill -9 to closed: p50 {statistics.median(seconds) * 1e3:.1f} ms, "
        f"worst {max(seconds) * 1e3:.1f} ms of {kills}  (at most 50)"
    )


def measure_nodes(names: list[str]) -> None:
    """Print what nodes take: time, memory, threads, and CPU while idle."""
    with cluster("", *names) as (_, [head, *nodes]):
        programs = {"head": head, **{f"node {n}": p for n, (p, _) in enumerate(nodes)}}
        starts = [float(took) for _, took in nodes]
        times = {}
        for name, process in programs.items():
            times[name] = sum(psutil.Process(process.pid).cpu_times()[:2])
        time.sleep(10)
        for name, process in programs.items():
            one = psutil.Process(process.pid)
            idle = sum(one.cpu_times()[:2]) - times[name]
            print(
                f"{name:7} PSS {one.memory_full_info().pss / 1e6:5.1f} MB, "
                f"{one.num_threads()} threads, idle {idle * 10:.1f} % of a CPU"
            )
    print(f"join    {statistics.median(starts) * 1e3:.0f} ms, without the imports")


def make_certificates(folder: str) -> None:
    """Make them as the engine's error tells a user to."""
    lines = [line for line in RECIPE.splitlines() if line.startswith("    ")]
    script = "\n".join(lines)
    subprocess.run(["sh", "-ec", script], cwd=folder, check=True, capture_output=True)


def main() -> None:
    """Measure, or be the other end."""
    parser = argparse.ArgumentParser(description="Measure links on Dask distributed.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the calls")
    parser.add_argument("--engines", action="store_true", help="only dask beside local")
    parser.add_argument("--role", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role:
        uvloop.run(ROLES[arguments.role[0]](*arguments.role[1:]))
        return
    times = 300 if arguments.quick else 3000
    with tempfile.TemporaryDirectory() as folder:
        make_certificates(folder)
        for each in ("", folder):
            fastask.run(compare_engines, each, times)
        fastask.run(compare_kills, 3 if arguments.quick else 5)
        if arguments.engines:
            return
        for each in ("", folder):
            uvloop.run(compare_round_trips(each, times))
            uvloop.run(compare_pipelines(each, 2 * times))
    uvloop.run(measure_failures(3 if arguments.quick else 10))
    measure_nodes(["c@bench", "d@bench"])


if __name__ == "__main__":
    main()
