"""What does it cost before anything happens: an import, a `run` of an empty main?"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable

import fastask
from bench.clock import now
from bench.row import Plain, Row
from bench.side import LIBUV, loop_factory, run_asyncio_own

IMPORT = """
import sys, time
start = time.perf_counter_ns()
for name in sys.argv[1:]:
    getattr(__import__(name), "run", None)
print(time.perf_counter_ns() - start)
"""


def importing(*names: str) -> Plain:
    """Return a workload that imports modules, each time in a Python of its own.

    fastask loads itself when a name of it is used first, so one is.
    """

    def measured(n: int) -> int:
        command = [sys.executable, "-c", IMPORT, *names]
        outputs = [
            subprocess.run(command, capture_output=True, text=True, check=True).stdout
            for _ in range(n)
        ]
        return sum(map(int, outputs))

    return measured


async def _nothing(_: int = 0) -> int:
    return 0


def empty_fastask(n: int) -> int:
    """Run an empty root process, again and again."""
    factory = loop_factory()
    start = now()
    for _ in range(n):
        fastask.run(_nothing, loop_factory=factory)
    return now() - start


def empty_asyncio(n: int) -> int:
    """Run an empty main on uvloop, again and again."""
    factory = loop_factory()
    start = now()
    for _ in range(n):
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(_nothing())
    return now() - start


def _repeat(run: Callable[[], object], n: int) -> int:
    start = now()
    for _ in range(n):
        run()
    return now() - start


def empty_asyncio_own(n: int) -> int:
    """Run an empty main on asyncio's own loop, again and again."""
    return _repeat(lambda: run_asyncio_own(_nothing, 0), n)


def empty_anyio(n: int) -> int:
    """Run an empty main by `anyio.run` on uvloop, again and again."""
    import anyio

    options = {"loop_factory": loop_factory()}
    return _repeat(lambda: anyio.run(_nothing, backend_options=options), n)


def empty_trio(n: int) -> int:
    """Run an empty main by `trio.run`, again and again."""
    import trio

    return _repeat(lambda: trio.run(_nothing), n)


ROWS = (
    Row(
        "import",
        "import and first use, in a fresh Python",
        3,
        {
            "fastask": importing("fastask"),
            "asyncio": importing("asyncio", LIBUV),
            "asyncio_own": importing("asyncio"),
            "anyio": importing("anyio", "anyio._backends._asyncio", LIBUV),
            "trio": importing("trio"),
            "aiostream": importing("aiostream", LIBUV),
            "aiometer": importing("aiometer", LIBUV),
            "xoscar": importing("xoscar", LIBUV),
            "fauxtp": importing("fauxtp", LIBUV),
        },
        plain=True,
    ),
    Row(
        "run_empty",
        "`run` of an empty main",
        300,
        {
            "fastask": empty_fastask,
            "asyncio": empty_asyncio,
            "asyncio_own": empty_asyncio_own,
            "anyio": empty_anyio,
            "trio": empty_trio,
        },
        plain=True,
    ),
)
