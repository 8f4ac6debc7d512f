"""Streams: tasks that fail, and what else is in the consumer's mailbox."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections.abc import AsyncIterable
from typing import TypeVar

import pytest

from fastask import (
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Down,
    Exit,
    Exited,
    Failed,
    Ok,
    Process,
    Ref,
    async_stream,
    exit,
    make_ref,
    monitor,
    process_info,
    processes,
    receive,
    self_,
    send,
    spawn,
    spawn_link,
    spawn_monitor,
    trap_exit,
)

T = TypeVar("T")

WAIT = 5.0

REASONS: list[object] = [
    "boom",
    SHUTDOWN,
    (SHUTDOWN, "closing"),
    KILLED,
    ValueError("boom"),
]


class TaskError(Exception):
    """What a failing task raises."""


async def collect(stream: AsyncIterable[T]) -> list[T]:
    return [result async for result in stream]


async def same(item: T) -> T:
    return item


async def end_with(reason: object) -> None:
    raise Exit(reason)


async def fail_on_even(item: int) -> int:
    if item % 2 == 0:
        raise TaskError(item)
    return item


async def reason_of(ref: Ref) -> object:
    down = await receive(ref, timeout=WAIT)
    assert isinstance(down, Down)
    return down.reason


def leftovers() -> list[object]:
    info = process_info(self_())
    assert info is not None
    return [*info.messages, *info.links, *info.monitors]


class TestConsumerThatDoesNotTrap:
    async def test_dies_with_the_exception_of_the_task(self) -> None:
        """STRM 258."""
        error = TaskError("boom")

        async def fail(_: int) -> None:
            raise error

        _, ref = spawn_monitor(collect, async_stream([1], fail))

        assert await reason_of(ref) is error

    @pytest.mark.parametrize("reason", REASONS, ids=repr)
    async def test_dies_with_the_reason_of_the_task(self, reason: object) -> None:
        """STRM 258."""
        _, ref = spawn_monitor(collect, async_stream([reason], end_with))

        assert await reason_of(ref) == reason

    async def test_cannot_catch_it(self) -> None:
        """STRM 258."""
        error = TaskError("boom")
        survived: list[str] = []

        async def fail(_: int) -> None:
            raise error

        async def consume() -> None:
            try:
                await collect(async_stream([1], fail))
            except Exception:
                survived.append("caught")

        _, ref = spawn_monitor(consume)

        assert await reason_of(ref) is error
        assert survived == []

    async def test_swallowing_the_unwinding_does_not_save_it(self) -> None:
        """STRM 258."""
        error = TaskError("boom")

        async def fail(_: int) -> None:
            raise error

        async def consume() -> str:
            with contextlib.suppress(BaseException):
                await collect(async_stream([1], fail))
            return "survived"

        _, ref = spawn_monitor(consume)

        assert await reason_of(ref) is error

    async def test_dies_while_it_is_elsewhere(self) -> None:
        """STRM 258."""
        error = TaskError("boom")
        gate = asyncio.Event()

        async def work(item: int) -> int:
            if item == 2:
                await gate.wait()
                raise error
            return item

        async def consume() -> None:
            async for _ in async_stream([1, 2], work, max_concurrency=2):
                gate.set()
                await asyncio.Event().wait()

        _, ref = spawn_monitor(consume)

        assert await reason_of(ref) is error

    async def test_takes_its_other_tasks_with_it(self) -> None:
        """STRM 258."""
        me = self_()
        gate = asyncio.Event()

        async def work(item: int) -> int:
            if item == 2:
                await gate.wait()
                raise Exit("boom")
            send(me, self_())
            await asyncio.Event().wait()
            return item

        stream = async_stream([1, 2], work, max_concurrency=2)
        _, consumer_ref = spawn_monitor(collect, stream)
        other = await receive(Process, timeout=WAIT)
        other_ref = monitor(other)
        gate.set()

        assert await reason_of(consumer_ref) == "boom"
        assert await reason_of(other_ref) == "boom"

    async def test_a_builder_that_is_not_the_consumer_lives_on(self) -> None:
        """STRM 251, 258."""
        _, ref = spawn_monitor(collect, async_stream(["boom"], end_with))
        await reason_of(ref)

        assert leftovers() == []

    async def test_a_task_that_ends_normally_without_a_value_is_failed(self) -> None:
        """STRM 259."""

        async def work(item: int) -> int:
            if item == 2:
                raise Exit(NORMAL)
            return item

        results = await collect(async_stream([1, 2, 3], work))

        assert results == [Ok(1), Failed(NORMAL), Ok(3)]


class TestConsumerThatTraps:
    async def test_gets_the_exception_as_failed(self) -> None:
        """STRM 260."""
        error = TaskError("boom")

        async def fail(_: int) -> None:
            raise error

        trap_exit(True)
        [result] = await collect(async_stream([1], fail))

        assert isinstance(result, Failed)
        assert result.reason is error
        assert error.__traceback__ is not None

    @pytest.mark.parametrize("reason", [NORMAL, *REASONS], ids=repr)
    async def test_gets_the_reason_as_failed(self, reason: object) -> None:
        """STRM 233."""
        trap_exit(True)
        results = await collect(async_stream([reason], end_with))

        assert results == [Failed(reason)]

    async def test_gets_the_other_items_as_ever(self) -> None:
        """STRM 260."""
        trap_exit(True)
        results = await collect(async_stream(range(5), fail_on_even))

        assert [isinstance(result, Failed) for result in results] == [
            True,
            False,
            True,
            False,
            True,
        ]
        assert [results[1], results[3]] == [Ok(1), Ok(3)]

    async def test_gets_the_input_with_the_reason_when_zipped(self) -> None:
        """STRM 243."""
        trap_exit(True)
        stream = async_stream(["a", "b"], end_with, zip_input_on_exit=True)

        assert await collect(stream) == [Failed(("a", "a")), Failed(("b", "b"))]

    async def test_values_are_not_zipped(self) -> None:
        """STRM 243."""
        stream = async_stream([1, 2], same, zip_input_on_exit=True)

        assert await collect(stream) == [Ok(1), Ok(2)]

    async def test_gets_no_exit_message_of_a_failed_task(self) -> None:
        """STRM 233, 260."""
        trap_exit(True)
        await collect(async_stream(range(5), fail_on_even))

        assert leftovers() == []

    async def test_gets_no_exit_message_of_a_task_that_succeeded(self) -> None:
        """STRM 231."""
        trap_exit(True)
        await collect(async_stream(range(5), same))

        assert leftovers() == []

    async def test_gets_a_killed_task_as_failed(self) -> None:
        """STRM 233."""
        me = self_()

        async def hang(item: int) -> int:
            send(killer, self_())
            await asyncio.Event().wait()
            return item

        async def kill_the_first_that_reports() -> None:
            exit(await receive(Process, timeout=WAIT), KILL)
            send(me, "killed it")

        killer = spawn(kill_the_first_that_reports)
        trap_exit(True)
        results = await collect(async_stream([1], hang))

        assert results == [Failed(KILLED)]
        assert await receive(timeout=WAIT) == "killed it"

    async def test_the_failure_frees_its_slot(self) -> None:
        trap_exit(True)
        results = await collect(
            async_stream(["a", "b", "c"], end_with, max_concurrency=1)
        )

        assert results == [Failed("a"), Failed("b"), Failed("c")]

    async def test_gets_failures_in_completion_order_when_unordered(self) -> None:
        gates = {item: asyncio.Event() for item in (1, 2)}

        async def work(item: int) -> int:
            await gates[item].wait()
            raise Exit(item)

        trap_exit(True)
        stream = async_stream([1, 2], work, ordered=False, max_concurrency=2)
        results = aiter(stream)
        gates[2].set()
        first = await anext(results)
        gates[1].set()

        assert first == Failed(2)
        assert await collect(results) == [Failed(1)]


class TestMailbox:
    @pytest.mark.parametrize("trapping", [True, False])
    @pytest.mark.parametrize("ordered", [True, False])
    async def test_nothing_is_left_after_the_last_result(
        self, ordered: bool, trapping: bool
    ) -> None:
        """STRM 231."""
        trap_exit(trapping)
        await collect(async_stream(range(20), same, ordered=ordered))

        assert leftovers() == []
        assert processes() == [self_()]

    async def test_nothing_is_left_while_the_consumer_looks_at_a_result(self) -> None:
        """STRM 231."""
        backlogs: list[list[object]] = []
        async for _ in async_stream(range(4), same, max_concurrency=1):
            info = process_info(self_())
            assert info is not None
            backlogs.append(list(info.messages))

        assert backlogs == [[], [], [], []]

    async def test_messages_of_others_stay_in_order(self) -> None:
        """STRM 268."""
        me = self_()

        async def work(item: int) -> int:
            send(me, ("from a task", item))
            return item

        send(me, "before")
        async for result in async_stream([1, 2], work, max_concurrency=1):
            send(me, ("from the consumer", result.unwrap()))
        send(me, "after")
        messages = [await receive(timeout=0) for _ in range(6)]

        assert messages == [
            "before",
            ("from a task", 1),
            ("from the consumer", 1),
            ("from a task", 2),
            ("from the consumer", 2),
            "after",
        ]
        assert leftovers() == []

    async def test_the_exit_of_another_linked_process_stays(self) -> None:
        """STRM 268."""
        gate = asyncio.Event()
        ended = asyncio.Event()

        async def stranger() -> None:
            await gate.wait()
            raise Exit("stranger")

        async def wait_for_the_end(process: Process) -> None:
            await reason_of(monitor(process))
            ended.set()

        async def work(item: int) -> int:
            gate.set()
            await ended.wait()
            return item

        trap_exit(True)
        linked = spawn_link(stranger)
        spawn(wait_for_the_end, linked)
        results = await collect(async_stream([1], work))

        assert results == [Ok(1)]
        assert await receive(timeout=0) == Exited(linked, "stranger")
        assert leftovers() == []

    async def test_a_message_that_looks_like_a_down_changes_nothing(self) -> None:
        """STRM 249."""
        me = self_()
        ref = make_ref()

        async def work(item: int) -> int:
            send(me, Down(ref, self_(), "fake"))
            return item

        results = await collect(async_stream([1], work))
        message = await receive(timeout=0)

        assert results == [Ok(1)]
        assert isinstance(message, Down)
        assert (message.ref, message.reason) == (ref, "fake")

    async def test_the_consumer_may_monitor_a_task_itself(self) -> None:
        """STRM 268."""
        gate = asyncio.Event()
        me = self_()

        async def work(item: int) -> int:
            if item == 2:
                send(me, self_())
                await gate.wait()
            return item

        results = aiter(async_stream([1, 2], work, max_concurrency=2))
        await anext(results)
        process = await receive(Process, timeout=WAIT)
        ref = monitor(process)
        gate.set()
        rest = await collect(results)

        assert rest == [Ok(2)]
        assert await receive(timeout=WAIT) == Down(ref, process, NORMAL)

    async def test_items_are_freed_although_their_time_has_not_passed(self) -> None:
        """STRM 231."""

        class Item:
            pass

        async def work(item: Item) -> weakref.ref[Item]:
            return weakref.ref(item)

        items = (Item() for _ in range(3))
        results = await collect(async_stream(items, work, timeout=3600.0))
        gc.collect()

        assert [result.unwrap()() for result in results] == [None, None, None]
