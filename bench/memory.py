"""`python -m bench.memory`: what an idle process weighs beside an idle asyncio task.

Each side runs in a Python process of its own. A fastask process waits in `receive`, an
asyncio task waits for a future of its own; the figure is what the resident size grows
by, divided by their number. All are ended in the same run. Linux only: the size is
read from /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import fastask
from bench.pair import SIDES, Side, run_asyncio, run_fastask

COUNT = 100_000
MILLION = 1_000_000
POLL_SECONDS = 0.001


def _resident() -> int:
    _, pages, *_ = Path("/proc/self/statm").read_text().split()
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _report(grown: int, started: float, waiting: float) -> int:
    ended = perf_counter()
    figures = {"bytes": grown, "start": waiting - started, "end": ended - waiting}
    print(json.dumps(figures))
    return 0


async def idle_asyncio(n: int) -> int:
    """Let `n` tasks wait for a future each, weigh them, let them end."""
    loop = asyncio.get_running_loop()

    async def wait(future: asyncio.Future[None]) -> None:
        await future

    before, started = _resident(), perf_counter()
    futures = [loop.create_future() for _ in range(n)]
    tasks = [asyncio.create_task(wait(future)) for future in futures]
    await asyncio.sleep(0)
    grown, waiting = _resident() - before, perf_counter()
    for future in futures:
        future.set_result(None)
    for task in tasks:
        await task
    return _report(grown, started, waiting)


async def _wait() -> None:
    await fastask.receive()


async def _pass() -> None:
    pass


async def idle(n: int) -> int:
    """Let `n` processes wait for a message each, weigh them, let them end."""
    before, started = _resident(), perf_counter()
    processes = [fastask.spawn(_wait) for _ in range(n)]
    # The last one to run: all others have come to their receive before.
    await fastask.async_(_pass)
    alive = sum(process.alive for process in processes)
    assert alive == n, f"{alive} processes wait, not {n}"
    grown, waiting = _resident() - before, perf_counter()
    for process in processes:
        fastask.send(process, "end")
    for process in processes:
        while process.alive:
            await fastask.sleep(POLL_SECONDS)
    return _report(grown, started, waiting)


def weigh(side: Side, count: int) -> dict[str, float]:
    """Weigh one side in a subprocess.

    Args:
        side: Which one.
        count: How many processes or tasks wait at once.

    Returns:
        `bytes` that all of them take, seconds to `start` and to `end` them.

    Raises:
        subprocess.CalledProcessError: If the subprocess failed.
    """
    command = [sys.executable, "-m", "bench.memory", "--side", side, "--count"]
    run = subprocess.run(
        [*command, str(count)], stdout=subprocess.PIPE, text=True, check=True
    )
    figures: dict[str, float] = json.loads(run.stdout)
    return figures


def print_table(counts: Sequence[int]) -> None:
    """Print what either side weighs at each count."""
    print("| waiting at once | side | bytes each | s to start | s to end |")
    print("|---:|---|---:|---:|---:|")
    for count in counts:
        for side in SIDES:
            found = weigh(side, count)
            times = f"{found['start']:.2f} | {found['end']:.2f}"
            print(f"| {count:,} | {side} | {found['bytes'] / count:,.0f} | {times} |")


def main(argv: Sequence[str] | None = None) -> int:
    """Weigh both sides, or be the subprocess that weighs one."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--million", action="store_true", help="1 000 000 as well")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=COUNT, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.side == "fastask":
        return run_fastask(idle, arguments.count)
    if arguments.side == "asyncio":
        return run_asyncio(idle_asyncio, arguments.count)
    print_table([COUNT, MILLION] if arguments.million else [COUNT])
    return 0


if __name__ == "__main__":
    sys.exit(main())
