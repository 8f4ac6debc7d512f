"""`python -m bench.service`: what supervised side effects cost a service on the web.

`examples/service` places orders, and an order has a side effect: its letter is sent,
and noted in the database. On one side the effects are children of a `TaskSupervisor`,
on the other tasks of `asyncio.create_task` that are kept in a set; all else is the
same. Each side of each round is a process of its own, with a database of its own, and
is asked over loopback by clients in this process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from statistics import median, quantiles
from typing import Literal

import asyncpg
import psutil
import uvloop

import fastask
from bench.report import describe
from examples.service import Options, tree
from examples.service.cluster import Cluster, cluster
from examples.service.database import Database
from examples.service.effects import Effects, SupervisedEffects, confirm
from examples.service.keeper import Keeper
from examples.service.orders import Letter
from examples.service.post import Post

Side = Literal["bare", "supervised"]
SIDES: tuple[Side, ...] = ("bare", "supervised")

CONNECTIONS = 10
PRODUCTS = ("tea", "cup")
WARM_UP = 1.0
STOP_SECONDS = 30.0


class BareEffects:
    """Side effects as asyncio's documentation has them: tasks in a set."""

    def __init__(self, database: Database, post: Post) -> None:
        self.database = database
        self.post = post
        self.tasks = set[asyncio.Task[None]]()

    def start(self, letter: Letter) -> None:
        """Start to confirm an order, and do not wait for it."""
        task = asyncio.create_task(confirm(letter, self.database, self.post, pause))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def count(self) -> int:
        """Return how many are on their way."""
        return len(self.tasks)

    def child(self) -> object:
        """Return the child that waits for them at the end."""
        return Keeper.child_spec(self, id="effects", shutdown=10.0)

    async def open(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Wait for those that are on their way."""
        await asyncio.gather(*self.tasks)


async def pause(seconds: float) -> bool:
    """Wait, and go on."""
    await asyncio.sleep(seconds)
    return True


EFFECTS: dict[Side, type[BareEffects] | type[SupervisedEffects]] = {
    "bare": BareEffects,
    "supervised": SupervisedEffects,
}


def serve(side: Side, dsn: str) -> None:
    """Be the service."""
    logging.basicConfig(level=logging.WARNING)  # a line for each letter costs more
    options = Options(dsn, port=0, pool_size=CONNECTIONS, check_every=3600.0)

    def effects_of(database: Database, post: Post) -> Effects:
        return EFFECTS[side](database, post)

    fastask.run(tree(options, effects_of=effects_of))


@contextlib.contextmanager
def serving(side: Side, dsn: str) -> Iterator[tuple[psutil.Process, int]]:
    """Run the service within the block; give its process and its port."""
    command = [sys.executable, "-m", "bench.service", "--serve", side, "--dsn", dsn]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().split()[-1])
            yield psutil.Process(process.pid), port
            process.send_signal(signal.SIGTERM)
            status = process.wait(STOP_SECONDS)
        finally:
            process.kill()
    if status:
        raise RuntimeError(f"the {side} service ended with {status}")


@dataclass(frozen=True)
class Figures:
    """What one side did in one round; times in milliseconds, CPU time of a request."""

    rate: float
    p50: float
    p99: float
    cpu: float


class Load:
    """Clients that place one order after the other, each on its own connection.

    Args:
        port: Where the service listens.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.keys = count()
        self.latencies: list[float] = []
        self.stopped = False

    async def run(
        self, clients: int, seconds: float, process: psutil.Process
    ) -> Figures:
        """Let clients order for some seconds, after those that do not count."""
        tasks = [asyncio.create_task(self.client()) for _ in range(clients)]
        await asyncio.sleep(WARM_UP)
        self.latencies.clear()
        begin, cpu = time.perf_counter(), spent(process)
        await asyncio.sleep(seconds)
        elapsed, cpu = time.perf_counter() - begin, spent(process) - cpu
        latencies = list(self.latencies)
        self.stopped = True
        await asyncio.gather(*tasks)
        cuts = quantiles(latencies, n=100)
        return Figures(
            len(latencies) / elapsed,
            cuts[49] * 1e3,
            cuts[98] * 1e3,
            cpu / len(latencies) * 1e3,
        )

    async def client(self) -> None:
        """Place orders until it is told to stop."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        while not self.stopped:
            key = next(self.keys)
            order = {"product": PRODUCTS[key % 2], "quantity": 1}
            body = json.dumps(order).encode()
            head = (
                "POST /orders HTTP/1.1\r\nHost: localhost\r\n"
                f"Idempotency-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            begin = time.perf_counter()
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
            await reader.readexactly(int(length))
            self.latencies.append(time.perf_counter() - begin)
            if not answer.startswith(b"HTTP/1.1 201 "):
                raise RuntimeError(f"the service answered {answer!r}")
        writer.close()
        await writer.wait_closed()


def spent(process: psutil.Process) -> float:
    """Return the seconds of CPU time that a process has had."""
    times = process.cpu_times()
    return float(times.user + times.system)


def measure(
    server: Cluster, name: str, side: Side, clients: int, seconds: float
) -> Figures:
    """Measure one side once, with an empty database."""
    dsn = server.create_database(name)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        with serving(side, dsn) as (process, port):
            figures = runner.run(Load(port).run(clients, seconds, process))
        if unsent := runner.run(count_unsent(dsn)):
            raise RuntimeError(f"the {side} service left {unsent} letters unsent")
    return figures


async def count_unsent(dsn: str) -> int:
    """Return how many letters were not sent."""
    connection = await asyncpg.connect(dsn)
    try:
        unsent = await connection.fetchval("SELECT count(*) FROM outbox WHERE NOT sent")
        return int(unsent)
    finally:
        await connection.close()


def print_table(rounds: Sequence[dict[Side, Figures]]) -> None:
    """Print the medians, and the median of the ratios of the rounds."""
    print("| side effects | requests/s | p50, ms | p99, ms | CPU a request, ms |")
    print("|---|---:|---:|---:|---:|")
    fields = ("rate", "p50", "p99", "cpu")
    for side in SIDES:
        figures = [median(getattr(r[side], f) for r in rounds) for f in fields]
        rate, *rest = figures
        print(f"| {side} | {rate:,.0f} | {' | '.join(f'{x:.2f}' for x in rest)} |")
    ratios = [
        median(getattr(r["supervised"], f) / getattr(r["bare"], f) for r in rounds)
        for f in fields
    ]
    print(f"| supervised / bare | {' | '.join(f'{x:.3f}' for x in ratios)} |")
    print()
    print(", ".join(f"{name} {value}" for name, value in describe(["asyncio"]).items()))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print, or be the service."""
    parser = argparse.ArgumentParser(prog="python -m bench.service")
    parser.add_argument("--rounds", type=int, default=7, help="(default: 7)")
    parser.add_argument("--seconds", type=float, default=5.0, help="(default: 5)")
    parser.add_argument("--clients", type=int, default=8, help="(default: 8)")
    parser.add_argument("--serve", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--dsn", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.serve:
        serve(arguments.serve, arguments.dsn)
        return 0
    rounds = list[dict[Side, Figures]]()
    with cluster() as server:
        for number in range(arguments.rounds):
            # Who comes first changes, as the machine may get slower or faster.
            order = SIDES if number % 2 else SIDES[::-1]
            rounds.append(
                {
                    side: measure(
                        server,
                        f"{side}_{number}",
                        side,
                        arguments.clients,
                        arguments.seconds,
                    )
                    for side in order
                }
            )
            print(f"round {number + 1}: {rounds[-1]}", file=sys.stderr)
    print_table(rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
