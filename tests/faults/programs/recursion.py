"""Little stack is left: RecursionError goes to whoever ran out of it, and that is all.

The limit is lowered to a little more than what is in use, once for each depth.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import nomem_scenarios
from probe import probe

import fastask

MOST = 60
USUAL = sys.getrecursionlimit()
SCENARIOS = ["spawn", "tasks", "links", "exits", "timers", "server", "supervisor"]
logging.getLogger("fastask").disabled = True

Scenario = Callable[[], Coroutine[Any, Any, None]]


def depth() -> int:
    """Return how deep the stack is that Python counts."""
    frame = sys._getframe()
    count = 0
    while frame.f_back is not None:
        frame = frame.f_back
        count += 1
    return count


class Lowered:
    """Awaits a scenario, each step of it with a stack of only a few more frames.

    Between its steps the limit is the usual one: the loop does not survive the other.
    """

    def __init__(self, scenario: Scenario, more: int) -> None:
        self.coroutine = scenario()
        self.more = more

    def __await__(self) -> Generator[Any, None, None]:
        while True:
            try:
                sys.setrecursionlimit(depth() + self.more)
            except RecursionError:
                self.coroutine.close()
                return  # not even that much
            try:
                what = self.coroutine.send(None)
            except StopIteration:
                return
            finally:
                sys.setrecursionlimit(USUAL)
            yield what


async def lowered(scenario: Scenario, more: int) -> None:
    """Run a scenario with little stack."""
    await Lowered(scenario, more)


async def try_each(scenario: Scenario) -> int:
    """Lower the limit less and less; return how often it was too low."""
    failed = 0
    for more in range(1, MOST):
        process = fastask.spawn(lowered, scenario, more)
        while process.alive:
            await asyncio.sleep(0)
        error = process.exception()
        failed += error is not None
        assert error is None or led_to(error), (more, error)
        me = fastask.self_()
        for left in fastask.processes():
            if left is not me:
                fastask.exit(left, fastask.KILL)
        await probe()
    return failed


def led_to(error: object) -> bool:
    """Tell whether too little stack led to an error."""
    if isinstance(error, RecursionError):
        return True
    inner = getattr(error, "reason", None)
    return inner is not None and led_to(inner)


async def main() -> None:
    """Try all scenarios."""
    failed = [await try_each(getattr(nomem_scenarios, name)) for name in SCENARIOS]
    assert sum(map(bool, failed)) > len(SCENARIOS) // 2, failed


if __name__ == "__main__":
    fastask.run(main, loop_factory=asyncio.SelectorEventLoop)
    print("deep enough")
