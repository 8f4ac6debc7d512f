"""Interrupt a program at many moments; each run ends with KeyboardInterrupt.

The n-th line that Python runs while the processes work raises KeyboardInterrupt, as a
handler of SIGINT would; `run` takes no part in it, as it does not handle signals. The
grace is longer than the program may take: nobody waits for its end. The collector runs
between the runs only: Python swallows what is raised while it calls a `__del__`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from types import FrameType
from typing import Any

from probe import probe

import fastask

MOST = 1500
loops: list[asyncio.AbstractEventLoop] = []

logging.getLogger("fastask").disabled = True  # it tells whom the interrupt hit


traces: list[Trace] = []


class Trace:
    """Raises at the n-th line."""

    def __init__(self, n: int) -> None:
        self.left = n
        traces[:] = [self]

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line":
            self.left -= 1
            if self.left == 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self


def new_loop() -> asyncio.AbstractEventLoop:
    """Make a loop that is looked at afterwards."""
    loops[:] = [asyncio.SelectorEventLoop()]
    return loops[0]


async def main(n: int) -> None:
    """Work, interrupted at line n of what runs from here on."""
    fastask.spawn(fastask.receive, name="waits")
    sys.settrace(Trace(n))
    sys._getframe().f_trace = traces[0]
    try:
        await probe()
    finally:
        sys.settrace(None)


def interrupted(n: int) -> bool:
    """Tell whether the run was interrupted; nothing may be left of it."""
    gc.collect()
    try:
        fastask.run(main, n, loop_factory=new_loop, handle_signals=False, grace=60.0)
    except KeyboardInterrupt:
        ended = True
    else:
        ended = False
        assert traces[-1].left > 0, f"{n}: the interrupt was swallowed"
    scheduler: Any = loops[0].__dict__["_fastask_scheduler"]
    assert scheduler.processes() == [], (n, scheduler.processes())
    assert loops[0].is_closed()
    return ended


def sweep() -> int:
    """Interrupt later and later, until nothing is left to interrupt."""
    for n in range(1, MOST):
        if not interrupted(n):
            return n
    return MOST


if __name__ == "__main__":
    gc.disable()
    count = sweep()
    assert 50 < count < MOST
    print("interrupted:", count)
