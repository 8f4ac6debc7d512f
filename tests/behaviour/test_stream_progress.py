"""Streams: telling how far one has come."""

from __future__ import annotations

import sys
import types
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Any, ClassVar, TypeVar

import pytest

from fastask import (
    TIMEOUT,
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


class BrokenProgressError(Exception):
    """What a broken progress function raises."""


class Calls(list[tuple[int, int | None]]):
    """A progress function that keeps what it was told."""

    def __call__(self, done: int, total: int | None) -> None:
        self.append((done, total))

    @property
    def of_results(self) -> list[tuple[int, int | None]]:
        """The calls without a (0, total) that may announce the beginning."""
        return [call for call in self if call[0] > 0]


class Bar:
    """Stands in for `tqdm.tqdm`."""

    made: ClassVar[list[Bar]] = []

    def __init__(
        self, iterable: object = None, *args: object, **options: object
    ) -> None:
        self.total = options.get("total")
        self.n = 0
        self.closed = False
        self.made.append(self)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(self, n: int = 1) -> None:
        self.n += n

    def refresh(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> list[Bar]:
    """The bars that were made by a stand-in for the package tqdm."""
    made: list[Bar] = []
    monkeypatch.setattr(Bar, "made", made)
    for name in ("tqdm", "tqdm.auto", "tqdm.asyncio", "tqdm.std"):
        module: Any = types.ModuleType(name)
        module.__path__ = []
        module.tqdm = Bar
        monkeypatch.setitem(sys.modules, name, module)
    return made


@pytest.fixture
def no_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package tqdm cannot be imported."""
    for name in ("tqdm", "tqdm.auto", "tqdm.asyncio", "tqdm.std"):
        monkeypatch.setitem(sys.modules, name, None)


async def collect(stream: AsyncIterable[T]) -> list[T]:
    return [result async for result in stream]


async def same(item: T) -> T:
    return item


async def arriving(items: Iterable[T]) -> AsyncIterator[T]:
    for item in items:
        yield item


class TestCallable:
    async def test_is_told_how_many_are_done_and_how_many_there_are(self) -> None:
        calls = Calls()
        await collect(async_stream("abc", same, max_concurrency=1, progress=calls))

        assert calls.of_results == [(1, 3), (2, 3), (3, 3)]

    async def test_is_told_no_total_when_the_input_has_no_length(self) -> None:
        calls = Calls()
        items = (item for item in "ab")
        await collect(async_stream(items, same, max_concurrency=1, progress=calls))

        assert calls.of_results == [(1, None), (2, None)]

    async def test_is_told_no_total_of_an_async_input(self) -> None:
        calls = Calls()
        items = arriving("ab")
        await collect(async_stream(items, same, max_concurrency=1, progress=calls))

        assert calls.of_results == [(1, None), (2, None)]

    @pytest.mark.parametrize("ordered", [True, False])
    async def test_counts_every_item_once(self, ordered: bool) -> None:
        async def work(item: int) -> int:
            await sleep(0.001 * (item % 4))
            return item

        calls = Calls()
        stream = async_stream(
            range(20), work, ordered=ordered, max_concurrency=4, progress=calls
        )
        await collect(stream)

        assert calls.of_results == [(done, 20) for done in range(1, 21)]

    async def test_counts_failures_too(self) -> None:
        async def fail(item: str) -> str:
            raise Exit(item)

        trap_exit(True)
        calls = Calls()
        await collect(async_stream("ab", fail, max_concurrency=1, progress=calls))

        assert calls.of_results == [(1, 2), (2, 2)]

    async def test_counts_late_items_too(self) -> None:
        async def work(item: int) -> int:
            await sleep(3600.0 if item == 1 else 0.0)
            return item

        calls = Calls()
        stream = async_stream(
            [1, 2],
            work,
            max_concurrency=1,
            timeout=0.05,
            on_timeout="kill_task",
            progress=calls,
        )
        results = await collect(stream)

        assert results == [Failed(TIMEOUT), Ok(2)]
        assert calls.of_results == [(1, 2), (2, 2)]

    async def test_counts_anew_for_each_iteration(self) -> None:
        calls = Calls()
        stream = async_stream("ab", same, max_concurrency=1, progress=calls)
        await collect(stream)
        await collect(stream)

        assert calls.of_results == [(1, 2), (2, 2), (1, 2), (2, 2)]

    async def test_is_called_in_the_consumer(self) -> None:
        called_in: list[Process] = []

        def progress(done: int, total: int | None) -> None:
            called_in.append(self_())

        async def consume() -> Process:
            await collect(async_stream("ab", same, progress=progress))
            return self_()

        consumer = await async_(consume)

        assert set(called_in) == {consumer}

    async def test_is_not_called_by_building(self) -> None:
        """STRM 253."""
        calls = Calls()
        async_stream("ab", same, progress=calls)
        await sleep(0.01)

        assert calls == []

    async def test_is_called_no_more_after_the_stream_was_left(self) -> None:
        calls = Calls()
        async with async_stream(
            range(10), same, max_concurrency=1, progress=calls
        ) as results:
            async for _ in results:
                break
        calls_when_left = list(calls)
        await sleep(0.01)

        assert calls == calls_when_left
        assert max(done for done, _ in calls) < 10

    async def test_an_error_of_it_ends_the_stream(self) -> None:
        """STRM 262."""
        error = BrokenProgressError("boom")

        def progress(done: int, total: int | None) -> None:
            raise error

        with pytest.raises(BrokenProgressError) as caught:
            await collect(async_stream(range(10), same, progress=progress))
        info = process_info(self_())

        assert caught.value is error
        assert processes() == [self_()]
        assert info is not None
        assert [*info.messages, *info.links, *info.monitors] == []


class TestBar:
    async def test_counts_the_results_and_is_closed(self, bars: list[Bar]) -> None:
        await collect(async_stream("abc", same, progress=True))

        assert [(bar.n, bar.total, bar.closed) for bar in bars] == [(3, 3, True)]

    async def test_has_no_total_when_the_input_has_no_length(
        self, bars: list[Bar]
    ) -> None:
        await collect(async_stream(iter("abc"), same, progress=True))

        assert [(bar.n, bar.total) for bar in bars] == [(3, None)]

    async def test_is_closed_when_the_stream_is_left(self, bars: list[Bar]) -> None:
        async with async_stream("abc", same, progress=True) as results:
            async for _ in results:
                break

        assert [bar.closed for bar in bars] == [True]

    async def test_each_iteration_has_its_own(self, bars: list[Bar]) -> None:
        stream = async_stream("ab", same, progress=True)
        await collect(stream)
        await collect(stream)

        assert [bar.n for bar in bars] == [2, 2]

    @pytest.mark.parametrize("progress", [None, False])
    async def test_there_is_none_unless_asked_for(
        self, bars: list[Bar], progress: bool | None
    ) -> None:
        await collect(async_stream("ab", same, progress=progress))

        assert bars == []


@pytest.mark.usefixtures("no_tqdm")
class TestWithoutTqdm:
    async def test_says_which_extra_is_missing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "tqdm", None)

        with pytest.raises(ImportError, match=r"fastask-otp\[progress\]"):
            async_stream("ab", same, progress=True)

    async def test_a_callable_needs_no_tqdm(self) -> None:
        calls = Calls()
        await collect(async_stream("ab", same, progress=calls))

        assert calls.of_results == [(1, 2), (2, 2)]
