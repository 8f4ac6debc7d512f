"""Streams: the time that each task has, and what happens when it has passed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterable, Iterator
from typing import Literal, TypeVar

import pytest

from fastask import (
    KILLED,
    TIMEOUT,
    Down,
    Failed,
    Ok,
    Process,
    Ref,
    TaskTimeoutError,
    async_stream,
    monitor,
    process_info,
    processes,
    receive,
    self_,
    send,
    sleep,
    spawn,
    spawn_monitor,
    trap_exit,
)

T = TypeVar("T")

WAIT = 5.0


async def collect(stream: AsyncIterable[T]) -> list[T]:
    return [result async for result in stream]


async def even_only(item: int) -> int:
    """Return an even item; never end for an odd one."""
    if item % 2:
        await asyncio.Event().wait()
    return item


async def stubborn(item: int) -> int:
    """Trap exits and never end."""
    trap_exit(True)
    while True:
        await receive()
    return item


async def reason_of(ref: Ref) -> object:
    down = await receive(ref, timeout=WAIT)
    assert isinstance(down, Down)
    return down.reason


def leftovers() -> list[object]:
    info = process_info(self_())
    assert info is not None
    return [*info.messages, *info.links, *info.monitors]


class TestExit:
    async def test_raises_in_the_consumer(self) -> None:
        """STRM 244."""
        with pytest.raises(TaskTimeoutError) as caught:
            await collect(async_stream([1], even_only, timeout=0.02))

        assert isinstance(caught.value, TimeoutError)
        assert caught.value.timeout == 0.02

    async def test_the_error_names_no_task(self) -> None:
        """STRM 244."""
        with pytest.raises(TaskTimeoutError) as caught:
            await collect(async_stream([1], even_only, timeout=0.02))

        assert caught.value.tasks == ()
        assert caught.value.task is None

    async def test_is_what_happens_when_nothing_else_is_said(self) -> None:
        """STRM 244."""
        with pytest.raises(TaskTimeoutError):
            await collect(async_stream([1], even_only, timeout=0.02, on_timeout="exit"))

    async def test_leaves_nothing_in_the_consumer(self) -> None:
        """STRM 244, 267."""
        with pytest.raises(TaskTimeoutError):
            await collect(async_stream([1, 3, 2], even_only, timeout=0.02))

        assert leftovers() == []

    async def test_the_other_tasks_are_dead_when_it_is_raised(self) -> None:
        """STRM 267."""
        stream = async_stream([1, 3, 5], even_only, max_concurrency=3, timeout=0.02)
        with pytest.raises(TaskTimeoutError):
            await collect(stream)

        assert processes() == [self_()]

    async def test_results_that_are_ready_are_given_before(self) -> None:
        given: list[object] = []
        stream = async_stream([2, 4, 1], even_only, max_concurrency=3, timeout=0.05)
        with pytest.raises(TaskTimeoutError):
            async for result in stream:
                given.append(result)

        assert given == [Ok(2), Ok(4)]

    async def test_closes_the_input(self) -> None:
        """STRM 240."""
        closed: list[str] = []

        def items() -> Iterator[int]:
            try:
                yield from (1, 3, 5, 7)
            finally:
                closed.append("closed")

        stream = async_stream(items(), even_only, max_concurrency=2, timeout=0.02)
        with pytest.raises(TaskTimeoutError):
            await collect(stream)

        assert closed == ["closed"]

    async def test_ends_a_consumer_that_does_not_catch_it(self) -> None:
        """STRM 244."""
        stream = async_stream([1], even_only, timeout=0.02)
        _, ref = spawn_monitor(collect, stream)

        assert isinstance(await reason_of(ref), TaskTimeoutError)

    async def test_a_task_that_traps_exits_is_killed_too(self) -> None:
        """STRM 267."""
        with pytest.raises(TaskTimeoutError):
            await collect(async_stream([1], stubborn, timeout=0.02))

        assert processes() == [self_()]


class TestKillTask:
    async def test_gives_the_late_item_as_failed_in_its_place(self) -> None:
        """STRM 242."""
        stream = async_stream(
            [2, 1, 4],
            even_only,
            max_concurrency=3,
            timeout=0.05,
            on_timeout="kill_task",
        )

        assert await collect(stream) == [Ok(2), Failed(TIMEOUT), Ok(4)]

    async def test_gives_late_items_last_when_unordered(self) -> None:
        """STRM 246."""
        stream = async_stream(
            [1, 2, 3, 4],
            even_only,
            max_concurrency=4,
            ordered=False,
            timeout=0.05,
            on_timeout="kill_task",
        )
        results = await collect(stream)

        assert sorted(result.unwrap() for result in results[:2]) == [2, 4]
        assert results[2:] == [Failed(TIMEOUT), Failed(TIMEOUT)]

    async def test_gives_the_input_with_the_reason_when_zipped(self) -> None:
        """STRM 242."""
        stream = async_stream(
            [2, 1],
            even_only,
            max_concurrency=2,
            timeout=0.05,
            on_timeout="kill_task",
            zip_input_on_exit=True,
        )

        assert await collect(stream) == [Ok(2), Failed((1, TIMEOUT))]

    async def test_kills_the_late_task(self) -> None:
        me = self_()

        async def watch() -> None:
            process = await receive(Process, timeout=WAIT)
            send(me, await reason_of(monitor(process)))

        async def report_and_hang(item: int) -> int:
            send(watcher, self_())
            await asyncio.Event().wait()
            return item

        watcher = spawn(watch)
        stream = async_stream(
            [1], report_and_hang, timeout=0.05, on_timeout="kill_task"
        )
        await collect(stream)

        assert await receive(timeout=WAIT) == KILLED

    async def test_the_slot_of_a_late_task_is_free_for_the_next(self) -> None:
        stream = async_stream(
            [1, 2, 3, 4],
            even_only,
            max_concurrency=1,
            timeout=0.02,
            on_timeout="kill_task",
        )

        assert await collect(stream) == [
            Failed(TIMEOUT),
            Ok(2),
            Failed(TIMEOUT),
            Ok(4),
        ]

    async def test_a_task_that_traps_exits_is_killed_too(self) -> None:
        stream = async_stream([1], stubborn, timeout=0.02, on_timeout="kill_task")

        assert await collect(stream) == [Failed(TIMEOUT)]
        assert processes() == [self_()]

    @pytest.mark.parametrize("trapping", [True, False])
    async def test_leaves_nothing_in_the_consumer(self, trapping: bool) -> None:
        trap_exit(trapping)
        stream = async_stream(
            [1, 2, 3],
            even_only,
            max_concurrency=3,
            timeout=0.02,
            on_timeout="kill_task",
        )
        await collect(stream)

        assert leftovers() == []

    async def test_a_thread_that_is_late_does_not_hold_the_stream(self) -> None:
        release = threading.Event()

        def block(item: int) -> int:
            release.wait(WAIT)
            return item

        stream = async_stream([1], block, timeout=0.05, on_timeout="kill_task")
        results = await collect(stream)
        alive = processes()
        release.set()

        assert results == [Failed(TIMEOUT)]
        assert alive == [self_()]


class TestClock:
    async def test_time_counts_from_the_start_of_each_task(self) -> None:
        async def work(item: int) -> int:
            await sleep(0.03)
            return item

        stream = async_stream(range(6), work, max_concurrency=1, timeout=0.12)

        assert await collect(stream) == [Ok(item) for item in range(6)]

    async def test_time_counts_for_a_task_that_starts_late(self) -> None:
        async def work(item: int) -> int:
            if item == 3:
                await asyncio.Event().wait()
            await sleep(0.01)
            return item

        stream = async_stream(
            [1, 2, 3, 4], work, max_concurrency=1, timeout=0.1, on_timeout="kill_task"
        )

        assert await collect(stream) == [Ok(1), Ok(2), Failed(TIMEOUT), Ok(4)]

    async def test_no_limit_waits_as_long_as_it_takes(self) -> None:
        """STRM 247."""
        gate = asyncio.Event()

        async def work(item: int) -> int:
            await gate.wait()
            return item

        results = aiter(async_stream([1], work, timeout=None))
        asyncio.get_running_loop().call_later(0.05, gate.set)

        assert await anext(results) == Ok(1)
        assert await collect(results) == []

    async def test_a_task_is_not_killed_early(self) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        stream = async_stream([1], even_only, timeout=0.05, on_timeout="kill_task")
        await collect(stream)

        assert loop.time() - start >= 0.049

    @pytest.mark.parametrize("on_timeout", ["exit", "kill_task"])
    async def test_a_task_that_was_in_time_is_ok_however_late_one_looks(
        self, on_timeout: Literal["exit", "kill_task"]
    ) -> None:
        """STRM 266."""

        async def work(item: int) -> int:
            await sleep(0.005)
            return item

        given: list[object] = []
        stream = async_stream(
            [1, 2, 3],
            work,
            max_concurrency=3,
            timeout=0.06,
            on_timeout=on_timeout,
        )
        async for result in stream:
            given.append(result)
            await sleep(0.1)

        assert given == [Ok(1), Ok(2), Ok(3)]

    async def test_time_goes_on_while_the_consumer_is_elsewhere(self) -> None:
        """STRM 266."""
        late: list[Process] = []

        async def work(item: int) -> int:
            if item == 2:
                late.append(self_())
                await asyncio.Event().wait()
            return item

        results = aiter(
            async_stream(
                [1, 2], work, max_concurrency=2, timeout=0.05, on_timeout="kill_task"
            )
        )
        await anext(results)
        await sleep(0.15)
        alive_when_the_consumer_looks = [process.alive for process in late]
        rest = await collect(results)

        assert alive_when_the_consumer_looks == [False]
        assert rest == [Failed(TIMEOUT)]

    async def test_no_clock_runs_on_after_the_stream_was_left(self) -> None:
        stream = async_stream([2, 1], even_only, max_concurrency=2, timeout=0.03)
        async with stream as results:
            async for _ in results:
                break
        await sleep(0.06)

        assert leftovers() == []

    async def test_no_clock_runs_on_after_the_last_result(self) -> None:
        await collect(async_stream([2, 4], even_only, timeout=0.02))
        await sleep(0.04)

        assert leftovers() == []
