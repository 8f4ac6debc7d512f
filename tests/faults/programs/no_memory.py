"""Fail every allocation of a scenario once, in turn; print what that came to.

python no_memory.py SCENARIO

The scenario is a process. It is started by a callback of the loop, and memory is back
after the first drain: so what fails lies in the core, or in what the core steps.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import nomem_scenarios
from nomem_scenarios import without_memory
from probe import probe

import fastask
from fastask import KILL, Process, processes, self_

_testcapi: Any = importlib.import_module("_testcapi")

Scenario = Callable[[], Coroutine[Any, Any, None]]

LIMIT = 3.0
"""Seconds until a process of a scenario is taken to hang."""

ENOUGH = 3
"""Runs in a row without a failure, after which every allocation had its turn."""

MOST = 5000


class Attempt:
    """One run of a scenario in which allocation number `n` fails."""

    def __init__(self, scenario: Scenario, n: int) -> None:
        self.scenario = scenario
        self.n = n
        self.process: Process[None] | None = None
        self.raised: list[BaseException] = []
        self.failed = False

    async def run(self) -> None:
        """Run the scenario, and check what it leaves."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_error)
        self.disarmed = loop.create_future()
        loop.call_soon(self._start)
        await self.disarmed
        me = self_()
        hung = not await self._quiet(
            lambda: self.process is None or self.process.done()
        )
        left = [process for process in processes() if process is not me]
        for process in left:
            fastask.exit(process, KILL)
        gone = await self._quiet(lambda: len(processes()) == 1)
        self._judge(hung, left, gone)
        await probe()

    def _start(self) -> None:
        self.process = fastask.spawn(self._armed)
        for _ in range(3):  # as a call of the loop itself may fail
            asyncio.get_running_loop().call_soon(self._disarm)

    async def _armed(self) -> None:
        _testcapi.set_nomemory(self.n, self.n + 1)
        await self.scenario()

    def _disarm(self) -> None:
        if self.disarmed.done():
            return
        try:
            for _ in range(self.n + 1):
                bytes(1000)
        except MemoryError:
            _testcapi.remove_mem_hooks()
        else:
            _testcapi.remove_mem_hooks()
            self.failed = True
        self.disarmed.set_result(None)

    async def _quiet(self, settled: Callable[[], bool]) -> bool:
        end = time.monotonic() + LIMIT
        while not settled():
            if time.monotonic() > end:
                return False
            await asyncio.sleep(0)
        return True

    def _on_error(
        self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]
    ) -> None:
        error = context.get("exception")
        if error is not None:
            self.raised.append(error)
        else:
            self.raised.append(RuntimeError(context["message"]))

    def _judge(self, hung: bool, left: list[Process[Any]], gone: bool) -> None:
        assert gone, f"{self.n}: cannot be killed: {processes()}"
        assert self.process is not None or self.raised, f"{self.n}: not started"
        assert not hung, f"{self.n}: hangs; left were {left}, raised was {self.raised}"
        for error in self.raised:
            assert _allowed(error), f"{self.n}: raised {error!r}"
        if self.process is not None:
            end = self.process.exception()
            assert _allowed(end), f"{self.n}: ended with {end!r}"
            assert end is None or self.failed, f"{self.n}: ended with {end!r}"


def _allowed(reason: object) -> bool:
    """Tell whether it is the right end, or one that the failure led to."""
    if reason is None or without_memory(reason):
        return True
    inner = getattr(reason, "reason", None)  # of an Exit, a CallError, a StartError
    return inner is not None and _allowed(inner)


async def sweep(scenario: Scenario) -> int:
    """Let one allocation after the other fail; return how many there were."""
    await scenario()  # what is made once is made
    await probe()
    n = passed = 0
    while passed < ENOUGH:
        attempt = Attempt(scenario, n)
        await attempt.run()
        passed = 0 if attempt.failed else passed + 1
        n += 1
        assert n < MOST, "it does not end"
    return n - ENOUGH


def main(name: str) -> None:
    """Sweep one scenario."""
    unraisable: list[Any] = []
    sys.unraisablehook = unraisable.append
    count = fastask.run(
        sweep,
        getattr(nomem_scenarios, name),
        loop_factory=asyncio.SelectorEventLoop,
    )
    for hook in unraisable:
        assert isinstance(hook.exc_value, MemoryError), hook
    assert count > 0
    print("failed in turn:", count)


if __name__ == "__main__":
    main(sys.argv[1])
