"""How many plain functions run at a time, and who waits for whom."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import fastask
from fastask import (
    BRUTAL_KILL,
    Task,
    async_,
    async_stream,
    await_many,
    limit_executor,
    receive,
    self_,
    send,
    shutdown,
)
from fastask._core.thread import cpu_count


class Gate:
    """A plain function that says that it has begun, and waits until it may go on."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._owner = self_()

    def __call__(self, name: object = None) -> object:
        send(self._owner, ("inside", name))
        assert self._open.wait(20.0)
        return name

    def open(self) -> None:
        """Let all pass."""
        self._open.set()


@pytest.fixture
def gates() -> Iterator[list[Gate]]:
    """Gates that are open at the end of a test at the latest."""
    gates: list[Gate] = []
    yield gates
    for gate in gates:
        gate.open()


def make_gate(gates: list[Gate]) -> Gate:
    """Make one that is opened in the end."""
    gates.append(Gate())
    return gates[-1]


async def begun() -> Any:
    """Wait for a function to begin; return its name."""
    return (await receive(tuple, timeout=20.0))[1]


async def nobody_begins() -> None:
    """See that no function begins: what is started after the others has run."""
    with pytest.raises(TimeoutError):
        await receive(tuple, timeout=0.02)


async def stuck(gates: list[Gate], count: int) -> list[Gate]:
    """Leave threads behind that run on."""
    found = []
    for _ in range(count):
        gate = make_gate(gates)
        task = async_(gate)
        await begun()
        await shutdown(task, BRUTAL_KILL)
        found.append(gate)
    return found


class TestLimit:
    async def test_is_told_as_it_was(self) -> None:
        assert limit_executor("thread", 3) == min(32, cpu_count() + 4)
        assert limit_executor("thread", 5) == 3
        await async_(len, "four")

        assert limit_executor("thread", 7) == 5
        assert limit_executor("process", 1) == cpu_count()

    @pytest.mark.parametrize("limit", [0, -1])
    async def test_below_one_is_refused(self, limit: int) -> None:
        with pytest.raises(ValueError, match=f"limit must be .* >= 1, got {limit}"):
            limit_executor("thread", limit)

    @pytest.mark.parametrize("limit", [1.5, "2", None, True])
    async def test_that_is_no_integer_is_refused(self, limit: Any) -> None:
        with pytest.raises(TypeError, match="limit must be an integer"):
            limit_executor("thread", limit)

    @pytest.mark.parametrize("executor", ["interpreter", "threads", None, 3])
    async def test_of_another_executor_is_refused(self, executor: Any) -> None:
        with pytest.raises(ValueError, match="executor must be 'thread' or 'process'"):
            limit_executor(executor, 3)

    def test_needs_an_event_loop(self) -> None:
        with pytest.raises(RuntimeError, match="no running event loop"):
            limit_executor("thread", 3)

    async def test_belongs_to_the_loop(self) -> None:
        limit_executor("thread", 3)

        async def main() -> int:
            return limit_executor("thread", 4)

        assert await async_(fastask.run, main) == min(32, cpu_count() + 4)


