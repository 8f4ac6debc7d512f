"""The context variables of processes: each has its own, whoever shares their map."""

from __future__ import annotations

import asyncio
import contextvars
import weakref
from collections.abc import Callable
from typing import Any, cast

import pytest

import fastask
from fastask import Process, receive, self_, send, sleep, spawn

COLOUR: contextvars.ContextVar[str] = contextvars.ContextVar("COLOUR", default="none")


async def obey() -> None:
    """Run what it is sent, one by one, each in a step of its own."""
    while True:
        act = await receive()
        if act is None:
            return
        act()


async def order(process: Process[Any], act: Callable[[], object]) -> Any:
    """Have a process run a function, and return what that returns."""
    me = self_()
    send(process, lambda: send(me, (process, act())))
    _, result = await receive(lambda m: isinstance(m, tuple) and m[0] is process)
    return result


class TestInheriting:
    async def test_a_process_has_the_variables_of_the_moment_it_was_spawned(
        self,
    ) -> None:
        token = COLOUR.set("red")
        process = spawn(obey)
        COLOUR.reset(token)
        seen = await order(process, COLOUR.get)
        send(process, None)
        await process

        assert seen == "red"

    async def test_what_one_sets_the_others_do_not_see(self) -> None:
        first, second = spawn(obey), spawn(obey)
        await order(first, lambda: COLOUR.set("green"))
        seen = [await order(process, COLOUR.get) for process in (first, second)]
        for process in (first, second):
            send(process, None)
            await process

        assert [*seen, COLOUR.get()] == ["green", "none", "none"]

    async def test_a_child_has_what_its_parent_has_set(self) -> None:
        async def parent() -> str:
            COLOUR.set("blue")
            child = spawn(obey)
            seen: str = await order(child, COLOUR.get)
            send(child, None)
            await child
            return seen

        assert await spawn(parent) == "blue"


class TestSetting:
    @pytest.mark.parametrize("value", ["red", "green"], ids=["the same", "another"])
    async def test_is_taken_back_by_its_token_in_a_later_step(self, value: str) -> None:
        async def set_and_reset() -> list[str]:
            token = COLOUR.set(value)
            seen = []
            for _ in range(3):
                await sleep(0)
                seen.append(COLOUR.get())
            COLOUR.reset(token)
            return [*seen, COLOUR.get()]

        COLOUR.set("red")
        processes = [spawn(set_and_reset) for _ in range(3)]

        for process in processes:
            assert await process == [value, value, value, "red"]

    async def test_outlives_awaits_of_all_kinds(self) -> None:
        async def one() -> list[str]:
            COLOUR.set("red")
            await sleep(0.001)
            seen = [COLOUR.get()]
            await asyncio.sleep(0.001)
            seen.append(COLOUR.get())
            send(self_(), "word")
            await receive("word".__eq__)
            return [*seen, COLOUR.get()]

        others = [spawn(sleep, 0.002) for _ in range(5)]
        seen = await spawn(one)
        for other in others:
            await other

        assert seen == ["red", "red", "red"]

    async def test_in_a_finally_block_of_a_killed_process_stays_there(self) -> None:
        async def stubborn() -> None:
            try:
                await receive()
            finally:
                COLOUR.set("grey")

        process = spawn(stubborn)
        await sleep(0)
        fastask.exit(process, fastask.KILL)

        assert not process.alive
        assert COLOUR.get() == "none"


class TestGetContext:
    async def test_of_who_runs_is_the_context_it_runs_in(self) -> None:
        async def look() -> bool:
            context = self_().get_context()
            COLOUR.set("red")
            await sleep(0)
            assert context is not None
            return context is self_().get_context() and context[COLOUR] == "red"

        assert await spawn(look)

    async def test_of_who_waits_is_the_context_it_goes_on_in(self) -> None:
        first, second = spawn(obey), spawn(obey)
        await sleep(0)
        context = first.get_context()
        assert context is not None
        context.run(COLOUR.set, "red")
        seen = [await order(process, COLOUR.get) for process in (first, second)]
        for process in (first, second):
            send(process, None)
            await process

        assert seen == ["red", "none"]

    async def test_is_kept_for_who_refers_to_it_weakly(self) -> None:
        async def refer() -> bool:
            reference = weakref.ref(self_().get_context())
            await sleep(0)
            return reference() is self_().get_context()

        assert await spawn(refer)

    async def test_is_none_of_the_dead(self) -> None:
        process = spawn(sleep, 0)
        await process

        assert process.get_context() is None


class TestTasksOfAsyncio:
    async def test_callbacks_do_not_see_what_others_set(self) -> None:
        asyncio.get_running_loop().set_task_factory(fastask.task_factory)
        seen = []

        def callback(task: asyncio.Task[None]) -> None:
            seen.append(COLOUR.get())
            COLOUR.set("red")

        task = asyncio.create_task(asyncio.sleep(0))
        for _ in range(3):
            task.add_done_callback(callback)
        await task
        await asyncio.sleep(0)

        assert seen == ["none", "none", "none"]
        assert COLOUR.get() == "none"

    async def test_a_given_context_is_the_one_they_run_in(self) -> None:
        asyncio.get_running_loop().set_task_factory(fastask.task_factory)
        context = contextvars.copy_context()

        async def paint() -> None:
            await asyncio.sleep(0)
            COLOUR.set("red")

        task = asyncio.create_task(paint(), context=context)
        await task

        assert context[COLOUR] == "red"

    async def test_what_is_no_context_is_refused(self) -> None:
        asyncio.get_running_loop().set_task_factory(fastask.task_factory)
        coroutine, wrong = asyncio.sleep(0), cast("contextvars.Context", {})
        with pytest.raises(TypeError, match=r"must be a contextvars.Context, got {}"):
            fastask.task_factory(asyncio.get_running_loop(), coroutine, context=wrong)
        task = asyncio.create_task(coroutine)
        with pytest.raises(TypeError, match=r"must be a contextvars.Context, got {}"):
            task.add_done_callback(print, context=wrong)
        await task
