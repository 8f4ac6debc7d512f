"""Little stack is left: RecursionError goes to whoever ran out of it, and that is all.

The limit is lowered to a little more than what is in use, once for each depth.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
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


async def lowered(scenario: Scenario, more: int) -> None:
    """Run a scenario with a stack of only a few more frames."""
    try:
        sys.setrecursionlimit(depth() + more)
    except RecursionError:
        return  # not even that much
    try:
        await scenario()
    finally:
        sys.setrecursionlimit(USUAL)


async def try_each(scenario: Scenario) -> int:
    """Lower the limit less and less; return how often it was too low."""
    failed = 0
    for more in range(1, MOST):
        process = fastask.spawn(lowered, scenario, more)
        asyncio.get_running_loop().call_later(0.5, sys.setrecursionlimit, USUAL)
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
    # asyncio's own handler needs more stack than there is when the limit is low and the
    # loop calls something of ours that runs out of it; who calls it next does it again.
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: told.append(what))
    failed = [await try_each(getattr(nomem_scenarios, name)) for name in SCENARIOS]
    assert sum(map(bool, failed)) > len(SCENARIOS) // 2, failed
    assert all(led_to(what.get("exception")) for what in told), told


if __name__ == "__main__":
    fastask.run(main, loop_factory=asyncio.SelectorEventLoop)
    print("deep enough")
