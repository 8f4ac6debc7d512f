"""Close a loop under processes that run, wait, have timers and threads; use them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import threading
import time

import fastask
from fastask import Process


async def wait() -> None:
    """Wait for ever; the end of the interpreter finds nothing to say."""
    try:
        await fastask.receive()
    finally:
        pass


async def spin() -> None:
    """Be runnable for ever."""
    while True:
        await fastask.sleep(0)


def make(loop: asyncio.AbstractEventLoop, release: threading.Event) -> list[Process]:
    """Return processes of every kind, of a loop that is stopped in the middle."""
    made: list[Process] = []

    async def begin() -> None:
        made.append(fastask.spawn(wait, name="waits"))
        made.append(fastask.spawn(spin))
        made.append(fastask.spawn(fastask.sleep, 60.0))
        made.append(fastask.spawn(asyncio.sleep, 60.0))
        made.append(fastask.spawn(release.wait))
        made.append(fastask.spawn_link(wait))
        fastask.send_after(made[0], "late", 0.0)
        fastask.send_after(made[0], "later", 60.0)
        await asyncio.sleep(0)
        made.append(fastask.spawn(wait))  # has not begun

    loop.run_until_complete(begin())
    return made


def main() -> None:
    """Close the loop and touch whatever is left."""
    loop = asyncio.SelectorEventLoop()
    release = threading.Event()
    made = make(loop, release)
    loop.close()
    for process in made:
        fastask.send(process, "hello")
        for reason in ("enough", fastask.KILL):
            with contextlib.suppress(RuntimeError):  # no loop runs
                fastask.exit(process, reason)
        repr(process)
    made.clear()
    release.set()
    gc.collect()
    time.sleep(0.01)
    fastask.run(wait_for_one)
    print("closed")


async def wait_for_one() -> None:
    """The next loop is none the worse for it."""
    assert await fastask.async_(abs, -1) == 1


if __name__ == "__main__":
    main()
    sys.exit(0)
