"""How long a process may clean up: as long as who stops it waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import fastask
from fastask import (
    ChildSpec,
    Process,
    Supervisor,
    TaskSupervisor,
    async_nolink,
    receive,
    self_,
)
from fastask.testing import run

CLEANUP = 7.0
"""Seconds that a process cleans up: more than the grace of every process, 5."""


async def cleans_up(done: list[str], client: Process[Any]) -> None:
    fastask.send(client, "ready")
    try:
        await fastask.sleep(None)
    finally:
        await asyncio.sleep(CLEANUP)
        done.append("cleaned up")


def seconds_of(main: Callable[[list[str]], Awaitable[None]]) -> tuple[float, list[str]]:
    """Run with virtual time; return how long it took, and what was done."""
    done: list[str] = []

    async def timed() -> float:
        began = asyncio.get_running_loop().time()
        await main(done)
        return asyncio.get_running_loop().time() - began

    return run(timed), done


@pytest.mark.parametrize("shutdown", [30.0, None])
def test_of_a_child_is_the_time_that_its_supervisor_gives(
    shutdown: float | None,
) -> None:
    async def main(done: list[str]) -> None:
        async with TaskSupervisor() as supervisor:
            supervisor.start_child(cleans_up, done, self_(), shutdown=shutdown)
            await receive("ready".__eq__)

    seconds, done = seconds_of(main)

    assert seconds == pytest.approx(CLEANUP)
    assert done == ["cleaned up"]


def test_of_a_child_is_over_when_its_supervisor_kills_it() -> None:
    async def main(done: list[str]) -> None:
        async with TaskSupervisor() as supervisor:
            supervisor.start_child(cleans_up, done, self_(), shutdown=6.0)
            await receive("ready".__eq__)

    seconds, done = seconds_of(main)

    assert seconds == pytest.approx(6.0)
    assert done == []


def test_of_a_child_with_a_grace_of_its_own_is_that() -> None:
    async def main(done: list[str]) -> None:
        me = self_()

        async def start() -> Process[None]:
            return fastask.spawn_link(cleans_up, done, me, grace=1.0)

        async with Supervisor([ChildSpec("child", start, shutdown=30.0)]):
            await receive("ready".__eq__)

    seconds, done = seconds_of(main)

    assert seconds == pytest.approx(1.0)
    assert done == []


@pytest.mark.parametrize("timeout", [30.0, None])
def test_of_a_task_is_the_time_that_its_shutdown_waits(timeout: float | None) -> None:
    async def main(done: list[str]) -> None:
        task = async_nolink(cleans_up, done, self_())
        await receive("ready".__eq__)
        assert await fastask.shutdown(task, timeout) is None

    seconds, done = seconds_of(main)

    assert seconds == pytest.approx(CLEANUP)
    assert done == ["cleaned up"]


def test_of_a_process_that_nobody_waits_for_is_the_grace() -> None:
    async def main(done: list[str]) -> None:
        process, ref = fastask.spawn_monitor(cleans_up, done, self_())
        await receive("ready".__eq__)
        fastask.exit(process, fastask.SHUTDOWN)
        assert (await receive(ref)).reason == fastask.SHUTDOWN

    seconds, done = seconds_of(main)

    assert seconds == pytest.approx(5.0)
    assert done == []