class TestThreads:
    async def test_are_no_more_than_the_limit(self, gates: list[Gate]) -> None:
        limit_executor("thread", 2)
        gate = make_gate(gates)
        tasks = [async_(gate, name) for name in "abc"]

        assert {await begun(), await begun()} == {"a", "b"}
        await nobody_begins()
        gate.open()
        assert await await_many(tasks) == ["a", "b", "c"]

    async def test_take_what_waits_in_order(self, gates: list[Gate]) -> None:
        limit_executor("thread", 1)
        gate = make_gate(gates)
        tasks = [async_(gate, number) for number in range(20)]
        await begun()
        gate.open()
        await await_many(tasks)

        assert [await begun() for _ in range(19)] == list(range(1, 20))

    async def test_do_not_begin_what_was_killed_while_it_waited(
        self, gates: list[Gate]
    ) -> None:
        limit_executor("thread", 1)
        gate = make_gate(gates)
        first, second, third = (async_(gate, name) for name in "abc")
        await begun()
        await shutdown(second, BRUTAL_KILL)
        gate.open()

        assert await await_many([first, third]) == ["a", "c"]
        assert await begun() == "c"
        await nobody_begins()

    async def test_hold_nothing_of_what_was_killed_while_it_waited(
        self, gates: list[Gate]
    ) -> None:
        limit_executor("thread", 1)
        gate, argument = make_gate(gates), Gate()
        first = async_(gate)
        await begun()
        task: Task[Any] | None = async_(gate, argument)
        await fastask.sleep(0)
        assert task is not None
        await shutdown(task, BRUTAL_KILL)
        task = None
        held = [type(thing) for thing in gc.get_referrers(argument)]

        assert tuple not in held
        gate.open()
        await first

    async def test_become_more_with_the_limit(self, gates: list[Gate]) -> None:
        limit_executor("thread", 1)
        gate = make_gate(gates)
        tasks = [async_(gate, name) for name in "abc"]
        await begun()
        limit_executor("thread", 3)

        assert {await begun(), await begun()} == {"b", "c"}
        gate.open()
        await await_many(tasks)

    async def test_become_fewer_with_the_limit(self, gates: list[Gate]) -> None:
        limit_executor("thread", 3)
        gate = make_gate(gates)
        tasks = [async_(gate, name) for name in "abc"]
        for _ in tasks:
            await begun()
        limit_executor("thread", 1)
        gate.open()
        await await_many(tasks)
        gate = make_gate(gates)
        tasks = [async_(gate, name) for name in "de"]

        assert await begun() == "d"
        await nobody_begins()
        gate.open()
        assert await await_many(tasks) == ["d", "e"]

    async def test_that_are_idle_end_with_a_lower_limit(
        self, gates: list[Gate]
    ) -> None:
        limit_executor("thread", 3)
        gate = make_gate(gates)
        tasks = [async_(gate) for _ in range(3)]
        for _ in tasks:
            await begun()
        before = [t for t in threading.enumerate() if "fastask-thread" in t.name]
        gate.open()
        await await_many(tasks)
        await async_(len, "")  # all are idle but one, which is about to be
        limit_executor("thread", 1)

        async with asyncio.timeout(20.0):
            while sum(thread.is_alive() for thread in before) > 1:
                await asyncio.sleep(0.001)

    async def test_bound_a_stream(self) -> None:
        limit_executor("thread", 2)
        count, most, lock = 0, 0, threading.Lock()
        barrier = threading.Barrier(2, timeout=20.0)

        def work(_: int) -> None:
            nonlocal count, most
            with lock:
                count += 1
                most = max(most, count)
            barrier.wait()
            with lock:
                count -= 1

        stream = async_stream(range(20), work, max_concurrency=8, timeout=None)
        assert len([outcome async for outcome in stream]) == 20
        assert most == 2


class TestStuckThread:
    async def test_gives_its_place_to_another_one(self, gates: list[Gate]) -> None:
        limit_executor("thread", 1)
        await stuck(gates, 1)

        assert await async_(len, "four") == 4

    async def test_gives_its_place_to_who_waits(self, gates: list[Gate]) -> None:
        limit_executor("thread", 1)
        gate = make_gate(gates)
        task = async_(gate)
        await begun()
        waiting = async_(len, "four")
        await fastask.sleep(0)
        await shutdown(task, BRUTAL_KILL)

        assert await waiting == 4

    async def test_is_waited_for_when_there_are_as_many_as_the_limit(
        self, gates: list[Gate]
    ) -> None:
        limit_executor("thread", 2)
        left = await stuck(gates, 2)
        gate = make_gate(gates)
        tasks = [async_(gate, name) for name in "ab"]
        assert {await begun(), await begun()} == {"a", "b"}
        for task in tasks:
            await shutdown(task, BRUTAL_KILL)
        waiting = async_(len, "four")
        await nobody_begins()
        left[0].open()

        assert await waiting == 4

    async def test_is_named_once_when_others_wait_for_it(
        self, gates: list[Gate], caplog: pytest.LogCaptureFixture
    ) -> None:
        limit_executor("thread", 1)
        left = await stuck(gates, 2)
        tasks = [async_(len, "four") for _ in range(3)]
        await fastask.sleep(0)
        warnings = [r for r in caplog.records if r.levelno == logging.WARNING]

        assert [record.getMessage() for record in warnings] == [
            "2 threads run functions whose processes have ended, and cannot be "
            "stopped, Gate among them; others wait for one of these to return "
            "(limit_executor('thread', 1))"
        ]
        left[0].open()
        await await_many(tasks)

    async def test_that_has_returned_works_again(self, gates: list[Gate]) -> None:
        limit_executor("thread", 1)
        left = await stuck(gates, 2)
        tasks = [async_(len, "four") for _ in range(3)]
        await fastask.sleep(0)
        for gate in left:
            gate.open()

        assert await await_many(tasks) == [4, 4, 4]
