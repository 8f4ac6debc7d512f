"""Where many are asked for: what is one thing, or none, is refused, not iterated."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import fastask
from fastask import (
    GenServer,
    Ok,
    Registry,
    Supervisor,
    TaskRunner,
    TaskSupervisor,
    async_,
    async_nolink,
    async_stream,
    await_many,
    completed,
    find,
    receive,
    self_,
    send,
    yield_many,
)

NOT_MANY = ["task", "completed", "process", "future", "text", b"bytes", None, 5]


async def receive_one() -> Any:
    return await receive()


async def one(kind: Any) -> Any:
    """Return a thing that is not many; what can be awaited has not ended yet."""
    match kind:
        case "task":
            return async_nolink(receive_one)
        case "completed":
            return completed(1)
        case "process":
            return fastask.spawn(receive_one)
        case "future":
            return asyncio.get_running_loop().create_future()
    return kind


async def end(thing: Any) -> None:
    """Let a process that waits end."""
    process = getattr(thing, "process", thing)
    if isinstance(process, fastask.Process):
        send(process, "end")
        await process


@pytest.mark.parametrize("kind", NOT_MANY)
class TestWhatIsNotMany:
    @pytest.mark.parametrize("verb", [await_many, yield_many])
    async def test_is_refused_as_tasks(self, verb: Any, kind: Any) -> None:
        thing = await one(kind)
        with pytest.raises(TypeError, match="tasks must be an iterable of tasks, got"):
            await verb(thing)
        await end(thing)

    @pytest.mark.parametrize("message", ["message", ("a", "pair")])
    async def test_is_refused_by_find(self, kind: Any, message: object) -> None:
        thing = await one(kind)
        with pytest.raises(TypeError, match="tasks must be an iterable of tasks, got"):
            find(thing, message)
        await end(thing)

    async def test_is_refused_as_specifications(self, kind: Any) -> None:
        thing = await one(kind)
        with pytest.raises(TypeError, match="specs must be an iterable"):
            TaskRunner.run(thing)
        await end(thing)

    async def test_is_refused_as_children(self, kind: Any) -> None:
        thing = await one(kind)
        with pytest.raises(TypeError, match="children must be an iterable"):
            Supervisor(thing)
        await end(thing)

    async def test_is_refused_as_listeners(self, kind: Any) -> None:
        thing = await one(kind)
        with pytest.raises(TypeError, match="listeners must be an iterable"):
            Registry(listeners=thing)
        await end(thing)

    async def test_is_refused_as_nodes(self, kind: Any) -> None:
        thing = await one(kind)
        with pytest.raises(TypeError, match="nodes must be an iterable"):
            await GenServer.multi_call(thing, "name", "request")
        with pytest.raises(TypeError, match="nodes must be an iterable"):
            GenServer.abcast(thing, "name", "request")
        await end(thing)


class TestStream:
    @pytest.mark.parametrize("kind", ["task", "completed", "process", "future", None])
    async def test_of_what_is_not_many_is_refused(self, kind: Any) -> None:
        thing = await one(kind)
        with pytest.raises(TypeError, match="iterable must be an iterable of items"):
            async_stream(thing, str)
        async with TaskSupervisor() as tasks:
            with pytest.raises(TypeError, match="iterable must be an iterable"):
                tasks.async_stream(thing, str)
        await end(thing)

    async def test_of_a_text_has_its_letters(self) -> None:
        async def same(letter: str) -> str:
            return letter

        assert [o async for o in async_stream("ab", same)] == [Ok("a"), Ok("b")]


class TestIteratingByHand:
    @pytest.mark.parametrize("kind", ["task", "process"])
    async def test_raises_the_second_time_as_a_future_does(self, kind: str) -> None:
        thing = await one(kind)
        steps = iter(thing)
        first = next(steps)
        with pytest.raises(RuntimeError, match="await wasn't used with future"):
            next(steps)
        thing._asyncio_future_blocking = False
        await end(thing)

        assert first is thing

    async def test_of_a_task_that_has_ended_stops(self) -> None:
        task = async_(receive_one)
        send(task.process or self_(), 7)
        assert await task == 7

        with pytest.raises(StopIteration) as stop:
            next(iter(task))
        assert stop.value.value == 7


class TestFind:
    @pytest.mark.parametrize("message", ["message", ("a", "pair")])
    async def test_of_what_is_no_task_is_refused(self, message: object) -> None:
        tasks: Any = [5]
        with pytest.raises(TypeError, match="task must be a Task, got 5"):
            find(tasks, message)
