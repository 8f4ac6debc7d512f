"""Run a workload that stands beside this file; print what it left behind as JSON.

python measure.py PROGRAM asyncio|uvloop

A program is a module with `workload()`, which leaves nothing behind if fastask does
not, and with how often it runs before (`WARM_UP`) and while (`ROUNDS`) it is measured.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import importlib
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable

import psutil  # type: ignore[import-untyped,unused-ignore]  # where no stubs are

import fastask

Workload = Callable[[], Awaitable[None]]


def main(name: str, loop: str) -> None:
    """Run the program of that name on that loop."""
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.SelectorEventLoop
    if loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    program = importlib.import_module(name)
    measured = functools.partial(
        _measured, program.workload, program.WARM_UP, program.ROUNDS
    )
    fastask.run(measured, loop_factory=factory)


async def _measured(workload: Workload, warm_up: int, rounds: int) -> None:
    await _repeat(workload, warm_up)
    objects_before, memory_before = await _settled()
    await _repeat(workload, rounds)
    objects_after, memory_after = await _settled()
    names = objects_before.keys() | objects_after.keys()
    grown = {name: objects_after[name] - objects_before[name] for name in names}
    figures = {
        "bytes": memory_after - memory_before,
        "objects": {name: count for name, count in sorted(grown.items()) if count},
        "messages": _messages(),
    }
    print(json.dumps(figures))


async def _repeat(workload: Workload, times: int) -> None:
    for _ in range(times):
        await workload()


async def _settled() -> tuple[Counter[str], int]:
    for _ in range(3):
        await fastask.sleep(0.01)
        gc.collect()
    ours = Counter(
        type(thing).__qualname__
        for thing in gc.get_objects()
        if str(type(thing).__module__).partition(".")[0] == "fastask"
    )
    return ours, int(psutil.Process().memory_info().rss)


def _messages() -> int:
    info = fastask.process_info(fastask.self_())
    assert info is not None
    return info.message_queue_len


if __name__ == "__main__":
    main(*sys.argv[1:])
