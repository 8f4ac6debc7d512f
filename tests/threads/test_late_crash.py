"""A crash in a worker thread that comes after the end of its process is dropped.

Nobody waits for it any more, so asyncio must not complain that nobody looked at it.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import fastask
from fastask import KILL


def complaints() -> list[dict[str, Any]]:
    """Collect what the loop is told of from now on."""
    found = list[dict[str, Any]]()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: found.append(context))
    return found


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
    gc.collect()


class Crash:
    """A plain function that crashes when it may; it says when it is about to."""

    def __init__(self) -> None:
        self.running = threading.Event()
        self.may_crash = threading.Event()

    def __call__(self) -> None:
        self.running.set()
        assert self.may_crash.wait(20.0)
        raise ValueError("late")

    async def start(self, executor: Any = None) -> fastask.Process:
        """Let a process run it; return when the thread waits in it."""
        task = fastask.async_nolink(self, executor=executor)
        assert task.process is not None
        fastask.ignore(task)
        await asyncio.to_thread(self.running.wait, 20.0)
        return task.process


async def test_a_crash_that_comes_after_the_kill() -> None:
    found, crash = complaints(), Crash()
    with ThreadPoolExecutor(1) as executor:
        process = await crash.start(executor)
        fastask.exit(process, KILL)
        crash.may_crash.set()
    await turns()

    assert found == []


@pytest.mark.usefixtures("crashes")
@pytest.mark.parametrize("reason", [KILL, "reason"])
async def test_a_crash_that_has_come_to_the_loop_but_not_to_the_process(
    reason: object,
) -> None:
    found, crash = complaints(), Crash()
    with ThreadPoolExecutor(1) as executor:
        process = await crash.start(executor)
        crash.may_crash.set()
    # The crash is in the queue of the loop; this comes right behind it.
    asyncio.get_running_loop().call_soon(fastask.exit, process, reason)
    await turns()

    assert not process.alive
    assert found == []


@pytest.mark.usefixtures("crashes")
@pytest.mark.parametrize("reason", [KILL, "reason"])
async def test_the_same_with_any_future(reason: object) -> None:
    """asyncio takes the exception too, when a task of its own is cancelled then."""
    found, loop = complaints(), asyncio.get_running_loop()

    async def wait(future: asyncio.Future[None]) -> None:
        await future

    future = loop.create_future()
    process = fastask.spawn(wait, future)
    await asyncio.sleep(0)
    loop.call_soon(future.set_exception, ValueError("late"))
    loop.call_soon(fastask.exit, process, reason)
    del future
    await turns()

    assert not process.alive
    assert found == []
