"""Streams: what they are made of, and what they give."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, assert_type

import fastask
from fastask import Failed, Ok, Stream


async def double(x: int) -> int:
    return 2 * x


async def measure(text: str, unit: str, scale: float = 1.0) -> float:
    return len(text + unit) * scale


def length(text: str) -> int:
    return len(text)


async def made_of(lines: Iterable[str], later: AsyncIterator[str]) -> None:
    assert_type(fastask.async_stream([1, 2], double), Stream[int])
    assert_type(fastask.async_stream(range(3), double, ordered=False), Stream[int])
    assert_type(fastask.async_stream(lines, measure, "cm"), Stream[float])
    assert_type(fastask.async_stream(later, measure, "cm", 2.5), Stream[float])
    assert_type(fastask.async_stream(later, length, executor="thread"), Stream[int])
    assert_type(fastask.async_stream([1], lambda x: [x]), Stream[list[int]])
    assert_type(
        fastask.async_stream(
            lines,
            length,
            max_concurrency=2,
            timeout=None,
            on_timeout="kill_task",
            zip_input_on_exit=True,
            executor=ThreadPoolExecutor(),
            progress=print,
        ),
        Stream[int],
    )


async def gives(stream: Stream[int]) -> None:
    async for outcome in stream:
        assert_type(outcome, Ok[int] | Failed)
        match outcome:
            case Ok(value):
                assert_type(value, int)
            case Failed(reason):
                assert_type(reason, Any)
    async with stream as same:
        assert_type(same, Stream[int])
        assert_type([outcome.unwrap() async for outcome in same], list[int])
    assert_type(await anext(aiter(stream)), Ok[int] | Failed)
    await stream.aclose()
    await aiter(stream).aclose()
