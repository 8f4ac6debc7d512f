"""A crash whose frame keeps a wait or a timer keeps nothing in memory."""

from __future__ import annotations

import contextlib
import gc
import warnings
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fastask import (
    Agent,
    Process,
    async_nolink,
    async_stream,
    await_,
    await_many,
    receive,
    self_,
    send_after,
    shutdown,
    sleep,
    yield_,
)


async def nothing() -> None:
    """Return at once."""


def first_of_a_stream() -> Awaitable[Any]:
    return aiter(async_stream([1], str)).__anext__()


WAITS: dict[str, Callable[[], Awaitable[Any]]] = {
    "receive": lambda: receive(timeout=0),
    "sleep": lambda: sleep(0.001),
    "await": lambda: await_(async_nolink(nothing)),
    "await_many": lambda: await_many([async_nolink(nothing)]),
    "yield": lambda: yield_(async_nolink(nothing)),
    "shutdown": lambda: shutdown(async_nolink(nothing)),
    "start": lambda: Agent.start_link(int, "no number"),
    "call": lambda: Agent.get("nobody of this name", str),
    "stream": first_of_a_stream,
}


@pytest.fixture(params=WAITS)
def wait(request: pytest.FixtureRequest) -> Callable[[], Awaitable[Any]]:
    return WAITS[request.param]


async def crash_of(body: Callable[[], Awaitable[Any]]) -> Process[Any] | None:
    """Let a process crash in `body` and its task be awaited; return what is left."""
    task = async_nolink(body)
    left = weakref.ref(task.process)
    with pytest.raises(ZeroDivisionError):
        await task
    del task
    gc.collect()
    return left()


async def test_a_wait_that_was_never_awaited(
    wait: Callable[[], Awaitable[Any]],
) -> None:
    async def body() -> float:
        kept = wait()
        return 1 / (kept is None)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # which says so
        assert await crash_of(body) is None


async def test_a_wait_that_is_over(wait: Callable[[], Awaitable[Any]]) -> None:
    async def body() -> float:
        kept = [wait()]
        with contextlib.suppress(Exception):  # whatever it comes to
            await kept[0]
        return 1 / (kept is None)

    assert await crash_of(body) is None


async def test_a_wait_in_which_the_exception_came() -> None:
    def predicate(message: object) -> bool:
        return bool(1 / 0)

    async def body() -> None:
        send_after(self_(), "x", 0.001)
        kept = receive(predicate)
        await kept

    assert await crash_of(body) is None


@pytest.mark.parametrize("after", [0.0, 60.0], ids=["that fired", "that is armed"])
async def test_a_timer(after: float) -> None:
    async def body() -> float:
        kept = send_after(self_(), "x", after)
        if not after:
            await receive()
        return 1 / (kept is None)

    assert await crash_of(body) is None


async def test_a_timer_that_was_cancelled() -> None:
    async def body() -> float:
        kept = send_after(self_(), "x", 60)
        kept.cancel()
        return 1 / (kept is None)

    assert await crash_of(body) is None
