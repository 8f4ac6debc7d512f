"""What runs what: the value of a function is that of its process, task and stream."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Never, assert_type

import fastask
from fastask import ChildSpec, Process, Ref, Task


async def double(x: int) -> int:
    return 2 * x


def half(x: int) -> float:
    return x / 2


async def join(x: str, y: str = "", *, sep: str = "-") -> str:
    return x + sep + y


async def fail() -> Never:
    raise ValueError


def items() -> Iterator[bytes]:
    yield b""


class Counter:
    async def count(self, step: int) -> int:
        return step

    async def __call__(self, step: int) -> str:
        return str(step)


async def tasks(counter: Counter, handler: Callable[[str], Awaitable[bool]]) -> None:
    assert_type(fastask.async_(double, 1), Task[int])
    assert_type(await fastask.async_(double, 1), int)
    assert_type(fastask.async_(half, 1), Task[float])
    assert_type(await fastask.async_(half, 1), float)
    assert_type(fastask.async_(double(1)), Task[int])
    assert_type(await fastask.async_(double(1)), int)

    assert_type(fastask.async_nolink(double, 1), Task[int])
    assert_type(fastask.async_nolink(half, 1), Task[float])
    assert_type(await fastask.async_nolink(double(1)), int)

    assert_type(fastask.async_(join, "a"), Task[str])
    assert_type(fastask.async_(join, "a", "b"), Task[str])
    assert_type(fastask.async_(functools.partial(join, "a", sep="/")), Task[str])
    assert_type(fastask.async_(functools.partial(half, 1)), Task[float])
    assert_type(fastask.async_(fail), Task[Never])
    assert_type(fastask.async_(items), Task[Iterator[bytes]])
    assert_type(fastask.async_(counter.count, 1), Task[int])
    assert_type(fastask.async_(counter, 1), Task[str])
    assert_type(fastask.async_(handler, "x"), Task[bool])
    assert_type(fastask.async_(int, "1"), Task[int])
    assert_type(fastask.async_(lambda: 1), Task[int])
    assert_type(fastask.async_(asyncio.sleep, 1), Task[None])
    assert_type(fastask.async_(fastask.sleep, 1.0), Task[None])

    with ThreadPoolExecutor() as pool:
        assert_type(fastask.async_(half, 1, executor=pool), Task[float])
    assert_type(fastask.async_(half, 1, executor="thread"), Task[float])
    assert_type(fastask.async_(double, 1, executor=None), Task[int])
    assert_type(fastask.async_nolink(half, 1, executor="thread"), Task[float])
    assert_type(fastask.async_(half, 1, executor="process"), Task[float])
    assert_type(fastask.async_nolink(half, 1, executor="interpreter"), Task[float])
    assert_type(fastask.limit_executor("process", 2), int)

    assert_type(fastask.completed("value"), Task[str])
    assert_type(await fastask.completed("value"), str)


async def processes() -> None:
    assert_type(fastask.start(double, 1), Process[int])
    assert_type(fastask.start(half, 1), Process[float])
    assert_type(fastask.start(double(1)), Process[int])
    assert_type(fastask.start_link(double, 1), Process[int])
    assert_type(fastask.start_link(half, 1), Process[float])
    assert_type(fastask.start_link(double(1)), Process[int])

    assert_type(fastask.spawn(double, 1, name="d", trap_exit=True), Process[int])
    assert_type(await fastask.spawn(double, 1), int)
    assert_type(fastask.spawn(half, 1, grace=1.0), Process[float])
    assert_type(fastask.spawn(double(1), name=("d", 1)), Process[int])
    assert_type(fastask.spawn_link(double, 1), Process[int])
    assert_type(fastask.spawn_link(half, 1), Process[float])
    assert_type(fastask.spawn_link(double(1)), Process[int])
    assert_type(fastask.spawn_monitor(double, 1), tuple[Process[int], Ref])
    assert_type(fastask.spawn_monitor(half, 1), tuple[Process[float], Ref])
    assert_type(fastask.spawn_monitor(double(1)), tuple[Process[int], Ref])


def run() -> None:
    assert_type(fastask.run(double, 1), int)
    assert_type(fastask.run(half, 1, debug=True), float)
    assert_type(fastask.run(double(1), handle_signals=False), int)
    assert_type(
        fastask.run(join, "a", loop_factory=asyncio.new_event_loop, grace=1.0), str
    )


def child_specs() -> None:
    spec = fastask.child_spec(double, 1, restart="permanent", shutdown=None)
    assert_type(spec, ChildSpec)
    assert_type(fastask.child_spec(half, 1, shutdown=fastask.BRUTAL_KILL), ChildSpec)
    assert_type(spec.args, tuple[Any, ...])
    assert_type(spec.significant, bool)


def factories(loop: asyncio.AbstractEventLoop) -> None:
    loop.set_task_factory(fastask.task_factory)
    loop.set_task_factory(fastask.eager_task_factory)
    assert_type(fastask.task_factory(loop, double(1), name="x"), asyncio.Task[int])
    assert_type(fastask.eager_task_factory(loop, join("a")), asyncio.Task[str])
