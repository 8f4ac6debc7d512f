"""Streams: what is pulled from the input, when, where and how fast."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from typing import TypeVar

import pytest

from fastask import (
    TIMEOUT,
    Failed,
    Ok,
    Process,
    Stream,
    async_,
    async_stream,
    process_info,
    processes,
    self_,
    sleep,
)

T = TypeVar("T")


class InputError(Exception):
    """What a broken input raises."""


class Countdown:
    """An async iterator that is no generator: 3, 2, 1."""

    def __init__(self) -> None:
        self.left = 3

    def __aiter__(self) -> Countdown:
        return self

    async def __anext__(self) -> int:
        if self.left == 0:
            raise StopAsyncIteration
        self.left -= 1
        return self.left + 1


async def collect(stream: AsyncIterable[T]) -> list[T]:
    return [result async for result in stream]


async def take(count: int, stream: Stream[T]) -> list[Ok[T] | Failed]:
    taken: list[Ok[T] | Failed] = []
    async with stream as results:
        async for result in results:
            taken.append(result)
            if len(taken) == count:
                break
    return taken


async def same(item: T) -> T:
    return item


async def forever(item: T) -> T:
    await asyncio.Event().wait()
    return item


async def arriving(items: Iterable[T]) -> AsyncIterator[T]:
    for item in items:
        await asyncio.sleep(0)
        yield item


def recorded(pulled: list[int], items: Iterable[int]) -> Generator[int, None, None]:
    for item in items:
        pulled.append(item)
        yield item


def leftovers() -> list[object]:
    info = process_info(self_())
    assert info is not None
    return [*info.messages, *info.links, *info.monitors]


class TestLaziness:
    async def test_building_pulls_nothing(self) -> None:
        """STRM 253."""
        pulled: list[int] = []
        async_stream(recorded(pulled, [1, 2]), same)
        await sleep(0.01)

        assert pulled == []

    async def test_building_starts_nothing(self) -> None:
        """STRM 253."""
        async_stream([1, 2], same)

        assert processes() == [self_()]

    async def test_building_does_not_open_the_input(self) -> None:
        """STRM 253."""
        opened: list[str] = []

        class Input:
            def __iter__(self) -> Iterator[int]:
                opened.append("opened")
                return iter([1])

        stream = async_stream(Input(), same)
        opened_by_building = list(opened)
        await collect(stream)
        await collect(stream)

        assert opened_by_building == []
        assert opened == ["opened", "opened"]


class TestPulling:
    @pytest.mark.parametrize("ordered", [True, False])
    @pytest.mark.parametrize("seconds", [0.0, 0.01])
    @pytest.mark.parametrize(("limit", "count", "inputs"), [(4, 3, 6), (2, 1, 2)])
    async def test_pulls_one_input_for_each_result_given(
        self, limit: int, count: int, inputs: int, seconds: float, ordered: bool
    ) -> None:
        pulled: list[int] = []

        async def work(item: int) -> int:
            if seconds:
                await sleep(seconds)
            return item

        items = recorded(pulled, itertools.count(1))
        stream = async_stream(items, work, ordered=ordered, max_concurrency=limit)
        await take(count, stream)

        assert len(pulled) == inputs

    @pytest.mark.parametrize("ordered", [True, False])
    async def test_pulls_only_into_a_free_slot(self, ordered: bool) -> None:
        pulled = finished = 0
        busy_at_each_pull: list[int] = []

        def items() -> Iterator[int]:
            nonlocal pulled
            for item in range(30):
                busy_at_each_pull.append(pulled - finished)
                pulled += 1
                yield item

        async def work(item: int) -> int:
            nonlocal finished
            await sleep(0.001 * (item % 3))
            finished += 1
            return item

        await collect(async_stream(items(), work, ordered=ordered, max_concurrency=3))

        assert len(busy_at_each_pull) == 30
        assert max(busy_at_each_pull) <= 2

    async def test_pulls_everything_behind_a_slow_head(self) -> None:
        """STRM 256."""
        pulled: list[int] = []
        last_one_ran = asyncio.Event()

        async def work(item: int) -> int:
            if item == 0:
                await last_one_ran.wait()
            if item == 9:
                last_one_ran.set()
            return item

        items = recorded(pulled, range(10))
        results = aiter(async_stream(items, work, max_concurrency=2, timeout=2.0))
        first = await anext(results)
        pulled_at_the_first_result = list(pulled)
        rest = await collect(results)

        assert first == Ok(0)
        assert pulled_at_the_first_result == list(range(10))
        assert rest == [Ok(item) for item in range(1, 10)]

    async def test_pulls_nothing_while_the_consumer_is_elsewhere(self) -> None:
        pulled: list[int] = []
        second_done = asyncio.Event()

        async def work(item: int) -> int:
            if item == 1:
                second_done.set()
            return item

        items = recorded(pulled, itertools.count())
        async with async_stream(items, work, max_concurrency=2) as results:
            async for _ in results:
                await second_done.wait()
                await sleep(0.02)
                break

        assert pulled == [0, 1]

    async def test_pulls_in_the_consumer_process(self) -> None:
        pulled_by: list[Process] = []

        def items() -> Iterator[int]:
            for item in range(3):
                pulled_by.append(self_())
                yield item

        async def consume() -> Process:
            await collect(stream)
            return self_()

        stream = async_stream(items(), same, max_concurrency=1)
        consumer = await async_(consume)

        assert pulled_by == [consumer, consumer, consumer]

    async def test_an_infinite_input_is_no_trouble(self) -> None:
        results = await take(5, async_stream(itertools.count(), same))

        assert results == [Ok(item) for item in range(5)]

    @pytest.mark.parametrize(
        "make",
        [
            lambda: [1, 2, 3],
            lambda: (1, 2, 3),
            lambda: range(1, 4),
            lambda: {1: "a", 2: "b", 3: "c"},
            lambda: iter([1, 2, 3]),
            lambda: (item for item in (1, 2, 3)),
            lambda: map(int, "123"),
        ],
        ids=["list", "tuple", "range", "dict", "iterator", "generator", "map"],
    )
    async def test_takes_any_iterable(self, make: Callable[[], Iterable[int]]) -> None:
        results = await collect(async_stream(make(), same, max_concurrency=2))

        assert results == [Ok(1), Ok(2), Ok(3)]

    async def test_an_input_cut_short_gives_as_many_results(self) -> None:
        """STRM 237."""
        items = itertools.islice(range(1, 9), 4)
        results = await collect(async_stream(items, same))

        assert results == [Ok(1), Ok(2), Ok(3), Ok(4)]

    async def test_inputs_put_together_give_all_their_items(self) -> None:
        """STRM 252."""
        items = itertools.chain([1, 2], itertools.islice(itertools.count(3), 2))
        results = await collect(async_stream(items, same))

        assert results == [Ok(1), Ok(2), Ok(3), Ok(4)]


class TestAsyncInput:
    @pytest.mark.parametrize("ordered", [True, False])
    async def test_takes_an_async_generator(self, ordered: bool) -> None:
        items = arriving(range(10))
        stream = async_stream(items, same, ordered=ordered, max_concurrency=3)
        results = await collect(stream)

        assert sorted(result.unwrap() for result in results) == list(range(10))

    async def test_keeps_the_order_of_an_async_generator(self) -> None:
        """STRM 232."""

        async def slowest_first(item: int) -> int:
            await sleep(item / 1000)
            return item

        items = arriving([30, 20, 10, 1])
        results = await collect(async_stream(items, slowest_first, max_concurrency=4))

        assert results == [Ok(30), Ok(20), Ok(10), Ok(1)]

    async def test_takes_an_async_iterator(self) -> None:
        results = await collect(async_stream(Countdown(), same))

        assert results == [Ok(3), Ok(2), Ok(1)]

    async def test_an_empty_async_input_gives_nothing(self) -> None:
        """STRM 269."""
        nothing: list[int] = []

        assert await collect(async_stream(arriving(nothing), same)) == []

    async def test_pulls_at_most_one_input_for_each_result_given(self) -> None:
        pulled: list[int] = []
        items = arriving(recorded(pulled, itertools.count()))
        results = await take(3, async_stream(items, same, max_concurrency=4))

        assert results == [Ok(0), Ok(1), Ok(2)]
        assert len(pulled) <= 6

    async def test_pulls_in_the_consumer_process(self) -> None:
        pulled_by: list[Process] = []

        async def items() -> AsyncIterator[int]:
            for item in range(3):
                pulled_by.append(self_())
                await asyncio.sleep(0)
                yield item

        async def consume() -> Process:
            await collect(stream)
            return self_()

        stream = async_stream(items(), same, max_concurrency=1)
        consumer = await async_(consume)

        assert pulled_by == [consumer, consumer, consumer]

    async def test_never_asks_for_an_item_before_it_has_the_last(self) -> None:
        asked = 0
        overlaps = 0

        class Input:
            def __aiter__(self) -> Input:
                self.count = 0
                return self

            async def __anext__(self) -> int:
                nonlocal asked, overlaps
                overlaps += asked
                asked += 1
                await asyncio.sleep(0)
                asked -= 1
                self.count += 1
                if self.count > 20:
                    raise StopAsyncIteration
                return self.count

        results = await collect(async_stream(Input(), same, max_concurrency=4))

        assert len(results) == 20
        assert overlaps == 0

    @pytest.mark.parametrize("ordered", [True, False])
    async def test_a_slow_input_does_not_hold_back_results(self, ordered: bool) -> None:
        gate = asyncio.Event()

        async def items() -> AsyncIterator[int]:
            yield 1
            yield 2
            await gate.wait()
            yield 3

        stream = async_stream(items(), same, ordered=ordered, max_concurrency=3)
        results = aiter(stream)
        before_the_gate = [await anext(results), await anext(results)]
        gate.set()

        assert before_the_gate == [Ok(1), Ok(2)]
        assert await collect(results) == [Ok(3)]

    async def test_a_task_runs_while_the_input_is_slow(self) -> None:
        async def work(item: int) -> int:
            gate.set()
            return item

        async def items() -> AsyncIterator[int]:
            yield 1
            await gate.wait()
            yield 2

        gate = asyncio.Event()
        results = await collect(async_stream(items(), work, max_concurrency=2))

        assert results == [Ok(1), Ok(2)]

    async def test_a_slow_input_does_not_stop_the_clock(self) -> None:
        """STRM 242."""
        gate = asyncio.Event()

        async def items() -> AsyncIterator[int]:
            yield 1
            await gate.wait()

        stream = async_stream(
            items(), forever, max_concurrency=2, timeout=0.02, on_timeout="kill_task"
        )
        results = aiter(stream)
        first = await anext(results)
        gate.set()

        assert first == Failed(TIMEOUT)
        assert await collect(results) == []


class TestBrokenInput:
    async def test_the_error_reaches_the_consumer_unchanged(self) -> None:
        """STRM 262."""
        error = InputError("no more")

        def items() -> Iterator[int]:
            yield 1
            raise error

        with pytest.raises(InputError) as caught:
            await collect(async_stream(items(), forever, max_concurrency=2))

        assert caught.value is error

    async def test_the_tasks_are_dead_when_the_error_arrives(self) -> None:
        """STRM 262."""

        def items() -> Iterator[int]:
            yield from range(3)
            raise InputError

        with pytest.raises(InputError):
            await collect(async_stream(items(), forever, max_concurrency=4))

        assert processes() == [self_()]
        assert leftovers() == []

    async def test_results_given_before_the_error_stay_given(self) -> None:
        def items() -> Iterator[int]:
            yield from (1, 2)
            raise InputError

        given: list[object] = []
        with pytest.raises(InputError):
            async for result in async_stream(items(), same, max_concurrency=1):
                given.append(result)

        assert given == [Ok(1), Ok(2)]

    async def test_an_input_that_fails_at_once_starts_nothing(self) -> None:
        class Input:
            def __iter__(self) -> Iterator[int]:
                raise InputError

        with pytest.raises(InputError):
            await collect(async_stream(Input(), same))

        assert processes() == [self_()]

    async def test_the_error_of_an_async_input_arrives_after_the_cleanup(self) -> None:
        """STRM 262."""
        error = InputError("no more")

        async def items() -> AsyncIterator[int]:
            yield 1
            yield 2
            await asyncio.sleep(0)
            raise error

        with pytest.raises(InputError) as caught:
            await collect(async_stream(items(), forever, max_concurrency=4))

        assert caught.value is error
        assert processes() == [self_()]
        assert leftovers() == []
