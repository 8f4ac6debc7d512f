"""Streams: which results come, in which order, and how many tasks run at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Sequence
from typing import TypeVar

import pytest

from fastask import (
    Exit,
    Failed,
    Ok,
    Process,
    async_,
    async_stream,
    process_info,
    processes,
    self_,
    sleep,
    trap_exit,
)

T = TypeVar("T")


async def collect(stream: AsyncIterable[T]) -> list[T]:
    return [result async for result in stream]


async def pause(milliseconds: int) -> int:
    await sleep(milliseconds / 1000)
    return milliseconds


async def add(item: int, more: int, most: int) -> tuple[int, int, int]:
    return item, more, most


async def callers_of_me(_: int) -> list[Process]:
    info = process_info(self_())
    assert info is not None
    return list(info.callers)


class TestOrder:
    @pytest.mark.parametrize("limit", [4, 2, 8])
    async def test_gives_one_result_for_each_item(self, limit: int) -> None:
        """STRM 229."""
        results = await collect(
            async_stream([1, 2, 3, 4], pause, max_concurrency=limit)
        )

        assert results == [Ok(1), Ok(2), Ok(3), Ok(4)]

    async def test_passes_extra_arguments_after_the_item(self) -> None:
        """STRM 230."""
        results = await collect(async_stream([1, 2], add, 10, 100))

        assert results == [Ok((1, 10, 100)), Ok((2, 10, 100))]

    async def test_keeps_input_order_when_the_slowest_comes_first(self) -> None:
        """STRM 232."""
        results = await collect(async_stream([40, 30, 20, 1], pause, max_concurrency=4))

        assert results == [Ok(40), Ok(30), Ok(20), Ok(1)]

    async def test_a_slow_head_does_not_stop_the_others(self) -> None:
        """STRM 256."""
        finished: list[int] = []
        others_done = asyncio.Event()

        async def work(item: int) -> int:
            if item == 0:
                await others_done.wait()
            finished.append(item)
            if len(finished) == 9:
                others_done.set()
            return item

        results = await collect(
            async_stream(range(10), work, max_concurrency=2, timeout=2.0)
        )

        assert finished[-1] == 0
        assert results == [Ok(item) for item in range(10)]

    async def test_gives_a_result_while_a_later_one_still_runs(self) -> None:
        """STRM 257."""
        gate = asyncio.Event()
        finished: list[int] = []

        async def work(item: int) -> int:
            if item == 2:
                await gate.wait()
            finished.append(item)
            return item

        results = aiter(async_stream([1, 2, 3], work, max_concurrency=3))
        first = await anext(results)
        finished_before_the_gate = list(finished)
        gate.set()
        rest = await collect(results)

        assert first == Ok(1)
        assert 2 not in finished_before_the_gate
        assert rest == [Ok(2), Ok(3)]

    async def test_holds_a_result_back_until_the_earlier_ones_are_given(self) -> None:
        """STRM 257."""
        gate = asyncio.Event()
        third_done = asyncio.Event()

        async def work(item: int) -> int:
            if item == 2:
                await gate.wait()
            if item == 3:
                third_done.set()
            return item

        results = aiter(async_stream([1, 2, 3], work, max_concurrency=3))
        await anext(results)
        await third_done.wait()
        gate.set()

        assert await collect(results) == [Ok(2), Ok(3)]

    async def test_gives_values_that_are_false_or_none(self) -> None:
        async def same(item: object) -> object:
            return item

        results = await collect(async_stream([None, 0, "", ()], same))

        assert results == [Ok(None), Ok(0), Ok(""), Ok(())]


class TestCompletionOrder:
    async def test_gives_results_as_they_are_finished(self) -> None:
        """STRM 246."""
        gates = {item: asyncio.Event() for item in (1, 2, 3)}

        async def work(item: int) -> int:
            await gates[item].wait()
            return item

        stream = async_stream([1, 2, 3], work, ordered=False, max_concurrency=3)
        results = aiter(stream)
        given = []
        for item in (3, 1, 2):
            gates[item].set()
            given.append(await anext(results))

        assert given == [Ok(3), Ok(1), Ok(2)]
        assert await collect(results) == []

    async def test_a_slow_head_does_not_hold_back_the_others(self) -> None:
        gate = asyncio.Event()

        async def work(item: int) -> int:
            if item == 0:
                await gate.wait()
            return item

        stream = async_stream(range(6), work, ordered=False, max_concurrency=2)
        results = aiter(stream)
        given = [await anext(results) for _ in range(5)]
        gate.set()

        assert sorted(result.unwrap() for result in given) == [1, 2, 3, 4, 5]
        assert await collect(results) == [Ok(0)]

    async def test_the_first_two_of_three_cancel_the_third(self) -> None:
        """STRM 281."""
        slow: list[Process] = []

        async def call(name: str) -> str:
            if name == "slow":
                slow.append(self_())
                await asyncio.Event().wait()
            return name

        fastest: list[str] = []
        names = ["slow", "fast", "faster"]
        async with async_stream(
            names, call, ordered=False, max_concurrency=3
        ) as results:
            async for result in results:
                if isinstance(result, Ok):
                    fastest.append(result.value)
                if len(fastest) == 2:
                    break

        assert sorted(fastest) == ["fast", "faster"]
        assert [process.alive for process in slow] == [False]


class TestConcurrency:
    @pytest.mark.parametrize("ordered", [True, False])
    async def test_runs_no_more_tasks_than_allowed(self, ordered: bool) -> None:
        """STRM 255."""
        running = 0
        peak = 0

        async def work(item: int) -> int:
            nonlocal running, peak
            running += 1
            peak = max(peak, running)
            await sleep(0.001)
            running -= 1
            return item

        stream = async_stream(range(50), work, ordered=ordered, max_concurrency=5)
        results = await collect(stream)

        assert len(results) == 50
        assert peak == 5

    async def test_runs_one_after_the_other_with_a_limit_of_one(self) -> None:
        """STRM 255."""
        events: list[tuple[str, int]] = []

        async def work(item: int) -> int:
            events.append(("start", item))
            await sleep(0.001)
            events.append(("end", item))
            return item

        await collect(async_stream([1, 2], work, max_concurrency=1))

        assert events == [("start", 1), ("end", 1), ("start", 2), ("end", 2)]

    async def test_runs_each_item_in_a_process_of_its_own(self) -> None:
        async def work(_: int) -> Process:
            return self_()

        results = await collect(async_stream(range(4), work))
        workers = {result.unwrap() for result in results}

        assert len(workers) == 4
        assert self_() not in workers


class TestRunningAnew:
    async def test_an_empty_input_gives_nothing_and_starts_nothing(self) -> None:
        """STRM 269."""
        started: list[int] = []

        async def work(item: int) -> int:
            started.append(item)
            return item

        nothing: list[int] = []
        results = await collect(async_stream(nothing, work))

        assert results == []
        assert started == []
        assert processes() == [self_()]

    async def test_the_same_stream_runs_again_for_each_iteration(self) -> None:
        """STRM 269."""
        ran: list[int] = []

        async def work(item: int) -> int:
            ran.append(item)
            return item

        stream = async_stream([1, 2], work)
        first = await collect(stream)
        second = await collect(stream)

        assert first == second == [Ok(1), Ok(2)]
        assert ran == [1, 2, 1, 2]

    @pytest.mark.parametrize("items", [[1, 2, 3, 4], [40, 20, 10, 1]])
    async def test_two_iterations_advance_in_lockstep(
        self, items: Sequence[int]
    ) -> None:
        """STRM 236."""
        stream = async_stream(items, pause, max_concurrency=4)
        left, right = aiter(stream), aiter(stream)
        pairs = [(await anext(left), await anext(right)) for _ in items]

        assert pairs == [(Ok(item), Ok(item)) for item in items]
        assert await collect(left) == await collect(right) == []

    async def test_two_iterations_advance_in_lockstep_over_failures(self) -> None:
        """STRM 236."""

        async def fail(item: int) -> int:
            raise Exit(item)

        trap_exit(True)
        stream = async_stream([1, 2, 3], fail, max_concurrency=2)
        left, right = aiter(stream), aiter(stream)
        pairs = [(await anext(left), await anext(right)) for _ in range(3)]

        assert pairs == [(Failed(item), Failed(item)) for item in (1, 2, 3)]
        assert await collect(left) == await collect(right) == []

    async def test_leaving_one_iteration_does_not_disturb_the_other(self) -> None:
        """STRM 236."""
        stream = async_stream(range(6), pause, max_concurrency=3)
        left, right = aiter(stream), aiter(stream)
        await anext(left)
        await anext(right)
        del left

        assert await collect(right) == [Ok(item) for item in range(1, 6)]

    async def test_a_task_of_a_stream_may_stream_itself(self) -> None:
        async def inner(item: int) -> int:
            results = await collect(async_stream(range(item), pause))
            return sum(result.unwrap() for result in results)

        results = await collect(async_stream([2, 3, 4], inner))

        assert results == [Ok(1), Ok(3), Ok(6)]


class TestConsumer:
    async def test_a_stream_runs_in_the_process_that_iterates_it(self) -> None:
        """STRM 251."""

        async def consume() -> tuple[Process, list[Process]]:
            [result] = await collect(stream)
            return self_(), result.unwrap()

        stream = async_stream([1], callers_of_me)
        consumer, callers = await async_(consume)

        assert callers[0] == consumer

    async def test_results_reach_a_consumer_that_did_not_build_the_stream(
        self,
    ) -> None:
        """STRM 251."""
        stream = async_stream([1, 2, 3], pause)
        results = await async_(collect, stream)

        assert results == [Ok(1), Ok(2), Ok(3)]

    async def test_callers_are_the_consumer_and_the_callers_of_it(self) -> None:
        """STRM 250."""

        async def consume() -> tuple[Process, list[Process]]:
            [result] = await collect(async_stream([1], callers_of_me))
            return self_(), result.unwrap()

        consumer, callers = await async_(consume)

        assert callers == [consumer, self_()]
