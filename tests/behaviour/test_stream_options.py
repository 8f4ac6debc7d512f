"""Streams: the options, their defaults, and plain functions."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeVar

import pytest

from fastask import (
    Failed,
    Ok,
    async_stream,
    processes,
    self_,
    sleep,
    spawn,
    trap_exit,
)

T = TypeVar("T")

WAIT = 5.0

MEASURE_THE_DEFAULT = """
import asyncio, os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import fastask
running = peak = 0
async def work(item):
    global running, peak
    running += 1
    peak = max(peak, running)
    await asyncio.sleep(0.001)
    running -= 1
async def main():
    async for _ in fastask.async_stream(range(6), work):
        pass
fastask.run(main)
print(peak)
"""


def cpu_count() -> int:
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


async def collect(stream: AsyncIterable[T]) -> list[T]:
    return [result async for result in stream]


async def same(item: T) -> T:
    return item


async def scaled(item: int, *, by: int) -> int:
    return item * by


def thread_of(_: object) -> int:
    return threading.get_ident()


def raised(item: int, power: int) -> int:
    return int(item**power)


class TestValidation:
    @pytest.mark.parametrize("limit", [0, -1])
    async def test_a_limit_below_one_is_refused(self, limit: int) -> None:
        """STRM 248."""
        with pytest.raises(ValueError, match="max_concurrency"):
            async_stream([1], same, max_concurrency=limit)

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("max_concurrency", "4"),
            ("max_concurrency", 1.5),
            ("timeout", "soon"),
            ("progress", 5),
        ],
    )
    async def test_a_value_of_the_wrong_type_is_refused(
        self, option: str, value: object
    ) -> None:
        """STRM 248."""
        options: dict[str, Any] = {option: value}
        with pytest.raises(TypeError, match=option):
            async_stream([1], same, **options)

    async def test_a_negative_time_is_refused(self) -> None:
        """STRM 248."""
        with pytest.raises(ValueError, match=r"timeout.*-1"):
            async_stream([1], same, timeout=-1.0)

    @pytest.mark.parametrize("option", ["on_timeout", "executor"])
    async def test_an_unknown_word_is_refused(self, option: str) -> None:
        """STRM 248."""
        options: dict[str, Any] = {option: "explode"}
        with pytest.raises(ValueError, match=f"{option}.*explode"):
            async_stream([1], same, **options)

    async def test_an_unknown_option_is_refused(self) -> None:
        options: dict[str, Any] = {"max_concurency": 4}
        with pytest.raises(TypeError, match="max_concurency"):
            async_stream([1], same, **options)

    async def test_a_function_that_cannot_be_called_is_refused(self) -> None:
        function: Any = "same"
        with pytest.raises(TypeError):
            async_stream([1], function)

    async def test_an_input_that_cannot_be_iterated_is_refused(self) -> None:
        items: Any = 5
        with pytest.raises(TypeError):
            async_stream(items, same)

    async def test_a_refused_stream_starts_nothing(self) -> None:
        """STRM 248."""
        with pytest.raises(ValueError, match="max_concurrency"):
            async_stream([1], same, max_concurrency=0)

        assert processes() == [self_()]


class TestDefaultConcurrency:
    @pytest.mark.parametrize("ordered", [True, False])
    async def test_is_the_number_of_processors(self, ordered: bool) -> None:
        """STRM 280."""
        running = peak = 0

        async def work(_: int) -> None:
            nonlocal running, peak
            running += 1
            peak = max(peak, running)
            await sleep(0.001)
            running -= 1

        items = range(4 * cpu_count())
        await collect(async_stream(items, work, ordered=ordered))

        assert peak == cpu_count()

    @pytest.mark.skipif(
        not hasattr(os, "sched_setaffinity"), reason="cannot limit the processors"
    )
    def test_counts_only_the_processors_that_it_may_use(self) -> None:
        """STRM 280."""
        done = subprocess.run(
            [sys.executable, "-c", MEASURE_THE_DEFAULT],
            capture_output=True,
            text=True,
            timeout=30.0,
            check=False,
        )

        assert (done.stdout.strip(), done.stderr) == ("1", "")

    async def test_none_means_the_default(self) -> None:
        """STRM 280."""
        started = 0
        all_started = asyncio.Event()

        async def work(_: int) -> None:
            nonlocal started
            started += 1
            if started == cpu_count():
                all_started.set()
            await all_started.wait()

        items = range(cpu_count())
        results = await collect(
            async_stream(items, work, max_concurrency=None, timeout=2.0)
        )

        assert results == [Ok(None)] * cpu_count()


class TestFunctions:
    async def test_keyword_arguments_travel_by_partial(self) -> None:
        results = await collect(async_stream([1, 2], functools.partial(scaled, by=3)))

        assert results == [Ok(3), Ok(6)]

    async def test_a_bound_method_is_a_function(self) -> None:
        class Shop:
            price = 2

            async def total(self, count: int) -> int:
                return self.price * count

        assert await collect(async_stream([1, 2], Shop().total)) == [Ok(2), Ok(4)]


class TestPlainFunctions:
    @pytest.mark.parametrize("executor", [None, "thread"])
    async def test_run_in_another_thread(
        self, executor: Literal["thread"] | None
    ) -> None:
        stream = async_stream([1, 2, 3], thread_of, executor=executor)
        results = await collect(stream)

        assert len(results) == 3
        assert threading.get_ident() not in [result.unwrap() for result in results]

    async def test_get_the_item_and_the_extra_arguments(self) -> None:
        """STRM 230."""
        results = await collect(async_stream([1, 2], raised, 3))

        assert results == [Ok(1), Ok(8)]

    async def test_see_the_context_variables_of_the_consumer(self) -> None:
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

        def read(_: int) -> str:
            return variable.get()

        variable.set("seen")

        assert await collect(async_stream([1], read)) == [Ok("seen")]

    async def test_run_side_by_side(self) -> None:
        """STRM 255."""
        both = threading.Barrier(2, timeout=WAIT)

        def meet(item: int) -> int:
            both.wait()
            return item

        stream = async_stream([1, 2], meet, max_concurrency=2)

        assert await collect(stream) == [Ok(1), Ok(2)]

    async def test_do_not_stop_the_loop(self) -> None:
        loop = asyncio.get_running_loop()
        started = asyncio.Event()
        release = threading.Event()

        def block(item: int) -> int:
            loop.call_soon_threadsafe(started.set)
            assert release.wait(WAIT)
            return item

        async def set_it_free() -> None:
            await started.wait()
            release.set()

        spawn(set_it_free)

        assert await collect(async_stream([1], block)) == [Ok(1)]

    async def test_fail_as_coroutines_do(self) -> None:
        """STRM 260."""
        error = ValueError("boom")

        def fail(_: int) -> None:
            raise error

        trap_exit(True)
        [result] = await collect(async_stream([1], fail))

        assert isinstance(result, Failed)
        assert result.reason is error

    async def test_run_in_the_executor_that_is_given(self) -> None:
        def name_of_thread(_: int) -> str:
            return threading.current_thread().name

        with ThreadPoolExecutor(1, thread_name_prefix="mine") as executor:
            stream = async_stream([1, 2], name_of_thread, executor=executor)
            results = await collect(stream)

        assert [result.unwrap()[:4] for result in results] == ["mine", "mine"]

    async def test_keep_the_input_order(self) -> None:
        """STRM 232."""
        second_done = threading.Event()

        def work(item: int) -> int:
            if item == 1:
                assert second_done.wait(WAIT)
            else:
                second_done.set()
            return item

        stream = async_stream([1, 2], work, max_concurrency=2)

        assert await collect(stream) == [Ok(1), Ok(2)]
