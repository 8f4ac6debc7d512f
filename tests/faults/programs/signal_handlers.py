"""Handlers of signals send, exit and spawn in the middle of everything.

python signal_handlers.py asyncio|uvloop
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from types import FrameType

from probe import probe

import fastask
from fastask import Process, receive, self_, send

assert sys.platform != "win32", "it has no such signals"

TIMES = 200

logging.getLogger("fastask").disabled = True  # it tells what was killed


async def victim() -> None:
    """Wait for an exit signal."""
    await receive()


async def note(root: Process[None]) -> None:
    """Tell that a handler's process ran."""
    send(root, "spawned")


class Handler:
    """What a signal does: in the thread of the loop, between any two bytecodes."""

    def __init__(self, root: Process[None]) -> None:
        self.root = root
        self.calls = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.calls == TIMES:
            signal.setitimer(signal.ITIMER_REAL, 0)
            return
        self.calls += 1
        send(self.root, "signal")
        process = fastask.spawn(victim)
        fastask.exit(process, fastask.SHUTDOWN if self.calls % 2 else fastask.KILL)
        fastask.spawn(note, self.root)


async def main() -> None:
    """Work while signals come; every one of them is told of."""
    root = self_()
    handler = Handler(root)
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    told = {"signal": 0, "spawned": 0}
    work = fastask.async_(worker, handler)
    while min(told.values()) < TIMES:
        told[await receive(str, timeout=20.0)] += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert await work > 0
    assert told == {"signal": TIMES, "spawned": TIMES}, told
    while len(fastask.processes()) > 1:
        await fastask.sleep(0)
    await probe()


async def worker(handler: Handler) -> int:
    """Use the core as long as signals come; return how often."""
    times = 0
    while handler.calls < TIMES:
        await probe()
        times += 1
    return times


if __name__ == "__main__":
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.SelectorEventLoop
    if sys.argv[1] == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    fastask.run(main, loop_factory=factory)
    print("handled")
